"""Recordings of a room and of the account. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource

Durations are in seconds, sizes in bytes, offsets in milliseconds. Every function raises
InvalidArgument for a text that is not a SID of its kind. For the paging of lists see
`TwilioResource.list`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core.errors import TwilioFault, UpstreamUnavailable
from gateway.core.recordings import Recording, RecordingFilter, RecordingMedia, RoomRecordingFilter
from gateway.core.sids import RecordingSid, RoomSid, checked_sid
from gateway.twilio.wire.exchange import Parameters, WireRequest, WireResponse, single_status
from gateway.twilio.wire.reading import JsonObject, read_json
from gateway.twilio.wire.resource import TwilioResource, WirePage, delete, room_path

RECORDINGS_PATH: Final = "/v1/Recordings"

# A simulated Twilio on this machine has no certificate.
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_URL: Final = re.compile(r"[!-~]{1,8192}")


def _with_room(document: JsonObject) -> JsonObject:
    """Adds the room's SID, which account recordings have in their groupings only."""
    groupings = document.get("grouping_sids")
    if document.get("room_sid") is None and isinstance(groupings, dict):
        return {**document, "room_sid": groupings.get("room_sid")}
    return document


_OF_ROOM: Final = TwilioResource(Recording, "recordings", adapt=_with_room)
# The account's list has at most 100 recordings on a page.
_OF_ACCOUNT: Final = TwilioResource(Recording, "recordings", adapt=_with_room, page_size_limit=100)


def fetch_room_recording(room: RoomSid, sid: RecordingSid) -> WireRequest[Recording]:
    """Returns the request for a recording of this room. `read` raises NotFound."""
    return _OF_ROOM.fetch(_room_recording_path(room, sid))


def list_room_recordings(
    room: RoomSid, wanted: RoomRecordingFilter, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[Recording]]:
    """Returns the request for a page of the room's recordings that match the filter."""
    path = room_path(room, "Recordings")
    return _OF_ROOM.list(path, _filter(wanted), page_size, page_query)


def delete_room_recording(room: RoomSid, sid: RecordingSid) -> WireRequest[None]:
    """Returns the request that deletes the media of a recording of this room.

    The recording itself stays, with the status `deleted`. `read` raises NotFound.
    """
    return delete(_room_recording_path(room, sid))


def fetch_recording(sid: RecordingSid) -> WireRequest[Recording]:
    """Returns the request for a recording of the account. `read` raises NotFound."""
    return _OF_ACCOUNT.fetch(_recording_path(sid))


def list_recordings(
    wanted: RecordingFilter, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[Recording]]:
    """Returns the request for a page of the account's recordings that match the filter.

    A page has at most 100 recordings.
    """
    parameters = (
        *_filter(wanted),
        *(("GroupingSid", sid) for sid in wanted.grouping_sids),
        ("MediaType", wanted.media_type),
    )
    return _OF_ACCOUNT.list(RECORDINGS_PATH, parameters, page_size, page_query)


def delete_recording(sid: RecordingSid) -> WireRequest[None]:
    """Returns the request that deletes the media of a recording of the account.

    The recording itself stays, with the status `deleted`. `read` raises NotFound.
    """
    return delete(_recording_path(sid))


def fetch_media_link(sid: RecordingSid) -> WireRequest[RecordingMedia]:
    """Returns the request for the URL at which the media can be downloaded.

    Twilio answers with a redirect or with JSON: no document says which, and both were
    seen. The redirect is not followed, because it leads to storage outside Twilio's
    API, which must not get our credentials. `read` raises NotFound, also while the
    media is not ready, and UpstreamUnavailable for a URL that is not a plain https URL.
    https://github.com/TwilioDevEd/api-snippets/tree/master/video/rest/rooms/retrieve-media-for-room-recording
    """
    return WireRequest("GET", f"{_recording_path(sid)}/Media", _read_media_link)


def _filter(wanted: RoomRecordingFilter | RecordingFilter) -> Parameters:
    return (
        ("Status", single_status(wanted.statuses)),
        ("SourceSid", wanted.source_sid),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )


def _recording_path(sid: RecordingSid) -> str:
    return f"{RECORDINGS_PATH}/{checked_sid(RecordingSid, sid, 'recording')}"


def _room_recording_path(room: RoomSid, sid: RecordingSid) -> str:
    return room_path(room, "Recordings", checked_sid(RecordingSid, sid, "recording"))


def _read_media_link(response: WireResponse) -> RecordingMedia:
    location = _location(response.headers) if 300 <= response.status < 400 else None
    url = read_json(response, _redirect_to) if location is None else location
    if not _is_safe(url):
        # The URL opens the media for everyone who has it, so it must not be quoted.
        raise UpstreamUnavailable(
            "Twilio's link to the media cannot be used: try again later",
            twilio=TwilioFault(None, response.status),
        )
    return RecordingMedia(url)


def _location(headers: Mapping[str, str]) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == "location"), None)


def _redirect_to(document: Any) -> str:
    url = document.get("redirect_to") if isinstance(document, dict) else None
    if not isinstance(url, str):
        raise ValueError("the document has no URL of the media")
    return url


def _is_safe(url: str) -> bool:
    if _URL.fullmatch(url) is None:
        return False
    try:
        parts = urlsplit(url)
        is_private = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
        return is_private and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
