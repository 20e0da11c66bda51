"""Twilio's Rooms on the wire: requests as values, answers as rooms. Does no I/O.

https://www.twilio.com/docs/video/api/rooms-resource
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.core.errors import CursorExpired, InvalidArgument, OutcomeUnknown, UpstreamUnavailable
from gateway.core.recordings import RecordingRule
from gateway.core.rooms import (
    AccountSid,
    NewRoom,
    Room,
    RoomFilter,
    RoomLinks,
    RoomSid,
    RoomStatus,
    RoomType,
    VideoCodec,
    is_room_sid,
)
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.twilio.faults import BY_CODE, read_fault

T = TypeVar("T")
Form = tuple[tuple[str, str], ...]

ROOMS_PATH: Final = "/v1/Rooms"
PAGE_SIZE_LIMIT: Final = 1000

# A name of 128 characters takes up to 1,536 when percent-encoded; the rest is room for Twilio's PageToken.
_PAGE_QUERY: Final = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,4096}")


@dataclass(frozen=True, slots=True)
class Request:
    """`query` is encoded already: what Twilio gave us for a next page goes back byte for byte. `form` is not."""

    method: Literal["GET", "POST"]
    path: str
    query: str = ""
    form: Form = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RoomsPage:
    """`next_query` fetches the page after this one; None at the end."""

    rooms: tuple[Room, ...]
    next_query: str | None


def fetch_room(sid: RoomSid) -> Request:
    return Request("GET", _room_path(sid))


def find_room_by_name(name: str) -> Request:
    """A list, not a path: a name may hold `/`, which no path to Twilio carries (twilio-python#503).

    One room at most is in progress under a name; a second row would show a list that lags.
    """
    return list_rooms(RoomFilter(unique_name=name), page_size=2)


def list_rooms(rooms: RoomFilter, page_size: int, page_query: str | None = None) -> Request:
    """The first page of a list, or the one whose `next_query` is given: that holds the filter and size it was made with.

    Raises CursorExpired for a `page_query` that no answer of Twilio can have held.
    """
    if page_query is not None:
        if _PAGE_QUERY.fullmatch(page_query) is None:
            raise CursorExpired("this page cursor is of no use any more; begin the list again without `after`")
        return Request("GET", ROOMS_PATH, page_query)
    if not 1 <= page_size <= PAGE_SIZE_LIMIT:
        raise InvalidArgument(f"the page size is {page_size}; give a whole number from 1 to {PAGE_SIZE_LIMIT}")
    parameters = {
        "Status": rooms.status.value,
        "UniqueName": rooms.unique_name,
        "DateCreatedAfter": _whole_second(rooms.created_after),
        "DateCreatedBefore": _whole_second(rooms.created_before),
        "PageSize": str(page_size),
    }
    return Request(
        "GET", ROOMS_PATH, urlencode({name: value for name, value in parameters.items() if value is not None})
    )


def create_room(new: NewRoom, status_callback: str) -> Request:
    parameters = (
        ("UniqueName", new.unique_name),
        ("Type", new.type),
        ("StatusCallback", status_callback),
        ("StatusCallbackMethod", "POST"),
        ("MaxParticipants", new.max_participants),
        ("MaxParticipantDuration", new.max_participant_duration),
        ("EmptyRoomTimeout", new.empty_room_timeout),
        ("UnusedRoomTimeout", new.unused_room_timeout),
        ("RecordParticipantsOnConnect", new.record_participants_on_connect),
        ("RecordingRules", _rules_json(new.recording_rules)),
        *(("VideoCodecs", codec) for codec in new.video_codecs or ()),
        ("MediaRegion", new.media_region),
        ("AudioOnly", new.audio_only),
        ("TranscribeParticipantsOnConnect", new.transcribe_participants_on_connect),
        ("TranscriptionsConfiguration", _transcriptions_json(new.transcriptions_configuration)),
        ("LargeRoom", new.large_room),
        ("EnableTurn", new.enable_turn),
    )
    return Request(
        "POST", ROOMS_PATH, form=tuple((name, _word(value)) for name, value in parameters if value is not None)
    )


def complete_room(sid: RoomSid) -> Request:
    return Request("POST", _room_path(sid), form=(("Status", RoomStatus.COMPLETED.value),))


def read_room(answer: Answer) -> Room:
    """Raises the GatewayError that the answer stands for, and UpstreamUnavailable when it cannot be read."""
    return _room(_decoded(answer, _ROOM))


def read_created(answer: Answer) -> Room:
    """As `read_room`, but OutcomeUnknown where the room may have been made: a create must not be repeated blindly."""
    try:
        return read_room(answer)
    except UpstreamUnavailable as error:
        is_known = error.twilio is not None and error.twilio.code in BY_CODE
        if is_known or 300 <= answer.status < 500:
            raise
        raise OutcomeUnknown(
            "Twilio took the request but gave no usable answer; look for the room before creating it again",
            twilio=error.twilio,
        ) from error


def read_rooms(answer: Answer) -> RoomsPage:
    """Raises as `read_room` does; one room that cannot be read makes the page unreadable."""
    page = _decoded(answer, _PAGE)
    rooms = tuple(_room(found) for found in page.rooms)
    # An older document of Twilio shows an empty page with a next one: following it would never end.
    return RoomsPage(rooms, _next_query(page.meta.next_page_url) if rooms else None)


def _room_path(sid: RoomSid) -> str:
    if not is_room_sid(sid):
        raise InvalidArgument("the room's SID has not the form of one; give RM and 32 hex digits")
    return f"{ROOMS_PATH}/{sid}"


def _whole_second(moment: datetime | None) -> str | None:
    """In UTC, rounded up. Rooms carry whole seconds: to be at or after 10.5 s is to be at or after 11 s; so with before."""
    if moment is None:
        return None
    try:
        moment = moment.astimezone(UTC)
        if moment.microsecond:
            moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    except OverflowError:
        raise InvalidArgument("a date lies outside the years 1 to 9999; give one within") from None
    return moment.isoformat().replace("+00:00", "Z")


def _word(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _rules_json(rules: tuple[RecordingRule, ...] | None) -> str | None:
    if rules is None:
        return None
    listed = [
        {"type": rule.type, "all": rule.all, "kind": rule.kind, "publisher": rule.publisher, "track": rule.track}
        for rule in rules
    ]
    return _json([_without_none(rule) for rule in listed])


def _transcriptions_json(configuration: TranscriptionsConfiguration | None) -> str | None:
    if configuration is None:
        return None
    return _json(
        _without_none(
            {
                "transcriptionEngine": configuration.transcription_engine,
                "speechModel": configuration.speech_model,
                "languageCode": configuration.language_code,
                "partialResults": configuration.partial_results,
                "profanityFilter": configuration.profanity_filter,
                "hints": configuration.hints,
                "enableAutomaticPunctuation": configuration.enable_automatic_punctuation,
            }
        )
    )


def _without_none(parts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parts.items() if value is not None}


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        raise InvalidArgument("a text holds half a character (a lone surrogate); send whole Unicode text") from None


# The document lets sids be null in every reply; a room without them is of no use to anybody, so here they are required.
# https://github.com/twilio/twilio-oai, spec/json/twilio_video_v1.json, video.v1.room
_Sid = Annotated[str, msgspec.Meta(pattern=r"\ARM[0-9a-fA-F]{32}\Z")]
_AccountSid = Annotated[str, msgspec.Meta(pattern=r"\AAC[0-9a-fA-F]{32}\Z")]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Links(msgspec.Struct):
    participants: str | None = None
    recordings: str | None = None
    recording_rules: str | None = None
    transcriptions: str | None = None


class _Room(msgspec.Struct, kw_only=True):
    sid: _Sid
    account_sid: _AccountSid
    status: str
    type: str
    unique_name: str | None = None
    date_created: _Moment | None = None
    date_updated: _Moment | None = None
    end_time: _Moment | None = None
    duration: _Count | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    max_participants: _Count
    max_participant_duration: _Count
    max_concurrent_published_tracks: _Count | None = None
    empty_room_timeout: _Count
    unused_room_timeout: _Count
    record_participants_on_connect: bool | None = None
    video_codecs: list[str] | None = None
    media_region: str | None = None
    audio_only: bool | None = None
    enable_turn: bool | None = None
    large_room: bool | None = None
    url: str | None = None
    links: _Links | None = None


class _Meta(msgspec.Struct):
    next_page_url: str | None = None


class _Page(msgspec.Struct):
    rooms: list[_Room]
    meta: _Meta


_ROOM: Final = msgspec.json.Decoder(_Room)
_PAGE: Final = msgspec.json.Decoder(_Page)


def _decoded(answer: Answer, decoder: msgspec.json.Decoder[T]) -> T:
    if not 200 <= answer.status < 300:
        raise read_fault(answer.status, answer.headers, answer.body)
    try:
        return decoder.decode(answer.body)
    # Beside its own errors the decoder raises ValueError for bad UTF-8 and RecursionError for a tower of brackets.
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UpstreamUnavailable("Twilio's answer cannot be read; try again a little later") from error


def _room(found: _Room) -> Room:
    links = found.links
    return Room(
        sid=RoomSid(found.sid),
        account_sid=AccountSid(found.account_sid),
        status=RoomStatus(found.status),
        type=RoomType(found.type),
        unique_name=found.unique_name,
        date_created=found.date_created,
        date_updated=found.date_updated,
        end_time=found.end_time,
        duration=found.duration,
        status_callback=found.status_callback,
        status_callback_method=found.status_callback_method,
        max_participants=found.max_participants,
        max_participant_duration=found.max_participant_duration,
        max_concurrent_published_tracks=found.max_concurrent_published_tracks,
        empty_room_timeout=found.empty_room_timeout,
        unused_room_timeout=found.unused_room_timeout,
        record_participants_on_connect=found.record_participants_on_connect,
        video_codecs=tuple(VideoCodec(word) for word in found.video_codecs or ()),
        media_region=found.media_region,
        audio_only=found.audio_only,
        enable_turn=found.enable_turn,
        large_room=found.large_room,
        url=found.url,
        links=RoomLinks(links.participants, links.recordings, links.recording_rules, links.transcriptions)
        if links
        else None,
    )


def _next_query(next_page_url: str | None) -> str | None:
    """The query of the next page's URL and nothing else of it: our credentials go to our base URL only.

    So its host need not be ours: behind a proxy or a test double Twilio names its own. Its path must be this list's, or
    the query belongs to something else.
    """
    if next_page_url is None:
        return None
    try:
        parts = urlsplit(next_page_url)
    except ValueError as error:
        raise UpstreamUnavailable("Twilio's next page has no usable address; begin the list again") from error
    if not parts.path.endswith(ROOMS_PATH) or _PAGE_QUERY.fullmatch(parts.query) is None:
        raise UpstreamUnavailable("Twilio's next page has no usable address; begin the list again")
    return parts.query
