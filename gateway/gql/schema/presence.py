"""Who is in a room, as GraphQL types. Does no I/O."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from gateway.core.room_state.live import Stay
from gateway.gql.schema.participants import Participant, PublishedTrack

if TYPE_CHECKING:  # Room and RoomPresence refer to each other in GraphQL
    from gateway.gql.schema.rooms import Room


@strawberry.type(description="A participant who is in a room, with what it sends.")
class PresentParticipant:
    participant: Participant = strawberry.field(
        description="The participant as the log knows it, at no call to Twilio. Fields that no "
        "event tells are null."
    )
    since: datetime | None = strawberry.field(
        description="When the participant connected. Null while the event that says so is "
        "missing, and only later ones are known."
    )
    tracks: list[PublishedTrack] = strawberry.field(
        description="The tracks that the participant publishes now, in the order of their SIDs. "
        "A track's `name` is null until the gateway has read it from Twilio: Twilio's callbacks "
        "tell it for some tracks only."
    )
    muted: bool = strawberry.field(
        description="Whether the participant publishes no audio track that is enabled. It may "
        "have a muted one, or none."
    )

    @classmethod
    def from_stay(cls, stay: Stay, cursor: str) -> "PresentParticipant":
        return cls(
            participant=Participant.from_event(stay.participant, cursor),
            since=stay.since,
            tracks=[PublishedTrack.from_event(track, cursor) for track in stay.tracks],
            muted=stay.muted,
        )


@strawberry.type(
    description="Who is in a room, since when, and with which tracks. It comes from the event "
    "log and calls Twilio for nothing."
)
class RoomPresence:
    id: strawberry.ID = strawberry.field(
        description="The room's SID with `:presence` behind it. No argument takes it."
    )
    cursor: str = strawberry.field(
        description="The position in the event log that this shows. `roomEvents` after it misses "
        "nothing that is not shown here."
    )
    room: Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] = strawberry.field(
        description="The room."
    )
    participant_count: int = strawberry.field(
        description="How many participants are in the room: 0 once it has ended."
    )
    participants: list[PresentParticipant] = strawberry.field(
        description="Everybody in the room, in the order in which they connected: up to 50 in a "
        "group room. Empty once the room has ended."
    )

    @classmethod
    def of(cls, room: "Room", stays: Iterable[Stay], cursor: str) -> "RoomPresence":
        participants = [PresentParticipant.from_stay(stay, cursor) for stay in stays]
        return cls(
            id=strawberry.ID(f"{room.sid}:presence"),
            cursor=cursor,
            room=room,
            participant_count=len(participants),
            participants=participants,
        )
