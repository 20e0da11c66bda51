"""Rooms, participants, tracks, recordings and events as values. Does no I/O."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count

_ordinals = count(1)


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time on both clocks.

    `wall` is the wall clock: dates and Timestamps show it. `clock_s` is the simulated
    clock: it can be advanced, and every timeout depends on it.
    """

    wall: datetime
    clock_s: float


class RoomType(StrEnum):
    GROUP = "group"
    GO = "go"
    PEER_TO_PEER = "peer-to-peer"
    GROUP_SMALL = "group-small"


class RoomStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"


class ParticipantStatus(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"


class TrackKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"
    DATA = "data"


class RecordingStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    FAILED = "failed"


class TranscriptionStatus(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"
    FAILED = "failed"


class RoomEnd(StrEnum):
    """Why a room ended, with the values of Insights."""

    VIA_API = "room_ended_via_api"
    TIMEOUT = "timeout"


class Departure(StrEnum):
    """Why a participant left, for Insights.

    Twilio documents only the first value, and says that there are others.
    """

    VIA_API = "disconnected_via_api"
    ROOM_ENDED = "room_ended"
    LEFT = "participant_left"
    DUPLICATE_IDENTITY = "duplicate_identity"
    SESSION_TOO_LONG = "max_participant_duration_exceeded"


class Priority(StrEnum):
    LOW = "low"
    STANDARD = "standard"
    HIGH = "high"


class FailedOperation(StrEnum):
    START = "RecordingStart"
    COMPLETE = "RecordingComplete"
    UPLOAD = "RecordingUpload"


class EventName(StrEnum):
    """The room events of https://www.twilio.com/docs/video/api/status-callbacks"""

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


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule or a subscribe rule.

    It matches a track if all its filters match. Without filters it matches every track.
    """

    is_include: bool
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a room or participant. Default rules have no `created_at`."""

    rules: tuple[Rule, ...]
    created_at: datetime | None = None
    updated_at: datetime | None = None


RECORD_ALL = SUBSCRIBE_TO_ALL = (Rule(is_include=True),)
RECORD_NOTHING = (Rule(is_include=False),)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """The parameters of room creation, with the defaults of a group room."""

    unique_name: str | None = None
    type: RoomType = RoomType.GROUP
    status_callback: str | None = None
    status_callback_method: str = "POST"
    max_participants: int = 50
    max_participant_duration_s: int = 14_400
    empty_room_timeout_min: int = 5
    unused_room_timeout_min: int = 5
    is_recorded_on_connect: bool = False
    recording_rules: tuple[Rule, ...] = ()
    video_codecs: tuple[str, ...] = ("VP8", "H264")
    media_region: str = "us1"
    is_audio_only: bool = False
    is_large: bool = False
    is_transcribed_on_connect: bool = False
    transcription: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrackSettings:
    kind: TrackKind
    name: str | None = None
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Track:
    """A published track. `recording_sid` is that of the recording in progress."""

    sid: str
    ordinal: int
    kind: TrackKind
    name: str
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    recording_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording of one track. It remains after its track and its media are gone."""

    sid: str
    ordinal: int
    participant_sid: str
    track_sid: str
    track_name: str
    kind: TrackKind
    codec: str
    started_at: datetime
    stopped: Instant | None = None
    status: RecordingStatus = RecordingStatus.PROCESSING

    @property
    def container(self) -> str:
        return "mka" if self.kind is TrackKind.AUDIO else "mkv"

    @property
    def has_media(self) -> bool:
        return self.status is RecordingStatus.COMPLETED

    @property
    def duration_s(self) -> int:
        """Rounded to whole seconds and at least 1. 0 while it is not known."""
        if self.stopped is None or self.status in (
            RecordingStatus.PROCESSING,
            RecordingStatus.FAILED,
        ):
            return 0
        return max(1, round((self.stopped.wall - self.started_at).total_seconds()))

    @property
    def size(self) -> int:
        """In bytes, at 48 kbit/s of audio and 720 kbit/s of video."""
        return self.duration_s * (6_000 if self.kind is TrackKind.AUDIO else 90_000)

    @property
    def offset_ms(self) -> int:
        """Milliseconds since the epoch that all recordings of a room share.

        Twilio does not document its epoch. The sandbox uses 1970.
        """
        return int(self.started_at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcription. `started_at` and `ended_at` are those of its last run."""

    ttid: str
    ordinal: int
    source_sid: str
    status: TranscriptionStatus
    configuration: Mapping[str, str]
    created_at: datetime
    started_at: datetime
    updated_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def duration_s(self) -> int | None:
        return None if self.ended_at is None else seconds_between(self.started_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant. `ordinal` counts the participants of a room and orders its lists.

    `codecs` are those of all tracks that the participant has ever published.
    """

    sid: str
    ordinal: int
    identity: str
    joined: Instant
    updated_at: datetime
    left_at: datetime | None = None
    is_reconnecting: bool = False
    departure: Departure | None = None
    tracks: tuple[Track, ...] = ()
    codecs: tuple[str, ...] = ()
    subscribe_rules: Rules = Rules(SUBSCRIBE_TO_ALL)

    @property
    def status(self) -> ParticipantStatus:
        if self.left_at:
            return ParticipantStatus.DISCONNECTED
        return (
            ParticipantStatus.RECONNECTING if self.is_reconnecting else ParticipantStatus.CONNECTED
        )

    @property
    def duration_s(self) -> int | None:
        return None if self.left_at is None else seconds_between(self.joined.wall, self.left_at)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A track that a participant receives, and its publisher."""

    publisher: Participant
    track: Track

    @property
    def ordinal(self) -> int:
        return self.track.ordinal


@dataclass(frozen=True, slots=True)
class Room:
    """A room. `ordinal` counts the rooms of an account and orders its lists.

    `idle_since_s` is None while a participant is connected.
    """

    sid: str
    account_sid: str
    ordinal: int
    settings: RoomSettings
    created: Instant
    updated_at: datetime
    idle_since_s: float | None
    recording_rules: Rules
    status: RoomStatus = RoomStatus.IN_PROGRESS
    ended: Instant | None = None
    end_reason: RoomEnd | None = None
    participants: tuple[Participant, ...] = ()
    recordings: tuple[Recording, ...] = ()
    transcription: Transcription | None = None
    next_sequence: int = 0

    @property
    def name(self) -> str:
        return self.settings.unique_name or self.sid

    @property
    def is_in_progress(self) -> bool:
        return self.status is RoomStatus.IN_PROGRESS

    @property
    def duration_s(self) -> int | None:
        return None if self.ended is None else seconds_between(self.created.wall, self.ended.wall)

    def connected(self) -> Iterator[Participant]:
        """Yields the participants who have not left, including reconnecting ones."""
        return (participant for participant in self.participants if participant.left_at is None)

    def participant(self, ref: str) -> Participant | None:
        """Finds a participant by SID, or by identity while connected.

        Twilio's paths work in the same way.
        """
        for participant in self.participants:
            if participant.sid == ref or (
                participant.identity == ref and participant.left_at is None
            ):
                return participant
        return None

    def recording(self, sid: str) -> Recording | None:
        return next((recording for recording in self.recordings if recording.sid == sid), None)


@dataclass(frozen=True, slots=True)
class Event:
    """One room event. `room` and `participant` have their state after the event.

    Recording events have no `sequence`.
    """

    name: EventName
    at: datetime
    room: Room
    sequence: int | None = None
    participant: Participant | None = None
    track: Track | None = None
    recording: Recording | None = None
    failed_operation: FailedOperation | None = None


def new_ordinal() -> int:
    """Returns the next number of one sequence, which orders lists across rooms."""
    return next(_ordinals)


def new_sid(prefix: str) -> str:
    """Returns a SID that never repeats, whatever the seed of the sandbox.

    Tests share one Redis, where a SID identifies a room forever.
    """
    return prefix + secrets.token_hex(16)


def seconds_between(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))
