"""What the log has of one room, in pages."""

import time

from gateway.core.callers import Caller, Scope
from gateway.core.cursors import NO_TAG, CursorCodec, LogPosition
from gateway.core.errors import CursorExpired
from gateway.core.events import ResyncReason, RoomEvent, RoomEventType
from gateway.core.paging import Page, checked_first
from gateway.core.rooms import RoomRef, RoomSid
from gateway.service.call_context import limit_max_age
from gateway.service.log.notifier import Notifier
from gateway.service.log.tail import Tail
from gateway.service.rooms import Rooms
from gateway.service.streams.timings import StreamTimings
from gateway.store.eventlog import Entry, EventLog, Logged, readable


class Timeline:
    """The timelines of an account's rooms."""

    def __init__(
        self,
        events: EventLog,
        tail: Tail,
        cursor_codec: CursorCodec,
        rooms: Rooms,
        timings: StreamTimings = StreamTimings(),
    ) -> None:
        self._events = events
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._rooms = rooms
        self._timings = timings

    async def page(
        self,
        caller: Caller,
        ref: RoomRef,
        types: frozenset[RoomEventType] | None,
        first: int,
        after: str | None,
    ) -> Page[RoomEvent]:
        """A page of the room's events, the oldest first.

        Its cursors are those of streams: `after` takes either. A page may be shorter
        than `first`, or empty, and still have a next page, because each searches a
        limited number of events. On the last page, later events follow `end_cursor`.

        Raises CursorExpired if events after `after` are lost, InvalidArgument, NotFound
        and PermissionDenied.
        """
        checked_first(first)
        # The next event may happen at any moment.
        limit_max_age(0)
        resumed = None if after is None else self._cursor_codec.log_position(after, "page_token")
        sid = await self._rooms.locate(caller, ref, Scope.EVENTS_SUBSCRIBE)
        start = resumed or await self._beginning()
        found, position, is_end = await self._search(sid, start, types, first)
        # Checked last, so that nothing can be trimmed between the check and the reads.
        if resumed is not None and not await self._can_continue(sid, resumed):
            raise CursorExpired(
                "the events after this cursor are lost: start again from the first page"
            )
        items = tuple(
            (self._cursor_codec.log_cursor(logged.position), logged.event)
            for logged in found[:first]
        )
        if len(found) > first:
            return Page(items, items[-1][0], has_next_page=True)
        end_cursor = after if position == start else self._cursor_codec.log_cursor(position)
        return Page(items, end_cursor, not is_end)

    async def _beginning(self) -> LogPosition:
        head = await self._events.open()
        return LogPosition(head.position.epoch, head.base, NO_TAG)

    async def _search(
        self,
        sid: RoomSid,
        position: LogPosition,
        types: frozenset[RoomEventType] | None,
        first: int,
    ) -> tuple[list[Logged], LogPosition, bool]:
        """Returns events of these types, one more than `first` if there are so many;
        the position that was read up to; and whether that is the end."""
        found: list[Logged] = []
        count = first + 1 if types is None else self._timings.page_size
        with self._tail.notifier(sid) as notifier:
            for _ in range(self._timings.timeline_pages):
                entries = await self._read(notifier, sid, position, count)
                found += [
                    logged
                    for logged in readable(entries)
                    if types is None or logged.event.type in types
                ]
                position = entries[-1].position if entries else position
                is_end = len(entries) < count
                if is_end or len(found) > first:
                    return found, position, is_end
        return found, position, False

    async def _read(
        self, notifier: Notifier, sid: RoomSid, position: LogPosition, count: int
    ) -> list[Entry]:
        """Returns the room's next entries in the position's epoch, up to where this
        process has read the log: a read that follows must not answer from before."""
        entries = await self._events.read(position.n, count, sid)
        # A client could not continue from a position in another epoch.
        entries = [entry for entry in entries if entry.position.epoch == position.epoch]
        give_up_at = time.monotonic() + self._timings.timeline_wait_s
        while (
            entries
            and entries[-1].position.n > self._tail.position.n
            and time.monotonic() < give_up_at
        ):
            notifier.clear()
            await notifier.wait(give_up_at - time.monotonic())
        return [entry for entry in entries if entry.position.n <= self._tail.position.n]

    async def _can_continue(self, sid: RoomSid, position: LogPosition) -> bool:
        """Whether the room's stream has all that was logged of the room after the
        position."""
        if not self._tail.ring.holds(position):
            found = await self._events.check(position)
            if found is ResyncReason.TRIMMED:
                # The account's log may be shorter than the room's. An entry of the room
                # that is still there proves the position as well.
                at_position = await self._events.read(position.n - 1, 1, sid)
                return bool(at_position) and at_position[0].position == position
            if isinstance(found, ResyncReason):
                return False
        return await self._events.reaches_back(sid, position.n)
