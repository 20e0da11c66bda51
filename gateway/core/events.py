"""What happens to rooms, and the messages of an event stream. Does no I/O.

Event words are Twilio's: https://www.twilio.com/docs/video/api/status-callbacks
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.core.participants import Participant
from gateway.core.participants import TrackKind as TrackKind
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid, RoomStatus, RoomType


class RoomEventType(StrEnum):
    ROOM_CREATED = "room-created"
    ROOM_ENDED = "room-ended"
    PARTICIPANT_CONNECTED = "participant-connected"
    PARTICIPANT_DISCONNECTED = "participant-disconnected"
    TRACK_ADDED = "track-added"
    TRACK_REMOVED = "track-removed"
    TRACK_ENABLED = "track-enabled"
    TRACK_DISABLED = "track-disabled"
    RECORDING_STARTED = "recording-started"
    RECORDING_COMPLETED = "recording-completed"
    RECORDING_FAILED = "recording-failed"
    ROOM_CHANGED = "room-changed"
    """Our own mutation, recorded with Twilio's answer. The only word that is not Twilio's."""


class EventSource(StrEnum):
    CALLBACK = "callback"
    """Twilio told us."""
    MUTATION = "mutation"
    """The gateway did it."""
    RECONCILED = "reconciled"
    """Found by comparing the log with Twilio's REST."""


class Changed(StrEnum):
    """What a mutation of ours changed."""

    ROOM = "room"
    PARTICIPANT = "participant"
    SUBSCRIBE_RULES = "subscribe-rules"
    RECORDING_RULES = "recording-rules"
    RECORDING = "recording"
    TRANSCRIPTION = "transcription"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent:
    """One entry of the log. Which of the optional parts are set follows from the type, as in Twilio's table of callbacks.

    `at` is Twilio's Timestamp, the order of a room's state; `sequence_number` is documented not to be an order.
    A `late` event came too long after its Timestamp to change any state (a room-ended always does).
    """

    type: RoomEventType
    account_sid: AccountSid
    room_sid: RoomSid
    at: datetime
    source: EventSource = EventSource.CALLBACK
    late: bool = False
    room_name: str | None = None
    sequence_number: int | None = None
    room_status: RoomStatus | None = None
    room_type: RoomType | None = None
    room_duration: int | None = None
    """Seconds; of room-ended."""

    participant_sid: str | None = None
    participant_identity: str | None = None
    participant_status: str | None = None
    participant_duration: int | None = None
    """Seconds; of participant-disconnected."""

    track_sid: str | None = None
    track_kind: TrackKind | None = None
    track_name: str | None = None

    recording_sid: str | None = None
    source_sid: str | None = None
    recording_uri: str | None = None
    container: str | None = None
    codec: str | None = None
    offset_ms: int | None = None
    media_uri: str | None = None
    media_external_location: str | None = None
    recording_duration: int | None = None
    """Seconds."""
    recording_size: int | None = None
    """Bytes."""
    failed_operation: str | None = None

    changed: Changed | None = None
    """Of room-changed: what our mutation changed. One of these goes with it, as Twilio answered, if it answered one."""
    room: Room | None = None
    participant: Participant | None = None


def end_of(event: RoomEvent) -> Ended | None:
    """The tombstone that this event sets, if it tells of a room's end."""
    if event.type is RoomEventType.ROOM_ENDED:
        ended_as = event.room_status
        status = RoomStatus.FAILED if ended_as is RoomStatus.FAILED else RoomStatus.COMPLETED
        return Ended(status, event.at, event.room_duration)
    if event.room is not None and event.room.status.is_final:
        return Ended(event.room.status, event.room.end_time or event.at, event.room.duration)
    return None


class StreamMode(StrEnum):
    LIVE = "live"
    RESUMED = "resumed"
    RESYNC = "resync"


class ResyncReason(StrEnum):
    EPOCH = "epoch"
    """The log was lost and a new one begun."""
    ROLLED_BACK = "rolled-back"
    """The log ends before the cursor: its tail was lost."""
    TRIMMED = "trimmed"
    """Entries after the cursor were dropped for their age or number."""
    DIVERGED = "diverged"
    """Another entry stands where the cursor points."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """First message of every stream, sent once the subscriber misses nothing any more.

    `floor_at` says since when the log's history is complete. `room_sid` is set when the stream belongs to one room.
    """

    cursor: str
    mode: StreamMode
    room_sid: RoomSid | None = None
    floor_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event at its place. `prev` is the cursor of the event before it on this subscription."""

    cursor: str
    prev: str
    event: RoomEvent


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing that matches lies at or before `cursor` undelivered. Stands outside the chain of `prev`."""

    cursor: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Something between `prev` and `cursor` is known to be lost."""

    cursor: str
    prev: str


@dataclass(frozen=True, slots=True)
class ResyncRequired:
    """What lies before `cursor` cannot be told any more: read the state anew, then go on from here."""

    cursor: str
    reason: ResyncReason


StreamMessage = StreamStarted | Delivered | Bookmark | Gap | ResyncRequired
