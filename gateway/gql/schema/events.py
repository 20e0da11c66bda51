"""Room events and the other messages of a stream as GraphQL types. Does no I/O.

Each event type has a GraphQL type of its own. `RoomChanged` stands in its own module,
because it shows a room, and a room shows its events.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Self, TypeVar

import strawberry

from gateway.core import events, rooms
from gateway.core.errors import InvalidArgument
from gateway.core.events import RoomEventType
from gateway.core.paging import Page
from gateway.gql.schema.inputs import optional
from gateway.gql.schema.scalars import BigInt
from gateway.gql.schema.types import Connection, build_connection, build_view, optional_id


@strawberry.interface(
    description="`prev` is the cursor of the event before it on this subscription."
)
class StreamMessage:
    cursor: str
    prev: str | None


@strawberry.type(description="First message of every stream: from `cursor` on, nothing is missed.")
class StreamStarted(StreamMessage):
    mode: events.StreamMode
    room_sid: strawberry.ID | None
    history_start_time: datetime | None = strawberry.field(
        description="Since when the log's history is complete."
    )


@strawberry.type(
    description="Nothing that matches lies at or before `cursor` undelivered. Stands outside the "
    "chain."
)
class Bookmark(StreamMessage):
    pass


@strawberry.type(description="Something between `prev` and `cursor` is known to be lost.")
class Gap(StreamMessage):
    pass


@strawberry.type(
    description="What lies before `cursor` cannot be told any more: read the state anew, "
    "then go on."
)
class ResyncRequired(StreamMessage):
    reason: events.ResyncReason


@strawberry.interface(description="`roomStatus` and `roomType` are what the callback said.")
class RoomEvent(StreamMessage):
    type: RoomEventType
    room_sid: strawberry.ID
    room_name: str | None
    event_time: datetime
    sequence_number: int | None
    source: events.RoomEventSource
    late: bool
    room_status: rooms.RoomStatus | None
    room_type: rooms.RoomType | None

    @classmethod
    def from_event(cls, event: events.RoomEvent, cursor: str, prev: str | None) -> Self:
        """The view of an event at `cursor`; `prev` is the cursor of the one before."""
        parts = cls._parts(event, cursor)
        return build_view(cls, event, cursor=cursor, prev=prev, **parts)

    @classmethod
    def _parts(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        """The fields that are not attributes of the core event."""
        return {}


EVENT_TYPES: dict[RoomEventType, type[RoomEvent]] = {}
"""Filled by `event_type`, and complete once the module `room_changed` is imported."""

_E = TypeVar("_E", bound=RoomEvent)


def event_type(type_: RoomEventType) -> Callable[[type[_E]], type[_E]]:
    """Registers a class as the GraphQL type of one type of event."""

    def register(cls: type[_E]) -> type[_E]:
        EVENT_TYPES[type_] = cls
        return cls

    return register


@event_type(RoomEventType.ROOM_CREATED)
@strawberry.type
class RoomCreated(RoomEvent):
    pass


@event_type(RoomEventType.ROOM_ENDED)
@strawberry.type
class RoomEnded(RoomEvent):
    room_duration: int | None = strawberry.field(description="Seconds.")


@strawberry.type(description="Who an event is about.")
class EventParticipant:
    sid: strawberry.ID | None
    identity: str | None
    status: str | None
    duration: int | None = strawberry.field(description="Seconds; when somebody disconnects.")

    @classmethod
    def from_event(cls, event: events.RoomEvent) -> Self:
        return cls(
            sid=optional_id(event.participant_sid),
            identity=event.participant_identity,
            status=event.participant_status,
            duration=event.participant_duration,
        )


@strawberry.type(description="What an event is about.")
class EventTrack:
    sid: strawberry.ID | None
    kind: events.TrackKind | None
    name: str | None

    @classmethod
    def from_event(cls, event: events.RoomEvent) -> Self:
        return cls(sid=optional_id(event.track_sid), kind=event.track_kind, name=event.track_name)


@strawberry.type
class EventRecording:
    sid: strawberry.ID | None
    source_sid: strawberry.ID | None = strawberry.field(description="The track that is recorded.")
    uri: str | None
    container: str | None
    codec: str | None
    offset_ms: BigInt | None = strawberry.field(
        description="Milliseconds since Twilio Video's epoch."
    )
    media_uri: str | None
    media_external_location: str | None
    duration: int | None = strawberry.field(description="Seconds.")
    size: BigInt | None = strawberry.field(description="Bytes.")
    failed_operation: str | None

    @classmethod
    def from_event(cls, event: events.RoomEvent) -> Self:
        return build_view(
            cls,
            event,
            sid=event.recording_sid,
            uri=event.recording_uri,
            duration=event.recording_duration,
            size=event.recording_size,
        )


@strawberry.interface
class ParticipantEvent(RoomEvent):
    participant: EventParticipant

    @classmethod
    def _parts(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {"participant": EventParticipant.from_event(event)}


@event_type(RoomEventType.PARTICIPANT_CONNECTED)
@strawberry.type
class ParticipantConnected(ParticipantEvent):
    pass


@event_type(RoomEventType.PARTICIPANT_DISCONNECTED)
@strawberry.type
class ParticipantDisconnected(ParticipantEvent):
    pass


@strawberry.interface
class TrackEvent(ParticipantEvent):
    track: EventTrack

    @classmethod
    def _parts(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "participant": EventParticipant.from_event(event),
            "track": EventTrack.from_event(event),
        }


@event_type(RoomEventType.TRACK_ADDED)
@strawberry.type
class TrackAdded(TrackEvent):
    pass


@event_type(RoomEventType.TRACK_REMOVED)
@strawberry.type
class TrackRemoved(TrackEvent):
    pass


@event_type(RoomEventType.TRACK_ENABLED)
@strawberry.type
class TrackEnabled(TrackEvent):
    pass


@event_type(RoomEventType.TRACK_DISABLED)
@strawberry.type
class TrackDisabled(TrackEvent):
    pass


@strawberry.interface
class RecordingEvent(RoomEvent):
    participant: EventParticipant
    track: EventTrack
    recording: EventRecording

    @classmethod
    def _parts(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "participant": EventParticipant.from_event(event),
            "track": EventTrack.from_event(event),
            "recording": EventRecording.from_event(event),
        }


@event_type(RoomEventType.RECORDING_STARTED)
@strawberry.type
class RecordingStarted(RecordingEvent):
    pass


@event_type(RoomEventType.RECORDING_COMPLETED)
@strawberry.type
class RecordingCompleted(RecordingEvent):
    pass


@event_type(RoomEventType.RECORDING_FAILED)
@strawberry.type
class RecordingFailed(RecordingEvent):
    pass


def message_view(message: events.StreamMessage) -> StreamMessage:
    """The view of a message that the feed sends."""
    match message:
        case events.Delivered():
            return event_view(message.event, message.cursor, message.prev)
        case events.StreamStarted():
            return build_view(StreamStarted, message, prev=None)
        case events.Bookmark():
            return Bookmark(cursor=message.cursor, prev=None)
        case events.Gap():
            return Gap(cursor=message.cursor, prev=message.prev)
        case events.ResyncRequired():
            return ResyncRequired(cursor=message.cursor, prev=None, reason=message.reason)


def event_view(event: events.RoomEvent, cursor: str, prev: str | None) -> RoomEvent:
    """The view of an event at `cursor`; `prev` is the cursor of the event before it."""
    return EVENT_TYPES[event.type].from_event(event, cursor, prev)


def timeline_connection(page: Page[events.RoomEvent], after: str | None) -> Connection[RoomEvent]:
    """A page of a room's timeline, chained like a stream.

    `prev` of the first event is `after`, the cursor that the page was requested with.
    """
    previous = (after, *(cursor for cursor, _ in page.items))
    items = [
        (cursor, event_view(event, cursor, prev))
        for prev, (cursor, event) in zip(previous, page.items, strict=False)
    ]
    return build_connection(
        Page(tuple(items), page.end_cursor, page.has_next_page), lambda event: event, after
    )


def event_types_argument(types: list[RoomEventType] | None) -> frozenset[RoomEventType] | None:
    """The types to select; None for all. Raises InvalidArgument for an empty list."""
    selected = optional(types)
    if selected is not None and not selected:
        raise InvalidArgument.at(
            "types", "must not be empty: name at least one event type, or leave it out for all"
        )
    return None if selected is None else frozenset(selected)
