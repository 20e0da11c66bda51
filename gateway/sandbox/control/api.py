"""The control API below `/_sandbox`: JSON, without credentials. Does no I/O.

    POST   rooms/{room}/participants        {"identity", "tracks"}
    DELETE rooms/{room}/participants/{participant}
    POST   rooms/{room}/participants/{participant}         {"reconnecting"}
    POST   rooms/{room}/participants/{participant}/tracks  {"kind", "name", "enabled"}
    POST   rooms/{room}/participants/{participant}/tracks/{track}     {"enabled"}
    DELETE rooms/{room}/participants/{participant}/tracks/{track}
    POST   rooms/{room}/recordings/failed        {"identity", "track", "operation"}
    POST   rooms/{room}/recordings/{sid}/failed  {"operation"}
    POST   rooms/{room}/transcription/failed     {}
    POST   capacity    {"rooms", "participants", "transcriptions"}
    GET    media/{sid}.{container}
    POST   faults      a fault, and optionally "seed"
    GET    faults
    DELETE faults      removes all faults
    POST   clock       {"advance_s"}
    GET    calls?since=
    GET    peak        {"read", "write", "concurrent"}
    GET    callbacks
    POST   reset

{room} is a SID, or the name of a room in progress, of any account. {participant} is a
SID or an identity. {track} is a SID, a name, or a kind of which the participant has one
track. `tracks` is a list of kinds and of objects with `kind`, `name` and `enabled`.

`capacity` is what an account may have at once; `reset` restores it.
`media` is the target of the redirect of a recording's Media resource.
`recordings/{sid}/failed` also works after the track has been removed.
`calls` returns the last 100,000 requests in order; `at` and `since` are in seconds
since 1970. `callbacks` returns the last 10,000 callbacks, each with its attempts.

An error is `{"error": message}`, with status 400 for an invalid body and 404 for
something that does not exist.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from gateway.sandbox.callbacks.sender import Delivery
from gateway.sandbox.control.call_log import CallLog
from gateway.sandbox.errors import TwilioError
from gateway.sandbox.faults.injector import Fault, FaultInjector
from gateway.sandbox.forms import Form
from gateway.sandbox.rest import validate
from gateway.sandbox.rest.requests import RestResponse
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import (
    FailedOperation,
    Participant,
    Recording,
    Room,
    Track,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.world import World

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0)]


class NewTrack(Struct, frozen=True, forbid_unknown_fields=True):
    kind: TrackKind
    name: str | None = None
    enabled: bool = True

    def settings(self) -> TrackSettings:
        if self.name is not None:
            validate.check_name(self.name, empty=53301, long=53302, bad=53303)
        return TrackSettings(self.kind, self.name, self.enabled)


class Join(Struct, frozen=True, forbid_unknown_fields=True):
    """A participant to connect. A track with a name, or a muted one, is an object."""

    identity: str
    tracks: list[TrackKind | NewTrack] = []


class SetEnabled(Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool


class FailRecording(Struct, frozen=True, forbid_unknown_fields=True):
    """`track` is a published track of the participant with this identity."""

    identity: str
    track: str
    operation: FailedOperation = FailedOperation.START


class FailProcessing(Struct, frozen=True, forbid_unknown_fields=True):
    operation: FailedOperation = FailedOperation.UPLOAD


class SetReconnecting(Struct, frozen=True, forbid_unknown_fields=True):
    reconnecting: bool


class NewCapacity(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits to change. A limit that is left out keeps its value."""

    rooms: Count | None = None
    participants: Count | None = None
    transcriptions: Count | None = None


class NewFault(Fault, frozen=True, forbid_unknown_fields=True):
    """A fault to add. `seed` restarts the random numbers."""

    seed: int | None = None


class AdvanceClock(Struct, frozen=True, forbid_unknown_fields=True):
    advance_s: Annotated[float, Meta(ge=0, le=366 * 24 * 3600)]


class ControlError(Exception):
    """An invalid request to the control API."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Handles requests to the control API.

    `callbacks` returns the sent callbacks, and `reset` resets the sandbox.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        faults: FaultInjector,
        call_log: CallLog,
        callbacks: Callable[[], list[Delivery]],
        reset: Callable[[], None],
    ) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._call_log = call_log
        self._callbacks = callbacks
        self._reset = reset

    def handle(
        self, method: str, segments: tuple[str, ...], query: Form, body: bytes
    ) -> RestResponse:
        """Returns the response. `segments` is the decoded path below `/_sandbox`."""
        try:
            return self._dispatch(method, segments, query, body)
        except TwilioError as exc:
            return RestResponse(400, {"error": str(exc), "code": exc.code})
        except ControlError as exc:
            return RestResponse(exc.status, {"error": str(exc)})

    def _dispatch(
        self, method: str, segments: tuple[str, ...], query: Form, body: bytes
    ) -> RestResponse:
        match (method, *segments):
            case ("POST", "faults"):
                return self._add_fault(body)
            case ("GET", "faults"):
                return RestResponse(200, [msgspec.to_builtins(fault) for fault in self._faults])
            case ("DELETE", "faults"):
                self._faults.clear()
                return RestResponse(200, {})
            case ("POST", "clock"):
                self._clock.advance(_decode(body, AdvanceClock).advance_s)
                return RestResponse(200, {})
            case ("POST", "capacity"):
                return self._set_capacity(body)
            case ("GET", "media", file):
                return self._media(file)
            case ("GET", "calls"):
                return RestResponse(200, self._call_log.calls(_since(query)))
            case ("GET", "peak"):
                return RestResponse(200, self._call_log.peak())
            case ("GET", "callbacks"):
                return RestResponse(200, self._callbacks())
            case ("POST", "reset"):
                self._reset()
                return RestResponse(200, {})
            case (_, "rooms", ref, *rest):
                return self._dispatch_room(method, ref, tuple(rest), body)
        raise ControlError(404, f"there is no {method} /_sandbox/{'/'.join(segments)}")

    def _dispatch_room(
        self, method: str, room_ref: str, rest: tuple[str, ...], body: bytes
    ) -> RestResponse:
        room = self._world.find_room(room_ref)
        if room is None:
            raise ControlError(404, f"there is no room {room_ref}")
        match (method, *rest):
            case ("POST", "participants"):
                return self._join(room, body)
            case ("DELETE", "participants", participant_ref):
                return _participant_response(
                    self._world.leave(room, _participant(room, participant_ref))
                )
            case ("POST", "participants", participant_ref, "tracks"):
                track = _decode(body, NewTrack).settings()
                return _participant_response(
                    self._world.publish(room, _participant(room, participant_ref), track)
                )
            case ("POST", "participants", participant_ref, "tracks", track_ref):
                participant = _participant(room, participant_ref)
                is_enabled = _decode(body, SetEnabled).enabled
                return _participant_response(
                    self._world.set_track_enabled(
                        room, participant, _track(participant, track_ref), is_enabled
                    )
                )
            case ("DELETE", "participants", participant_ref, "tracks", track_ref):
                participant = _participant(room, participant_ref)
                return _participant_response(
                    self._world.unpublish(room, participant, _track(participant, track_ref))
                )
            case ("POST", "participants", participant_ref):
                is_reconnecting = _decode(body, SetReconnecting).reconnecting
                return _participant_response(
                    self._world.set_reconnecting(
                        room, _participant(room, participant_ref), is_reconnecting
                    )
                )
            case ("POST", "recordings", "failed"):
                return self._fail_recording(room, body)
            case ("POST", "recordings", sid, "failed"):
                operation = _decode(body, FailProcessing).operation
                self._world.fail_processing(room, _recording(room, sid), operation)
                return RestResponse(200, {})
            case ("POST", "transcription", "failed"):
                self._world.fail_transcription(room)
                return RestResponse(200, {})
        raise ControlError(404, f"there is no {method} /_sandbox/rooms/{room_ref}/{'/'.join(rest)}")

    def _join(self, room: Room, body: bytes) -> RestResponse:
        new = _decode(body, Join)
        validate.check_identity(new.identity)
        tracks = [
            TrackSettings(track) if isinstance(track, TrackKind) else track.settings()
            for track in new.tracks
        ]
        return _participant_response(self._world.join(room, new.identity, tuple(tracks)))

    def _fail_recording(self, room: Room, body: bytes) -> RestResponse:
        failure = _decode(body, FailRecording)
        participant = _participant(room, failure.identity)
        track = _track(participant, failure.track)
        self._world.fail_recording(room, participant, track, failure.operation)
        return RestResponse(200, {})

    def _set_capacity(self, body: bytes) -> RestResponse:
        limits = asdict(_decode(body, NewCapacity))
        changes = {name: limit for name, limit in limits.items() if limit is not None}
        self._world.capacity = replace(self._world.capacity, **changes)
        return RestResponse(200, msgspec.to_builtins(self._world.capacity))

    def _media(self, file: str) -> RestResponse:
        """Returns as many zero bytes as the recording has."""
        recording = self._world.find_recording(file.partition(".")[0])
        if (
            recording is None
            or not recording.has_media
            or not file.endswith(f".{recording.container}")
        ):
            raise ControlError(404, f"there is no media {file}")
        kind = "audio" if recording.container == "mka" else "video"
        return RestResponse(200, bytes(recording.size), {"Content-Type": f"{kind}/x-matroska"})

    def _add_fault(self, body: bytes) -> RestResponse:
        fault = _decode(body, NewFault)
        if fault.seed is not None:
            self._faults.seed(fault.seed)
        self._faults.add(fault)
        return RestResponse(200, {})


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ControlError(400, str(exc)) from exc


def _since(query: Form) -> float:
    text = query.first("since") or "0"
    try:
        return float(text)
    except ValueError as exc:
        raise ControlError(
            400, "since must be a time in seconds since 1970, like `at` of a call"
        ) from exc


def _participant(room: Room, ref: str) -> Participant:
    participant = room.participant(ref)
    if participant is None:
        raise ControlError(404, f"there is no participant {ref} in {room.name}")
    return participant


def _recording(room: Room, sid: str) -> Recording:
    recording = room.recording(sid)
    if recording is None:
        raise ControlError(404, f"there is no recording {sid} in {room.name}")
    return recording


def _track(participant: Participant, ref: str) -> Track:
    """Finds a track by SID, by name, or by kind if it is the only track of its kind."""
    for track in participant.tracks:
        if ref in (track.sid, track.name):
            return track
    of_kind = [track for track in participant.tracks if track.kind == ref]
    if len(of_kind) == 1:
        return of_kind[0]
    raise ControlError(
        404, f"{participant.identity} has no track {ref}, or more than one of that kind"
    )


def _participant_response(participant: Participant) -> RestResponse:
    tracks = [
        {"sid": track.sid, "kind": track.kind, "name": track.name, "enabled": track.is_enabled}
        for track in participant.tracks
    ]
    body = {
        "sid": participant.sid,
        "identity": participant.identity,
        "status": participant.status,
        "tracks": tracks,
    }
    return RestResponse(200, body)
