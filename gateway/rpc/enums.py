"""Enums: the core members and their protobuf numbers. Does no I/O."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.caching import FreshnessSource
from gateway.core.errors import InvalidArgument, Path
from gateway.core.events import (
    RecordingOperation,
    ResyncReason,
    RoomChangeKind,
    RoomEventSource,
    RoomEventType,
    StreamMode,
)
from gateway.core.insights import (
    EdgeLocation,
    InsightsParticipantStatus,
    InsightsProcessingState,
    RoomCreatedMethod,
    RoomEndReason,
)
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.core.open_enum import HttpMethod
from gateway.core.participants import ParticipantStatus
from gateway.core.recordings import ContainerFormat, MediaCodec, RecordedKind, RecordingStatus
from gateway.core.rooms import RoomStatus, RoomType, VideoCodec
from gateway.core.rules import RuleType, TrackKind, TrackPriority, TrackRuleEffect
from gateway.core.tokens import Problem
from gateway.core.transcriptions import TranscriptionStatus
from gateway.rpc.v1 import (
    events_pb2,
    insights_pb2,
    participant_pb2,
    quota_pb2,
    recording_pb2,
    room_pb2,
    rule_pb2,
    token_pb2,
    transcription_pb2,
)

Member = TypeVar("Member", bound=Enum)
Number = TypeVar("Number", bound=int)


class EnumTable(Generic[Member, Number]):
    """One core enum and its protobuf enum. Members have the same names on both sides.

    UNSPECIFIED, the 0 of every protobuf enum, is None in core. Raises ValueError for a
    core member that the protobuf enum does not have.
    """

    def __init__(self, core_enum: type[Member], pb_enum: type[Number]) -> None:
        enum: Any = pb_enum  # an EnumTypeWrapper, which the generated stubs show as a class
        self.full_name: Final[str] = enum.DESCRIPTOR.full_name
        prefix = enum.Name(0).removesuffix("UNSPECIFIED")
        self.numbers: Final[Mapping[Member, Number]] = {
            member: enum.Value(prefix + member.name) for member in core_enum
        }
        self.names: Final[Mapping[Member, str]] = {
            member: prefix + member.name for member in core_enum
        }
        """The names of the protobuf enum's values."""
        self._members: Final[Mapping[int, Member]] = {
            int(number): member for member, number in self.numbers.items()
        }

    def to_pb(self, member: Member | None) -> Number | None:
        return None if member is None else self.numbers[member]

    def from_pb(self, number: int, field: Path) -> Member | None:
        """Returns None for 0. Raises InvalidArgument for an unknown number."""
        return None if number == 0 else self._member(number, field)

    def from_pb_list(self, numbers: Iterable[int], field: Path) -> tuple[Member, ...]:
        """Raises InvalidArgument for an unknown number, and for 0: it means nothing in
        a list."""
        return tuple(self._member(number, (*field, index)) for index, number in enumerate(numbers))

    @property
    def choices(self) -> str:
        """The names that a request may use."""
        return ", ".join(name for member, name in self.names.items() if member.name != "UNKNOWN")

    def _member(self, number: int, field: Path) -> Member:
        member = self._members.get(number)
        if member is None:
            raise InvalidArgument.at(field, f"is {number}: set it to one of {self.choices}")
        return member


ROOM_STATUS: Final = EnumTable(RoomStatus, room_pb2.RoomStatus)
ROOM_TYPE: Final = EnumTable(RoomType, room_pb2.RoomType)
VIDEO_CODEC: Final = EnumTable(VideoCodec, room_pb2.VideoCodec)
HTTP_METHOD: Final = EnumTable(HttpMethod, room_pb2.HttpMethod)
FRESHNESS_SOURCE: Final = EnumTable(FreshnessSource, room_pb2.FreshnessSource)

TRACK_RULE_EFFECT: Final = EnumTable(TrackRuleEffect, rule_pb2.TrackRuleEffect)
TRACK_KIND: Final = EnumTable(TrackKind, rule_pb2.TrackKind)
TRACK_PRIORITY: Final = EnumTable(TrackPriority, rule_pb2.TrackPriority)

PARTICIPANT_STATUS: Final = EnumTable(ParticipantStatus, participant_pb2.ParticipantStatus)

RECORDING_STATUS: Final = EnumTable(RecordingStatus, recording_pb2.RecordingStatus)
CONTAINER_FORMAT: Final = EnumTable(ContainerFormat, recording_pb2.ContainerFormat)
MEDIA_CODEC: Final = EnumTable(MediaCodec, recording_pb2.MediaCodec)

TRANSCRIPTION_STATUS: Final = EnumTable(TranscriptionStatus, transcription_pb2.TranscriptionStatus)

ROOM_CREATED_METHOD: Final = EnumTable(RoomCreatedMethod, insights_pb2.RoomCreatedMethod)
ROOM_END_REASON: Final = EnumTable(RoomEndReason, insights_pb2.RoomEndReason)
INSIGHTS_PROCESSING_STATE: Final = EnumTable(
    InsightsProcessingState, insights_pb2.InsightsProcessingState
)
EDGE_LOCATION: Final = EnumTable(EdgeLocation, insights_pb2.EdgeLocation)
INSIGHTS_PARTICIPANT_STATUS: Final = EnumTable(
    InsightsParticipantStatus, insights_pb2.InsightsParticipantStatus
)

TOKEN_PROBLEM: Final = EnumTable(Problem, token_pb2.TokenProblem)

REQUEST_CLASS: Final = EnumTable(Priority, quota_pb2.RequestClass)
QUOTA_SOURCE: Final = EnumTable(QuotaSource, quota_pb2.QuotaSource)

ROOM_EVENT_TYPE: Final = EnumTable(RoomEventType, events_pb2.RoomEventType)
ROOM_EVENT_SOURCE: Final = EnumTable(RoomEventSource, events_pb2.RoomEventSource)
ROOM_CHANGE_KIND: Final = EnumTable(RoomChangeKind, events_pb2.RoomChangeKind)
RECORDING_OPERATION: Final = EnumTable(RecordingOperation, events_pb2.RecordingOperation)
STREAM_MODE: Final = EnumTable(StreamMode, events_pb2.StreamMode)
RESYNC_REASON: Final = EnumTable(ResyncReason, events_pb2.ResyncReason)

TABLES: Final[Mapping[str, EnumTable[Any, Any]]] = {
    table.full_name: table for table in tuple(vars().values()) if isinstance(table, EnumTable)
}
"""Every table, by the full name of its protobuf enum."""

# A rule that we set may use fewer words than a rule that Twilio returns.
NARROW_TABLES: Final[Mapping[str, EnumTable[Any, Any]]] = {
    "rooms_gateway.v1.RecordingRule.effect": EnumTable(RuleType, rule_pb2.TrackRuleEffect),
    "rooms_gateway.v1.RecordingRule.kind": EnumTable(RecordedKind, rule_pb2.TrackKind),
    "rooms_gateway.v1.SubscribeRule.effect": EnumTable(RuleType, rule_pb2.TrackRuleEffect),
}
"""Tables of single fields, by the full name of the field."""


def table_of(field: FieldDescriptor) -> EnumTable[Any, Any]:
    """Returns the table of a field whose type is an enum."""
    assert field.enum_type is not None, "a field of another type has no table"
    return NARROW_TABLES.get(field.full_name) or TABLES[field.enum_type.full_name]
