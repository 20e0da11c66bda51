"""Live views as GraphQL types, and where each stands in the log. Does no I/O."""

from datetime import datetime

import strawberry

from gateway.core import rooms, rules
from gateway.core.caching import ReadResult
from gateway.core.room_state import live
from gateway.gql.schema.events import StreamMessage
from gateway.gql.schema.rooms import Room
from gateway.gql.schema.types import view


@strawberry.type(description="A track that somebody in the room sends.")
class PresentTrack:
    sid: strawberry.ID
    kind: rules.TrackKind
    name: str | None = strawberry.field(
        description="Null while only events have told of the track: they do not say."
    )
    enabled: bool


@strawberry.type(description="Somebody who is in the room.")
class PresentParticipant:
    sid: strawberry.ID
    identity: str | None
    since: datetime | None
    tracks: list[PresentTrack]

    @classmethod
    def of(cls, stay: live.Stay) -> "PresentParticipant":
        return view(
            cls,
            stay.participant,
            since=stay.since,
            tracks=[view(PresentTrack, track) for track in stay.tracks],
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
    def of(cls, seen: ReadResult[live.LiveRoom]) -> "Presence":
        assert seen.as_of is not None, "a live view has its place in the log"
        room = seen.value.room
        return cls(
            cursor=seen.as_of,
            room_sid=strawberry.ID(room.sid),
            room_name=room.unique_name,
            room_status=room.status,
            participants=[PresentParticipant.of(stay) for stay in live.presence(seen.value)],
        )


Told = StreamMessage | Room | Presence
"""What a subscription tells: a message of the log, or a view of the room after it."""


def cursor_of(told: Told) -> str | None:
    """The place in the log from which a stream that broke off here goes on."""
    return told.as_of if isinstance(told, Room) else told.cursor
