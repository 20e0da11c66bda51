"""Recordings, what is to be recorded, and what may be asked about them. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource
https://www.twilio.com/docs/video/api/recording-rules
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import OpenEnum, UnknownWord
from gateway.core.rules import RULES_LIMIT as RULES_LIMIT
from gateway.core.rules import Rule, TrackKind, check_rule
from gateway.core.rules import RuleType as RuleType
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
from gateway.core.validation import check_known, check_zones

INT64 = "int64"
"""Marks a number that may need 64 bits; every other fits into 32."""

# Ours: it keeps a query's length within what servers take. Twilio names no limit.
GROUPING_SIDS_LIMIT = 20


class RecordedKind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """Includes or excludes either all tracks, or those that match every filter given."""

    type: RuleType
    all: bool | None = None
    kind: RecordedKind | None = None
    publisher: str | None = None
    track: str | None = None

    def __post_init__(self) -> None:
        check_rule(self, "a recording rule")


@dataclass(frozen=True, slots=True)
class NewRecordingRules:
    """What a room records from now on: these rules take the place of all before."""

    rules: tuple[RecordingRule, ...]

    def __post_init__(self) -> None:
        check_rules(self.rules, "rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRules:
    """The rules in force."""

    room_sid: RoomSid
    rules: tuple[Rule, ...] = ()
    date_created: datetime | None = None
    date_updated: datetime | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


class RecordingStatus(OpenEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    DELETED = "deleted"
    """The media is gone, what is known of it stays."""
    FAILED = "failed"
    UNKNOWN = "unknown"


class ContainerFormat(OpenEnum):
    MKA = "mka"
    MKV = "mkv"
    UNKNOWN = "unknown"


class Codec(OpenEnum):
    """Of recordings and of Insights. In any case: the documents say OPUS and their examples opus."""

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
    """Whose track was recorded, and in which room."""

    room_sid: RoomSid | None = None
    participant_sid: ParticipantSid | None = None


@dataclass(frozen=True, slots=True)
class RecordingLinks:
    media: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One track's recording. `duration` is in seconds, `size` in bytes, `offset` in milliseconds since a moment that all
    recordings of a room share. The status callback is told by the account's list only, not by the room's."""

    sid: RecordingSid
    account_sid: AccountSid
    room_sid: RoomSid | None = None
    status: RecordingStatus
    type: TrackKind
    source_sid: str | None = None
    track_name: str | None = None
    container_format: ContainerFormat | None = None
    codec: Codec | None = None
    size: Annotated[int, INT64] | None = None
    duration: int | None = None
    offset: Annotated[int, INT64] | None = None
    date_created: datetime | None = None
    grouping_sids: GroupingSids | None = None
    media_external_location: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    url: str | None = None
    links: RecordingLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaLink:
    """Where a recording's media can be loaded for a short time, by whoever has the address: it is shown in no log."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """`created_after` includes its moment, `created_before` does not."""

    status: RecordingStatus | None = None
    source_sid: str | None = None
    """A track's SID."""
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        check_known(self.status, "status", "PROCESSING, COMPLETED, DELETED or FAILED")
        if self.source_sid is not None:
            checked_sid(TrackSid, self.source_sid, "sourceSid")
        check_zones(createdAfter=self.created_after, createdBefore=self.created_before)


class RoomRecordingFilter(_Filter):
    """Which of a room's recordings a list shows."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter(_Filter):
    """Which of the account's recordings a list shows."""

    grouping_sids: tuple[str, ...] = ()
    """SIDs of rooms or participants."""
    media_type: TrackKind | None = None

    def __post_init__(self) -> None:
        _Filter.__post_init__(self)
        if not all(
            is_sid(RoomSid, sid) or is_sid(ParticipantSid, sid) for sid in self.grouping_sids
        ):
            raise InvalidArgument(
                "groupingSids holds what is not the SID of a room or a participant; give RM or PA and 32 hex digits"
            )
        if len(self.grouping_sids) > GROUPING_SIDS_LIMIT:
            raise InvalidArgument(
                f"groupingSids has {len(self.grouping_sids)} SIDs; give up to {GROUPING_SIDS_LIMIT}"
            )
        check_known(self.media_type, "mediaType", "AUDIO, VIDEO or DATA")
