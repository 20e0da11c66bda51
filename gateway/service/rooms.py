"""Use cases of rooms: reading, creating and ending them, within the grants of the
caller."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.caching import FreshnessSource, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec
from gateway.core.errors import GatewayError, NotFound, PermissionDenied
from gateway.core.paging import Page
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomRef, RoomSid
from gateway.service.cache.read_through import Found
from gateway.service.cache.room_lists import RoomLists
from gateway.service.cache.rooms import RoomReads
from gateway.service.call_context import limit_max_age
from gateway.service.flights.gather import gather_outcomes
from gateway.service.writes.create_room import RoomMutations, idempotency_key_of


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
    ) -> ReadResult[Room]:
        """Creates a room that reports to this gateway, and returns it.

        Once started, the call is finished and logged even if the caller leaves. For a
        day, another call with the same idempotency key returns the same room, as it is
        by then. Raises AlreadyExists (with the SID) when a room in progress has the
        name, or when the key was used for another room. Raises OutcomeUnknown when
        Twilio's answer was lost and a look-up does not tell whether the room was
        created.
        """
        caller.require(Scope.ROOMS_WRITE)
        if not caller.may_name(None, new.unique_name):
            raise PermissionDenied(
                "this credential is valid for some rooms only: create one of them by its name"
            )
        return self._result(
            await self._mutations.create(new, idempotency_key_of(caller, idempotency_key, new))
        )

    async def complete(self, caller: Caller, ref: RoomRef) -> ReadResult[Room]:
        """Ends a room for all participants, and returns it. Raises NotFound, and
        FailedPrecondition when the room is not in progress."""
        sid = await self.locate(caller, ref, Scope.ROOMS_WRITE)
        return self._result(await self._mutations.complete(sid))

    async def locate(self, caller: Caller, ref: RoomRef, scope: Scope) -> RoomSid:
        """Returns the SID of a room that the caller may see. A SID within the caller's
        grants is returned without a read. Raises NotFound."""
        caller.require(scope)
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._reads.find(ref)
        if found is None or not caller.may_see(found.value):
            raise NotFound("no such room is in progress: check the SID or the name")
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

    def _result(self, found: Found[Room]) -> ReadResult[Room]:
        return found.result(self._source(found.value), self._cursor_codec)

    def _source(self, room: Room) -> FreshnessSource:
        reports_here = _address(room.status_callback) == _address(self._status_callback)
        return FreshnessSource.CALLBACKS if reports_here else FreshnessSource.POLLED


def _address(status_callback: str | None) -> str:
    """The URL without its query and fragment, which differ between rooms."""
    return (status_callback or "").partition("#")[0].partition("?")[0]
