"""Who is in a room, as GraphQL types. Does no I/O."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from gateway.core.room_state.live import Stay
from gateway.core.rooms import MAX_PARTICIPANTS, RoomType
from gateway.gql.schema.participants import Participant, PublishedTrack

if TYPE_CHECKING:  # Room and RoomPresence refer to each other in GraphQL
    from gateway.gql.schema.rooms import Room


@strawberry.type
class PresentParticipant:
    id: strawberry.ID = strawberry.field(
        description="The participant's `id` with `:presence` behind it. No argument takes it."
    )
    participant: Participant
    since: datetime | None
    tracks: list[PublishedTrack]
    muted: bool

    @classmethod
    def from_stay(cls, stay: Stay, cursor: str) -> "PresentParticipant":
        participant = Participant.from_event(stay.participant, cursor)
        return cls(
            id=strawberry.ID(f"{participant.id}:presence"),
            participant=participant,
            since=stay.since,
            tracks=[PublishedTrack.from_event(track, cursor) for track in stay.tracks],
            muted=stay.muted,
        )


@strawberry.type
class RoomPresence:
    id: strawberry.ID = strawberry.field(
        description="The room's SID with `:presence` behind it. No argument takes it."
    )
    as_of: str
    room: Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] = strawberry.field(
        description="The room."
    )
    participant_count: int
    participants: list[PresentParticipant] = strawberry.field(
        metadata={"list_size": MAX_PARTICIPANTS[RoomType.GROUP]}
    )

    @classmethod
    def of(cls, room: "Room", stays: Iterable[Stay], as_of: str) -> "RoomPresence":
        """The presence of a room that a caller may see."""
        participants = [PresentParticipant.from_stay(stay, as_of) for stay in stays]
        return cls(
            id=strawberry.ID(f"{room.sid}:presence"),
            as_of=as_of,
            room=room,
            participant_count=len(participants),
            participants=participants,
        )
