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
from gateway.core.participants import NewSubscribeRules, ParticipantRef, checked_track_sid
from gateway.core.room_state.live import Stay
from gateway.core.rooms import RoomRef
from gateway.core.sids import ParticipantSid, RoomSid
from gateway.gql.schema.context import Context
from gateway.gql.schema.ids import participant_ref, track_ref
from gateway.gql.schema.inputs import SubscribeRuleInput, asked, paged
from gateway.gql.schema.types import (
    Connection,
    Node,
    Resource,
    fetched,
    resource,
    result_connection,
    shows,
)

if TYPE_CHECKING:
    from gateway.gql.schema.rooms import Room


@shows(rules.Rule)
@strawberry.type(description="A rule in force.")
class Rule:
    type: rules.RuleEffect
    all: bool | None
    kind: rules.TrackKind | None
    publisher: str | None
    track: str | None
    priority: rules.TrackPriority | None = strawberry.field(description="Of subscribe rules only.")


@shows(core.SubscribeRules)
@strawberry.type(
    description="What a participant subscribes to. No dates until somebody has changed it."
)
class SubscribeRules(Resource):
    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    rules: list[Rule]
    date_created: datetime | None
    date_updated: datetime | None


@shows(core.PublishedTrack)
@strawberry.type(description="A track that a participant sends.")
class PublishedTrack(Node, Resource):
    path = ("room_sid", "participant_sid", "sid")

    sid: strawberry.ID
    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    kind: rules.TrackKind
    name: str | None
    enabled: bool | None
    date_created: datetime | None
    date_updated: datetime | None
    url: str | None


@shows(core.SubscribedTrack)
@strawberry.type(description="A track that a participant receives; `publisherSid` is who sends it.")
class SubscribedTrack(Resource):
    sid: strawberry.ID
    participant_sid: strawberry.ID
    room_sid: strawberry.ID
    kind: rules.TrackKind
    publisher_sid: strawberry.ID | None
    name: str | None
    enabled: bool | None
    date_created: datetime | None
    date_updated: datetime | None
    url: str | None


@shows(core.ParticipantLinks)
@strawberry.type(description="Where Twilio's REST has what belongs to a participant.")
class ParticipantLinks:
    published_tracks: str | None
    subscribed_tracks: str | None
    subscribe_rules: str | None
    anonymize: str | None


@shows(core.Participant)
@strawberry.type(
    description="One stay of somebody in a room. The duration, in seconds, comes with the end."
)
class Participant(Node, Resource):
    path = ("room_sid", "sid")

    sid: strawberry.ID
    room_sid: strawberry.ID
    account_sid: strawberry.ID
    status: core.ParticipantStatus
    identity: str | None
    date_created: datetime | None
    date_updated: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    duration: int | None
    url: str | None
    links: ParticipantLinks | None
    live: strawberry.Private[ReadResult[Stay] | None] = field(default=None, init=False)
    """In a live view: what it has of the stay, which then is not fetched."""

    @classmethod
    def of_stay(cls, seen: ReadResult[Stay]) -> Self:
        shown = cls.of(ReadResult(seen.value.participant, seen.freshness, seen.as_of))
        shown.live = seen
        return shown

    @fetched("Null when the caller may not see it.", is_shared=True)
    async def room(
        self, info: Info[Context, None]
    ) -> Annotated["Room", strawberry.lazy("gateway.gql.schema.rooms")] | None:
        seen = await info.context.loaders.room(RoomSid(self.room_sid))
        return None if seen is None else resource(seen)

    @fetched("What the participant sends now.")
    async def published_tracks(
        self, info: Info[Context, None], first: int = 50, after: str | None = UNSET
    ) -> Connection[PublishedTrack]:
        size, place = paged(first, after)
        if self.live is not None:
            tracks = self.live.value.page(size, place)
            return result_connection(
                PublishedTrack, ReadResult(tracks, self.live.freshness, self.live.as_of), place
            )
        participants = info.context.account.participants
        seen = await participants.published_tracks(info.context.caller, *self._named, size, place)
        return result_connection(PublishedTrack, seen, place)

    @fetched("By SID or name.")
    async def published_track(
        self, info: Info[Context, None], ref: strawberry.ID
    ) -> PublishedTrack | None:
        participants = info.context.account.participants
        return PublishedTrack.found(
            await participants.published_track(info.context.caller, *self._named, track_ref(ref))
        )

    @fetched("What the participant receives now.")
    async def subscribed_tracks(
        self, info: Info[Context, None], first: int = 50, after: str | None = UNSET
    ) -> Connection[SubscribedTrack]:
        size, place = paged(first, after)
        participants = info.context.account.participants
        seen = await participants.subscribed_tracks(info.context.caller, *self._named, size, place)
        return result_connection(SubscribedTrack, seen, place)

    @fetched("By SID: a track that is received has no name to ask for.")
    async def subscribed_track(
        self, info: Info[Context, None], sid: strawberry.ID
    ) -> SubscribedTrack | None:
        participants = info.context.account.participants
        return SubscribedTrack.found(
            await participants.subscribed_track(
                info.context.caller, *self._named, checked_track_sid(sid)
            )
        )

    @fetched("What the participant is to receive.")
    async def subscribe_rules(self, info: Info[Context, None]) -> SubscribeRules:
        participants = info.context.account.participants
        return SubscribeRules.of(
            await participants.subscribe_rules(info.context.caller, *self._named)
        )

    @property
    def _named(self) -> tuple[RoomRef, ParticipantRef]:
        return RoomRef(RoomSid(self.room_sid), None), ParticipantRef(ParticipantSid(self.sid), None)


async def participant(
    info: Info[Context, None], room: strawberry.ID, participant: strawberry.ID
) -> Participant | None:
    named = RoomRef.of(room), participant_ref(participant)
    try:
        return Participant.found(
            await info.context.account.participants.participant(info.context.caller, *named)
        )
    except NotFound:  # The room is not there: nobody is in it.
        return None


async def disconnect_participant(
    info: Info[Context, None], room: strawberry.ID, participant: strawberry.ID
) -> Participant:
    named = RoomRef.of(room), participant_ref(participant)
    return Participant.answered(
        await info.context.account.participants.disconnect(info.context.caller, *named)
    )


async def anonymize_participant(
    info: Info[Context, None], room: strawberry.ID, participant: strawberry.ID
) -> Participant:
    named = RoomRef.of(room), participant_ref(participant)
    return Participant.answered(
        await info.context.account.participants.anonymize(info.context.caller, *named)
    )


async def update_subscribe_rules(
    info: Info[Context, None],
    room: strawberry.ID,
    participant: strawberry.ID,
    rules: list[SubscribeRuleInput],
) -> SubscribeRules:
    named = RoomRef.of(room), participant_ref(participant)
    wanted = asked(NewSubscribeRules, rules=rules)
    participants = info.context.account.participants
    return SubscribeRules.answered(
        await participants.update_subscribe_rules(info.context.caller, *named, wanted)
    )
