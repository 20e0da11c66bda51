"""The resources /v1/Recordings and …/Recordings of a room. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource
https://www.twilio.com/docs/video/api/room-recordings
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sandbox.rest.requests import (
    RestRequest,
    RestResponse,
    date_filter,
    enum_value,
    page,
    sids,
)
from gateway.sandbox.rest.resources import rooms
from gateway.sandbox.rest.views import recording_json, room_recording_json
from gateway.sandbox.world.model import Recording, RecordingStatus, Room, TrackKind
from gateway.sandbox.world.world import World

MAX_ACCOUNT_PAGE = 100


@dataclass(frozen=True, slots=True)
class RoomRecording:
    """A recording and its room."""

    recording: Recording
    room: Room

    @property
    def ordinal(self) -> int:
        return self.recording.ordinal


def read(world: World, request: RestRequest) -> RestResponse:
    media_type = enum_value(request.query, "MediaType", TrackKind)
    groups = sids(request.query, "GroupingSid")
    matching = [
        item
        for item in _matching(request, _of_account(world, request))
        if media_type in (None, item.recording.kind) and _is_in_groups(item, groups)
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
        request,
        "recordings",
        sorted(matching, key=lambda item: -item.ordinal),
        lambda item: recording_json(item.recording, item.room, request.base_url),
        filters,
        max_size=MAX_ACCOUNT_PAGE,
    )


def read_of_room(world: World, request: RestRequest, room_ref: str) -> RestResponse:
    room = _room(world, request, room_ref)
    newest_first = (RoomRecording(recording, room) for recording in reversed(room.recordings))
    filters = ("Status", "SourceSid", "DateCreatedAfter", "DateCreatedBefore")
    return page(
        request,
        "recordings",
        _matching(request, newest_first),
        lambda item: room_recording_json(item.recording, item.room, request.base_url),
        filters,
    )


def fetch(world: World, request: RestRequest, sid: str) -> RestResponse:
    item = _find(world, request, sid)
    return RestResponse(200, recording_json(item.recording, item.room, request.base_url))


def fetch_of_room(world: World, request: RestRequest, room_ref: str, sid: str) -> RestResponse:
    item = _find_in_room(world, request, room_ref, sid)
    return RestResponse(200, room_recording_json(item.recording, item.room, request.base_url))


def delete(world: World, request: RestRequest, sid: str) -> RestResponse:
    return _delete(world, _find(world, request, sid))


def delete_of_room(world: World, request: RestRequest, room_ref: str, sid: str) -> RestResponse:
    return _delete(world, _find_in_room(world, request, room_ref, sid))


def media(world: World, request: RestRequest, sid: str) -> RestResponse:
    return _media(request, _find(world, request, sid))


def media_of_room(world: World, request: RestRequest, room_ref: str, sid: str) -> RestResponse:
    return _media(request, _find_in_room(world, request, room_ref, sid))


def _delete(world: World, item: RoomRecording) -> RestResponse:
    world.delete_recording(item.room, item.recording)
    return RestResponse(204, b"")


def _media(request: RestRequest, item: RoomRecording) -> RestResponse:
    """Redirects to the storage, which needs no credentials.

    It is a 404 before the recording is completed and after it is deleted.
    TwilioDevEd/api-snippets, video/rest/rooms/retrieve-media-for-room-recording
    """
    if not item.recording.has_media:
        raise request.not_found()
    file = f"{item.recording.sid}.{item.recording.container}"
    location = f"{request.base_url}/_sandbox/media/{file}"
    return RestResponse(302, {"redirect_to": location}, {"Location": location})


def _of_account(world: World, request: RestRequest) -> Iterator[RoomRecording]:
    store = world.store(request.account.sid)
    for room in store.all_rooms(rooms.as_of(world, request)):
        yield from (RoomRecording(recording, room) for recording in room.recordings)


def _matching(request: RestRequest, items: Iterator[RoomRecording]) -> list[RoomRecording]:
    status = enum_value(request.query, "Status", RecordingStatus)
    sources = sids(request.query, "SourceSid")
    is_in_range = date_filter(request.query)
    return [
        item
        for item in items
        if status in (None, item.recording.status)
        and (not sources or item.recording.track_sid == sources[0])
        and is_in_range(item.recording.started_at)
    ]


def _is_in_groups(item: RoomRecording, groups: list[str]) -> bool:
    """Whether it is of one of the given rooms and of one of the given participants."""
    own = (item.room.sid, item.recording.participant_sid)
    return all(
        any(sid in own for sid in groups if sid[:2] == prefix)
        for prefix in {sid[:2] for sid in groups}
    )


def _room(world: World, request: RestRequest, room_ref: str) -> Room:
    """Finds a room by SID only, as the pattern of the path requires."""
    room = rooms.find(world, request, room_ref)
    if room.sid != room_ref:
        raise request.not_found()
    return room


def _find(world: World, request: RestRequest, sid: str) -> RoomRecording:
    for item in _of_account(world, request):
        if item.recording.sid == sid:
            return item
    raise request.not_found()


def _find_in_room(world: World, request: RestRequest, room_ref: str, sid: str) -> RoomRecording:
    room = _room(world, request, room_ref)
    recording = room.recording(sid)
    if recording is None:
        raise request.not_found()
    return RoomRecording(recording, room)
