"""Rooms: who may read, make and end which, and how good an answer is."""

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
from gateway.service.writes.create_room import RoomWrites, once_of


class Rooms:
    def __init__(
        self,
        reads: RoomReads,
        writes: RoomWrites,
        lists: RoomLists,
        cursor_codec: CursorCodec,
        status_callback: str,
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._lists = lists
        self._cursor_codec = cursor_codec
        self._status_callback = status_callback

    async def room(self, caller: Caller, ref: RoomRef) -> ReadResult[Room] | None:
        """The room, or None when there is none (for a name: none in progress), or none that the caller may see."""
        caller.require(Scope.ROOMS_READ)
        found = await self._reads.find(ref)
        if found is None or not caller.may_see(found.value):
            limit_max_age(0)
            return None
        return self._seen(found)

    async def batch(self, caller: Caller, refs: Sequence[RoomRef]) -> list[ReadResult[Room] | None]:
        """The rooms in the order asked; None for the missing ones. Fails as a whole when one read fails."""
        caller.require(Scope.ROOMS_READ)
        outcomes = await gather_outcomes(self.room(caller, ref) for ref in refs)
        for outcome in outcomes:
            if isinstance(outcome, GatewayError):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, GatewayError)]

    async def rooms(
        self, caller: Caller, wanted: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[ReadResult[Room]]]:
        """A page of rooms, newest first as Twilio gives them. Rooms that ended since are left out of a list of those in
        progress, so a page may be shorter than asked. Raises InvalidArgument for a foreign page cursor."""
        caller.require(Scope.ROOMS_READ)
        seen = await self._lists.page(wanted, first, after)
        page = seen.value
        shown = [
            (
                cursor,
                ReadResult(
                    room, replace(seen.freshness, source=self._followed_by(room)), seen.as_of
                ),
            )
            for cursor, room in page.items
            if caller.may_see(room)
        ]
        return ReadResult(
            Page(tuple(shown), page.end_cursor, page.has_next_page), seen.freshness, seen.as_of
        )

    async def create(
        self, caller: Caller, new: NewRoom, idempotency_key: str | None = None
    ) -> ReadResult[Room]:
        """Makes a room that reports to this gateway. Once begun it is finished and recorded, even if the caller leaves.

        With a key, the caller who comes again with the same one gets the same room, as it is by then, for a day. Raises
        AlreadyExists (with the SID) when a room in progress has the name, or when the key was given for another room;
        OutcomeUnknown when the answer was lost and it cannot be found out whether the room was made.
        """
        caller.require(Scope.ROOMS_WRITE)
        if not caller.may_name(None, new.unique_name):
            raise PermissionDenied(
                "this credential is for some rooms only; create one of those by its name"
            )
        return self._seen(await self._writes.create(new, once_of(caller, idempotency_key, new)))

    async def complete(self, caller: Caller, ref: RoomRef) -> ReadResult[Room]:
        """Ends a room for everybody in it. Raises NotFound, and FailedPrecondition when it is not in progress."""
        sid = await self.locate(caller, ref, Scope.ROOMS_WRITE)
        return self._seen(await self._writes.complete(sid))

    async def locate(self, caller: Caller, ref: RoomRef, scope: Scope) -> RoomSid:
        """The SID of a room that the caller may touch; not read when the caller gave it. Raises NotFound, PermissionDenied
        without the scope."""
        caller.require(scope)
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._reads.find(ref)
        if found is None or not caller.may_see(found.value):
            raise NotFound("no such room is in progress; check the SID or the name")
        limit_max_age(found.fresh_s)
        return found.value.sid

    async def is_for(self, caller: Caller, sid: RoomSid) -> bool:
        """Whether the caller's grants reach the room, by its SID or by its name."""
        if caller.may_name(sid, None):
            return True
        found = await self._reads.by_sid(sid)
        return found is not None and caller.may_see(found.value)

    async def aclose(self) -> None:
        await self._reads.aclose()

    def _seen(self, found: Found[Room]) -> ReadResult[Room]:
        return found.result(self._followed_by(found.value), self._cursor_codec)

    def _followed_by(self, room: Room) -> FreshnessSource:
        is_told = _address(room.status_callback) == _address(self._status_callback)
        return FreshnessSource.CALLBACKS if is_told else FreshnessSource.POLLED


def _address(status_callback: str | None) -> str:
    """Where it goes; the query and the fragment say how."""
    return (status_callback or "").partition("#")[0].partition("?")[0]
