"""Live views as GraphQL types, and the cursor of each. Does no I/O."""

from datetime import datetime

import strawberry

from gateway.core import rooms, rules
from gateway.core.caching import ReadResult
from gateway.core.room_state import live
from gateway.gql.schema.events import StreamMessage
from gateway.gql.schema.rooms import Room
from gateway.gql.schema.types import build_view


@strawberry.type(description="A track that somebody in the room sends.")
class PresentTrack:
    sid: strawberry.ID
    kind: rules.TrackKind
    name: str | None = strawberry.field(
        description="Null while only events have told of the track: they do not say."
    )
    muted: bool


@strawberry.type(description="Somebody who is in the room.")
class PresentParticipant:
    sid: strawberry.ID
    identity: str | None
    since: datetime | None
    tracks: list[PresentTrack]

    @classmethod
    def from_stay(cls, stay: live.Stay) -> "PresentParticipant":
        return build_view(
            cls,
            stay.participant,
            since=stay.since,
            tracks=[build_view(PresentTrack, track) for track in stay.tracks],
        )


@strawberry.type(
    description="Who is in a room, since when and with which tracks: nobody once it is over."
)
class Presence:
    cursor: str = strawberry.field(description="roomEvents goes on from here.")
    room_sid: strawberry.ID
    room_name: str | None
    room_status: rooms.RoomStatus
    participants: list[PresentParticipant] = strawberry.field(
        description="In the order in which they came."
    )

    @classmethod
    def from_live(cls, result: ReadResult[live.LiveRoom]) -> "Presence":
        assert result.as_of is not None, "a live view has a position in the log"
        room = result.value.room
        return cls(
            cursor=result.as_of,
            room_sid=strawberry.ID(room.sid),
            room_name=room.unique_name,
            room_status=room.status,
            participants=[PresentParticipant.from_stay(stay) for stay in result.value.present],
        )


SubscriptionMessage = StreamMessage | Room | Presence
"""The root value of one subscription response."""


def resume_cursor(message: SubscriptionMessage) -> str | None:
    """The cursor from which a stream that ended after this message continues."""
    return message.as_of if isinstance(message, Room) else message.cursor
