"""The event of a mutation that went through this gateway. Does no I/O.

It shows the room or the participant as Twilio returned it, so that a client need not
fetch it again.
"""

from typing import TypeVar

import strawberry

from gateway.core import caching, events
from gateway.core.caching import ReadResult
from gateway.gql.schema.events import RoomEvent, event_type
from gateway.gql.schema.participants import Participant
from gateway.gql.schema.rooms import Room

T = TypeVar("T")


@event_type(events.RoomEventType.ROOM_CHANGED)
@strawberry.type(
    description="A mutation of ours. The room, or the participant, is what Twilio answered to it."
)
class RoomChanged(RoomEvent):
    change: events.RoomChangeKind | None
    room: Room | None
    participant: Participant | None

    @classmethod
    def _parts(cls, event: events.RoomEvent, cursor: str) -> dict[str, object]:
        return {
            "room": Room.from_optional(_result_at(event.room, event, cursor)),
            "participant": Participant.from_optional(_result_at(event.participant, event, cursor)),
        }


def _result_at(value: T | None, event: events.RoomEvent, cursor: str) -> ReadResult[T] | None:
    """The resource that Twilio returned. It is as fresh as the event."""
    if value is None:
        return None
    freshness = caching.Freshness(
        event.event_time, is_stale=False, source=caching.FreshnessSource.CALLBACKS
    )
    return ReadResult(value, freshness, cursor)
