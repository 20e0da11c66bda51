"""Use cases of rooms: reading, creating and ending them, within the grants of the
caller."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from gateway.core.caching import FreshnessSource, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    GatewayError,
    NotFound,
    PermissionDenied,
    Reason,
    TwilioFault,
)
from gateway.core.outcomes import (
    IdempotencyKeyReused,
    NameTaken,
    RoomAlreadyEnded,
    not_found,
)
from gateway.core.paging import Page
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomRef, RoomSid
from gateway.service.cache.read_through import Found
from gateway.service.cache.room_lists import RoomLists
from gateway.service.cache.rooms import RoomReads
from gateway.service.call_context import limit_max_age
from gateway.service.flights.gather import gather_outcomes
from gateway.service.writes.complete_room import RoomCompletion
from gateway.service.writes.create_room import Creation, RoomCreation
from gateway.service.writes.ensure_room import RoomEnsurer, checked_unique_name
from gateway.service.writes.once import Change, Claim, Conflict, Once, idempotency_key_of


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """The outcome of a request to create a room. `is_new` is False for a room that was
    in progress before, or that an earlier call with the same idempotency key has
    returned."""

    room: ReadResult[Room]
    is_new: bool


class Rooms:
    """Reads, creates and ends rooms of one account.

    All methods raise PermissionDenied without the scope. Reads raise what
    `ReadThrough.read` raises. `status_callback` is the URL where this gateway receives
    callbacks.
    """

    def __init__(
        self,
        reads: RoomReads,
        creation: RoomCreation,
        ensurer: RoomEnsurer,
        completion: RoomCompletion,
        once: Once,
        lists: RoomLists,
        cursor_codec: CursorCodec,
        status_callback: str,
    ) -> None:
        self._reads = reads
        self._creation = creation
        self._ensurer = ensurer
        self._completion = completion
        self._once = once
        self._lists = lists
        self._cursor_codec = cursor_codec
        self._status_callback = status_callback

    async def room(self, caller: Caller, ref: RoomRef) -> ReadResult[Room] | None:
        """Returns the room, or None when there is none or the caller may not see it. By
        a name, only a room in progress is found."""
        caller.require(Scope.ROOMS_READ)
        found = await self._reads.find(ref)
        if found is None or not caller.may_see(found.value):
            limit_max_age(0)
            return None
        return self._result(found)

    async def batch(self, caller: Caller, refs: Sequence[RoomRef]) -> list[ReadResult[Room] | None]:
        """Returns what `room` returns for each reference, in their order. Raises the
        error of the first read that fails."""
        caller.require(Scope.ROOMS_READ)
        outcomes = await gather_outcomes(self.room(caller, ref) for ref in refs)
        for outcome in outcomes:
            if isinstance(outcome, GatewayError):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, GatewayError)]

    async def rooms(
        self, caller: Caller, filters: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[ReadResult[Room]]]:
        """Returns a page of the rooms that match the filter, the newest first.

        A page may be shorter than `first`: rooms that have ended since are left out of
        a list of rooms in progress, and so are rooms that the caller may not see.
        Raises InvalidArgument or CursorExpired for a cursor that is not valid.
        """
        caller.require(Scope.ROOMS_READ)
        result = await self._lists.page(filters, first, after)
        page, freshness, as_of = result.value, result.freshness, result.as_of
        visible = tuple(
            (cursor, ReadResult(room, replace(freshness, source=self._source(room)), as_of))
            for cursor, room in page.items
            if caller.may_see(room)
        )
        return ReadResult(Page(visible, page.end_cursor, page.has_next_page), freshness, as_of)

    async def create(
        self, caller: Caller, new: NewRoom, idempotency_key: str | None = None
    ) -> CreatedRoom:
        """Creates a room that reports to this gateway, and returns it.

        Once started, the call is finished and logged even if the caller leaves. For a
        day, another call with the same idempotency key returns the same room, as it is
        by then, even if it has ended. Raises NameTaken when a room in progress has the
        name, and IdempotencyKeyReused when the key was used for another request. Raises
        OutcomeUnknown when Twilio's answer was lost and a look-up does not tell whether
        the room was created.
        """
        caller.require(Scope.ROOMS_WRITE)
        _check_name(caller, new)
        key = idempotency_key_of(caller, idempotency_key, "create_room", new)
        async with self.expected_conflicts(caller):
            return self._created(await self._creation.create(new, key))

    async def ensure(self, caller: Caller, new: NewRoom) -> CreatedRoom:
        """Returns the room in progress that has the name of `new`, or creates it.

        The other parameters apply only when the room is created. Callers that race, on
        any replicas, get one room, and `is_new` is True for one of them. The call may
        be repeated after every error. Raises InvalidArgument without a name,
        PermissionDenied for a name outside the caller's grants, and what
        `RoomEnsurer.ensure` raises.
        """
        caller.require(Scope.ROOMS_WRITE)
        checked_unique_name(new)
        _check_name(caller, new)
        return self._created(await self._ensurer.ensure(new))

    async def complete(
        self, caller: Caller, ref: RoomRef, idempotency_key: str | None = None
    ) -> ReadResult[Room]:
        """Ends a room for all participants, and returns it.

        For a day, another call with the same idempotency key returns the same room,
        even if another one has its name by then. Raises NotFound, RoomAlreadyEnded when
        the room is not in progress, and IdempotencyKeyReused when the key was used for
        another request.
        """
        caller.require(Scope.ROOMS_WRITE)
        key = idempotency_key_of(caller, idempotency_key, "complete_room", ref)

        async def attempt(claim: Claim) -> Found[Room]:
            sid = await self.pin(caller, ref, claim)
            async with self.expected_outcomes(caller, sid):
                return await self._completion.complete(sid, may_be_done=claim.may_be_done)

        async def repeat(result: str) -> Found[Room]:
            return await self._completion.read(await self.pinned(caller, result))

        change = Change(attempt, lambda found: found.value.sid, repeat)
        async with self.expected_conflicts(caller):
            return self._result(await self._once.run(key, change))

    @asynccontextmanager
    async def expected_outcomes(
        self,
        caller: Caller,
        sid: RoomSid,
        missing: Reason = Reason.ROOM_NOT_FOUND,
        *,
        needs_progress: bool = False,
    ) -> AsyncIterator[None]:
        """Gives Twilio's refusals of a change in this room what helps the caller.

        Twilio does not say what it did not find: the reason is `missing` if the room
        exists. An ended room comes with its end. It comes before something missing in
        it, if the change `needs_progress`: nothing there can be changed.
        """
        try:
            yield
        except NotFound as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            if needs_progress:
                await self.check_in_progress(caller, sid, twilio=error.twilio)
            reason = missing if await self._exists(sid) else Reason.ROOM_NOT_FOUND
            raise not_found(reason, twilio=error.twilio) from error
        except FailedPrecondition as error:
            if error.reason is not Reason.ROOM_ALREADY_ENDED:
                raise
            room = await self._visible_now(caller, sid)
            is_final = room is not None and room.value.status.is_final
            raise RoomAlreadyEnded(room if is_final else None, twilio=error.twilio) from error

    async def check_in_progress(
        self, caller: Caller, sid: RoomSid, *, twilio: TwilioFault | None = None
    ) -> None:
        """Raises RoomAlreadyEnded if Twilio shows now that the room has ended."""
        room = await self._visible_now(caller, sid)
        if room is not None and room.value.status.is_final:
            raise RoomAlreadyEnded(room, twilio=twilio)

    @asynccontextmanager
    async def expected_conflicts(self, caller: Caller) -> AsyncIterator[None]:
        """Gives the conflicts of a change the room that they are about, if the caller
        may see it."""
        try:
            yield
        except Conflict as conflict:
            raise await self._conflict(caller, conflict) from conflict

    async def pin(self, caller: Caller, ref: RoomRef, claim: Claim) -> RoomSid:
        """Returns the room that all requests with the claim's key aim at. Raises
        NotFound."""
        if claim.target is not None:
            return await self.pinned(caller, claim.target)
        return RoomSid(await claim.pin(await self.locate(caller, ref, Scope.ROOMS_WRITE)))

    async def pinned(self, caller: Caller, target: str) -> RoomSid:
        """Returns the room that an earlier request has found, if the caller may see it:
        two tokens of one subject may have different grants. Raises NotFound."""
        return await self.locate(caller, RoomRef(RoomSid(target), None), Scope.ROOMS_WRITE)

    async def locate(self, caller: Caller, ref: RoomRef, scope: Scope) -> RoomSid:
        """Returns the SID of a room that the caller may see. A SID within the caller's
        grants is returned without a read. Raises NotFound."""
        caller.require(scope)
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._reads.find(ref)
        if found is None or not caller.may_see(found.value):
            raise not_found(Reason.ROOM_NOT_FOUND)
        limit_max_age(found.fresh_s)
        return found.value.sid

    async def may_see(self, caller: Caller, sid: RoomSid) -> bool:
        """Whether the caller's grants include the room, by its SID or by its name."""
        if caller.may_name(sid, None):
            return True
        found = await self._reads.by_sid(sid)
        return found is not None and caller.may_see(found.value)

    async def aclose(self) -> None:
        """Cancels all look-ups by name."""
        await self._ensurer.aclose()
        await self._reads.aclose()

    async def _exists(self, sid: RoomSid) -> bool:
        """Whether there is such a room. True if that cannot be found out."""
        with suppress(GatewayError):
            return await self._reads.by_sid(sid) is not None
        return True

    async def _visible_now(self, caller: Caller, sid: RoomSid) -> ReadResult[Room] | None:
        """Returns the room as Twilio shows it now, or None if the caller may not see it
        or it cannot be read."""
        with suppress(GatewayError):
            found = await self._reads.now(sid)
            if found is not None and caller.may_see(found.value):
                return self._result(found)
        return None

    async def _conflict(self, caller: Caller, conflict: Conflict) -> AlreadyExists:
        room = None
        if conflict.sid is not None:
            with suppress(GatewayError):
                found = await self._reads.by_sid(conflict.sid)
                if found is not None and caller.may_see(found.value):
                    room = self._result(found)
        if conflict.reason is Reason.NAME_TAKEN:
            return NameTaken(room, twilio=conflict.twilio)
        return IdempotencyKeyReused(room)

    def _result(self, found: Found[Room]) -> ReadResult[Room]:
        return found.result(self._source(found.value), self._cursor_codec)

    def _created(self, creation: Creation) -> CreatedRoom:
        return CreatedRoom(self._result(creation.found), creation.is_new)

    def _source(self, room: Room) -> FreshnessSource:
        reports_here = _address(room.status_callback) == _address(self._status_callback)
        return FreshnessSource.CALLBACKS if reports_here else FreshnessSource.POLLED


def _check_name(caller: Caller, new: NewRoom) -> None:
    if not caller.may_name(None, new.unique_name):
        raise PermissionDenied(
            "this credential is valid for some rooms only: create one of them by its name"
        )


def _address(status_callback: str | None) -> str:
    """The URL without its query and fragment, which differ between rooms."""
    return (status_callback or "").partition("#")[0].partition("?")[0]
