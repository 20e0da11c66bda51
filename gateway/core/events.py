"""The events of rooms, and the messages of an event stream. Does no I/O.

The names of events are Twilio's: https://www.twilio.com/docs/video/api/status-callbacks
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.core.open_enum import OpenEnum
from gateway.core.participants import Participant
from gateway.core.participants import TrackKind as TrackKind
from gateway.core.recordings import INT32_MAX, INT64_MAX
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
    """A mutation of this gateway, with Twilio's answer. The only name that is not
    Twilio's. A create is a ROOM_CREATED."""


class RoomEventSource(StrEnum):
    CALLBACK = "callback"
    """Twilio sent a callback."""
    MUTATION = "mutation"
    """This gateway sent a mutation."""
    RECONCILED = "reconciled"
    """The reconciler found it by comparing the log with Twilio's REST API."""


class RoomChangeKind(StrEnum):
    """What a mutation of this gateway changed."""

    ROOM = "room"
    PARTICIPANT = "participant"
    SUBSCRIBE_RULES = "subscribe-rules"
    RECORDING_RULES = "recording-rules"
    RECORDING = "recording"
    TRANSCRIPTION = "transcription"


class RecordingOperation(OpenEnum):
    """The step at which a recording failed."""

    START = "RecordingStart"
    COMPLETE = "RecordingComplete"
    UPLOAD = "RecordingUpload"
    UNKNOWN = "unknown"


_PARTICIPANT: Final = ("participant_sid",)
_TRACK: Final = ("participant_sid", "track_sid")
_RECORDING: Final = ("recording_sid",)
REQUIRED_SIDS: Final = {
    RoomEventType.PARTICIPANT_CONNECTED: _PARTICIPANT,
    RoomEventType.PARTICIPANT_DISCONNECTED: _PARTICIPANT,
    RoomEventType.TRACK_ADDED: _TRACK,
    RoomEventType.TRACK_REMOVED: _TRACK,
    RoomEventType.TRACK_ENABLED: _TRACK,
    RoomEventType.TRACK_DISABLED: _TRACK,
    RoomEventType.RECORDING_STARTED: _RECORDING,
    RoomEventType.RECORDING_COMPLETED: _RECORDING,
    RoomEventType.RECORDING_FAILED: _RECORDING,
}
"""The SIDs that an event must have, by its type."""

NUMBER_LIMITS: Final[Mapping[str, int]] = {
    "sequence_number": INT32_MAX,
    "room_duration": INT32_MAX,
    "participant_duration": INT32_MAX,
    "recording_duration": INT32_MAX,
    "offset_ms": INT64_MAX,
    "recording_size": INT64_MAX,
}
"""The largest value of each number of an event that GraphQL and gRPC can show. The
smallest is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent:
    """One entry of the log.

    Which optional fields are set depends on the type, as in Twilio's table of
    callbacks. `event_time` is Twilio's Timestamp, which orders the states of a room;
    Twilio documents that `sequence_number` does not. A `late` event was received too
    long after its Timestamp to change any state, except that a room-ended always does.
    """

    type: RoomEventType
    account_sid: AccountSid
    room_sid: RoomSid
    event_time: datetime
    source: RoomEventSource = RoomEventSource.CALLBACK
    late: bool = False
    room_name: str | None = None
    sequence_number: int | None = None
    room_status: RoomStatus | None = None
    room_type: RoomType | None = None
    room_duration: int | None = None
    """In seconds; set for room-ended."""

    participant_sid: str | None = None
    participant_identity: str | None = None
    participant_status: str | None = None
    participant_duration: int | None = None
    """In seconds; set for participant-disconnected."""

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
    """In seconds."""
    recording_size: int | None = None
    """In bytes."""
    failed_operation: str | None = None

    change: RoomChangeKind | None = None
    """Set for room-changed. `room` or `participant` is Twilio's answer, if it was
    one."""
    room: Room | None = None
    """Also set for the room-created of this gateway's own create."""
    participant: Participant | None = None
    changed_sid: str | None = None
    """The SID of the participant that a room-changed is about, also of the one whose
    subscribe rules it is about, or the ttid of the transcription. None if Twilio's
    response with a new ttid was lost."""

    room_end: Ended | None = None
    """The end of the room, if the log knew it before it logged this event. The log
    keeps it beside the event."""

    def __post_init__(self) -> None:
        """Raises ValueError if the SID of what the event is about is missing, or if
        GraphQL or gRPC could not show a number."""
        for name in REQUIRED_SIDS.get(self.type, ()):
            if getattr(self, name) is None:
                raise ValueError(f"a {self.type} event has no {name}")
        for name, limit in NUMBER_LIMITS.items():
            number = getattr(self, name)
            if number is not None and not 0 <= number <= limit:
                raise ValueError(f"{name} of an event is not between 0 and {limit}")


def end_of(event: RoomEvent) -> Ended | None:
    """The end of the room, if the event reports it."""
    if event.type is RoomEventType.ROOM_ENDED:
        ended_as = event.room_status
        status = RoomStatus.FAILED if ended_as is RoomStatus.FAILED else RoomStatus.COMPLETED
        return Ended(status, event.event_time, event.room_duration)
    if event.room is not None and event.room.status.is_final:
        return Ended(
            event.room.status, event.room.end_time or event.event_time, event.room.duration
        )
    return None


def creation_key(sid: RoomSid) -> str:
    """Returns the deduplication key of a room's creation.

    This gateway's own create and Twilio's callback use the same key. So the log has
    them once, whichever is first.
    """
    return f"{RoomEventType.ROOM_CREATED} {sid}"


class StreamMode(StrEnum):
    LIVE = "live"
    RESUMED = "resumed"
    RESYNC = "resync"


class ResyncReason(StrEnum):
    EPOCH = "epoch"
    """The log was lost, and a new one was started."""
    ROLLED_BACK = "rolled-back"
    """The log ends before the cursor: its newest entries were lost."""
    TRIMMED = "trimmed"
    """Entries after the cursor were dropped because of their age or number."""
    DIVERGED = "diverged"
    """Another entry is at the position of the cursor."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The first message of every stream. The subscriber misses no event after it.

    The history of the log is complete since `history_start_time`. `room_sid` is set
    for the stream of one room.
    """

    cursor: str
    mode: StreamMode
    room_sid: RoomSid | None = None
    history_start_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event. `prev` is the cursor of the message before it in this subscription's
    chain."""

    cursor: str
    prev: str
    event: RoomEvent


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All selected events up to `cursor` were delivered. Not part of the chain of
    `prev`."""

    cursor: str


@dataclass(frozen=True, slots=True)
class Gap:
    """At least one entry after `prev`, up to `cursor`, is lost."""

    cursor: str
    prev: str


@dataclass(frozen=True, slots=True)
class ResyncRequired:
    """Events before `cursor` were lost. Read the state again, then continue from
    here."""

    cursor: str
    reason: ResyncReason


StreamMessage = StreamStarted | Delivered | Bookmark | Gap | ResyncRequired
