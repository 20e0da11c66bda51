"""Enums: each word of core and its number on the wire. Does no I/O."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Generic, TypeVar

from gateway.core.caching import FollowedBy
from gateway.core.errors import InvalidArgument
from gateway.core.events import EventSource, ResyncReason, RoomEventType, StreamMode, TrackKind
from gateway.core.recordings import RecordedKind, RuleType
from gateway.core.rooms import RoomStatus, RoomType, VideoCodec
from gateway.rooms.v1 import events_pb2, recording_pb2, room_pb2

Word = TypeVar("Word", bound=StrEnum)
Number = TypeVar("Number", bound=int)


class EnumTable(Generic[Word, Number]):
    """One row a word. UNSPECIFIED, the zero of every enum on the wire, is None in core."""

    def __init__(self, rows: Mapping[Word, Number]) -> None:
        self.rows: Final = rows
        self._words: Final[Mapping[int, Word]] = {int(number): word for word, number in rows.items()}

    def to_pb(self, word: Word | None) -> Number | None:
        return None if word is None else self.rows[word]

    def of(self, number: int, field: str) -> Word | None:
        """Raises InvalidArgument for a number that is no word."""
        return None if number == 0 else self._word(number, field)

    def of_each(self, numbers: Iterable[int], field: str) -> tuple[Word, ...]:
        """Raises InvalidArgument for a number that is no word, UNSPECIFIED included: in a list it says nothing."""
        return tuple(self._word(number, field) for number in numbers)

    def _word(self, number: int, field: str) -> Word:
        word = self._words.get(number)
        if word is None:
            choice = ", ".join(word.name for word in self.rows if word.name != "UNKNOWN")
            raise InvalidArgument(f"{field} holds the number {number}, which has no meaning here; give one of {choice}")
        return word


ROOM_STATUS: Final = EnumTable(
    {
        RoomStatus.IN_PROGRESS: room_pb2.ROOM_STATUS_IN_PROGRESS,
        RoomStatus.COMPLETED: room_pb2.ROOM_STATUS_COMPLETED,
        RoomStatus.FAILED: room_pb2.ROOM_STATUS_FAILED,
        RoomStatus.UNKNOWN: room_pb2.ROOM_STATUS_UNKNOWN,
    }
)
ROOM_TYPE: Final = EnumTable(
    {
        RoomType.GROUP: room_pb2.ROOM_TYPE_GROUP,
        RoomType.GROUP_SMALL: room_pb2.ROOM_TYPE_GROUP_SMALL,
        RoomType.PEER_TO_PEER: room_pb2.ROOM_TYPE_PEER_TO_PEER,
        RoomType.GO: room_pb2.ROOM_TYPE_GO,
        RoomType.UNKNOWN: room_pb2.ROOM_TYPE_UNKNOWN,
    }
)
VIDEO_CODEC: Final = EnumTable(
    {
        VideoCodec.VP8: room_pb2.VIDEO_CODEC_VP8,
        VideoCodec.H264: room_pb2.VIDEO_CODEC_H264,
        VideoCodec.UNKNOWN: room_pb2.VIDEO_CODEC_UNKNOWN,
    }
)
FOLLOWED_BY: Final = EnumTable(
    {
        FollowedBy.CALLBACKS: room_pb2.FOLLOWED_BY_CALLBACKS,
        FollowedBy.POLLED: room_pb2.FOLLOWED_BY_POLLED,
    }
)
RULE_TYPE: Final = EnumTable(
    {
        RuleType.INCLUDE: recording_pb2.RECORDING_RULE_TYPE_INCLUDE,
        RuleType.EXCLUDE: recording_pb2.RECORDING_RULE_TYPE_EXCLUDE,
    }
)
RECORDED_KIND: Final = EnumTable(
    {
        RecordedKind.AUDIO: recording_pb2.RECORDED_KIND_AUDIO,
        RecordedKind.VIDEO: recording_pb2.RECORDED_KIND_VIDEO,
    }
)
ROOM_EVENT_TYPE: Final = EnumTable(
    {
        RoomEventType.ROOM_CREATED: events_pb2.ROOM_EVENT_TYPE_ROOM_CREATED,
        RoomEventType.ROOM_ENDED: events_pb2.ROOM_EVENT_TYPE_ROOM_ENDED,
        RoomEventType.PARTICIPANT_CONNECTED: events_pb2.ROOM_EVENT_TYPE_PARTICIPANT_CONNECTED,
        RoomEventType.PARTICIPANT_DISCONNECTED: events_pb2.ROOM_EVENT_TYPE_PARTICIPANT_DISCONNECTED,
        RoomEventType.TRACK_ADDED: events_pb2.ROOM_EVENT_TYPE_TRACK_ADDED,
        RoomEventType.TRACK_REMOVED: events_pb2.ROOM_EVENT_TYPE_TRACK_REMOVED,
        RoomEventType.TRACK_ENABLED: events_pb2.ROOM_EVENT_TYPE_TRACK_ENABLED,
        RoomEventType.TRACK_DISABLED: events_pb2.ROOM_EVENT_TYPE_TRACK_DISABLED,
        RoomEventType.RECORDING_STARTED: events_pb2.ROOM_EVENT_TYPE_RECORDING_STARTED,
        RoomEventType.RECORDING_COMPLETED: events_pb2.ROOM_EVENT_TYPE_RECORDING_COMPLETED,
        RoomEventType.RECORDING_FAILED: events_pb2.ROOM_EVENT_TYPE_RECORDING_FAILED,
        RoomEventType.ROOM_CHANGED: events_pb2.ROOM_EVENT_TYPE_ROOM_CHANGED,
    }
)
EVENT_SOURCE: Final = EnumTable(
    {
        EventSource.CALLBACK: events_pb2.EVENT_SOURCE_CALLBACK,
        EventSource.MUTATION: events_pb2.EVENT_SOURCE_MUTATION,
        EventSource.RECONCILED: events_pb2.EVENT_SOURCE_RECONCILED,
    }
)
TRACK_KIND: Final = EnumTable(
    {
        TrackKind.AUDIO: events_pb2.TRACK_KIND_AUDIO,
        TrackKind.VIDEO: events_pb2.TRACK_KIND_VIDEO,
        TrackKind.DATA: events_pb2.TRACK_KIND_DATA,
        TrackKind.UNKNOWN: events_pb2.TRACK_KIND_UNKNOWN,
    }
)
STREAM_MODE: Final = EnumTable(
    {
        StreamMode.LIVE: events_pb2.STREAM_MODE_LIVE,
        StreamMode.RESUMED: events_pb2.STREAM_MODE_RESUMED,
        StreamMode.RESYNC: events_pb2.STREAM_MODE_RESYNC,
    }
)
RESYNC_REASON: Final = EnumTable(
    {
        ResyncReason.EPOCH: events_pb2.RESYNC_REASON_EPOCH,
        ResyncReason.ROLLED_BACK: events_pb2.RESYNC_REASON_ROLLED_BACK,
        ResyncReason.TRIMMED: events_pb2.RESYNC_REASON_TRIMMED,
        ResyncReason.DIVERGED: events_pb2.RESYNC_REASON_DIVERGED,
    }
)
