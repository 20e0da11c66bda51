"""/v1/Recordings and …/Recordings of a room. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource and https://www.twilio.com/docs/video/api/room-recordings
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sandbox.rest.calls import Answer, Call, dates, page, sids, word
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import recording_json, room_recording_json
from gateway.sandbox.world.engine import Engine
from gateway.sandbox.world.model import Recording, RecordingStatus, Room, TrackKind

ACCOUNT_PAGE = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A recording with the room that it is of."""

    recording: Recording
    room: Room

    @property
    def ordinal(self) -> int:
        return self.recording.ordinal


def read(engine: Engine, call: Call) -> Answer:
    media_type = word(call.query, "MediaType", TrackKind)
    groups = sids(call.query, "GroupingSid")
    found = [
        each
        for each in _matching(call, _of_account(engine, call))
        if media_type in (None, each.recording.kind) and _is_grouped(each, groups)
    ]
    filters = ("Status", "SourceSid", "GroupingSid", "DateCreatedAfter", "DateCreatedBefore", "MediaType")
    return page(
        call,
        "recordings",
        sorted(found, key=lambda each: -each.ordinal),
        lambda each: recording_json(each.recording, each.room, call.base),
        filters,
        most=ACCOUNT_PAGE,
    )


def read_of_room(engine: Engine, call: Call, ref: str) -> Answer:
    room = _room(engine, call, ref)
    found = _matching(call, (Found(recording, room) for recording in reversed(room.recordings)))
    filters = ("Status", "SourceSid", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        call, "recordings", found, lambda each: room_recording_json(each.recording, each.room, call.base), filters
    )


def fetch(engine: Engine, call: Call, sid: str) -> Answer:
    found = _find(engine, call, sid)
    return Answer(200, recording_json(found.recording, found.room, call.base))


def fetch_of_room(engine: Engine, call: Call, ref: str, sid: str) -> Answer:
    found = _find_in_room(engine, call, ref, sid)
    return Answer(200, room_recording_json(found.recording, found.room, call.base))


def delete(engine: Engine, call: Call, sid: str) -> Answer:
    return _delete(engine, _find(engine, call, sid))


def delete_of_room(engine: Engine, call: Call, ref: str, sid: str) -> Answer:
    return _delete(engine, _find_in_room(engine, call, ref, sid))


def media(engine: Engine, call: Call, sid: str) -> Answer:
    return _media(call, _find(engine, call, sid))


def media_of_room(engine: Engine, call: Call, ref: str, sid: str) -> Answer:
    return _media(call, _find_in_room(engine, call, ref, sid))


def _delete(engine: Engine, found: Found) -> Answer:
    engine.delete_recording(found.room, found.recording)
    return Answer(204, b"")


def _media(call: Call, found: Found) -> Answer:
    """A redirect to the storage, which asks for no credentials; 404 before there are media, and after.

    TwilioDevEd/api-snippets, video/rest/rooms/retrieve-media-for-room-recording
    """
    if not found.recording.has_media:
        raise call.missing()
    target = f"{call.base}/_sandbox/media/{found.recording.sid}.{found.recording.container}"
    return Answer(302, {"redirect_to": target}, {"Location": target})


def _of_account(engine: Engine, call: Call) -> Iterator[Found]:
    store = engine.store(call.account.sid)
    for room in store.everything(rooms.as_of(engine, call)):
        yield from (Found(recording, room) for recording in room.recordings)


def _matching(call: Call, everything: Iterator[Found]) -> list[Found]:
    status = word(call.query, "Status", RecordingStatus)
    sources = sids(call.query, "SourceSid")
    is_wanted_date = dates(call.query)
    return [
        each
        for each in everything
        if status in (None, each.recording.status)
        and (not sources or each.recording.track_sid == sources[0])
        and is_wanted_date(each.recording.started_at)
    ]


def _is_grouped(found: Found, groups: list[str]) -> bool:
    """Any of the rooms and any of the participants that are given."""
    own = (found.room.sid, found.recording.participant_sid)
    return all(any(sid in own for sid in groups if sid[:2] == kind) for kind in {sid[:2] for sid in groups})


def _room(engine: Engine, call: Call, ref: str) -> Room:
    """By SID only, as the pattern of the path says."""
    room = rooms.find(engine, call, ref)
    if room.sid != ref:
        raise call.missing()
    return room


def _find(engine: Engine, call: Call, sid: str) -> Found:
    for found in _of_account(engine, call):
        if found.recording.sid == sid:
            return found
    raise call.missing()


def _find_in_room(engine: Engine, call: Call, ref: str, sid: str) -> Found:
    room = _room(engine, call, ref)
    recording = room.recording(sid)
    if recording is None:
        raise call.missing()
    return Found(recording, room)
