"""Recordings, of a room and of the account. Does no I/O. https://www.twilio.com/docs/video/api/recordings-resource"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core.errors import TwilioFault, UpstreamUnavailable
from gateway.core.recordings import MediaLink, Recording, RecordingFilter, RoomRecordingFilter
from gateway.core.sids import RecordingSid, RoomSid, checked_sid
from gateway.twilio.wire.exchange import Parameters, WireRequest, WireResponse
from gateway.twilio.wire.reading import Said, read_said
from gateway.twilio.wire.resource import Listed, TwilioResource, delete, room_path

RECORDINGS_PATH: Final = "/v1/Recordings"

# A simulated Twilio has no certificate.
_THIS_MACHINE: Final = ("127.0.0.1", "::1", "localhost")
_URL: Final = re.compile(r"[!-~]{1,8192}")


def _with_room(said: Said) -> Said:
    """The account's recordings tell their room among their grouping SIDs only."""
    grouping = said.get("grouping_sids")
    if said.get("room_sid") is None and isinstance(grouping, dict):
        return {**said, "room_sid": grouping.get("room_sid")}
    return said


_OF_ROOM: Final = TwilioResource(Recording, "recordings", adapt=_with_room)
_OF_ACCOUNT: Final = TwilioResource(Recording, "recordings", adapt=_with_room, page_size_limit=100)


def fetch_room_recording(room: RoomSid, sid: RecordingSid) -> WireRequest[Recording]:
    return _OF_ROOM.fetch(_room_recording(room, sid))


def list_room_recordings(
    room: RoomSid, wanted: RoomRecordingFilter, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[Recording]]:
    return _OF_ROOM.list(room_path(room, "Recordings"), _filter(wanted), page_size, page_query)


def delete_room_recording(room: RoomSid, sid: RecordingSid) -> WireRequest[None]:
    return delete(_room_recording(room, sid))


def fetch_recording(sid: RecordingSid) -> WireRequest[Recording]:
    return _OF_ACCOUNT.fetch(_recording(sid))


def list_recordings(
    wanted: RecordingFilter, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[Recording]]:
    parameters = (
        *_filter(wanted),
        *(("GroupingSid", sid) for sid in wanted.grouping_sids),
        ("MediaType", wanted.media_type),
    )
    return _OF_ACCOUNT.list(RECORDINGS_PATH, parameters, page_size, page_query)


def delete_recording(sid: RecordingSid) -> WireRequest[None]:
    return delete(_recording(sid))


def fetch_media_link(sid: RecordingSid) -> WireRequest[MediaLink]:
    """Where the media can be loaded. The address is not followed: it leads out of Twilio's API, where our credentials
    have no business."""
    return WireRequest("GET", f"{_recording(sid)}/Media", _read_media_link)


def _filter(wanted: RoomRecordingFilter | RecordingFilter) -> Parameters:
    return (
        ("Status", wanted.status),
        ("SourceSid", wanted.source_sid),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )


def _recording(sid: RecordingSid) -> str:
    return f"{RECORDINGS_PATH}/{checked_sid(RecordingSid, sid, 'the recording')}"


def _room_recording(room: RoomSid, sid: RecordingSid) -> str:
    return room_path(room, "Recordings", checked_sid(RecordingSid, sid, "the recording"))


def _read_media_link(answer: WireResponse) -> MediaLink:
    """From a redirect or from JSON: no document says which, and both have been seen.
    https://github.com/TwilioDevEd/api-snippets/tree/master/video/rest/rooms/retrieve-media-for-room-recording"""
    location = _location(answer.headers) if 300 <= answer.status < 400 else None
    url = read_said(answer, _redirect_to) if location is None else location
    if not _is_safe(url):
        # The address opens the media for whoever has it: it must not be quoted.
        raise UpstreamUnavailable(
            "Twilio's link to the media cannot be used; try again a little later",
            twilio=TwilioFault(None, answer.status),
        )
    return MediaLink(url)


def _location(headers: Mapping[str, str]) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == "location"), None)


def _redirect_to(said: Any) -> str:
    url = said.get("redirect_to") if isinstance(said, dict) else None
    if not isinstance(url, str):
        raise ValueError("no redirect_to")
    return url


def _is_safe(url: str) -> bool:
    if _URL.fullmatch(url) is None:
        return False
    try:
        parts = urlsplit(url)
        is_private = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _THIS_MACHINE
        )
        return is_private and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
