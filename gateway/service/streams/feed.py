"""Event streams. A subscriber is a cursor: it reads what follows in the log, and waits
for a notification."""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import PermissionDenied, Reason
from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.outcomes import not_found
from gateway.core.rooms import RoomRef, RoomSid
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.log.notifier import Notifier
from gateway.service.log.ring import RingEntry, is_contiguous
from gateway.service.log.tail import Tail
from gateway.service.rooms import Rooms
from gateway.service.streams.timings import StreamTimings
from gateway.store.eventlog import EventLog, Logged

# A stream with its WebSocket takes 32 kB (`tests.bench.fanout`), so all of them take
# 320 MB. One caller may have half of them: its key may serve a whole frontend.
STREAMS = 10_000
STREAMS_PER_CALLER = 5_000

T = TypeVar("T")

WriteNow = Callable[[Sequence[T]], bool]
"""Writes messages to the subscriber without waiting: all, or none if it returns False.
"""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a subscriber receives. None means all rooms of the account, or all
    types."""

    room: RoomRef | None = None
    types: frozenset[RoomEventType] | None = None


@dataclass(frozen=True, slots=True)
class EventSubscription(Generic[T]):
    """A subscription to events, as a value.

    `after` is the cursor to resume from; without one, the subscription starts at the
    newest event. `encode` makes what the subscriber receives out of each message.
    """

    filter: EventFilter
    after: str | None
    encode: Callable[[StreamMessage], T]


@dataclass(frozen=True, slots=True)
class Selection:
    """An `EventFilter` whose room is resolved to its SID."""

    room_sid: RoomSid | None = None
    types: frozenset[RoomEventType] | None = None


def stream_limit() -> ConnectionLimit:
    """The limit on open streams, which all accounts of a process share."""
    return ConnectionLimit("event streams", STREAMS, STREAMS_PER_CALLER)


def advance(prev: str, entries: Iterable[RingEntry], selection: Selection) -> list[Delivered | Gap]:
    """The messages for a subscriber whose last message had the cursor `prev`.

    An entry that cannot be read is a gap for every subscriber that it may concern: it
    may have any type.
    """
    messages: list[Delivered | Gap] = []
    for ring_entry in entries:
        entry, cursor = ring_entry.entry, ring_entry.cursor
        if selection.room_sid is not None and entry.room_sid not in (selection.room_sid, None):
            continue
        if not isinstance(entry, Logged):
            messages.append(Gap(cursor, prev))
        elif selection.types is None or entry.event.type in selection.types:
            messages.append(Delivered(cursor, prev, entry.event))
        else:
            continue
        prev = cursor
    return messages


class Feed:
    """The event streams of one account."""

    def __init__(
        self,
        events: EventLog,
        tail: Tail,
        cursor_codec: CursorCodec,
        rooms: Rooms,
        limit: ConnectionLimit,
        timings: StreamTimings = StreamTimings(),
    ) -> None:
        self._events = events
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._rooms = rooms
        self._limit = limit
        self._timings = timings

    async def subscribe(
        self,
        caller: Caller,
        subscription: EventSubscription[T],
        write_now: WriteNow[T] | None = None,
    ) -> AsyncGenerator[T, None]:
        """Yields the messages of a subscription, each encoded by it.

        There are two ways of delivery. While the caller waits for the next message, the
        tail's task passes new events to `write_now`, which writes them at once; they
        are not yielded, and the caller's task stays asleep. When `write_now` returns
        False, or without it, the caller's task wakes up and gets the events here.

        Raises on the first step: InvalidArgument (the cursor is not one of this
        account), NotFound (no room in progress has that name), PermissionDenied,
        Throttled (too many open streams). Ends only when the gateway stops: resume from
        the last cursor then.
        """
        caller.require(Scope.EVENTS_SUBSCRIBE)
        after, encode = subscription.after, subscription.encode
        position = None if after is None else self._cursor_codec.log_position(after)
        room_sid = await self._room_sid(caller, subscription.filter.room)
        selection = Selection(room_sid, subscription.filter.types)
        tail = self._tail
        with self._limit.enter(caller), tail.notifier(room_sid) as notifier:
            # Read before the start: if the log is reset meanwhile, the stream sees that
            # the generation differs.
            generation = tail.generation
            reset_reason = None if position is None else await self._reset_reason(position)
            if position is None:
                mode, start = StreamMode.LIVE, tail.position
            elif reset_reason is None:
                mode, start = StreamMode.RESUMED, position
            else:
                mode, start = StreamMode.RESYNC, tail.position
            cursor = self._cursor_codec.log_cursor(start)
            yield encode(StreamStarted(cursor, mode, room_sid, tail.history_start_time))
            if reset_reason is not None:
                yield encode(ResyncRequired(cursor, reset_reason))
            stream = _Stream(
                self._events, tail, self._cursor_codec, self._timings, selection, start, generation
            )
            if write_now is not None:
                notifier.on_notify = partial(stream.write_now, encode, write_now)
            async for message in stream.messages(notifier):
                yield encode(message)

    async def _room_sid(self, caller: Caller, ref: RoomRef | None) -> RoomSid | None:
        """The room of a stream. The stream keeps it, even if another room gets its
        name."""
        if ref is None:
            if caller.grants is not None:
                raise PermissionDenied(
                    "this credential is valid for some rooms only: name one of them in room"
                )
            return None
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._rooms.room(caller, ref)
        if found is None:
            raise not_found(Reason.ROOM_NOT_FOUND)
        return found.value.sid

    async def _reset_reason(self, position: LogPosition) -> ResyncReason | None:
        """Why the events after the position cannot be delivered; None if they can."""
        if self._tail.ring.holds(position):
            return None
        found = await self._events.check(position)
        return found if isinstance(found, ResyncReason) else None


class _Stream:
    """An open stream.

    All events up to `_position` are delivered or not selected. `_prev` is the cursor of
    the last message, `_sent_at` its time (monotonic, in seconds).
    """

    def __init__(
        self,
        events: EventLog,
        tail: Tail,
        cursor_codec: CursorCodec,
        timings: StreamTimings,
        selection: Selection,
        position: LogPosition,
        generation: int,
    ) -> None:
        self._events = events
        self._tail = tail
        self._cursor_codec = cursor_codec
        self._timings = timings
        self._selection = selection
        self._position = position
        self._generation = generation
        self._prev = cursor_codec.log_cursor(position)
        self._sent_at = time.monotonic()

    async def messages(self, notifier: Notifier) -> AsyncGenerator[StreamMessage, None]:
        """All messages, without those that `write_now` has written meanwhile."""
        tail, bookmark_s = self._tail, self._timings.bookmark_s
        while not tail.is_closed:
            # Cleared before reading, so that no notification is missed.
            notifier.clear()
            entries = await self._read()
            if entries is None:
                yield self._resync()
                continue
            for message in advance(self._prev, entries, self._selection):
                yield message
                self._sent(message)
            if self._quiet_s < bookmark_s:
                if self._position.n < tail.position.n or self._is_reset:
                    continue
                is_notified = await notifier.wait(bookmark_s - self._quiet_s)
                if is_notified or self._quiet_s < bookmark_s:
                    continue
                # No notification: nothing up to the newest position is selected.
                self._skip_to_newest()
            # Sent under constant notifications too: a subscriber without events must be
            # able to resume from a recent cursor.
            yield Bookmark(self._cursor_codec.log_cursor(self._position))
            self._sent_at = time.monotonic()

    def write_now(self, encode: Callable[[StreamMessage], T], write: WriteNow[T]) -> bool:
        """Writes the newest events from the notification, while the task sleeps.
        Returns False if the task has to deliver them."""
        tail = self._tail
        if tail.is_closed or self._is_reset or self._position.n < tail.ring.floor.n:
            return False
        messages = advance(self._prev, tail.ring.after(self._position.n), self._selection)
        if not all(isinstance(message, Delivered) for message in messages):
            return False
        if messages:
            try:
                if not write([encode(message) for message in messages]):
                    return False
            except Exception:
                # A failure of one subscriber must not keep the others from being
                # notified. The stream's own task meets the same failure, and ends with
                # it.
                return False
            self._sent(messages[-1])
        self._skip_to_newest()
        return True

    @property
    def _quiet_s(self) -> float:
        return time.monotonic() - self._sent_at

    @property
    def _is_reset(self) -> bool:
        return self._generation != self._tail.generation

    def _sent(self, message: Delivered | Gap) -> None:
        self._prev, self._sent_at = message.cursor, time.monotonic()

    def _skip_to_newest(self) -> None:
        """The stream may already be ahead of this process, after a resume."""
        self._position = max(self._position, self._tail.position, key=_number)

    def _resync(self) -> ResyncRequired:
        """Continues from the newest position, after events were lost."""
        tail = self._tail
        reason = tail.reset_reason if self._is_reset else ResyncReason.TRIMMED
        self._generation, self._position = tail.generation, tail.position
        self._prev = self._cursor_codec.log_cursor(self._position)
        return ResyncRequired(self._prev, reason)

    async def _read(self) -> list[RingEntry] | None:
        """The next entries, and moves the position behind them. None if some are
        lost."""
        if self._is_reset:
            return None
        ring, position = self._tail.ring, self._position
        if position.n >= ring.floor.n:
            self._skip_to_newest()
            return ring.after(position.n)
        page = await self._events.read(position.n, self._timings.page_size)
        # Not beyond the ring's floor: the log may be ahead of this process, whose
        # memory must know of an event before a subscriber does.
        floor_n = self._tail.ring.floor.n
        page = [entry for entry in page if entry.position.n <= floor_n]
        if not page or not is_contiguous(position, page) or self._is_reset:
            return None
        self._position, now = page[-1].position, time.monotonic()
        return [
            RingEntry(entry, self._cursor_codec.log_cursor(entry.position), now) for entry in page
        ]


def _number(position: LogPosition) -> int:
    return position.n
