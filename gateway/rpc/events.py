"""Events and stream messages as protobuf messages. Does no I/O."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.event_objects import (
    changed_sid_of,
    failed_operation_of,
    participant_of,
    recording_of,
    room_of,
    track_of,
)
from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncRequired,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamStarted,
)
from gateway.rpc import enums
from gateway.rpc.convert import to_pb
from gateway.rpc.v1 import events_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_pb2 import Room
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages

_DESCRIPTOR: Any = events_pb2.RoomEvent.DESCRIPTOR
_MESSAGES: Final[Mapping[str, type[Message]]] = {
    field.name: GetMessageClass(field.message_type)
    for field in _DESCRIPTOR.oneofs_by_name["event"].fields
}
"""The message of each type of event, by its field in the event."""
_PARTS: Final[Mapping[str, Callable[[RoomEvent], object]]] = {
    "participant": participant_of,
    "track": track_of,
    "recording": recording_of,
    "failed_operation": failed_operation_of,
    "participant_identity": lambda event: event.participant_identity,
    "change": lambda event: event.change,
    "changed_sid": changed_sid_of,
    "changed_participant": lambda event: event.participant,
    "deleted_recording_sid": lambda event: event.recording_sid,
}
"""What the fields of these messages show."""


class Encoder:
    """Encodes each event once for all streams that deliver it after the same cursor."""

    def __init__(self) -> None:
        self._cache = EncodedMessages[tuple[str, str]]()

    def encode(self, message: StreamMessage) -> EncodedMessage:
        key = (message.cursor, message.prev) if isinstance(message, Delivered) else None
        encoded = None if key is None else self._cache.get(key)
        if encoded is None:
            encoded = EncodedMessage(
                stream_message_to_pb(message).SerializeToString(), message.cursor
            )
            if key is not None:
                self._cache.put(key, encoded)
        return encoded


def stream_message_to_pb(message: StreamMessage) -> pb.WatchRoomEventsResponse:
    match message:
        case StreamStarted():
            started = to_pb(message, events_pb2.StreamStarted)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, started=started)
        case Delivered():
            event = event_to_pb(message.event)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, prev=message.prev, event=event)
        case Bookmark():
            return pb.WatchRoomEventsResponse(cursor=message.cursor, bookmark=events_pb2.Bookmark())
        case Gap():
            return pb.WatchRoomEventsResponse(
                cursor=message.cursor, prev=message.prev, gap=events_pb2.Gap()
            )
        case ResyncRequired():
            resync = to_pb(message, events_pb2.ResyncRequired)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, resync_required=resync)


class _Subject:
    """What an event is about, by the names of the fields in its message."""

    def __init__(self, event: RoomEvent) -> None:
        self._event = event

    def __getattr__(self, name: str) -> object:
        return _PARTS[name](self._event)


def event_to_pb(event: RoomEvent) -> events_pb2.RoomEvent:
    """Returns the event with its objects. The message of a type has the type's name."""
    kind = event.type.name.lower()
    parts: dict[str, Any] = {kind: to_pb(_Subject(event), _MESSAGES[kind])}
    return events_pb2.RoomEvent(
        room=to_pb(room_of(event), Room),
        event_time=event.event_time,
        sequence_number=event.sequence_number,
        source=enums.ROOM_EVENT_SOURCE.to_pb(event.source),
        late=event.late,
        **parts,
    )


def event_types_from_pb(
    request: pb.WatchRoomEventsRequest | pb.ListRoomEventsRequest,
) -> frozenset[RoomEventType] | None:
    """Returns the types that the request names, or None for every type."""
    return frozenset(enums.ROOM_EVENT_TYPE.from_pb_list(request.types, ("types",))) or None
