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
@strawberry.type
class SubscribeRules(ResourceView):
    id_format = "{0.room_sid}:{0.participant_sid}:subscribeRules"

    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    rules: list[TrackRule]
    create_time: datetime | None
    update_time: datetime | None


@strawberry.type
class PublishedTrackTwilioDetails:
    url: str | None


@view_of(core.PublishedTrack)
@strawberry.type
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

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> PublishedTrackTwilioDetails:
        return twilio_details(PublishedTrackTwilioDetails, self, info.context.caller)


@strawberry.type
class SubscribedTrackTwilioDetails:
    url: str | None


@view_of(core.SubscribedTrack)
@strawberry.type
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

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> SubscribedTrackTwilioDetails:
        return twilio_details(SubscribedTrackTwilioDetails, self, info.context.caller)


@view_of(core.ParticipantLinks)
@strawberry.type
class ParticipantLinks:
    published_tracks: str | None
    subscribed_tracks: str | None
    subscribe_rules: str | None
    anonymize: str | None


@strawberry.type
class ParticipantTwilioDetails:
    url: str | None
    links: ParticipantLinks | None


@view_of(core.Participant)
@strawberry.type
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

    @derived_field()
    def twilio(self, info: Info[Context, None]) -> ParticipantTwilioDetails:
        return twilio_details(ParticipantTwilioDetails, self, info.context.caller)

    @classmethod
    def from_stay(cls, result: ReadResult[Stay]) -> Self:
        """The participant as a live view shows them."""
        view = cls.from_result(ReadResult(result.value.participant, result.freshness, result.as_of))
        view.live = result
        return view

    @fetched_field(
        "The room of the participant. Null when the caller may not see it.", is_shared=True
    )
    async def room(
        self, info: Info[Context, None]
    ) -> Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] | None:
        result = await info.context.loaders.room(RoomSid(self.room_sid))
        return None if result is None else resource_view(result)

    @fetched_field(
        cheaper="select presence of the room, which needs none",
    )
    async def published_tracks(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[PublishedTrack] | None:
        size, after = page_arguments(first, after)
        if self.live is not None:
            tracks = info.context.account.live.tracks(self.live.value, size, after)
            return resource_connection(
                PublishedTrack, ReadResult(tracks, self.live.freshness, self.live.as_of), after
            )
        participants = info.context.account.participants
        result = await participants.published_tracks(info.context.caller, *self._refs, size, after)
        return resource_connection(PublishedTrack, result, after)

    @fetched_field()
    async def published_track(
        self, info: Info[Context, None], ref: refs.TrackRef
    ) -> PublishedTrack | None:
        participants = info.context.account.participants
        return PublishedTrack.from_optional(
            await participants.published_track(info.context.caller, *self._refs, ref.to_core("ref"))
        )

    @fetched_field()
    async def subscribed_tracks(
        self,
        info: Info[Context, None],
        first: int | None = DEFAULT_FIRST,
        after: str | None = UNSET,
    ) -> Connection[SubscribedTrack] | None:
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

    @fetched_field("Which tracks the participant receives.")
    async def subscribe_rules(self, info: Info[Context, None]) -> SubscribeRules | None:
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
