"""Rooms, and the parameters of requests about them. Does no I/O.

Field names are Twilio's (https://www.twilio.com/docs/video/api/rooms-resource). Enum
values are its words on the wire.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.core.errors import InvalidArgument, Path, Violations
from gateway.core.open_enum import HttpMethod, OpenEnum, UnknownWord
from gateway.core.recordings import RecordingRule, check_rules
from gateway.core.sids import AccountSid as AccountSid
from gateway.core.sids import RoomSid as RoomSid
from gateway.core.sids import is_sid
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.core.validation import (
    check_distinct,
    check_known,
    check_range,
    check_statuses,
    check_text,
    check_zones,
    in_text,
)


class RoomStatus(OpenEnum):
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A status that Twilio added after this release."""

    @property
    def is_final(self) -> bool:
        """Whether the room has ended: it never changes its status again."""
        return self in (RoomStatus.COMPLETED, RoomStatus.FAILED)


class RoomType(OpenEnum):
    GROUP = "group"
    GROUP_SMALL = "group-small"
    PEER_TO_PEER = "peer-to-peer"
    GO = "go"
    UNKNOWN = "unknown"


class VideoCodec(OpenEnum):
    VP8 = "VP8"
    H264 = "H264"
    UNKNOWN = "unknown"


# The legacy types have lower maxima:
# https://www.twilio.com/docs/video/legacy-room-types
MAX_PARTICIPANTS = {
    RoomType.GROUP: 50,
    RoomType.GROUP_SMALL: 4,
    RoomType.PEER_TO_PEER: 10,
    RoomType.GO: 2,
}

_WITHOUT_MEDIA_SERVER: Final = (RoomType.PEER_TO_PEER, RoomType.GO)
# Parameters that need media servers, or a group room.
# https://www.twilio.com/docs/api/errors/53114 and 53122, 53124
_REFUSED_BY_TYPE: Final[Mapping[str, tuple[RoomType, ...]]] = {
    "record_participants_on_connect": _WITHOUT_MEDIA_SERVER,
    "recording_rules": _WITHOUT_MEDIA_SERVER,
    "video_codecs": (RoomType.PEER_TO_PEER,),
    "audio_only": (RoomType.GROUP_SMALL, *_WITHOUT_MEDIA_SERVER),
}


@dataclass(frozen=True, slots=True)
class RoomLinks:
    participants: str | None = None
    recordings: str | None = None
    recording_rules: str | None = None
    transcriptions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room. As in Twilio's API, durations are in seconds and the two timeouts in
    minutes.

    A room that is built from an event has None for what the event does not tell. So has
    a room of Twilio's for a value that could not be read.
    """

    sid: RoomSid
    account_sid: AccountSid
    status: RoomStatus
    type: RoomType
    unique_name: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    status_callback: str | None = None
    status_callback_method: HttpMethod | None = None
    max_participants: int | None = None
    max_participant_duration: int | None = None
    max_concurrent_published_tracks: int | None = None
    empty_room_timeout: int | None = None
    unused_room_timeout: int | None = None
    record_participants_on_connect: bool | None = None
    video_codecs: tuple[VideoCodec, ...] | None = ()
    media_region: str | None = None
    audio_only: bool | None = None
    large_room: bool | None = None
    url: str | None = None
    links: RoomLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """A room's tombstone: how and when it ended. It is final, whatever Twilio's REST
    API shows later. `duration` is in seconds."""

    status: RoomStatus
    end_time: datetime | None
    duration: int | None = None


def merge_end(room: Room, ended: Ended | None) -> Room:
    """Returns the room with its end, if that is known and the room does not show it."""
    if ended is None or room.status.is_final:
        return room
    return replace(room, status=ended.status, end_time=ended.end_time, duration=ended.duration)


@dataclass(frozen=True, slots=True)
class RoomRef:
    """A reference to a room: its SID (in any status), or the name of a room in
    progress.

    Exactly one of the two is set.
    """

    sid: RoomSid | None
    name: str | None

    @classmethod
    def of(cls, text: str, field: str | Path = "room") -> "RoomRef":
        """Parses a reference. A text in the form of a SID is a SID. Raises
        InvalidArgument when the text can be neither a SID nor a name."""
        if is_room_sid(text):
            return cls(RoomSid(text), None)
        check_text(text, field, give="a SID (RM and 32 hex digits) or a room's name")
        return cls(None, text)


def is_room_sid(text: str) -> bool:
    """Whether the text has the form of a room's SID."""
    return is_sid(RoomSid, text)


def checked_name(text: str, field: str | Path) -> str:
    """Returns the name unchanged. Raises InvalidArgument when it cannot be a room's
    name."""
    check_text(text, field, give="a name of 1 to 128 characters")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoom:
    """The parameters of a new room. None leaves Twilio's default.

    Raises InvalidArgument when one is out of range. There is no StatusCallback: the
    gateway sets its own.
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

    def __post_init__(self) -> None:
        wrong = Violations()
        with wrong.collect():
            self._check_unique_name()
        with wrong.collect():
            check_known(self.type, "type")
        # An unknown type has been refused itself.
        room_type = self.type if self.type in MAX_PARTICIPANTS else RoomType.GROUP
        for number, low, high, field, unit in (
            (
                self.max_participants,
                1,
                MAX_PARTICIPANTS[room_type],
                "max_participants",
                f" for a {room_type} room",
            ),
            (self.max_participant_duration, 600, 86400, "max_participant_duration", " seconds"),
            (self.empty_room_timeout, 1, 60, "empty_room_timeout", " minutes"),
            (self.unused_room_timeout, 1, 60, "unused_room_timeout", " minutes"),
        ):
            with wrong.collect():
                check_range(number, low, high, field, unit)
        with wrong.collect():
            check_distinct(self.video_codecs or (), "video_codecs")
        for field, types in _REFUSED_BY_TYPE.items():
            if room_type in types and getattr(self, field) not in (None, False, ()):
                with wrong.collect():
                    raise InvalidArgument.at(
                        field,
                        f"is not possible in a {room_type} room: leave it out, or use "
                        f"{in_text(RoomType.GROUP)} as `type`",
                    )
        for index, codec in enumerate(self.video_codecs or ()):
            with wrong.collect():
                check_known(codec, ("video_codecs", index))
        if self.recording_rules is not None:
            with wrong.collect():
                check_rules(self.recording_rules, "recording_rules")
        with wrong.collect():
            self._check_media_region()
        wrong.raise_any()

    def _check_unique_name(self) -> None:
        if self.unique_name is None:
            return
        checked_name(self.unique_name, "unique_name")
        if is_room_sid(self.unique_name):
            raise InvalidArgument.at(
                "unique_name",
                "has the form of a SID, so it could not be looked up; choose another name",
            )

    def _check_media_region(self) -> None:
        region = self.media_region
        if region is not None and not re.fullmatch(r"[a-z0-9-]{1,32}", region):
            raise InvalidArgument.at(
                "media_region", "is not the id of a region; give one such as us1, ie1 or gll"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomFilter:
    """Which rooms a list contains. As in Twilio's API, `created_after` is inclusive and
    `created_before` is exclusive."""

    statuses: tuple[RoomStatus, ...] = (RoomStatus.IN_PROGRESS,)
    """An empty tuple means the default too."""
    unique_name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        check_statuses(self.statuses)
        if not self.statuses:
            object.__setattr__(self, "statuses", (RoomStatus.IN_PROGRESS,))
        if self.unique_name is not None:
            checked_name(self.unique_name, "unique_name")
        check_zones(created_after=self.created_after, created_before=self.created_before)
