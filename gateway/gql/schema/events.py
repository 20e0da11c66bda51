"""What happens to rooms, and the messages of a stream, as GraphQL types: one type for each event. Does no I/O."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from gateway.core import caching, events, rooms
from gateway.core.errors import InvalidArgument
from gateway.core.paging import Page
from gateway.gql.schema.inputs import given
from gateway.gql.schema.participants import Participant
from gateway.gql.schema.scalars import BigInt
from gateway.gql.schema.types import Connection, connection, id_of, resource, view

if TYPE_CHECKING:
    from gateway.gql.schema.rooms import Room


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
    floor_at: datetime | None = strawberry.field(
        description="Since when the log's history is complete."
    )


@strawberry.type(
    description="Nothing that matches lies at or before `cursor` undelivered. Stands outside the chain."
)
class Bookmark(StreamMessage):
    pass


@strawberry.type(description="Something between `prev` and `cursor` is known to be lost.")
class Gap(StreamMessage):
    pass


@strawberry.type(
    description="What lies before `cursor` cannot be told any more: read the state anew, then go on."
)
class ResyncRequired(StreamMessage):
    reason: events.ResyncReason


@strawberry.interface(description="`roomStatus` and `roomType` are what the callback said.")
class RoomEvent(StreamMessage):
    type: events.RoomEventType
    room_sid: strawberry.ID
    room_name: str | None
    at: datetime
    sequence_number: int | None
    source: events.EventSource
    late: bool
    room_status: rooms.RoomStatus | None
    room_type: rooms.RoomType | None


@strawberry.type
class RoomCreated(RoomEvent):
    pass


@strawberry.type
class RoomEnded(RoomEvent):
    room_duration: int | None = strawberry.field(description="Seconds.")


@strawberry.type(description="Who an event is about.")
class EventParticipant:
    sid: strawberry.ID | None
    identity: str | None
    status: str | None
    duration: int | None = strawberry.field(description="Seconds; when somebody disconnects.")


@strawberry.type(description="What an event is about.")
class EventTrack:
    sid: strawberry.ID | None
    kind: events.TrackKind | None
    name: str | None


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


@strawberry.interface
class ParticipantEvent(RoomEvent):
    participant: EventParticipant


@strawberry.type
class ParticipantConnected(ParticipantEvent):
    pass


@strawberry.type
class ParticipantDisconnected(ParticipantEvent):
    pass


@strawberry.interface
class TrackEvent(ParticipantEvent):
    track: EventTrack


@strawberry.type
class TrackAdded(TrackEvent):
    pass


@strawberry.type
class TrackRemoved(TrackEvent):
    pass


@strawberry.type
class TrackEnabled(TrackEvent):
    pass


@strawberry.type
class TrackDisabled(TrackEvent):
    pass


@strawberry.interface
class RecordingEvent(RoomEvent):
    participant: EventParticipant
    track: EventTrack
    recording: EventRecording


@strawberry.type
class RecordingStarted(RecordingEvent):
    pass


@strawberry.type
class RecordingCompleted(RecordingEvent):
    pass


@strawberry.type
class RecordingFailed(RecordingEvent):
    pass


@strawberry.type(
    description="A mutation of ours. The room, or the participant, is what Twilio answered to it."
)
class RoomChanged(RoomEvent):
    changed: events.Changed | None
    room: Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] | None
    participant: Participant | None


EVENT_TYPES: dict[events.RoomEventType, type[RoomEvent]] = {
    events.RoomEventType.ROOM_CREATED: RoomCreated,
    events.RoomEventType.ROOM_ENDED: RoomEnded,
    events.RoomEventType.PARTICIPANT_CONNECTED: ParticipantConnected,
    events.RoomEventType.PARTICIPANT_DISCONNECTED: ParticipantDisconnected,
    events.RoomEventType.TRACK_ADDED: TrackAdded,
    events.RoomEventType.TRACK_REMOVED: TrackRemoved,
    events.RoomEventType.TRACK_ENABLED: TrackEnabled,
    events.RoomEventType.TRACK_DISABLED: TrackDisabled,
    events.RoomEventType.RECORDING_STARTED: RecordingStarted,
    events.RoomEventType.RECORDING_COMPLETED: RecordingCompleted,
    events.RoomEventType.RECORDING_FAILED: RecordingFailed,
    events.RoomEventType.ROOM_CHANGED: RoomChanged,
}
MESSAGE_TYPES = (StreamStarted, Bookmark, Gap, ResyncRequired, *EVENT_TYPES.values())


def message_of(message: events.StreamMessage) -> StreamMessage:
    match message:
        case events.Delivered():
            return event_of(message.cursor, message.prev, message.event)
        case events.StreamStarted():
            return view(StreamStarted, message, prev=None)
        case events.Bookmark():
            return Bookmark(cursor=message.cursor, prev=None)
        case events.Gap():
            return Gap(cursor=message.cursor, prev=message.prev)
        case events.ResyncRequired():
            return ResyncRequired(cursor=message.cursor, prev=None, reason=message.reason)


def event_of(cursor: str, prev: str | None, event: events.RoomEvent) -> RoomEvent:
    shown = EVENT_TYPES[event.type]
    parts: dict[str, object] = {"cursor": cursor, "prev": prev}
    if issubclass(shown, ParticipantEvent | RecordingEvent):
        parts["participant"] = EventParticipant(
            sid=id_of(event.participant_sid),
            identity=event.participant_identity,
            status=event.participant_status,
            duration=event.participant_duration,
        )
    if issubclass(shown, TrackEvent | RecordingEvent):
        parts["track"] = EventTrack(
            sid=id_of(event.track_sid), kind=event.track_kind, name=event.track_name
        )
    if issubclass(shown, RecordingEvent):
        parts["recording"] = _recording_of(event)
    if issubclass(shown, RoomChanged):
        parts["room"] = _at_its_place(event.room, event, cursor)
        parts["participant"] = _at_its_place(event.participant, event, cursor)
    return view(shown, event, **parts)


def timeline(page: Page[events.RoomEvent], after: str | None) -> Connection[RoomEvent]:
    """Chained like a stream: `prev` of the first event is where the page begins."""
    befores = (after, *(cursor for cursor, _ in page.items))
    items = [
        (cursor, event_of(cursor, prev, event))
        for prev, (cursor, event) in zip(befores, page.items, strict=False)
    ]
    return connection(
        Page(tuple(items), page.end_cursor, page.has_next_page), lambda event: event, after
    )


def chosen_types(
    types: list[events.RoomEventType] | None,
) -> frozenset[events.RoomEventType] | None:
    """None for all of them. Raises InvalidArgument for a list without any."""
    chosen = given(types)
    if chosen is not None and not chosen:
        raise InvalidArgument(
            "types is empty; name at least one event type, or leave it out for all"
        )
    return None if chosen is None else frozenset(chosen)


def _recording_of(event: events.RoomEvent) -> EventRecording:
    return view(
        EventRecording,
        event,
        sid=event.recording_sid,
        uri=event.recording_uri,
        duration=event.recording_duration,
        size=event.recording_size,
    )


def _at_its_place(value: object | None, event: events.RoomEvent, cursor: str) -> Any:
    """As Twilio answered the mutation, at its place in the log."""
    if value is None:
        return None
    told = caching.Freshness(event.at, is_stale=False, source=caching.FreshnessSource.CALLBACKS)
    return resource(caching.ReadResult(value, told, cursor))
