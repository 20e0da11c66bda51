"""Recordings, recording rules, and the parameters of requests about them. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource
https://www.twilio.com/docs/video/api/recording-rules
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import HttpMethod, OpenEnum, UnknownWord
from gateway.core.rules import RULES_LIMIT as RULES_LIMIT
from gateway.core.rules import RuleType as RuleType
from gateway.core.rules import TrackKind, TrackRule, check_rule
from gateway.core.rules import check_rules as check_rules
from gateway.core.sids import (
    AccountSid,
    ParticipantSid,
    RecordingSid,
    RoomSid,
    TrackSid,
    checked_sid,
    is_sid,
)
from gateway.core.validation import check_known, check_statuses, check_zones

INT64 = "int64"
"""Marks a number that may need 64 bits. Other numbers fit into 32."""
INT32_MAX = 2**31 - 1
"""The largest `Int` of GraphQL and `int32` of protobuf."""
INT64_MAX = 2**63 - 1

# Our own limit: it keeps a query short enough for HTTP servers. Twilio documents none.
GROUPING_SIDS_LIMIT = 20


class RecordedKind(StrEnum):
    """The kinds of tracks that can be recorded."""

    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """Includes or excludes all tracks, or those that match every given filter. Raises
    InvalidArgument for a rule that Twilio would refuse."""

    type: RuleType
    all: bool | None = None
    kind: RecordedKind | None = None
    publisher: str | None = None
    track: str | None = None

    def __post_init__(self) -> None:
        check_rule(self)


@dataclass(frozen=True, slots=True)
class NewRecordingRules:
    """The rules that replace all recording rules of a room."""

    rules: tuple[RecordingRule, ...]

    def __post_init__(self) -> None:
        check_rules(self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRules:
    """The rules in force."""

    room_sid: RoomSid
    rules: tuple[TrackRule, ...] = ()
    create_time: datetime | None = None
    update_time: datetime | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


class RecordingStatus(OpenEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    """The media is deleted, the recording's metadata is not."""
    FAILED = "failed"
    UNKNOWN = "unknown"


class ContainerFormat(OpenEnum):
    MKA = "mka"
    MKV = "mkv"
    UNKNOWN = "unknown"


class MediaCodec(OpenEnum):
    """Codecs of recordings and of Insights, in any case: Twilio's docs write OPUS, the
    examples in them opus."""

    VP8 = "VP8"
    VP9 = "VP9"
    H264 = "H264"
    OPUS = "OPUS"
    PCMU = "PCMU"
    UNKNOWN = "unknown"

    @classmethod
    def _respelled(cls, word: str) -> str:
        return word.upper()


@dataclass(frozen=True, slots=True)
class GroupingSids:
    """The participant whose track was recorded, and the room."""

    room_sid: RoomSid | None = None
    participant_sid: ParticipantSid | None = None


@dataclass(frozen=True, slots=True)
class RecordingLinks:
    media: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The recording of one track.

    `duration` is in seconds and `size` in bytes. `offset` is in milliseconds since a
    moment that all recordings of a room share. Only the account's list of recordings
    has the status callback, a room's list does not.
    """

    sid: RecordingSid
    account_sid: AccountSid
    room_sid: RoomSid | None = None
    status: RecordingStatus
    type: TrackKind
    source_sid: str | None = None
    track_name: str | None = None
    container_format: ContainerFormat | None = None
    codec: MediaCodec | None = None
    size: Annotated[int, INT64] | None = None
    duration: int | None = None
    offset: Annotated[int, INT64] | None = None
    create_time: datetime | None = None
    grouping_sids: GroupingSids | None = None
    media_external_location: str | None = None
    status_callback: str | None = None
    status_callback_method: HttpMethod | None = None
    url: str | None = None
    links: RecordingLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingMedia:
    """A URL from which a recording's media can be downloaded for a short time.

    The URL is a secret, as it needs no other credential: it must not be logged.
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """`created_after` is inclusive, `created_before` is exclusive. Raises
    InvalidArgument."""

    statuses: tuple[RecordingStatus, ...] = ()
    """Empty for all."""
    source_sid: str | None = None
    """The SID of a track."""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        check_statuses(self.statuses)
        if self.source_sid is not None:
            checked_sid(TrackSid, self.source_sid, "source_sid")
        check_zones(created_after=self.created_after, created_before=self.created_before)


class RoomRecordingFilter(_Filter):
    """Which recordings of a room a list contains."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter(_Filter):
    """Which recordings of the account a list contains."""

    grouping_sids: tuple[str, ...] = ()
    """SIDs of rooms or participants."""
    media_type: TrackKind | None = None

    def __post_init__(self) -> None:
        _Filter.__post_init__(self)
        for index, sid in enumerate(self.grouping_sids):
            if not is_sid(RoomSid, sid) and not is_sid(ParticipantSid, sid):
                raise InvalidArgument.at(
                    ("grouping_sids", index),
                    "is not the SID of a room or a participant; give RM or PA and 32 hex digits",
                )
        if len(self.grouping_sids) > GROUPING_SIDS_LIMIT:
            raise InvalidArgument.at(
                "grouping_sids",
                f"has {len(self.grouping_sids)} SIDs; give up to {GROUPING_SIDS_LIMIT}",
            )
        check_known(self.media_type, "media_type")
