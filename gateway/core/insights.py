"""Insights: Twilio's summaries of rooms and participants. Does no I/O.

A summary is complete some minutes after the end, so it is no source of live state.
https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api

Words that the Video API has too are the same enums here, though Insights writes them
with underscores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import HttpMethod, OpenEnum, UnknownWord
from gateway.core.recordings import INT64, MediaCodec
from gateway.core.rooms import RoomStatus, RoomType
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid
from gateway.core.validation import check_distinct, check_known, check_text, check_zones, one_of

INSIGHTS_CODECS = (MediaCodec.VP8, MediaCodec.VP9, MediaCodec.H264, MediaCodec.OPUS)


class RoomCreatedMethod(OpenEnum):
    SDK = "sdk"
    AD_HOC = "ad_hoc"
    API = "api"
    UNKNOWN = "unknown"


class RoomEndReason(OpenEnum):
    API = "room_ended_via_api"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


class InsightsProcessingState(OpenEnum):
    """How far Twilio's work on a summary is."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


class EdgeLocation(OpenEnum):
    ASHBURN = "ashburn"
    DUBLIN = "dublin"
    FRANKFURT = "frankfurt"
    SINGAPORE = "singapore"
    SYDNEY = "sydney"
    SAO_PAULO = "sao_paulo"
    ROAMING = "roaming"
    UMATILLA = "umatilla"
    TOKYO = "tokyo"
    UNKNOWN = "unknown"


class InsightsParticipantStatus(OpenEnum):
    """The status of a participant, in Insights' words."""

    IN_PROGRESS = "in_progress"
    CONNECTED = "connected"
    COMPLETED = "completed"
    DISCONNECTED = "disconnected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InsightsLinks:
    participants: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightsRoom:
    """The summary of one room. `media_region` is an open set of words: Twilio's docs
    disagree on it."""

    room_sid: RoomSid
    account_sid: AccountSid
    room_name: str | None = None
    room_type: RoomType | None = None
    room_status: RoomStatus | None = None
    create_time: datetime | None = None
    end_time: datetime | None = None
    created_method: RoomCreatedMethod | None = None
    end_reason: RoomEndReason | None = None
    status_callback: str | None = None
    status_callback_method: HttpMethod | None = None
    max_participants: int | None = None
    unique_participants: int | None = None
    unique_participant_identities: int | None = None
    concurrent_participants: int | None = None
    max_concurrent_participants: int | None = None
    codecs: tuple[MediaCodec, ...] = ()
    media_region: str | None = None
    edge_location: EdgeLocation | None = None
    duration: Annotated[int, INT64] | None = None
    total_participant_duration: Annotated[int, INT64] | None = None
    total_recording_duration: Annotated[int, INT64] | None = None
    processing_state: InsightsProcessingState | None = None
    recording_enabled: bool | None = None
    url: str | None = None
    links: InsightsLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightsParticipant:
    """The summary of one stay. Twilio documents neither the fields of the JSON objects
    `properties` and `publisher_info` nor the values of `end_reason`."""

    participant_sid: ParticipantSid
    room_sid: RoomSid
    account_sid: AccountSid
    participant_identity: str | None = None
    status: InsightsParticipantStatus | None = None
    join_time: datetime | None = None
    leave_time: datetime | None = None
    duration: Annotated[int, INT64] | None = None
    end_reason: str | None = None
    error_code: int | None = None
    error_code_url: str | None = None
    codecs: tuple[MediaCodec, ...] = ()
    media_region: str | None = None
    edge_location: EdgeLocation | None = None
    properties: Mapping[str, object] | None = None
    publisher_info: Mapping[str, object] | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightsRoomFilter:
    """Which rooms a list contains. Without dates, Twilio lists the rooms that were
    completed in the last 24 hours. It keeps summaries for 7 days. Raises
    InvalidArgument."""

    room_types: tuple[RoomType, ...] = ()
    codecs: tuple[MediaCodec, ...] = ()
    room_name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        for index, room_type in enumerate(self.room_types):
            check_known(room_type, ("room_types", index))
        for index, codec in enumerate(self.codecs):
            if codec not in INSIGHTS_CODECS:
                raise InvalidArgument.at(
                    ("codecs", index),
                    f"is a codec that Insights does not know; give {one_of(*INSIGHTS_CODECS)}",
                )
        check_distinct(self.room_types, "room_types")
        check_distinct(self.codecs, "codecs")
        if self.room_name is not None:
            check_text(self.room_name, "room_name", give="a room's name, or leave it out")
        check_zones(created_after=self.created_after, created_before=self.created_before)
