"""The control API below `/_sandbox`: JSON, without credentials. Does no I/O.

    POST   rooms/{room}/participants                  {"identity", "tracks": ["audio", {"kind", "name", "enabled"}, …]}
    DELETE rooms/{room}/participants/{who}
    POST   rooms/{room}/participants/{who}/tracks     {"kind", "name", "enabled"}
    POST   rooms/{room}/participants/{who}/tracks/{track}  {"enabled"}
    DELETE rooms/{room}/participants/{who}/tracks/{track}
    POST   rooms/{room}/participants/{who}            {"reconnecting"}
    POST   rooms/{room}/recordings/failed             {"identity", "track", "operation"}
    POST   rooms/{room}/recordings/{sid}/failed       {"operation"}        also after the track is gone
    POST   rooms/{room}/transcription/failed          {}
    POST   capacity {"rooms", "participants", "transcriptions"}    what an account may have at once; reset restores it
    GET    media/{sid}.{container}                    what a recording's Media redirect to
    POST   faults   a fault, and "seed" · GET · DELETE    clears all
    POST   clock    {"advance_s"}
    GET    calls?since=   the last 100,000, in order; `at` and `since` are seconds since 1970
    GET    peak           {"read", "write", "concurrent"}
    GET    callbacks      the last 10,000, each with its attempts
    POST   reset

{room} is a SID or the name of a room in progress, of any account; {who} a SID or an identity; {track} a SID, a name, or
a kind that the participant has one track of. What cannot be done is answered with `{"error": sentence}`: 400 for a bad
body, 404 for what is not there.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from gateway.sandbox.callbacks.sender import Sending
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
    """A track is a kind, or an object when it has a name or is muted."""

    identity: str
    tracks: list[TrackKind | NewTrack] = []


class Switch(Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool


class FailRecording(Struct, frozen=True, forbid_unknown_fields=True):
    """`track` is a name or a SID of a track that somebody publishes."""

    identity: str
    track: str
    operation: FailedOperation = FailedOperation.START


class FailProcessing(Struct, frozen=True, forbid_unknown_fields=True):
    operation: FailedOperation = FailedOperation.UPLOAD


class Reconnect(Struct, frozen=True, forbid_unknown_fields=True):
    reconnecting: bool


class NewCapacity(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    rooms: Count | None = None
    participants: Count | None = None
    transcriptions: Count | None = None


class NewFault(Fault, frozen=True, forbid_unknown_fields=True):
    """`seed` starts the dice anew."""

    seed: int | None = None


class Push(Struct, frozen=True, forbid_unknown_fields=True):
    advance_s: Annotated[float, Meta(ge=0, le=366 * 24 * 3600)]


class ControlError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Control:
    """`callbacks` tells what was sent, `reset` takes everything back to empty."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        faults: FaultInjector,
        call_log: CallLog,
        callbacks: Callable[[], list[Sending]],
        reset: Callable[[], None],
    ) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._call_log = call_log
        self._callbacks = callbacks
        self._reset = reset

    def answer(
        self, method: str, segments: tuple[str, ...], query: Form, body: bytes
    ) -> RestResponse:
        """`segments` is the path below `/_sandbox`, decoded."""
        try:
            return self._answer(method, segments, query, body)
        except TwilioError as exc:
            return RestResponse(400, {"error": str(exc), "code": exc.code})
        except ControlError as exc:
            return RestResponse(exc.status, {"error": str(exc)})

    def _answer(
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
                self._clock.advance(_read(body, Push).advance_s)
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
                return self._in_room(method, ref, tuple(rest), body)
        raise ControlError(404, f"there is no {method} /_sandbox/{'/'.join(segments)}")

    def _in_room(self, method: str, ref: str, rest: tuple[str, ...], body: bytes) -> RestResponse:
        room = self._world.find_room(ref)
        if room is None:
            raise ControlError(404, f"there is no room {ref}")
        match (method, *rest):
            case ("POST", "participants"):
                return self._join(room, body)
            case ("DELETE", "participants", who):
                return _show(self._world.leave(room, _participant(room, who)))
            case ("POST", "participants", who, "tracks"):
                track = _read(body, NewTrack).settings()
                return _show(self._world.publish(room, _participant(room, who), track))
            case ("POST", "participants", who, "tracks", name):
                participant = _participant(room, who)
                is_enabled = _read(body, Switch).enabled
                return _show(
                    self._world.set_track_enabled(
                        room, participant, _track(participant, name), is_enabled
                    )
                )
            case ("DELETE", "participants", who, "tracks", name):
                participant = _participant(room, who)
                return _show(self._world.unpublish(room, participant, _track(participant, name)))
            case ("POST", "participants", who):
                is_reconnecting = _read(body, Reconnect).reconnecting
                return _show(
                    self._world.set_reconnecting(room, _participant(room, who), is_reconnecting)
                )
            case ("POST", "recordings", "failed"):
                return self._fail_recording(room, body)
            case ("POST", "recordings", sid, "failed"):
                operation = _read(body, FailProcessing).operation
                self._world.fail_processing(room, _recording(room, sid), operation)
                return RestResponse(200, {})
            case ("POST", "transcription", "failed"):
                self._world.fail_transcription(room)
                return RestResponse(200, {})
        raise ControlError(404, f"there is no {method} /_sandbox/rooms/{ref}/{'/'.join(rest)}")

    def _join(self, room: Room, body: bytes) -> RestResponse:
        wanted = _read(body, Join)
        validate.check_identity(wanted.identity)
        tracks = [
            TrackSettings(track) if isinstance(track, TrackKind) else track.settings()
            for track in wanted.tracks
        ]
        return _show(self._world.join(room, wanted.identity, tuple(tracks)))

    def _fail_recording(self, room: Room, body: bytes) -> RestResponse:
        wanted = _read(body, FailRecording)
        participant = _participant(room, wanted.identity)
        self._world.fail_recording(
            room, participant, _track(participant, wanted.track), wanted.operation
        )
        return RestResponse(200, {})

    def _set_capacity(self, body: bytes) -> RestResponse:
        wanted = {
            name: count
            for name, count in asdict(_read(body, NewCapacity)).items()
            if count is not None
        }
        self._world.capacity = replace(self._world.capacity, **wanted)
        return RestResponse(200, msgspec.to_builtins(self._world.capacity))

    def _media(self, file: str) -> RestResponse:
        """As many bytes as the recording has; they are silence."""
        recording = self._world.recording(file.partition(".")[0])
        if (
            recording is None
            or not recording.has_media
            or not file.endswith(f".{recording.container}")
        ):
            raise ControlError(404, f"there is no media {file}")
        kind = "audio" if recording.container == "mka" else "video"
        return RestResponse(200, bytes(recording.size), {"Content-Type": f"{kind}/x-matroska"})

    def _add_fault(self, body: bytes) -> RestResponse:
        fault = _read(body, NewFault)
        if fault.seed is not None:
            self._faults.seed(fault.seed)
        self._faults.add(fault)
        return RestResponse(200, {})


def _read(body: bytes, shape: type[T]) -> T:
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
            400, "since is a time in seconds since 1970, as in a call's `at`"
        ) from exc


def _participant(room: Room, who: str) -> Participant:
    participant = room.participant(who)
    if participant is None:
        raise ControlError(404, f"there is no participant {who} in {room.name}")
    return participant


def _recording(room: Room, sid: str) -> Recording:
    recording = room.recording(sid)
    if recording is None:
        raise ControlError(404, f"there is no recording {sid} in {room.name}")
    return recording


def _track(participant: Participant, name: str) -> Track:
    """By SID or name, or by kind when it is the only one of it."""
    for track in participant.tracks:
        if name in (track.sid, track.name):
            return track
    of_kind = [track for track in participant.tracks if track.kind == name]
    if len(of_kind) == 1:
        return of_kind[0]
    raise ControlError(
        404, f"{participant.identity} has no track {name}, or more than one of that kind"
    )


def _show(participant: Participant) -> RestResponse:
    tracks = [
        {"sid": each.sid, "kind": each.kind, "name": each.name, "enabled": each.is_enabled}
        for each in participant.tracks
    ]
    shown = {
        "sid": participant.sid,
        "identity": participant.identity,
        "status": participant.status,
        "tracks": tracks,
    }
    return RestResponse(200, shown)
