"""Live views as GraphQL types, and the cursor of each. Does no I/O."""

from gateway.core.caching import ReadResult
from gateway.core.room_state import live
from gateway.gql.schema.events import StreamMessage
from gateway.gql.schema.presence import RoomPresence
from gateway.gql.schema.rooms import Room


def live_presence(result: ReadResult[live.LiveRoom]) -> RoomPresence:
    """Who is in the room, as a live view shows it."""
    assert result.as_of is not None, "a live view has a position in the log"
    return RoomPresence.of(Room.from_live(result), result.value.present, result.as_of)


SubscriptionMessage = StreamMessage | Room | RoomPresence
"""The root value of one subscription response."""


def resume_cursor(message: SubscriptionMessage) -> str | None:
    """The cursor from which a stream that ended after this message continues."""
    return message.as_of if isinstance(message, Room | RoomPresence) else message.cursor
