"""Participants, their tracks and their subscribe rules."""

from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from strawberry import UNSET, Info

from gateway.core import participants as core
from gateway.core import rules
from gateway.core.caching import ReadResult
from gateway.core.errors import NotFound
from gateway.core.paging import DEFAULT_FIRST
from gateway.core.participants import ParticipantRef
from gateway.core.room_state.live import Stay
from gateway.core.rooms import RoomRef
from gateway.core.sids import ParticipantSid, RoomSid
from gateway.gql.schema import refs
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import track_sid
from gateway.gql.schema.inputs import page_arguments
from gateway.gql.schema.rules import TrackRule
from gateway.gql.schema.types import (
    Connection,
    ResourceView,
    derived_field,
    fetched_field,
    resource_connection,
    resource_view,
    twilio_details,
    view_of,
)

if TYPE_CHECKING:  # Room and Participant refer to each other in GraphQL
    from gateway.gql.schema.rooms import Room


@view_of(core.SubscribeRules)
@strawberry.type(
    description="What a participant subscribes to. No dates until somebody has changed it."
)
class SubscribeRules(ResourceView):
    id_format = "{0.room_sid}:{0.participant_sid}:subscribeRules"

    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    rules: list[TrackRule]
    create_time: datetime | None
    update_time: datetime | None


@strawberry.type(description="What programs that call Twilio's REST API need of a published track.")
class PublishedTrackTwilioDetails:
    url: str | None = strawberry.field(description="The address of the track in Twilio's REST API.")


@view_of(core.PublishedTrack)
@strawberry.type(description="A track that a participant sends.")
class PublishedTrack(ResourceView):
    id_format = "{0.room_sid}:{0.participant_sid}:{0.sid}"

    sid: strawberry.ID
    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    kind: rules.TrackKind
    name: str | None
    muted: bool | None
    create_time: datetime | None
    update_time: datetime | None
    url: strawberry.Private[str | None]

    @derived_field("What programs that call Twilio's REST API need of a published track.")
    def twilio(self, info: Info[Context, None]) -> PublishedTrackTwilioDetails:
        return twilio_details(PublishedTrackTwilioDetails, self, info.context.caller)


@strawberry.type(
    description="What programs that call Twilio's REST API need of a subscribed track."
)
class SubscribedTrackTwilioDetails:
    url: str | None = strawberry.field(description="The address of the track in Twilio's REST API.")


@view_of(core.SubscribedTrack)
@strawberry.type(description="A track that a participant receives; `publisherSid` is who sends it.")
class SubscribedTrack(ResourceView):
    id_format = "{0.room_sid}:{0.participant_sid}:subscribed:{0.sid}"

    sid: strawberry.ID
    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    kind: rules.TrackKind
    publisher_sid: strawberry.ID | None
    name: str | None
    muted: bool | None
    create_time: datetime | None
    update_time: datetime | None
    url: strawberry.Private[str | None]

    @derived_field("What programs that call Twilio's REST API need of a subscribed track.")
    def twilio(self, info: Info[Context, None]) -> SubscribedTrackTwilioDetails:
        return twilio_details(SubscribedTrackTwilioDetails, self, info.context.caller)


@view_of(core.ParticipantLinks)
@strawberry.type(description="Where Twilio's REST has what belongs to a participant.")
class ParticipantLinks:
    published_tracks: str | None
    subscribed_tracks: str | None
    subscribe_rules: str | None
    anonymize: str | None


@strawberry.type(description="What programs that call Twilio's REST API need of a participant.")
class ParticipantTwilioDetails:
    url: str | None = strawberry.field(
        description="The address of the participant in Twilio's REST API."
    )
    links: ParticipantLinks | None = strawberry.field(
        description="The addresses of what belongs to the participant. Null in the answer to "
        "`anonymizeParticipant`."
    )


@view_of(core.Participant)
@strawberry.type(
    description="One stay of somebody in a room. The duration, in seconds, comes with the end."
)
class Participant(ResourceView):
    id_format = "{0.room_sid}:{0.sid}"

    sid: strawberry.ID
    room_sid: strawberry.ID
    account_sid: strawberry.ID
    status: core.ParticipantStatus
    identity: str | None
    create_time: datetime | None
    update_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    duration: int | None
    url: strawberry.Private[str | None]
    links: strawberry.Private[ParticipantLinks | None]
    live: strawberry.Private[ReadResult[Stay] | None] = field(default=None, init=False)
    """The stay in a live view. Fields that it holds are not fetched."""

    @derived_field("What programs that call Twilio's REST API need of a participant.")
    def twilio(self, info: Info[Context, None]) -> ParticipantTwilioDetails:
        return twilio_details(ParticipantTwilioDetails, self, info.context.caller)

    @classmethod
    def from_stay(cls, result: ReadResult[Stay]) -> Self:
        """The participant as a live view shows them."""
        view = cls.from_result(ReadResult(result.value.participant, result.freshness, result.as_of))
        view.live = result
        return view

    @fetched_field("Null when the caller may not see it.", is_shared=True)
    async def room(
        self, info: Info[Context, None]
    ) -> Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] | None:
        result = await info.context.loaders.room(RoomSid(self.room_sid))
        return None if result is None else resource_view(result)

    @fetched_field(
        "What the participant sends now.",
        cheaper="select presence of the room, which needs none",
    )
    async def published_tracks(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[PublishedTrack]:
        size, after = page_arguments(first, after)
        if self.live is not None:
            tracks = info.context.account.live.tracks(self.live.value, size, after)
            return resource_connection(
                PublishedTrack, ReadResult(tracks, self.live.freshness, self.live.as_of), after
            )
        participants = info.context.account.participants
        result = await participants.published_tracks(info.context.caller, *self._refs, size, after)
        return resource_connection(PublishedTrack, result, after)

    @fetched_field("One track that the participant sends; null when there is none.")
    async def published_track(
        self, info: Info[Context, None], ref: refs.TrackRef
    ) -> PublishedTrack | None:
        participants = info.context.account.participants
        return PublishedTrack.from_optional(
            await participants.published_track(info.context.caller, *self._refs, ref.to_core("ref"))
        )

    @fetched_field("What the participant receives now.")
    async def subscribed_tracks(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[SubscribedTrack]:
        size, after = page_arguments(first, after)
        participants = info.context.account.participants
        result = await participants.subscribed_tracks(info.context.caller, *self._refs, size, after)
        return resource_connection(SubscribedTrack, result, after)

    @fetched_field(
        "The track with this SID or `id` that the participant receives; null when there is none. "
        "Twilio cannot find such a track by its name."
    )
    async def subscribed_track(
        self, info: Info[Context, None], ref: strawberry.ID
    ) -> SubscribedTrack | None:
        participants = info.context.account.participants
        return SubscribedTrack.from_optional(
            await participants.subscribed_track(
                info.context.caller, *self._refs, track_sid(ref, "ref")
            )
        )

    @fetched_field("What the participant is to receive.")
    async def subscribe_rules(self, info: Info[Context, None]) -> SubscribeRules:
        participants = info.context.account.participants
        return SubscribeRules.from_result(
            await participants.subscribe_rules(info.context.caller, *self._refs)
        )

    @property
    def _refs(self) -> tuple[RoomRef, ParticipantRef]:
        return RoomRef(RoomSid(self.room_sid), None), ParticipantRef(ParticipantSid(self.sid), None)


async def participant(
    info: Info[Context, None], room: refs.RoomRef, ref: refs.ParticipantRef
) -> Participant | None:
    names = room.to_core("room"), ref.to_core("ref")
    try:
        return Participant.from_optional(
            await info.context.account.participants.participant(info.context.caller, *names)
        )
    except NotFound:  # There is no such room, so there is no such participant.
        return None
