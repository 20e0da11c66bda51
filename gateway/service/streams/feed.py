"""Event streams. A subscriber is a cursor and nothing else: it reads what lies after it and waits for the bell."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from gateway.core.callers import Caller, Scope
from gateway.core.cursors import NO_TAG, CursorCodec, LogPosition
from gateway.core.errors import CursorExpired, NotFound, PermissionDenied
from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.paging import Page, checked_first
from gateway.core.rooms import RoomRef, RoomSid
from gateway.service.call_context import limit_max_age
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.log.notifier import Notifier
from gateway.service.log.ring import RingEntry, is_contiguous
from gateway.service.log.tail import Tail
from gateway.service.rooms import Rooms
from gateway.store.eventlog import EventLog, Logged, readable

# A stream with its WebSocket costs 32 kB (`tests.bench.fanout`): so many, 320 MB. Half of them for one caller, behind whose
# key may be a whole frontend.
STREAMS = 10_000
STREAMS_PER_CALLER = 5_000
BOOKMARK_S = 15.0
PAGE = 500
# How many pages a timeline looks through for events of the types asked for before it answers with what it has.
SCANNED_PAGES = 4
# A timeline waits so long for this process to hear of what the log has already: as long as memory may lag (PROOF_S).
HEARD_S = 0.25


T = TypeVar("T")

WriteNow = Callable[[Sequence[T]], bool]
"""Writes messages to the subscriber without waiting: all of them, or none if it returns False."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a subscriber receives. None means all rooms of the account, or all types."""

    room: RoomRef | None = None
    types: frozenset[RoomEventType] | None = None


@dataclass(frozen=True, slots=True)
class EventSubscription(Generic[T]):
    """A subscription to events, as a value.

    `after` is the cursor to resume from; without one, the subscription starts at the newest
    event. `encode` makes what the subscriber receives out of each message.
    """

    filter: EventFilter
    after: str | None
    encode: Callable[[StreamMessage], T]


@dataclass(frozen=True, slots=True)
class _Start:
    position: LogPosition
    mode: StreamMode
    reason: ResyncReason | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a stream is of; None for all."""

    room_sid: RoomSid | None
    types: frozenset[RoomEventType] | None

    def message(self, entry: RingEntry, prev: str) -> Delivered | Gap | None:
        """What the stream says of an entry, if anything. One that cannot be read may be of any type."""
        logged = entry.entry
        if self.room_sid is not None and logged.room_sid not in (self.room_sid, None):
            return None
        if not isinstance(logged, Logged):
            return Gap(entry.cursor, prev)
        if self.types is not None and logged.event.type not in self.types:
            return None
        return Delivered(entry.cursor, prev, logged.event)


@dataclass(slots=True)
class _Stand:
    """Where a stream stands. `position`: up to here, everything has been told or is not wanted; `prev`: what was told last, in
    which life of the log and when (monotonic, seconds)."""

    position: LogPosition
    prev: str
    generation: int
    told_at: float

    @property
    def quiet_s(self) -> float:
        return time.monotonic() - self.told_at

    def tell(self, message: Delivered | Gap) -> None:
        self.prev, self.told_at = message.cursor, time.monotonic()


class Feed:
    """`streams` bounds how many are followed at once; several feeds of a process may share it."""

    def __init__(
        self,
        events: EventLog,
        tail: Tail,
        cursor_codec: CursorCodec,
        rooms: Rooms,
        streams: ConnectionLimit | None = None,
    ) -> None:
        self._events = events
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._rooms = rooms
        self._streams = streams or ConnectionLimit("event streams", STREAMS, STREAMS_PER_CALLER)

    async def subscribe(
        self,
        caller: Caller,
        subscription: EventSubscription[T],
        write_now: WriteNow[T] | None = None,
    ) -> AsyncGenerator[T, None]:
        """The messages of a subscription, each encoded by it.

        While the caller waits for the next message, new events go through `write_now` at
        once, as long as it accepts them. Events that it has written do not appear in the
        stream, and the caller's task is not woken up for them.

        Raises on the first step: InvalidArgument (the cursor is not one of this account),
        NotFound (no room in progress has that name), PermissionDenied, Throttled (too many
        open streams). Ends only when the gateway stops: resume from the last cursor then.
        """
        caller.require(Scope.EVENTS_SUBSCRIBE)
        after, encode = subscription.after, subscription.encode
        wanted = None if after is None else self._cursor_codec.log_position(after)
        room_sid = await self._target(caller, subscription.filter.room)
        with self._streams.enter(caller), self._tail.notifier(room_sid) as notifier:
            # Known before the start is looked for: should the log turn out to be another one meanwhile, `_follow` tells.
            generation = self._tail.generation
            start = await self._start(wanted)
            cursor = self._cursor_codec.log_cursor(start.position)
            yield encode(StreamStarted(cursor, start.mode, room_sid, self._tail.floor_at))
            if start.reason is not None:
                yield encode(ResyncRequired(cursor, start.reason))
            stand = _Stand(start.position, cursor, generation, time.monotonic())
            selected = _Wanted(room_sid, subscription.filter.types)
            if write_now is not None:
                notifier.on_notify = partial(self._deliver_now, stand, selected, encode, write_now)
            async for message in self._follow(notifier, stand, selected):
                yield encode(message)

    async def timeline(
        self,
        caller: Caller,
        ref: RoomRef,
        types: frozenset[RoomEventType] | None,
        first: int,
        after: str | None,
    ) -> Page[RoomEvent]:
        """A page of what the log has of a room, the oldest first. Its cursors are those of streams: `after` takes either's.

        A page may be shorter than asked, or empty, and still have a next one: each looks through so many events only. At the
        end, `end_cursor` is where later ones are found. Raises CursorExpired when what follows `after` cannot be told any
        more; begin without it then.
        """
        checked_first(first)
        # The next event may come at any moment.
        limit_max_age(0)
        wanted = None if after is None else self._cursor_codec.log_position(after)
        sid = await self._rooms.locate(caller, ref, Scope.EVENTS_SUBSCRIBE)
        start = position = wanted or await self._beginning()
        found, is_end = list[Logged](), False
        count = first + 1 if types is None else PAGE
        with self._tail.notifier(sid) as notifier:
            for _ in range(SCANNED_PAGES):
                page = await self._page_heard(notifier, position, count)
                found += [logged for logged in page if types is None or logged.event.type in types]
                position = page[-1].position if page else position
                is_end = len(page) < count
                if is_end or len(found) > first:
                    break
        # Looked at last, so that nothing can have been trimmed between this and the reading.
        if wanted is not None and not await self._can_follow(sid, wanted):
            raise CursorExpired(
                "the log cannot tell what follows this cursor any more; begin again without it"
            )
        items = tuple(
            (self._cursor_codec.log_cursor(logged.position), logged.event)
            for logged in found[:first]
        )
        if len(found) > first:
            return Page(items, items[-1][0], has_next_page=True)
        return Page(
            items,
            after if position == start else self._cursor_codec.log_cursor(position),
            not is_end,
        )

    async def _beginning(self) -> LogPosition:
        head = await self._events.open()
        return LogPosition(head.position.epoch, head.base, NO_TAG)

    async def _page_heard(
        self, notifier: Notifier, position: LogPosition, count: int
    ) -> list[Logged]:
        """The room's next entries, of the place's epoch: no cursor of another could be gone on from. And only what memory
        has heard of, for a read after this must not answer from before."""
        assert notifier.room_sid is not None
        page = readable(await self._events.read(position.n, count, notifier.room_sid))
        page = [logged for logged in page if logged.position.epoch == position.epoch]
        give_up_at = time.monotonic() + HEARD_S
        while (
            page and page[-1].position.n > self._tail.position.n and time.monotonic() < give_up_at
        ):
            notifier.clear()
            await notifier.wait(give_up_at - time.monotonic())
        return [logged for logged in page if logged.position.n <= self._tail.position.n]

    async def _can_follow(self, sid: RoomSid, wanted: LogPosition) -> bool:
        """Whether the room's stream has all that the room was told of after the place."""
        if not self._tail.ring.holds(wanted):
            found = await self._events.check(wanted)
            if found is ResyncReason.TRIMMED:
                # The account's log may be shorter than the room's: an entry that is still there proves the place as well.
                at_place = await self._events.read(wanted.n - 1, 1, sid)
                return bool(at_place) and at_place[0].position == wanted
            if isinstance(found, ResyncReason):
                return False
        return await self._events.reaches_back(sid, wanted.n)

    async def _target(self, caller: Caller, ref: RoomRef | None) -> RoomSid | None:
        """The SID that the stream belongs to, even when the room's name is taken again later."""
        if ref is None:
            if caller.grants is not None:
                raise PermissionDenied(
                    "this credential is for some rooms only; name one of them in room"
                )
            return None
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._rooms.room(caller, ref)
        if found is None:
            raise NotFound("no such room is in progress; give its SID, or create it first")
        return found.value.sid

    async def _start(self, wanted: LogPosition | None) -> _Start:
        if wanted is None:
            return _Start(self._tail.position, StreamMode.LIVE)
        found = None if self._tail.ring.holds(wanted) else await self._events.check(wanted)
        if isinstance(found, ResyncReason):
            return _Start(self._tail.position, StreamMode.RESYNC, found)
        return _Start(wanted, StreamMode.RESUMED)

    async def _follow(
        self, notifier: Notifier, stand: _Stand, wanted: _Wanted
    ) -> AsyncGenerator[StreamMessage, None]:
        tail = self._tail
        while not tail.is_closed:
            # Cleared before reading: a bell that rings meanwhile is heard below.
            notifier.clear()
            read = (
                await self._after(stand.position) if stand.generation == tail.generation else None
            )
            if read is None or stand.generation != tail.generation:
                reason = (
                    ResyncReason.TRIMMED
                    if stand.generation == tail.generation
                    else tail.reset_reason
                )
                stand.generation, stand.position = tail.generation, tail.position
                stand.prev = self._cursor_codec.log_cursor(stand.position)
                yield ResyncRequired(stand.prev, reason)
                continue
            entries, stand.position = read
            for entry in entries:
                message = wanted.message(entry, stand.prev)
                if message is not None:
                    yield message
                    stand.tell(message)
            if stand.quiet_s < BOOKMARK_S:
                if stand.position.n < tail.position.n or stand.generation != tail.generation:
                    continue
                if await notifier.wait(BOOKMARK_S - stand.quiet_s) or stand.quiet_s < BOOKMARK_S:
                    continue
                # It did not ring: nothing on the way to the newest place concerns its holder.
                stand.position = max(stand.position, tail.position, key=_number)
            # Also when the bell never rests, for whoever gets no event must be able to resume from near by.
            yield Bookmark(self._cursor_codec.log_cursor(stand.position))
            stand.told_at = time.monotonic()

    def _deliver_now(
        self,
        stand: _Stand,
        wanted: _Wanted,
        encode: Callable[[StreamMessage], T],
        write_now: WriteNow[T],
    ) -> bool:
        """Writes the newest events. Returns False if the stream's own task has to deliver them."""
        tail = self._tail
        if (
            tail.is_closed
            or stand.generation != tail.generation
            or stand.position.n < tail.ring.floor.n
        ):
            return False
        prev, told = stand.prev, list[Delivered]()
        for entry in tail.ring.after(stand.position.n):
            message = wanted.message(entry, prev)
            if isinstance(message, Delivered):
                told.append(message)
                prev = message.cursor
            elif message is not None:
                return False
        if told:
            try:
                if not write_now([encode(message) for message in told]):
                    return False
            except Exception:
                # One subscriber's failure must not stop the notification of the others. The
                # stream's own task meets the same failure, and ends with it.
                return False
            stand.tell(told[-1])
        stand.position = max(stand.position, tail.position, key=_number)
        return True

    async def _after(self, position: LogPosition) -> tuple[list[RingEntry], LogPosition] | None:
        """The next entries after the place, and up to where nothing is left unread; None when some are gone."""
        if position.n >= self._tail.ring.floor.n:
            newest = self._tail.ring.after(position.n)
            return newest, max(position, self._tail.position, key=_number)
        page = await self._events.read(position.n, PAGE)
        # Up to where the ring begins: the log may be ahead of this process, whose memory must hear of an event first.
        page = [logged for logged in page if logged.position.n <= self._tail.ring.floor.n]
        if not page or not is_contiguous(position, page):
            return None
        now = time.monotonic()
        return [
            RingEntry(logged, self._cursor_codec.log_cursor(logged.position), now)
            for logged in page
        ], page[-1].position


def _number(position: LogPosition) -> int:
    return position.n
