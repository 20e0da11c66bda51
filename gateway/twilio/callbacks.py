"""Twilio's status callbacks of rooms: where they are to go, and what they say. Does no I/O.

https://www.twilio.com/docs/video/api/status-callbacks
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.errors import InvalidArgument
from gateway.core.events import RoomEvent, RoomEventType, TrackKind
from gateway.core.rooms import AccountSid, RoomSid, RoomStatus, RoomType
from gateway.twilio.signature import Fields, flattened

# Without it Twilio tries once more on a TCP failure only, and waits 15 s for one hung replica: the event is lost. With
# it six tries fit into those 15 s. The fragment is neither sent nor signed.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CONNECTION_OVERRIDES: Final = "#rc=5&rp=all&ct=1000&rt=2500"

LATE: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(minutes=2)
EXPIRED: Final = timedelta(minutes=60)
# The record of having seen a callback lives 70 minutes: it must outlive the callback, however far ahead its Timestamp is.
TOO_FAR_AHEAD: Final = timedelta(minutes=10)

# The fields that say what happened to whom. A signed text shows each of these names with a value of its form just as
# often as the form has the field: see `_check_one_reading`.
_IDENTIFYING: Final = {
    "AccountSid": re.compile(r"AC[0-9a-fA-F]{32}"),
    "RoomSid": re.compile(r"RM[0-9a-fA-F]{32}"),
    "StatusCallbackEvent": re.compile(r"[a-z]+(?:-[a-z]+)*"),
    "Timestamp": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
    ),
    "ParticipantSid": re.compile(r"PA[0-9a-fA-F]{32}"),
    "TrackSid": re.compile(r"MT[0-9a-fA-F]{32}"),
    "RecordingSid": re.compile(r"RT[0-9a-fA-F]{32}"),
}
_IN_TEXT: Final = {name: re.compile(name + form.pattern) for name, form in _IDENTIFYING.items()}
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,15}")

_ROOM: Final = frozenset(
    {
        "AccountSid",
        "RoomSid",
        "RoomName",
        "RoomStatus",
        "RoomType",
        "StatusCallbackEvent",
        "Timestamp",
        "SequenceNumber",
    }
)
_PARTICIPANT: Final = _ROOM | {"ParticipantSid", "ParticipantIdentity", "ParticipantStatus"}
_TRACK: Final = _PARTICIPANT | {"TrackSid", "TrackKind", "TrackName"}
_RECORDING: Final = _PARTICIPANT | {
    "RecordingSid",
    "SourceSid",
    "RecordingUri",
    "TrackName",
    "Type",
    "Container",
    "Codec",
    "OffsetFromTwilioVideoEpoch",
}

# Each event with the fields it may have; whatever else comes with it is signed but not read.
FIELDS: Final[Mapping[RoomEventType, frozenset[str]]] = {
    RoomEventType.ROOM_CREATED: _ROOM,
    RoomEventType.ROOM_ENDED: _ROOM | {"RoomDuration"},
    RoomEventType.PARTICIPANT_CONNECTED: _PARTICIPANT,
    RoomEventType.PARTICIPANT_DISCONNECTED: _PARTICIPANT | {"ParticipantDuration"},
    RoomEventType.TRACK_ADDED: _TRACK,
    RoomEventType.TRACK_REMOVED: _TRACK,
    RoomEventType.TRACK_ENABLED: _TRACK,
    RoomEventType.TRACK_DISABLED: _TRACK,
    RoomEventType.RECORDING_STARTED: _RECORDING,
    RoomEventType.RECORDING_COMPLETED: _RECORDING
    | {"MediaUri", "Duration", "Size", "MediaExternalLocation"},
    RoomEventType.RECORDING_FAILED: _RECORDING | {"FailedOperation"},
}
_KNOWN: Final = frozenset().union(*FIELDS.values())


class Age(StrEnum):
    ON_TIME = "on-time"
    LATE = "late"
    """To be logged, but too far from its Timestamp to change any state; a room-ended is final and changes it still."""
    EXPIRED = "expired"
    """Not to be logged: a record of having seen it would be gone by now. The room is to be reconciled instead."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A room's event. Two callbacks with one `dedupe` are one event, whatever their URL and the order of their fields."""

    event: RoomEvent
    age: Age
    dedupe: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A callback about something else than a room, or of a kind newer than this release: to be acknowledged, not logged."""


def callback_url(public_url: str, path: str) -> str:
    """The StatusCallback to give to Twilio. `public_url` has neither query nor fragment; its path, if any, comes first."""
    return f"{public_url.rstrip('/')}/{path.lstrip('/')}{CONNECTION_OVERRIDES}"


def judge(at: datetime, now: datetime) -> Age:
    """How far `now` is from an event's Timestamp: a signature holds for ever, so its age must be looked at."""
    if now - at > EXPIRED or at - now > TOO_FAR_AHEAD:
        return Age.EXPIRED
    if now - at > LATE or at - now > AHEAD:
        return Age.LATE
    return Age.ON_TIME


def parse(fields: Fields, now: datetime) -> Callback | Ignored:
    """What a callback says, once its signature is found valid.

    Raises InvalidArgument when a field that identifies the event is missing or off, when a field of ours comes twice, or
    when the signed text could be read in another way. Unknown fields are passed over, for Twilio adds some unannounced;
    so are unknown words and odd numbers, for an event matters more than its details.
    """
    given = _known(fields)
    word = given.get("StatusCallbackEvent")
    if word is None:
        raise InvalidArgument(
            "the callback has no StatusCallbackEvent; send Twilio's form unchanged"
        )
    if word not in FIELDS:
        return Ignored()
    kind = RoomEventType(word)
    event_fields = {name: value for name, value in given.items() if name in FIELDS[kind]}
    event = _event(kind, event_fields, now)
    _check_one_reading(fields, given)
    return Callback(event, judge(event.at, now), _dedupe(event_fields))


def _known(fields: Fields) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in fields:
        if name in _KNOWN:
            if name in given:
                raise InvalidArgument(f"the callback has {name} more than once; send it once")
            given[name] = value
    return given


def _required(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if value is None:
        raise InvalidArgument(f"the callback has no {name}; send Twilio's form unchanged")
    if _IDENTIFYING[name].fullmatch(value) is None:
        raise InvalidArgument(
            f"the callback's {name} has not the form that Twilio gives it; send Twilio's form unchanged"
        )
    return value


def _check_one_reading(fields: Fields, given: Mapping[str, str]) -> None:
    """Raises InvalidArgument when the signed text can be cut into fields so that another event comes out.

    Twilio signs names and values with nothing in between. Were a room named `xRoomSidRM…`, a form cut elsewhere would
    carry the same signature and name another room. Each cut that names other SIDs, another event or another time
    leaves both the true and the false `name + value` in the text, so one of them is too many.
    """
    text = flattened(fields)
    for name, form in _IDENTIFYING.items():
        is_given = form.fullmatch(given.get(name, "")) is not None
        if len(_IN_TEXT[name].findall(text)) != is_given:
            raise InvalidArgument(
                f"the callback can be read in two ways, as a value in it looks like {name}; rename that"
            )


def _event(kind: RoomEventType, given: Mapping[str, str], now: datetime) -> RoomEvent:
    def word(name: str) -> str | None:
        return given.get(name) or None

    def number(name: str) -> int | None:
        value = given.get(name, "")
        return int(value) if _WHOLE_NUMBER.fullmatch(value) else None

    def sid(name: str, *, required: bool) -> str | None:
        return _required(given, name) if required or given.get(name) else None

    at = _moment(_required(given, "Timestamp"))
    status, room_type, track_kind = (
        word("RoomStatus"),
        word("RoomType"),
        word("TrackKind") or word("Type"),
    )
    is_recording = "RecordingSid" in FIELDS[kind]
    return RoomEvent(
        type=kind,
        account_sid=AccountSid(_required(given, "AccountSid")),
        room_sid=RoomSid(_required(given, "RoomSid")),
        at=at,
        late=judge(at, now) is not Age.ON_TIME,
        room_name=word("RoomName"),
        sequence_number=number("SequenceNumber"),
        room_status=RoomStatus(status) if status else None,
        room_type=RoomType(room_type) if room_type else None,
        room_duration=number("RoomDuration"),
        participant_sid=sid(
            "ParticipantSid", required="ParticipantSid" in FIELDS[kind] and not is_recording
        ),
        participant_identity=word("ParticipantIdentity"),
        participant_status=word("ParticipantStatus"),
        participant_duration=number("ParticipantDuration"),
        track_sid=sid("TrackSid", required="TrackSid" in FIELDS[kind]),
        track_kind=TrackKind(track_kind) if track_kind else None,
        track_name=word("TrackName"),
        recording_sid=sid("RecordingSid", required=is_recording),
        source_sid=word("SourceSid"),
        recording_uri=word("RecordingUri"),
        container=word("Container"),
        codec=word("Codec"),
        offset_ms=number("OffsetFromTwilioVideoEpoch"),
        media_uri=word("MediaUri"),
        media_external_location=word("MediaExternalLocation"),
        recording_duration=number("Duration"),
        recording_size=number("Size"),
        failed_operation=word("FailedOperation"),
    )


def _moment(timestamp: str) -> datetime:
    try:
        return datetime.fromisoformat(timestamp)
    except ValueError:
        raise InvalidArgument(
            "the callback's Timestamp is no date and time; send Twilio's form unchanged"
        ) from None


def _dedupe(given: Mapping[str, str]) -> str:
    # The values' forms have been checked and none of them can hold a line break: the parts cannot run into each other.
    parts = [given.get(name, "") for name in _IDENTIFYING]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
