"""/v1/Recordings and …/Recordings of a room. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource and https://www.twilio.com/docs/video/api/room-recordings
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sandbox.rest.requests import RestRequest, RestResponse, dates, page, sids, word
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import recording_json, room_recording_json
from gateway.sandbox.world.model import Recording, RecordingStatus, Room, TrackKind
from gateway.sandbox.world.world import World

ACCOUNT_PAGE = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A recording with the room that it is of."""

    recording: Recording
    room: Room

    @property
    def ordinal(self) -> int:
        return self.recording.ordinal


def read(world: World, call: RestRequest) -> RestResponse:
    media_type = word(call.query, "MediaType", TrackKind)
    groups = sids(call.query, "GroupingSid")
    found = [
        each
        for each in _matching(call, _of_account(world, call))
        if media_type in (None, each.recording.kind) and _is_grouped(each, groups)
    ]
    filters = (
        "Status",
        "SourceSid",
        "GroupingSid",
        "DateCreatedAfter",
        "DateCreatedBefore",
        "MediaType",
    )
    return page(
        call,
        "recordings",
        sorted(found, key=lambda each: -each.ordinal),
        lambda each: recording_json(each.recording, each.room, call.base),
        filters,
        most=ACCOUNT_PAGE,
    )


def read_of_room(world: World, call: RestRequest, ref: str) -> RestResponse:
    room = _room(world, call, ref)
    found = _matching(call, (Found(recording, room) for recording in reversed(room.recordings)))
    filters = ("Status", "SourceSid", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        call,
        "recordings",
        found,
        lambda each: room_recording_json(each.recording, each.room, call.base),
        filters,
    )


def fetch(world: World, call: RestRequest, sid: str) -> RestResponse:
    found = _find(world, call, sid)
    return RestResponse(200, recording_json(found.recording, found.room, call.base))


def fetch_of_room(world: World, call: RestRequest, ref: str, sid: str) -> RestResponse:
    found = _find_in_room(world, call, ref, sid)
    return RestResponse(200, room_recording_json(found.recording, found.room, call.base))


def delete(world: World, call: RestRequest, sid: str) -> RestResponse:
    return _delete(world, _find(world, call, sid))


def delete_of_room(world: World, call: RestRequest, ref: str, sid: str) -> RestResponse:
    return _delete(world, _find_in_room(world, call, ref, sid))


def media(world: World, call: RestRequest, sid: str) -> RestResponse:
    return _media(call, _find(world, call, sid))


def media_of_room(world: World, call: RestRequest, ref: str, sid: str) -> RestResponse:
    return _media(call, _find_in_room(world, call, ref, sid))


def _delete(world: World, found: Found) -> RestResponse:
    world.delete_recording(found.room, found.recording)
    return RestResponse(204, b"")


def _media(call: RestRequest, found: Found) -> RestResponse:
    """A redirect to the storage, which asks for no credentials; 404 before there are media, and after.

    TwilioDevEd/api-snippets, video/rest/rooms/retrieve-media-for-room-recording
    """
    if not found.recording.has_media:
        raise call.missing()
    target = f"{call.base}/_sandbox/media/{found.recording.sid}.{found.recording.container}"
    return RestResponse(302, {"redirect_to": target}, {"Location": target})


def _of_account(world: World, call: RestRequest) -> Iterator[Found]:
    store = world.store(call.account.sid)
    for room in store.all_rooms(rooms.as_of(world, call)):
        yield from (Found(recording, room) for recording in room.recordings)


def _matching(call: RestRequest, everything: Iterator[Found]) -> list[Found]:
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
    return all(
        any(sid in own for sid in groups if sid[:2] == kind) for kind in {sid[:2] for sid in groups}
    )


def _room(world: World, call: RestRequest, ref: str) -> Room:
    """By SID only, as the pattern of the path says."""
    room = rooms.find(world, call, ref)
    if room.sid != ref:
        raise call.missing()
    return room


def _find(world: World, call: RestRequest, sid: str) -> Found:
    for found in _of_account(world, call):
        if found.recording.sid == sid:
            return found
    raise call.missing()


def _find_in_room(world: World, call: RestRequest, ref: str, sid: str) -> Found:
    room = _room(world, call, ref)
    recording = room.recording(sid)
    if recording is None:
        raise call.missing()
    return Found(recording, room)
