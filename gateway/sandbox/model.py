"""Rooms, participants, tracks and recordings as values, and the events that tell what happened to them. Does no I/O."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Moment:
    """`wall` goes into dates and Timestamps; `clock_s` can be pushed and drives every timeout."""

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
class RecordingRule:
    """Matches a track when everything it names agrees with it; one that names nothing matches all."""

    is_include: bool
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """What a room is created with; the defaults are those of a group room."""

    unique_name: str | None = None
    type: RoomType = RoomType.GROUP
    status_callback: str | None = None
    status_callback_method: str = "POST"
    max_participants: int = 50
    max_participant_duration_s: int = 14_400
    empty_room_timeout_min: int = 5
    unused_room_timeout_min: int = 5
    is_recorded_on_connect: bool = False
    recording_rules: tuple[RecordingRule, ...] = ()
    video_codecs: tuple[str, ...] = ("VP8", "H264")
    media_region: str = "us1"
    is_audio_only: bool = False
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class TrackSettings:
    kind: TrackKind
    name: str | None = None
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    sid: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Track:
    sid: str
    kind: TrackKind
    name: str
    is_enabled: bool
    recording: Recording | None


@dataclass(frozen=True, slots=True)
class Participant:
    """`ordinal` counts the participants of a room and orders its lists."""

    sid: str
    ordinal: int
    identity: str
    joined: Moment
    updated_at: datetime
    left_at: datetime | None = None
    tracks: tuple[Track, ...] = ()

    @property
    def status(self) -> ParticipantStatus:
        return ParticipantStatus.DISCONNECTED if self.left_at else ParticipantStatus.CONNECTED

    @property
    def duration_s(self) -> int | None:
        return None if self.left_at is None else seconds_between(self.joined.wall, self.left_at)


@dataclass(frozen=True, slots=True)
class Room:
    """`ordinal` counts the rooms of an account and orders its lists; `idle_since_s` is None while somebody is there."""

    sid: str
    account_sid: str
    ordinal: int
    settings: RoomSettings
    created: Moment
    updated_at: datetime
    idle_since_s: float | None
    status: RoomStatus = RoomStatus.IN_PROGRESS
    ended_at: datetime | None = None
    participants: tuple[Participant, ...] = ()
    next_sequence: int = 0

    @property
    def name(self) -> str:
        return self.settings.unique_name or self.sid

    @property
    def is_in_progress(self) -> bool:
        return self.status is RoomStatus.IN_PROGRESS

    @property
    def duration_s(self) -> int | None:
        return None if self.ended_at is None else seconds_between(self.created.wall, self.ended_at)

    def connected(self) -> Iterator[Participant]:
        return (participant for participant in self.participants if participant.left_at is None)

    def participant(self, ref: str) -> Participant | None:
        """By SID in any state, by identity only while connected, as Twilio's paths do."""
        for participant in self.participants:
            if participant.sid == ref or (participant.identity == ref and participant.left_at is None):
                return participant
        return None


@dataclass(frozen=True, slots=True)
class Event:
    """`room` and `participant` are as the event left them. Recording events have no `sequence`."""

    name: EventName
    at: datetime
    room: Room
    sequence: int | None = None
    participant: Participant | None = None
    track: Track | None = None
    recording: Recording | None = None
    failed_operation: FailedOperation | None = None


def new_sid(prefix: str) -> str:
    """Never the same twice, whatever the seed: tests share one Redis, and a SID names a room there for ever."""
    return prefix + secrets.token_hex(16)


def seconds_between(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))
