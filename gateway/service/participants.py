"""Use cases of participants: who is in a room, their tracks and their subscribe
rules."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from gateway.core.caching import PARTICIPANTS_LIFETIME, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import FailedPrecondition, GatewayError, Reason
from gateway.core.events import RoomChangeKind
from gateway.core.outcomes import ParticipantAlreadyLeft, not_found
from gateway.core.paging import Page, checked_first, per_status
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
from gateway.service.writes.once import Change, Claim, Once, idempotency_key_of
from gateway.twilio.wire import participants, rules
from gateway.twilio.wire.resource import WirePage

_PARTICIPANT: Final = ResourceKind[Participant](
    Participant, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_PARTICIPANTS: Final = ResourceKind[WirePage[Participant]](
    WirePage[Participant], Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_PUBLISHED: Final = ResourceKind[PublishedTrack](
    PublishedTrack, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_PUBLISHED_LIST: Final = ResourceKind[WirePage[PublishedTrack]](
    WirePage[PublishedTrack], Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_SUBSCRIBED: Final = ResourceKind[SubscribedTrack](
    SubscribedTrack, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_SUBSCRIBED_LIST: Final = ResourceKind[WirePage[SubscribedTrack]](
    WirePage[SubscribedTrack], Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
_RULES: Final = ResourceKind[SubscribeRules](
    SubscribeRules, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)


class Participants:
    """Reads and changes participants of one account.

    All methods raise PermissionDenied without the scope, and NotFound for a room that
    the caller may not see, for a name without a room in progress, and for an identity
    without a connected participant. A SID is not looked up first. When Twilio does not
    find it, the result is None, or NotFound where the result cannot be None.

    Reads raise what `ReadThrough.read` raises, and changes what `Mutations.make`
    raises.
    """

    def __init__(self, rooms: Rooms, reads: ReadThrough, mutations: Mutations, once: Once) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations
        self._once = once

    async def page(
        self,
        caller: Caller,
        room: RoomRef,
        filters: ParticipantFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Participant]]:
        """Returns a page of the room's participants that match the filter. Raises
        InvalidArgument or CursorExpired for a cursor that is not valid."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.merged_page(_participants(sid, filters), first, after)

    async def pages(
        self, caller: Caller, rooms: Sequence[RoomSid], filters: ParticipantFilter, first: int
    ) -> list[ReadResult[Page[Participant]] | GatewayError]:
        """Returns the first page of each room, in the order of the rooms. The failure
        of one room is the outcome of that room alone."""
        caller.require(Scope.ROOMS_READ)
        checked_first(first)
        lists = [each for sid in rooms for each in _participants(sid, filters)]
        await self._reads.warm(lists, first)
        return await gather_outcomes(
            self.page(caller, RoomRef(sid, None), filters, first, None) for sid in rooms
        )

    async def participant(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef
    ) -> ReadResult[Participant] | None:
        """Returns a participant by SID in any status, or by identity while
        connected."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(_participant(sid, ref))

    async def disconnect(
        self,
        caller: Caller,
        room: RoomRef,
        ref: ParticipantRef,
        idempotency_key: str | None = None,
    ) -> Participant:
        """Removes a participant from the room, and returns it.

        For a day, another call with the same idempotency key returns the same
        participant, even if another one has its identity by then. For one who has left,
        Twilio's answer decides, which it does not document: the participant as it is,
        or ParticipantAlreadyLeft. Raises IdempotencyKeyReused when the key was used for
        another request.
        """
        caller.require(Scope.ROOMS_WRITE)
        key = idempotency_key_of(caller, idempotency_key, "disconnect_participant", room, ref)

        async def attempt(claim: Claim) -> Participant:
            if claim.target is None:
                located = await self._locate_for_change(caller, room, ref, needs_progress=True)
                sid, participant = _parse_target(await claim.pin(" ".join(located)))
            else:
                sid, participant = await self._pinned(caller, claim.target)
            request = participants.disconnect_participant(sid, participant)
            try:
                async with self._expected_outcomes(caller, sid, participant, needs_progress=True):
                    return await self._mutations.apply(
                        request, sid, RoomChangeKind.PARTICIPANT, changed_sid=participant
                    )
            except ParticipantAlreadyLeft as error:
                # An earlier attempt may have disconnected it.
                if error.participant is None or not claim.may_be_done:
                    raise
                return error.participant.value

        async def repeat(target: str) -> Participant:
            sid, participant = await self._pinned(caller, target)
            query = _participant(sid, ParticipantRef(participant, None))
            missing = Reason.PARTICIPANT_NOT_FOUND
            return (await self._reads.one(query, missing=missing)).value

        change = Change(attempt, lambda it: f"{it.room_sid} {it.sid}", repeat)
        async with self._rooms.expected_conflicts(caller):
            return await self._once.run(key, change)

    async def anonymize(self, caller: Caller, room: RoomRef, ref: ParticipantRef) -> Participant:
        """Replaces the identity of a participant by its SID for ever, and returns the
        participant."""
        sid, participant = await self._locate_for_change(caller, room, ref)
        request = participants.anonymize_participant(sid, participant)
        async with self._expected_outcomes(caller, sid, participant):
            return await self._mutations.execute(
                request, sid, RoomChangeKind.PARTICIPANT, changed_sid=participant
            )

    async def published_tracks(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[PublishedTrack]]:
        """Returns a page of the tracks that a participant sends. Raises InvalidArgument
        or CursorExpired for a cursor that is not valid."""
        sid, participant = await self._locate(caller, room, ref)
        request = partial(participants.list_published_tracks, sid, participant)
        return await self._reads.page(
            Listing(_PUBLISHED_LIST, sid, None, request),
            first,
            after,
            missing=Reason.PARTICIPANT_NOT_FOUND,
        )

    async def published_track(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, track: TrackRef
    ) -> ReadResult[PublishedTrack] | None:
        """Returns a track that a participant sends, by SID or by name."""
        sid, participant = await self._locate(caller, room, ref)
        if track.sid is not None:
            request = participants.fetch_published_track(sid, participant, track.sid)
            return await self._reads.one_or_none(CachedQuery(_PUBLISHED, sid, request))
        assert track.name is not None
        named = participants.find_published_track(sid, participant, track.name)
        return await self._reads.one_or_none(CachedQuery(_PUBLISHED, sid, named, track.name))

    async def subscribed_tracks(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, first: int, after: str | None
    ) -> ReadResult[Page[SubscribedTrack]]:
        """Returns a page of the tracks that a participant receives. Raises
        InvalidArgument or CursorExpired for a cursor that is not valid."""
        sid, participant = await self._locate(caller, room, ref)
        request = partial(participants.list_subscribed_tracks, sid, participant)
        return await self._reads.page(
            Listing(_SUBSCRIBED_LIST, sid, None, request),
            first,
            after,
            missing=Reason.PARTICIPANT_NOT_FOUND,
        )

    async def subscribed_track(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, track: TrackSid
    ) -> ReadResult[SubscribedTrack] | None:
        """Returns a track that a participant receives."""
        sid, participant = await self._locate(caller, room, ref)
        request = participants.fetch_subscribed_track(sid, participant, track)
        return await self._reads.one_or_none(CachedQuery(_SUBSCRIBED, sid, request))

    async def subscribe_rules(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef
    ) -> ReadResult[SubscribeRules]:
        """Returns the rules that decide which tracks a participant receives."""
        sid, participant = await self._locate(caller, room, ref)
        return await self._reads.one(
            CachedQuery(_RULES, sid, rules.fetch_subscribe_rules(sid, participant)),
            missing=Reason.PARTICIPANT_NOT_FOUND,
        )

    async def update_subscribe_rules(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, new: NewSubscribeRules
    ) -> SubscribeRules:
        """Replaces all subscribe rules of a participant, and returns the new ones."""
        sid, participant = await self._locate_for_change(caller, room, ref, needs_progress=True)
        request = rules.update_subscribe_rules(sid, participant, new)
        async with self._expected_outcomes(caller, sid, participant, needs_progress=True):
            return await self._mutations.execute(
                request, sid, RoomChangeKind.SUBSCRIBE_RULES, changed_sid=participant
            )

    @asynccontextmanager
    async def _expected_outcomes(
        self, caller: Caller, room: RoomSid, sid: ParticipantSid, *, needs_progress: bool = False
    ) -> AsyncIterator[None]:
        """Gives Twilio's refusals of a change what helps the caller: see
        `Rooms.expected_outcomes`. A participant who has left comes with the end of the
        stay."""
        try:
            missing = Reason.PARTICIPANT_NOT_FOUND
            async with self._rooms.expected_outcomes(
                caller, room, missing, needs_progress=needs_progress
            ):
                yield
        except FailedPrecondition as error:
            if error.reason is not Reason.PARTICIPANT_ALREADY_LEFT:
                raise
            participant = None
            with suppress(GatewayError):
                query = _participant(room, ParticipantRef(sid, None))
                participant = await self._reads.from_twilio(query)
            raise ParticipantAlreadyLeft(participant, twilio=error.twilio) from error

    async def _locate(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef
    ) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        if ref.sid is not None:
            return sid, ref.sid
        return sid, _checked(await self._reads.one_or_none(_participant(sid, ref)))

    async def _locate_for_change(
        self, caller: Caller, room: RoomRef, ref: ParticipantRef, *, needs_progress: bool = False
    ) -> tuple[RoomSid, ParticipantSid]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        if ref.sid is not None:
            return sid, ref.sid
        # Not from the cache: a person who has joined again since has another SID, and
        # the change would miss them.
        found = await self._reads.from_twilio(_participant(sid, ref))
        if found is None and needs_progress:
            await self._rooms.check_in_progress(caller, sid)
        return sid, _checked(found)

    async def _pinned(self, caller: Caller, target: str) -> tuple[RoomSid, ParticipantSid]:
        """Returns the SIDs that an earlier attempt has found, if the caller may see
        them."""
        sid, participant = _parse_target(target)
        return await self._rooms.pinned(caller, sid), participant


def _parse_target(target: str) -> tuple[RoomSid, ParticipantSid]:
    """Returns the two SIDs of an idempotency record."""
    room, _, participant = target.partition(" ")
    return RoomSid(room), ParticipantSid(participant)


def _participants(sid: RoomSid, filters: ParticipantFilter) -> list[Listing[Participant]]:
    """One list per status."""
    return [
        Listing(_PARTICIPANTS, sid, single, partial(participants.list_participants, sid, single))
        for single in per_status(filters)
    ]


def _participant(sid: RoomSid, ref: ParticipantRef) -> CachedQuery[Participant]:
    if ref.sid is not None:
        return CachedQuery(_PARTICIPANT, sid, participants.fetch_participant(sid, ref.sid))
    assert ref.identity is not None
    request = participants.find_participant(sid, ref.identity)
    return CachedQuery(_PARTICIPANT, sid, request, ref.identity)


def _checked(found: ReadResult[Participant] | None) -> ParticipantSid:
    if found is None:
        raise not_found(Reason.PARTICIPANT_NOT_FOUND)
    return found.value.sid
