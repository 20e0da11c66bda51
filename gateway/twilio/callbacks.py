"""Status callbacks of rooms: the URL that Twilio gets for them, and how they are read.

Does no I/O.

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
from gateway.core.events import (
    NUMBER_LIMITS,
    RoomEvent,
    RoomEventType,
    TrackKind,
    creation_key,
)
from gateway.core.rooms import AccountSid, RoomSid, RoomStatus, RoomType
from gateway.twilio.readings import IDENTIFYING, MARK, Reading, has_other_reading
from gateway.twilio.signature import Fields, signed_text

# By default Twilio retries once, only after a TCP failure, and waits 15 s for a replica
# that hangs: the event is then lost. With these overrides six attempts fit into the 15
# s. The fragment is neither sent nor signed.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CONNECTION_OVERRIDES: Final = "#rc=5&rp=all&ct=1000&rt=2500"

# A callback older than this, or further in the future, is late.
LATE: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(minutes=2)
# A callback older than this, or further in the future, is expired. The log remembers
# each callback for the 60 + 10 minutes in which it can arrive without being expired: so
# a repeated callback is either recognised or expired.
EXPIRED: Final = timedelta(minutes=60)
TOO_FAR_AHEAD: Final = timedelta(minutes=10)

_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,19}")

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

# The fields of each event. Other fields are signed but not read.
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
_KNOWN_NAMES: Final = frozenset().union(*FIELDS.values())


class Age(StrEnum):
    """How far a callback's Timestamp is from the time at which it arrived."""

    ON_TIME = "on-time"
    LATE = "late"
    """The callback is logged but changes no state, unless it is a room-ended."""
    EXPIRED = "expired"
    """The callback is not logged, because the log can no longer tell whether it has
    it. The room is reconciled instead."""


@dataclass(frozen=True, slots=True)
class Callback:
    """The event of a room.

    Callbacks with the same `dedupe` are about the same event. The callback is also a
    repeat if an event with the key `may_repeat` was logged.
    """

    event: RoomEvent
    age: Age
    dedupe: str
    may_repeat: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A callback that is not about a room, or of a kind newer than this release.

    It is acknowledged and not logged.
    """


class Ambiguous(InvalidArgument):
    """The signed text of a callback can also be that of another event.

    `room_sid` is the room that this callback names.
    """

    def __init__(self, room_sid: RoomSid) -> None:
        super().__init__(
            "the callback is ambiguous because one of its values looks like other fields: "
            "rename that room, participant or track"
        )
        self.room_sid = room_sid


def callback_url(public_url: str, path: str) -> str:
    """Returns the StatusCallback that rooms get, with our connection overrides.

    `public_url` has no query and no fragment. Its path, if it has one, comes before
    `path`.
    """
    return f"{public_url.rstrip('/')}/{path.lstrip('/')}{CONNECTION_OVERRIDES}"


def marked_url(url: str, mark: str) -> str:
    """Returns the StatusCallback `url` with a mark of 32 hex digits in its query.

    Twilio calls and signs the query too, and shows it with the room.
    """
    query = f"?key={mark}"
    if MARK.fullmatch(query) is None:
        raise ValueError("a mark has 32 hex digits")
    address, separator, overrides = url.partition("#")
    return f"{address}{query}{separator}{overrides}"


def age_of(at: datetime, now: datetime) -> Age:
    """Returns the age of an event with the Timestamp `at`.

    A signature never expires, so the age is what stops old callbacks from being
    replayed.
    """
    if now - at > EXPIRED or at - now > TOO_FAR_AHEAD:
        return Age.EXPIRED
    if now - at > LATE or at - now > AHEAD:
        return Age.LATE
    return Age.ON_TIME


def parse(
    fields: Fields, now: datetime, query: str = "", *, is_form: bool = True
) -> Callback | Ignored:
    """Returns the event of a callback whose signature is valid.

    `query` is that of the URL as it was received, which is signed too. `fields` are
    those of the form or, without a form, of the query.

    Raises InvalidArgument when a field that identifies the event is missing or
    malformed, or when a known field occurs twice. Raises Ambiguous when Twilio can have
    signed the same text for another event. Unknown fields are ignored, because Twilio
    adds fields without notice. Unknown words are ignored too, and so are numbers that
    are malformed or too large to be shown, because the event matters more than its
    details.
    """
    given = _known_fields(fields)
    event_name = given.get("StatusCallbackEvent")
    if event_name is None:
        raise InvalidArgument(
            "the callback has no StatusCallbackEvent: send Twilio's form unchanged"
        )
    if event_name not in FIELDS:
        return Ignored()
    kind = RoomEventType(event_name)
    event_fields = {name: value for name, value in given.items() if name in FIELDS[kind]}
    event = _event(kind, event_fields, now)
    reading = Reading(
        {name: event_fields[name] for name in IDENTIFYING if name in event_fields}, event_fields
    )
    form = signed_text(fields) if is_form else ""
    if has_other_reading(query, form, reading, IDENTIFYING.keys() & FIELDS[kind]):
        raise Ambiguous(event.room_sid)
    age, dedupe = age_of(event.event_time, now), _dedupe(event_fields)
    if kind is not RoomEventType.ROOM_CREATED:
        return Callback(event, age, dedupe)
    creation = creation_key(event.room_sid)
    # A late room-created changes no state, so it must not stand for the creation.
    if event.late:
        return Callback(event, age, dedupe, may_repeat=creation)
    return Callback(event, age, creation)


def _known_fields(fields: Fields) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in fields:
        if name in _KNOWN_NAMES:
            if name in given:
                raise InvalidArgument(f"the callback has {name} more than once: send it once")
            given[name] = value
    return given


def _required(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if value is None:
        raise InvalidArgument(f"the callback has no {name}: send Twilio's form unchanged")
    if IDENTIFYING[name].fullmatch(value) is None:
        raise InvalidArgument(f"the callback's {name} is malformed: send Twilio's form unchanged")
    return value


def _event(kind: RoomEventType, given: Mapping[str, str], now: datetime) -> RoomEvent:
    def text(name: str) -> str | None:
        return given.get(name) or None

    def number(name: str, part: str) -> int | None:
        """The number for the event's `part`; None if the event cannot hold it."""
        value = given.get(name, "")
        found = int(value) if _WHOLE_NUMBER.fullmatch(value) else None
        return None if found is None or found > NUMBER_LIMITS[part] else found

    def sid(name: str, *, required: bool) -> str | None:
        return _required(given, name) if required or given.get(name) else None

    at = _timestamp(_required(given, "Timestamp"))
    status, room_type, track_kind = (
        text("RoomStatus"),
        text("RoomType"),
        text("TrackKind") or text("Type"),
    )
    is_recording = "RecordingSid" in FIELDS[kind]
    return RoomEvent(
        type=kind,
        account_sid=AccountSid(_required(given, "AccountSid")),
        room_sid=RoomSid(_required(given, "RoomSid")),
        event_time=at,
        late=age_of(at, now) is not Age.ON_TIME,
        room_name=text("RoomName"),
        sequence_number=number("SequenceNumber", "sequence_number"),
        room_status=RoomStatus(status) if status else None,
        room_type=RoomType(room_type) if room_type else None,
        room_duration=number("RoomDuration", "room_duration"),
        participant_sid=sid(
            "ParticipantSid", required="ParticipantSid" in FIELDS[kind] and not is_recording
        ),
        participant_identity=text("ParticipantIdentity"),
        participant_status=text("ParticipantStatus"),
        participant_duration=number("ParticipantDuration", "participant_duration"),
        track_sid=sid("TrackSid", required="TrackSid" in FIELDS[kind]),
        track_kind=TrackKind(track_kind) if track_kind else None,
        track_name=text("TrackName"),
        recording_sid=sid("RecordingSid", required=is_recording),
        source_sid=text("SourceSid"),
        recording_uri=text("RecordingUri"),
        container=text("Container"),
        codec=text("Codec"),
        offset_ms=number("OffsetFromTwilioVideoEpoch", "offset_ms"),
        media_uri=text("MediaUri"),
        media_external_location=text("MediaExternalLocation"),
        recording_duration=number("Duration", "recording_duration"),
        recording_size=number("Size", "recording_size"),
        failed_operation=text("FailedOperation"),
    )


def _timestamp(timestamp: str) -> datetime:
    try:
        return datetime.fromisoformat(timestamp)
    except ValueError:
        raise InvalidArgument(
            "the callback's Timestamp is not a valid date: send Twilio's form unchanged"
        ) from None


def _dedupe(given: Mapping[str, str]) -> str:
    # The forms of the values are checked and allow no line break, so the parts cannot
    # be confused.
    parts = [given.get(name, "") for name in IDENTIFYING]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
