"""Enums: each word of core and its number on the wire. Does no I/O."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from gateway.core.caching import FreshnessSource
from gateway.core.errors import InvalidArgument
from gateway.core.events import Changed, EventSource, ResyncReason, RoomEventType, StreamMode
from gateway.core.insights import (
    CreatedMethod,
    EdgeLocation,
    ProcessingState,
    RoomEndReason,
    StayStatus,
)
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.core.participants import ParticipantStatus
from gateway.core.recordings import Codec, ContainerFormat, RecordedKind, RecordingStatus
from gateway.core.rooms import RoomStatus, RoomType, VideoCodec
from gateway.core.rules import RuleEffect, RuleType, TrackKind, TrackPriority
from gateway.core.tokens import Problem
from gateway.core.transcriptions import TranscriptionStatus
from gateway.rooms.v1 import (
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

Word = TypeVar("Word", bound=Enum)
Number = TypeVar("Number", bound=int)


class EnumTable(Generic[Word, Number]):
    """One row a word, which has the same name on both sides. UNSPECIFIED, the zero of every enum on the wire, is None in
    core. Raises ValueError for a word of core that the wire does not have."""

    def __init__(self, words: type[Word], wire: type[Number]) -> None:
        enum: Any = wire  # a wrapper around the enum, which the generated stubs show as a class
        self.full_name: Final[str] = enum.DESCRIPTOR.full_name
        prefix = enum.Name(0).removesuffix("UNSPECIFIED")
        self.rows: Final[Mapping[Word, Number]] = {
            word: enum.Value(prefix + word.name) for word in words
        }
        self._words: Final[Mapping[int, Word]] = {
            int(number): word for word, number in self.rows.items()
        }

    def to_pb(self, word: Word | None) -> Number | None:
        return None if word is None else self.rows[word]

    def from_pb(self, number: int, field: str) -> Word | None:
        """Raises InvalidArgument for a number that is no word."""
        return None if number == 0 else self._word(number, field)

    def from_pb_list(self, numbers: Iterable[int], field: str) -> tuple[Word, ...]:
        """Raises InvalidArgument for a number that is no word, UNSPECIFIED included: in a list it says nothing."""
        return tuple(self._word(number, field) for number in numbers)

    @property
    def choice(self) -> str:
        return ", ".join(word.name for word in self.rows if word.name != "UNKNOWN")

    def _word(self, number: int, field: str) -> Word:
        word = self._words.get(number)
        if word is None:
            raise InvalidArgument(
                f"{field} holds the number {number}, which has no meaning here; give one of {self.choice}"
            )
        return word


ROOM_STATUS: Final = EnumTable(RoomStatus, room_pb2.RoomStatus)
ROOM_TYPE: Final = EnumTable(RoomType, room_pb2.RoomType)
VIDEO_CODEC: Final = EnumTable(VideoCodec, room_pb2.VideoCodec)
FOLLOWED_BY: Final = EnumTable(FreshnessSource, room_pb2.FollowedBy)

RULE_TYPE: Final = EnumTable(RuleType, rule_pb2.RuleType)
RULE_EFFECT: Final = EnumTable(RuleEffect, rule_pb2.RuleEffect)
TRACK_KIND: Final = EnumTable(TrackKind, rule_pb2.TrackKind)
TRACK_PRIORITY: Final = EnumTable(TrackPriority, rule_pb2.TrackPriority)

PARTICIPANT_STATUS: Final = EnumTable(ParticipantStatus, participant_pb2.ParticipantStatus)

RECORDED_KIND: Final = EnumTable(RecordedKind, recording_pb2.RecordedKind)
RECORDING_STATUS: Final = EnumTable(RecordingStatus, recording_pb2.RecordingStatus)
CONTAINER_FORMAT: Final = EnumTable(ContainerFormat, recording_pb2.ContainerFormat)
CODEC: Final = EnumTable(Codec, recording_pb2.Codec)

TRANSCRIPTION_STATUS: Final = EnumTable(TranscriptionStatus, transcription_pb2.TranscriptionStatus)

CREATED_METHOD: Final = EnumTable(CreatedMethod, insights_pb2.CreatedMethod)
ROOM_END_REASON: Final = EnumTable(RoomEndReason, insights_pb2.RoomEndReason)
PROCESSING_STATE: Final = EnumTable(ProcessingState, insights_pb2.ProcessingState)
EDGE_LOCATION: Final = EnumTable(EdgeLocation, insights_pb2.EdgeLocation)
STAY_STATUS: Final = EnumTable(StayStatus, insights_pb2.StayStatus)

PROBLEM: Final = EnumTable(Problem, token_pb2.TokenProblem)

REQUEST_CLASS: Final = EnumTable(Priority, quota_pb2.RequestClass)
QUOTA_SOURCE: Final = EnumTable(QuotaSource, quota_pb2.QuotaSource)

ROOM_EVENT_TYPE: Final = EnumTable(RoomEventType, events_pb2.RoomEventType)
EVENT_SOURCE: Final = EnumTable(EventSource, events_pb2.EventSource)
CHANGED: Final = EnumTable(Changed, events_pb2.Changed)
STREAM_MODE: Final = EnumTable(StreamMode, events_pb2.StreamMode)
RESYNC_REASON: Final = EnumTable(ResyncReason, events_pb2.ResyncReason)

TABLES: Final[Mapping[str, EnumTable[Any, Any]]] = {
    table.full_name: table for table in tuple(vars().values()) if isinstance(table, EnumTable)
}
"""By the name of the enum on the wire."""
