"""Event streams. A subscriber is a cursor and nothing else: it reads what lies after it and waits for the bell."""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from gateway.core.cursors import Place, Sealer
from gateway.core.errors import NotFound, PermissionDenied
from gateway.core.events import (
    Bookmark,
    Delivered,
    ResyncReason,
    ResyncRequired,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.rooms import RoomRef, RoomSid
from gateway.service.access import Caller, Scope
from gateway.service.rooms import Rooms
from gateway.service.tail import Bell, Entry, Tail
from gateway.store.eventlog import EventLog

BOOKMARK_S = 15.0
PAGE = 500


@dataclass(frozen=True, slots=True)
class _Start:
    place: Place
    mode: StreamMode
    reason: ResyncReason | None = None


class Feed:
    def __init__(self, events: EventLog, tail: Tail, sealer: Sealer, rooms: Rooms) -> None:
        self._events = events
        self._tail = tail
        self._sealer = sealer
        self._rooms = rooms

    async def room_events(
        self, caller: Caller, ref: RoomRef | None, types: frozenset[RoomEventType] | None, after: str | None
    ) -> AsyncGenerator[StreamMessage, None]:
        """The events of one room, or of the account, from the cursor `after` on, or from now on without one.

        Raises on the first step: InvalidArgument (a cursor that is not of this account), NotFound (no room in progress has
        that name), PermissionDenied. Ends only when the gateway stops: resume from the last cursor then.
        """
        caller.require(Scope.EVENTS_SUBSCRIBE)
        wanted = None if after is None else self._sealer.place(after)
        room_sid = await self._target(caller, ref)
        with self._tail.bell(room_sid) as bell:
            start = await self._start(wanted)
            cursor = self._sealer.cursor(start.place)
            yield StreamStarted(cursor, start.mode, room_sid, self._tail.floor_at)
            if start.reason is not None:
                yield ResyncRequired(cursor, start.reason)
            async for message in self._follow(bell, start.place, types):
                yield message

    async def _target(self, caller: Caller, ref: RoomRef | None) -> RoomSid | None:
        """The SID that the stream belongs to, even when the room's name is taken again later."""
        if ref is None:
            if caller.grants is not None:
                raise PermissionDenied("this API key is for some rooms only; name one of them in room")
            return None
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._rooms.room(caller, ref)
        if found is None:
            raise NotFound("no such room is in progress; give its SID, or create it first")
        return found.value.sid

    async def _start(self, wanted: Place | None) -> _Start:
        if wanted is None:
            return _Start(self._tail.place, StreamMode.LIVE)
        found = None if self._tail.holds(wanted) else await self._events.check(wanted)
        if isinstance(found, ResyncReason):
            return _Start(self._tail.place, StreamMode.RESYNC, found)
        return _Start(wanted, StreamMode.RESUMED)

    async def _follow(
        self, bell: Bell, place: Place, types: frozenset[RoomEventType] | None
    ) -> AsyncGenerator[StreamMessage, None]:
        n, prev, life = place.n, self._sealer.cursor(place), self._tail.life
        bookmark_at = time.monotonic() + BOOKMARK_S
        while not self._tail.is_closed:
            # Cleared before reading: a bell that rings meanwhile is heard below.
            bell.clear()
            if life != self._tail.life:
                life, n, prev = self._tail.life, self._tail.place.n, self._sealer.cursor(self._tail.place)
                yield ResyncRequired(prev, self._tail.lost_by)
            entries, read_n = await self._after(n)
            if life != self._tail.life:
                continue
            n = read_n
            for entry in entries:
                if _matches(entry, bell.room_sid, types):
                    yield Delivered(entry.cursor, prev, entry.logged.event)
                    prev, bookmark_at = entry.cursor, time.monotonic() + BOOKMARK_S
            if n < self._tail.place.n or life != self._tail.life:
                continue
            if not await bell.wait(bookmark_at - time.monotonic()):
                n, bookmark_at = self._tail.place.n, time.monotonic() + BOOKMARK_S
                yield Bookmark(self._sealer.cursor(self._tail.place))

    async def _after(self, n: int) -> tuple[list[Entry], int]:
        """The next entries after n, and the number up to which nothing is left unread."""
        if n >= self._tail.floor.n:
            return self._tail.after(n), max(n, self._tail.place.n)
        now = time.monotonic()
        page = [Entry(old, self._sealer.cursor(old.place), now) for old in await self._events.read(n, PAGE)]
        return page, page[-1].logged.place.n if page else self._tail.floor.n


def _matches(entry: Entry, room_sid: RoomSid | None, types: frozenset[RoomEventType] | None) -> bool:
    event = entry.logged.event
    return (room_sid is None or event.room_sid == room_sid) and (types is None or event.type in types)
