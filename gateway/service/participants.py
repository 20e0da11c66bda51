"""Participants of a room, their tracks and what they subscribe to."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.core.caching import PEOPLE, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import GatewayError, NotFound
from gateway.core.events import Changed
from gateway.core.paging import Page, checked_first
from gateway.core.participants import (
    NewSubscribeRules,
    Participant,
    ParticipantFilter,
    ParticipantRef,
    PublishedTrack,
    SubscribedTrack,
    SubscribeRules,
    TrackRef,
)
from gateway.core.rooms import RoomRef, RoomSid
from gateway.core.sids import ParticipantSid, TrackSid
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.flights.gather import gather_outcomes
from gateway.service.rooms import Rooms
from gateway.service.writes.mutations import Mutations
from gateway.twilio.wire import participants, rules
from gateway.twilio.wire.resource import Listed

_PARTICIPANT: Final = ResourceKind[Participant](Participant, Fence.PEOPLE, PEOPLE)
_PARTICIPANTS: Final = ResourceKind[Listed[Participant]](Listed[Participant], Fence.PEOPLE, PEOPLE)
_PUBLISHED: Final = ResourceKind[PublishedTrack](PublishedTrack, Fence.PEOPLE, PEOPLE)
_PUBLISHED_LIST: Final = ResourceKind[Listed[PublishedTrack]](
    Listed[PublishedTrack], Fence.PEOPLE, PEOPLE
)
_SUBSCRIBED: Final = ResourceKind[SubscribedTrack](SubscribedTrack, Fence.PEOPLE, PEOPLE)
_SUBSCRIBED_LIST: Final = ResourceKind[Listed[SubscribedTrack]](
    Listed[SubscribedTrack], Fence.PEOPLE, PEOPLE
)
_RULES: Final = ResourceKind[SubscribeRules](SubscribeRules, Fence.PEOPLE, PEOPLE)


class Participants:
    """Every method raises NotFound for a room that is not the caller's, for a name that no room in progress has, and for an
    identity that nobody in the room has. A SID is not looked up first: what Twilio does not find under it is None where the
    type says so, else NotFound."""

    def __init__(self, rooms: Rooms, reads: ReadThrough, mutations: Mutations) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations

    async def page(
        self,
        caller: Caller,
        room: RoomRef,
        wanted: ParticipantFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Participant]]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.page(_participants(sid, wanted), first, after)

    async def pages(
        self, caller: Caller, rooms: Sequence[RoomSid], wanted: ParticipantFilter, first: int
    ) -> list[ReadResult[Page[Participant]] | GatewayError]:
        """The first page of each of these rooms, as `page` gives it; a failure stays with its room."""
        caller.require(Scope.ROOMS_READ)
        checked_first(first)
        await self._reads.warm([_participants(sid, wanted) for sid in rooms], first)
        return await gather_outcomes(
            self.page(caller, RoomRef(sid, None), wanted, first, None) for sid in rooms
        )

    async def participant(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> ReadResult[Participant] | None:
        """By SID in any state, by identity only while connected."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(_participant(sid, who))

    async def disconnect(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        sid, participant = await self._writable(caller, room, who)
        return await self._mutations.make(
            participants.disconnect_participant(sid, participant), sid, Changed.PARTICIPANT
        )

    async def anonymize(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        """Replaces the identity by the SID, for good."""
        sid, participant = await self._writable(caller, room, who)
        return await self._mutations.make(
            participants.anonymize_participant(sid, participant), sid, Changed.PARTICIPANT
        )

    async def published_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[PublishedTrack]]:
        sid, participant = await self._located(caller, room, who)
        listing = Listing(
            _PUBLISHED_LIST,
            sid,
            None,
            partial(participants.list_published_tracks, sid, participant),
        )
        return await self._reads.page(listing, first, after)

    async def published_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackRef
    ) -> ReadResult[PublishedTrack] | None:
        sid, participant = await self._located(caller, room, who)
        if track.sid is not None:
            request = participants.fetch_published_track(sid, participant, track.sid)
            return await self._reads.one_or_none(CachedQuery(_PUBLISHED, sid, request))
        assert track.name is not None
        named = participants.find_published_track(sid, participant, track.name)
        return await self._reads.one_or_none(CachedQuery(_PUBLISHED, sid, named, track.name))

    async def subscribed_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[SubscribedTrack]]:
        sid, participant = await self._located(caller, room, who)
        listing = Listing(
            _SUBSCRIBED_LIST,
            sid,
            None,
            partial(participants.list_subscribed_tracks, sid, participant),
        )
        return await self._reads.page(listing, first, after)

    async def subscribed_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackSid
    ) -> ReadResult[SubscribedTrack] | None:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.one_or_none(
            CachedQuery(
                _SUBSCRIBED, sid, participants.fetch_subscribed_track(sid, participant, track)
            )
        )

    async def subscribe_rules(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> ReadResult[SubscribeRules]:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.one(
            CachedQuery(_RULES, sid, rules.fetch_subscribe_rules(sid, participant))
        )

    async def update_subscribe_rules(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, new: NewSubscribeRules
    ) -> SubscribeRules:
        sid, participant = await self._writable(caller, room, who)
        request = rules.update_subscribe_rules(sid, participant, new)
        return await self._mutations.make(request, sid, Changed.SUBSCRIBE_RULES)

    async def _located(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        if who.sid is not None:
            return sid, who.sid
        return sid, _present(await self._reads.one_or_none(_participant(sid, who)))

    async def _writable(
        self, caller: Caller, room: RoomRef, who: ParticipantRef
    ) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        if who.sid is not None:
            return sid, who.sid
        # Not from the cache: somebody who has come back meanwhile has another SID, and would stay.
        return sid, _present(await self._reads.from_twilio(_participant(sid, who)))


def _participants(sid: RoomSid, wanted: ParticipantFilter) -> Listing[Participant]:
    return Listing(_PARTICIPANTS, sid, wanted, partial(participants.list_participants, sid, wanted))


def _participant(sid: RoomSid, who: ParticipantRef) -> CachedQuery[Participant]:
    if who.sid is not None:
        return CachedQuery(_PARTICIPANT, sid, participants.fetch_participant(sid, who.sid))
    assert who.identity is not None
    return CachedQuery(
        _PARTICIPANT, sid, participants.find_participant(sid, who.identity), who.identity
    )


def _present(found: ReadResult[Participant] | None) -> ParticipantSid:
    if found is None:
        raise NotFound(
            "nobody with this identity is connected to the room; give the participant's SID, or check it"
        )
    return found.value.sid
