"""Participants of a room, their tracks and what they subscribe to."""

from collections.abc import Sequence
from typing import Final

from gateway.core.caching import PEOPLE, Fence, Lifetime, Seen
from gateway.core.errors import GatewayError, NotFound
from gateway.core.events import Changed
from gateway.core.paging import Page
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
from gateway.service.access import Caller, Scope
from gateway.service.changes import Changes
from gateway.service.reads import Ask, Kind, Reads, each, some
from gateway.service.rooms import Rooms
from gateway.twilio.wire import participants, rules
from gateway.twilio.wire.resource import Listed


def _people(_: object) -> Lifetime:
    return PEOPLE


_PARTICIPANT: Final = Kind[Participant](Participant, Fence.PEOPLE, _people)
_FOUND: Final = Kind[Participant | None](Participant | None, Fence.PEOPLE, _people)
_PARTICIPANTS: Final = Kind[Listed[Participant]](Listed[Participant], Fence.PEOPLE, _people)
_PUBLISHED: Final = Kind[PublishedTrack](PublishedTrack, Fence.PEOPLE, _people)
_PUBLISHED_FOUND: Final = Kind[PublishedTrack | None](PublishedTrack | None, Fence.PEOPLE, _people)
_PUBLISHED_LIST: Final = Kind[Listed[PublishedTrack]](Listed[PublishedTrack], Fence.PEOPLE, _people)
_SUBSCRIBED: Final = Kind[SubscribedTrack](SubscribedTrack, Fence.PEOPLE, _people)
_SUBSCRIBED_LIST: Final = Kind[Listed[SubscribedTrack]](Listed[SubscribedTrack], Fence.PEOPLE, _people)
_RULES: Final = Kind[SubscribeRules](SubscribeRules, Fence.PEOPLE, _people)


class Participants:
    """Every method raises NotFound for a room, or a participant below whom something is asked, that is not there or not
    the caller's."""

    def __init__(self, rooms: Rooms, reads: Reads, changes: Changes) -> None:
        self._rooms = rooms
        self._reads = reads
        self._changes = changes

    async def page(
        self, caller: Caller, room: RoomRef, wanted: ParticipantFilter, first: int, after: str | None
    ) -> Seen[Page[Participant]]:
        return await self._page(await self._rooms.locate(caller, room, Scope.ROOMS_READ), wanted, first, after)

    async def pages(
        self, caller: Caller, rooms: Sequence[RoomSid], wanted: ParticipantFilter, first: int
    ) -> list[Seen[Page[Participant]] | GatewayError]:
        """The first page of each of these rooms, which the caller has been shown; a failure stays with its room."""
        caller.require(Scope.ROOMS_READ)
        await self._reads.warm([_list(sid, wanted, first) for sid in rooms])
        return await each(self._page(sid, wanted, first, None) for sid in rooms)

    async def participant(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Seen[Participant] | None:
        """By SID in any state, by identity only while connected."""
        return await self._find(await self._rooms.locate(caller, room, Scope.ROOMS_READ), who)

    async def disconnect(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        sid, participant = await self._writable(caller, room, who)
        return await self._changes.make(participants.disconnect_participant(sid, participant), sid, Changed.PARTICIPANT)

    async def anonymize(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Participant:
        """Replaces the identity by the SID, for good."""
        sid, participant = await self._writable(caller, room, who)
        return await self._changes.make(participants.anonymize_participant(sid, participant), sid, Changed.PARTICIPANT)

    async def published_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> Seen[Page[PublishedTrack]]:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.page(
            _PUBLISHED_LIST,
            sid,
            ("published", participant),
            first,
            after,
            lambda size, query: participants.list_published_tracks(sid, participant, size, query),
        )

    async def published_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackRef
    ) -> Seen[PublishedTrack] | None:
        sid, participant = await self._located(caller, room, who)
        if track.sid is not None:
            request = participants.fetch_published_track(sid, participant, track.sid)
            return await self._reads.one_or_none(Ask(_PUBLISHED, sid, request))
        assert track.name is not None
        named = participants.find_published_track(sid, participant, track.name)
        return some(await self._reads.one(Ask(_PUBLISHED_FOUND, sid, named)))

    async def subscribed_tracks(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, first: int, after: str | None
    ) -> Seen[Page[SubscribedTrack]]:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.page(
            _SUBSCRIBED_LIST,
            sid,
            ("subscribed", participant),
            first,
            after,
            lambda size, query: participants.list_subscribed_tracks(sid, participant, size, query),
        )

    async def subscribed_track(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, track: TrackSid
    ) -> Seen[SubscribedTrack] | None:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.one_or_none(
            Ask(_SUBSCRIBED, sid, participants.fetch_subscribed_track(sid, participant, track))
        )

    async def subscribe_rules(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> Seen[SubscribeRules]:
        sid, participant = await self._located(caller, room, who)
        return await self._reads.one(Ask(_RULES, sid, rules.fetch_subscribe_rules(sid, participant)))

    async def update_subscribe_rules(
        self, caller: Caller, room: RoomRef, who: ParticipantRef, new: NewSubscribeRules
    ) -> SubscribeRules:
        sid, participant = await self._writable(caller, room, who)
        request = rules.update_subscribe_rules(sid, participant, new)
        return await self._changes.make(request, sid, Changed.SUBSCRIBE_RULES)

    async def _page(
        self, sid: RoomSid, wanted: ParticipantFilter, first: int, after: str | None
    ) -> Seen[Page[Participant]]:
        return await self._reads.page(
            _PARTICIPANTS,
            sid,
            wanted,
            first,
            after,
            lambda size, query: participants.list_participants(sid, wanted, size, query),
        )

    async def _located(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return sid, await self._sid(sid, who)

    async def _writable(self, caller: Caller, room: RoomRef, who: ParticipantRef) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        return sid, await self._sid(sid, who)

    async def _sid(self, sid: RoomSid, who: ParticipantRef) -> ParticipantSid:
        if who.sid is not None:
            return who.sid
        found = await self._find(sid, who)
        if found is None:
            raise NotFound(
                "nobody with this identity is connected to the room; give the participant's SID, or check it"
            )
        return found.value.sid

    async def _find(self, sid: RoomSid, who: ParticipantRef) -> Seen[Participant] | None:
        if who.sid is not None:
            return await self._reads.one_or_none(Ask(_PARTICIPANT, sid, participants.fetch_participant(sid, who.sid)))
        assert who.identity is not None
        return some(await self._reads.one(Ask(_FOUND, sid, participants.find_participant(sid, who.identity))))


def _list(sid: RoomSid, wanted: ParticipantFilter, first: int) -> Ask[Listed[Participant]]:
    return Ask(_PARTICIPANTS, sid, participants.list_participants(sid, wanted, first, None))
