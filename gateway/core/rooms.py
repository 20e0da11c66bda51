"""Rooms as Twilio has them, and what may be asked about them. Does no I/O.

Field names are Twilio's (https://www.twilio.com/docs/video/api/rooms-resource); enum values are its words on the wire.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import RecordingRule, check_rules
from gateway.core.transcriptions import TranscriptionsConfiguration

AccountSid = NewType("AccountSid", str)
RoomSid = NewType("RoomSid", str)

_ROOM_SID = re.compile(r"RM[0-9a-fA-F]{32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

NAME_LIMIT = 128  # characters; https://www.twilio.com/docs/video/programmable-video-limits


class RoomStatus(StrEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A word that Twilio added after this release."""

    @classmethod
    def _missing_(cls, value: object) -> "RoomStatus":
        return cls.UNKNOWN


class RoomType(StrEnum):
    GROUP = "group"
    GROUP_SMALL = "group-small"
    PEER_TO_PEER = "peer-to-peer"
    GO = "go"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "RoomType":
        return cls.UNKNOWN


class VideoCodec(StrEnum):
    VP8 = "VP8"
    H264 = "H264"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "VideoCodec":
        return cls.UNKNOWN


# Group is Twilio's present maximum; the others are those of the legacy types.
# https://www.twilio.com/docs/video/legacy-room-types
MAX_PARTICIPANTS = {RoomType.GROUP: 50, RoomType.GROUP_SMALL: 4, RoomType.PEER_TO_PEER: 10, RoomType.GO: 2}


@dataclass(frozen=True, slots=True)
class RoomLinks:
    participants: str | None = None
    recordings: str | None = None
    recording_rules: str | None = None
    transcriptions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room. Durations of rooms and participants are in seconds, the two timeouts in minutes, as Twilio counts them."""

    sid: RoomSid
    account_sid: AccountSid
    status: RoomStatus
    type: RoomType
    unique_name: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    max_participants: int
    max_participant_duration: int
    max_concurrent_published_tracks: int | None = None
    empty_room_timeout: int
    unused_room_timeout: int
    record_participants_on_connect: bool | None = None
    video_codecs: tuple[VideoCodec, ...] = ()
    media_region: str | None = None
    audio_only: bool | None = None
    enable_turn: bool | None = None
    large_room: bool | None = None
    url: str | None = None
    links: RoomLinks | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A room's tombstone: how and when it ended. Final, whatever Twilio's REST may still say."""

    status: RoomStatus
    end_time: datetime | None
    duration: int | None = None


def merge_end(room: Room, ended: Ended | None) -> Room:
    """The room as it must be shown once its end is known: never in progress again."""
    if ended is None or room.status in (RoomStatus.COMPLETED, RoomStatus.FAILED):
        return room
    return replace(room, status=ended.status, end_time=ended.end_time, duration=ended.duration)


@dataclass(frozen=True, slots=True)
class RoomRef:
    """How a caller names a room: by SID (in any state) or by the name of a room in progress. Just one of the two is set."""

    sid: RoomSid | None
    name: str | None

    @classmethod
    def of(cls, text: str) -> "RoomRef":
        """What has a SID's form is a SID. Raises InvalidArgument for what can be neither."""
        if is_room_sid(text):
            return cls(RoomSid(text), None)
        return cls(None, checked_name(text, "room"))


def is_room_sid(text: str) -> bool:
    return _ROOM_SID.fullmatch(text) is not None


def checked_name(text: str, argument: str) -> str:
    """The name unchanged, or InvalidArgument with a sentence that says what to do.

    Any printable character may stand in a name, `/` and `..` included: names travel as form and query values only.
    """
    if not text:
        raise InvalidArgument(f"{argument} is empty; give a SID (RM and 32 hex digits) or a room's name")
    if len(text) > NAME_LIMIT:
        raise InvalidArgument(
            f"{argument} has {len(text)} characters; a name may have up to {NAME_LIMIT}: give a shorter one"
        )
    if _CONTROL.search(text):
        raise InvalidArgument(f"{argument} holds a control character; remove it")
    return text


def _check_range(value: int | None, low: int, high: int, argument: str, unit: str = "") -> None:
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"{argument} is {value}; give a whole number from {low} to {high}{unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoom:
    """The parameters of a create, all optional; None leaves Twilio's default. Raises InvalidArgument when one is out of bounds.

    The room's StatusCallback is not among them: the gateway sets its own.
    """

    unique_name: str | None = None
    type: RoomType | None = None
    max_participants: int | None = None
    max_participant_duration: int | None = None
    """Seconds."""
    empty_room_timeout: int | None = None
    """Minutes."""
    unused_room_timeout: int | None = None
    """Minutes."""
    record_participants_on_connect: bool | None = None
    recording_rules: tuple[RecordingRule, ...] | None = None
    video_codecs: tuple[VideoCodec, ...] | None = None
    media_region: str | None = None
    audio_only: bool | None = None
    transcribe_participants_on_connect: bool | None = None
    transcriptions_configuration: TranscriptionsConfiguration | None = None
    large_room: bool | None = None
    enable_turn: bool | None = None

    def __post_init__(self) -> None:
        if self.unique_name is not None:
            checked_name(self.unique_name, "uniqueName")
            if is_room_sid(self.unique_name):
                raise InvalidArgument(
                    "uniqueName has the form of a SID and could never be looked up; choose another name"
                )
        if self.type is RoomType.UNKNOWN:
            raise InvalidArgument("type is not one of group, group-small, peer-to-peer, go; choose one of them")
        most = MAX_PARTICIPANTS[self.type or RoomType.GROUP]
        _check_range(self.max_participants, 1, most, "maxParticipants", f" for a {self.type or RoomType.GROUP} room")
        _check_range(self.max_participant_duration, 600, 86400, "maxParticipantDuration", " seconds")
        _check_range(self.empty_room_timeout, 1, 60, "emptyRoomTimeout", " minutes")
        _check_range(self.unused_room_timeout, 1, 60, "unusedRoomTimeout", " minutes")
        if self.video_codecs is not None and VideoCodec.UNKNOWN in self.video_codecs:
            raise InvalidArgument("videoCodecs holds an unknown word; give VP8, H264 or both")
        if self.recording_rules is not None:
            check_rules(self.recording_rules)
        if self.media_region is not None and not re.fullmatch(r"[a-z0-9-]{1,32}", self.media_region):
            raise InvalidArgument("mediaRegion is not a region's id; give one such as us1, ie1 or gll")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFilter:
    """Which rooms a list shows. `created_after` includes its moment, `created_before` does not, as with Twilio."""

    status: RoomStatus = RoomStatus.IN_PROGRESS
    unique_name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.status is RoomStatus.UNKNOWN:
            raise InvalidArgument("status cannot be filtered by UNKNOWN; give IN_PROGRESS, COMPLETED or FAILED")
        if self.unique_name is not None:
            checked_name(self.unique_name, "uniqueName")
        for name, moment in (("createdAfter", self.created_after), ("createdBefore", self.created_before)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidArgument(f"{name} has no time zone; end it with Z or an offset such as +02:00")
