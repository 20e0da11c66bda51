"""Room events and the other messages of a stream as GraphQL types. Does no I/O.

Each event type has a GraphQL type of its own. An event shows its room, participant,
track or recording as the same types as queries do, with the same ids. They are built
from the event alone: no field of theirs is fetched, unless it is one that fetches in a
query too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Self

import strawberry
from strawberry import UNSET

from gateway.core import event_objects, events
from gateway.core.errors import InvalidArgument
from gateway.core.events import RoomEventType
from gateway.core.paging import Page
from gateway.gql.schema.inputs import optional
from gateway.gql.schema.participants import Participant, PublishedTrack
from gateway.gql.schema.recordings import Recording
from gateway.gql.schema.types import (
    Connection,
    build_connection,
    build_view,
    optional_id,
    view_at,
)

if TYPE_CHECKING:  # A room shows its events, and an event its room.
    from gateway.gql.schema.rooms import Room


@strawberry.interface(
    description="A message of an event stream: either an event or a `StreamControl`."
)
class StreamMessage:
    cursor: str = strawberry.field(
        description="Position in the event log. Send it as `after` to continue the stream behind "
        "this message, on any transport and any replica."
    )
    prev: str | None = strawberry.field(
        description="The `cursor` of the message before this one in the chain of this stream, so "
        "that a client can tell that nothing is missing. Null for messages outside the chain: "
        "`StreamStarted`, `Bookmark` and `ResyncRequired`; and for the first event of "
        "`Room.events` without `after`."
    )


@strawberry.interface(
    description="A message about the stream itself. It reports nothing of a room."
)
class StreamControl(StreamMessage):
    pass


@strawberry.type
class StreamStarted(StreamControl):
    mode: events.StreamMode
    watched_room: strawberry.ID | None
    history_start_time: datetime | None

    @classmethod
    def from_message(cls, message: events.StreamStarted) -> Self:
        return build_view(cls, message, prev=None, watched_room=optional_id(message.room_sid))


@strawberry.type
class Bookmark(StreamControl):
    pass


@strawberry.type
class Gap(StreamControl):
    pass


@strawberry.type
class ResyncRequired(StreamControl):
    reason: events.ResyncReason


@strawberry.interface
class RoomEvent(StreamMessage):
    id: strawberry.ID = strawberry.field(
        description="Identifies the event: its `cursor`. No argument takes it."
    )
    type: RoomEventType = strawberry.field(description="What happened.")
    room: Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")]
    event_time: datetime
    sequence_number: int | None
    source: events.RoomEventSource
    late: bool

    @classmethod
    def from_event(cls, event: events.RoomEvent, cursor: str, prev: str | None) -> Self:
        """The view of an event at `cursor`; `prev` is the cursor of the one before."""
        room = view_at(event_objects.room_of(event), cursor)
        return build_view(
            cls,
            event,
            id=strawberry.ID(cursor),
            cursor=cursor,
            prev=prev,
            room=room,
            **cls._objects(event, cursor),
        )

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        """The fields that are not attributes of the core event."""
        return {}


@strawberry.type
class RoomCreated(RoomEvent):
    pass


@strawberry.type
class RoomEnded(RoomEvent):
    pass


@strawberry.interface(description="An event about a participant, or about one of its tracks.")
class ParticipantEvent(RoomEvent):
    participant: Participant = strawberry.field(
        description="The participant as the event reports it. Every event tells `id`, the SIDs, "
        "`identity` and `status`. `ParticipantConnected` tells `startTime` and `createTime` too, "
        "`ParticipantDisconnected` tells `endTime` and `durationSeconds`."
    )

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {"participant": view_at(event_objects.participant_of(event), cursor)}


@strawberry.type
class ParticipantConnected(ParticipantEvent):
    pass


@strawberry.type
class ParticipantDisconnected(ParticipantEvent):
    pass


@strawberry.interface(description="An event about a track that a participant publishes.")
class PublishedTrackEvent(ParticipantEvent):
    track: PublishedTrack = strawberry.field(
        description="The track as the event reports it. Every event tells `id`, the SIDs, `kind` "
        "and `isMuted`, which is null for a removed track. `TrackAdded` tells `createTime` too. "
        "`name` is null unless Twilio sends it, which it does not document."
    )

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "participant": view_at(event_objects.participant_of(event), cursor),
            "track": view_at(event_objects.track_of(event), cursor),
        }


@strawberry.type
class TrackAdded(PublishedTrackEvent):
    pass


@strawberry.type
class TrackRemoved(PublishedTrackEvent):
    pass


@strawberry.type
class TrackEnabled(PublishedTrackEvent):
    pass


@strawberry.type
class TrackDisabled(PublishedTrackEvent):
    pass


@strawberry.interface(description="An event about the recording of one track.")
class RecordingEvent(RoomEvent):
    recording: Recording = strawberry.field(
        description="The recording as the event reports it. Every event tells `id`, the SIDs, "
        "`status`, `type`, `trackName`, `containerFormat`, `codec` and `offsetMs`. "
        "`RecordingStarted` tells `createTime` too. `RecordingCompleted` tells `sizeBytes`, "
        "`durationSeconds` and `mediaExternalLocation`. Addresses are relative, as Twilio sends "
        "them."
    )
    participant_identity: str | None = strawberry.field(
        description="The identity of the participant whose track is recorded. Its SID is in "
        "`recording.groupingSids`. Null if Twilio sent none."
    )

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {"recording": view_at(event_objects.recording_of(event), cursor)}


@strawberry.type
class RecordingStarted(RecordingEvent):
    pass


@strawberry.type
class RecordingCompleted(RecordingEvent):
    pass


@strawberry.type
class RecordingFailed(RecordingEvent):
    failed_operation: events.RecordingOperation | None

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "recording": view_at(event_objects.recording_of(event), cursor),
            "failed_operation": event_objects.failed_operation_of(event),
        }


@strawberry.type
class RoomChanged(RoomEvent):
    change: events.RoomChangeKind | None
    changed_id: strawberry.ID | None = strawberry.field(
        description="The `id` of what was changed, for `node` and for caches of clients: of the "
        "room, the participant, its subscribe rules, the recording rules of the room, the "
        "recording or the transcription. Null only when Twilio's response to the start of a "
        "transcription was lost."
    )
    changed_participant: Participant | None
    deleted_recording_id: strawberry.ID | None

    @classmethod
    def _objects(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "changed_id": _changed_id(event),
            "changed_participant": view_at(event.participant, cursor),
            "deleted_recording_id": optional_id(event.recording_sid),
        }


_CHANGED_IDS: Final[Mapping[events.RoomChangeKind, str]] = {
    events.RoomChangeKind.ROOM: "{sid}",
    events.RoomChangeKind.PARTICIPANT: "{room}:{sid}",
    events.RoomChangeKind.SUBSCRIBE_RULES: "{room}:{sid}:subscribeRules",
    events.RoomChangeKind.RECORDING_RULES: "{sid}:recordingRules",
    events.RoomChangeKind.RECORDING: "{sid}",
    events.RoomChangeKind.TRANSCRIPTION: "{room}:{sid}",
}


def _changed_id(event: events.RoomEvent) -> strawberry.ID | None:
    sid = event_objects.changed_sid_of(event)
    if sid is None or event.change is None:
        return None
    return strawberry.ID(_CHANGED_IDS[event.change].format(room=event.room_sid, sid=sid))


EVENT_TYPES: dict[RoomEventType, type[RoomEvent]] = {
    RoomEventType.ROOM_CREATED: RoomCreated,
    RoomEventType.ROOM_ENDED: RoomEnded,
    RoomEventType.PARTICIPANT_CONNECTED: ParticipantConnected,
    RoomEventType.PARTICIPANT_DISCONNECTED: ParticipantDisconnected,
    RoomEventType.TRACK_ADDED: TrackAdded,
    RoomEventType.TRACK_REMOVED: TrackRemoved,
    RoomEventType.TRACK_ENABLED: TrackEnabled,
    RoomEventType.TRACK_DISABLED: TrackDisabled,
    RoomEventType.RECORDING_STARTED: RecordingStarted,
    RoomEventType.RECORDING_COMPLETED: RecordingCompleted,
    RoomEventType.RECORDING_FAILED: RecordingFailed,
    RoomEventType.ROOM_CHANGED: RoomChanged,
}


def message_view(message: events.StreamMessage) -> StreamMessage:
    """The view of a message that the feed sends."""
    match message:
        case events.Delivered():
            return event_view(message.event, message.cursor, message.prev)
        case events.StreamStarted():
            return StreamStarted.from_message(message)
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


@strawberry.input(description="Which events to select: those that match every field.")
class RoomEventFilter:
    types: list[RoomEventType] | None = strawberry.field(
        default=UNSET, description="The types of events, one at least. Null selects all types."
    )


def selected_types(event_filter: RoomEventFilter | None) -> frozenset[RoomEventType] | None:
    """The types that the argument `filter` selects; None for all.

    Raises InvalidArgument for an empty list.
    """
    types = optional(event_filter.types) if event_filter else None
    if types is not None and not types:
        raise InvalidArgument.at(
            ("filter", "types"),
            "is empty; name at least one event type, or leave it out for all",
        )
    return None if types is None else frozenset(types)
