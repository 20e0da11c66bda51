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
    OutcomeUnknown,
    PermissionDenied,
    Reason,
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
from gateway.service.writes.create_room import RoomConflict, RoomMutations, idempotency_key_of


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """The outcome of a request to create a room. `is_new` is False when an earlier
    request made it."""

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
        mutations: RoomMutations,
        lists: RoomLists,
        cursor_codec: CursorCodec,
        status_callback: str,
    ) -> None:
        self._reads = reads
        self._mutations = mutations
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
        by then. Raises NameTaken when a room in progress has the name, and
        IdempotencyKeyReused when the key was used for another room. Raises
        OutcomeUnknown when Twilio's answer was lost and a look-up does not tell whether
        the room was created.
        """
        caller.require(Scope.ROOMS_WRITE)
        if not caller.may_name(None, new.unique_name):
            raise PermissionDenied(
                "this credential is valid for some rooms only: create one of them by its name"
            )
        key = idempotency_key_of(caller, idempotency_key, new)
        try:
            creation = await self._mutations.create(new, key)
        except RoomConflict as conflict:
            raise await self._conflict(caller, conflict) from conflict
        except OutcomeUnknown as error:
            # A room without a name cannot be found again, with or without its key.
            if new.unique_name is not None:
                error.retry_with = idempotency_key
            raise
        return CreatedRoom(self._result(creation.found), creation.is_new)

    async def complete(self, caller: Caller, ref: RoomRef) -> ReadResult[Room]:
        """Ends a room for all participants, and returns it. Raises NotFound, and
        RoomAlreadyEnded when the room is not in progress."""
        sid = await self.locate(caller, ref, Scope.ROOMS_WRITE)
        async with self.expected_outcomes(caller, sid):
            return self._result(await self._mutations.complete(sid))

    @asynccontextmanager
    async def expected_outcomes(
        self, caller: Caller, sid: RoomSid, missing: Reason = Reason.ROOM_NOT_FOUND
    ) -> AsyncIterator[None]:
        """Gives Twilio's refusals of a change in this room what helps the caller.

        Twilio does not say what it did not find: the reason is `missing` if the room
        exists. An ended room comes with its end.
        """
        try:
            yield
        except NotFound as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            reason = missing if await self._exists(sid) else Reason.ROOM_NOT_FOUND
            raise not_found(reason, twilio=error.twilio) from error
        except FailedPrecondition as error:
            if error.reason is not Reason.ROOM_ALREADY_ENDED:
                raise
            room = await self._visible_now(caller, sid)
            is_final = room is not None and room.value.status.is_final
            raise RoomAlreadyEnded(room if is_final else None, twilio=error.twilio) from error

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

    async def _conflict(self, caller: Caller, conflict: RoomConflict) -> AlreadyExists:
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

    def _source(self, room: Room) -> FreshnessSource:
        reports_here = _address(room.status_callback) == _address(self._status_callback)
        return FreshnessSource.CALLBACKS if reports_here else FreshnessSource.POLLED


def _address(status_callback: str | None) -> str:
    """The URL without its query and fragment, which differ between rooms."""
    return (status_callback or "").partition("#")[0].partition("?")[0]
