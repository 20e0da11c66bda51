"""One reader of an account's log in each process: it keeps memory true, keeps the newest entries, and rings the bells."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.core.cursors import NO_TAG, CursorCodec, LogPosition
from gateway.core.errors import UpstreamUnavailable
from gateway.core.events import ResyncReason
from gateway.core.rooms import RoomSid
from gateway.service.log.heartbeat import LOST_S, Heartbeat
from gateway.service.log.room_memory import RoomMemory
from gateway.store.eventlog import TAIL_COUNT, EventLog, Head, Logged, Unreadable

log = structlog.get_logger()

RING_ENTRIES = 10_000
RING_BYTES = 16_000_000
_SLACK = 256
BLOCK_MS = 100
CHECK_S = 0.5
RETRY_S = 0.1
TRIM_S = 60.0
# The most we believe that Twilio's REST lags its callbacks: an answer fetched now shows everything up to so long ago.
REST_LAG_S = 5.0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log entry with its sealed cursor: made once, shown to every subscriber. `heard_at`: this process' monotonic clock."""

    logged: Logged | Unreadable
    cursor: str
    heard_at: float


class Notifier:
    """Rung when something that concerns its holder was logged. It has one holder, whose task waits for it.

    `answer`, if there is one, is called by a bell that rings while it is waited for. When it has done by itself what there
    was to do, it says so, and the task is left asleep: waking it costs more than most of what it does then.
    """

    __slots__ = ("_is_notified", "_waiting", "on_notify", "room_sid")

    def __init__(self, room_sid: RoomSid | None) -> None:
        self.room_sid = room_sid
        self.on_notify: Callable[[], bool] | None = None
        self._is_notified = False
        self._waiting: asyncio.Future[None] | None = None

    def clear(self) -> None:
        self._is_notified = False

    def notify(self) -> None:
        is_waited_for = self._waiting is not None and not self._waiting.done()
        if is_waited_for and self.on_notify is not None and self.on_notify():
            return
        self._is_notified = True
        self._wake()

    async def wait(self, limit_s: float) -> bool:
        """True when it rang, False when the limit passed first."""
        if not self._is_notified:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(limit_s, self._wake)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return self._is_notified

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Tail:
    """Follows the log. `run` never ends by itself and survives Redis' outages.

    The ring holds the newest entries, contiguous: all after `floor` up to `position`. `generation` counts how often the log was found
    to be another one (a new epoch, a rollback); who holds a place from an earlier life must be told `reset_reason`.
    """

    def __init__(self, events: EventLog, memory: RoomMemory, cursor_codec: CursorCodec) -> None:
        self._events = events
        self._memory = memory
        self._cursor_codec = cursor_codec
        self._ring: list[LogEntry] = []
        self._ring_bytes = 0
        self._room_notifiers: dict[RoomSid, set[Notifier]] = {}
        self._account_notifiers: set[Notifier] = set()
        self._floor: LogPosition | None = None
        self._ready = asyncio.Event()
        self._heard_at = float("-inf")
        self._is_lost = False
        self._trimmed_at = float("-inf")
        self.heartbeat = Heartbeat(events)
        self.floor_at: datetime | None = None
        self.generation = 0
        self.reset_reason = ResyncReason.EPOCH
        self.is_closed = False

    @property
    def is_healthy(self) -> bool:
        """Whether the log has been heard in the last seconds, where this process says itself that it is there. If not,
        `is_redis_away` says whether it is everybody's trouble."""
        return time.monotonic() - self._heard_at <= LOST_S and self.heartbeat.is_heard

    @property
    def is_redis_away(self) -> bool:
        return self.heartbeat.is_redis_away

    @property
    def replicas(self) -> int:
        """How many processes follow this log, as heard in the last seconds; this one counts in any case."""
        return self.heartbeat.replicas

    @property
    def position(self) -> LogPosition:
        """The newest place this process has heard of. Raises UpstreamUnavailable before the log was first read."""
        if self._ring:
            return self._ring[-1].logged.position
        if self._floor is None:
            raise UpstreamUnavailable(
                "the event log has not been read yet; try again shortly", retry_after_ms=1000
            )
        return self._floor

    @property
    def floor(self) -> LogPosition:
        if self._floor is None:
            raise UpstreamUnavailable(
                "the event log has not been read yet; try again shortly", retry_after_ms=1000
            )
        return self._floor

    async def ready(self) -> None:
        """Waits until the log was first read."""
        await self._ready.wait()

    def after(self, n: int) -> list[LogEntry]:
        """The entries after n, for an n at or above the ring's floor."""
        return self._ring[max(0, n - self.floor.n) :]

    def read_after(self, n: int) -> list[Logged]:
        """As `after`, of the entries that can be read."""
        return [entry.logged for entry in self.after(n) if isinstance(entry.logged, Logged)]

    def holds(self, position: LogPosition) -> bool:
        """Whether the ring shows that the place is one of this log's: then no question to Redis is needed."""
        if position == self.floor:
            return True
        index = position.n - self.floor.n - 1
        return 0 <= index < len(self._ring) and self._ring[index].logged.position == position

    def as_of(self) -> LogPosition | None:
        """The place from which watching misses nothing that a fetch begun now does not show."""
        if self._floor is None:
            return None
        index = bisect_right(
            self._ring, time.monotonic() - REST_LAG_S, key=lambda entry: entry.heard_at
        )
        return self._ring[index - 1].logged.position if index else self._floor

    @contextmanager
    def notifier(self, room_sid: RoomSid | None) -> Iterator[Notifier]:
        """A bell for one room, or for the whole account."""
        notifier = Notifier(room_sid)
        notifiers = (
            self._account_notifiers
            if room_sid is None
            else self._room_notifiers.setdefault(room_sid, set())
        )
        notifiers.add(notifier)
        try:
            yield notifier
        finally:
            notifiers.discard(notifier)
            if room_sid is not None and not notifiers:
                self._room_notifiers.pop(room_sid, None)

    def close(self) -> None:
        """Lets every holder of a bell see that this is the end."""
        self.is_closed = True
        self._notify_all()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.heartbeat.run())
                await self._keep_following()
        except BaseExceptionGroup as failures:
            # Its owner would not know a failure in a group for what it is.
            raise failures.exceptions[0] from failures

    async def _keep_following(self) -> None:
        while True:
            try:
                await self._follow()
            except UpstreamUnavailable as exc:
                if not self._is_lost:
                    log.warning("tail.lost", reason=exc.message)
                self._is_lost = True
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        await self.heartbeat.begin()
        await self._take_up()
        if self._is_lost:
            log.info("tail.found")
        self._is_lost = False
        checked_at = time.monotonic()
        while True:
            heard = await self._events.tail(self.position.n, BLOCK_MS, self.heartbeat.after)
            leave_if_cancelled()
            self.heartbeat.hear(heard.beats)
            if self.heartbeat.is_in_doubt():
                await self._events.renew()
                raise UpstreamUnavailable("what this process says does not come back from Redis")
            if not is_unbroken(self.position, heard.entries):
                await self._check(has_gap=True)
                continue
            self._apply(heard.entries)
            self._heard_at = time.monotonic()
            # An empty answer proves that memory is current; a full one does not, for more may lie behind it.
            if len(heard.entries) < TAIL_COUNT and self.heartbeat.is_heard:
                self._memory.confirm_caught_up()
            if self._heard_at - checked_at > CHECK_S:
                checked_at = self._heard_at
                await self._check()
                await self._trim_log()

    async def _take_up(self) -> None:
        """Opens the log, and goes on from where this process was, if that place still holds."""
        if self._floor is None:
            await self._load(await self._events.open())
            self._ready.set()
        else:
            await self._check()

    async def _check(self, *, has_gap: bool = False) -> None:
        """Looks whether this process' own place still holds, as for a client's cursor. With a gap behind it, it does not."""
        known = self.position
        appended = self._events.appended
        if (
            appended is not None
            and appended.epoch == known.epoch
            and appended.n > known.n
            and not has_gap
        ):
            # What was acknowledged here and not yet heard must be there too. What lies between follows by its tags.
            known = appended
        found = await self._events.check(known)
        if isinstance(found, ResyncReason):
            await self._begin_anew(found, known.epoch)
        elif has_gap:
            await self._begin_anew(ResyncReason.TRIMMED, known.epoch)
        else:
            self.floor_at = found.complete_since

    async def _begin_anew(self, reason: ResyncReason, epoch: str) -> None:
        log.warning("tail.resync", reason=reason)
        if reason in (ResyncReason.ROLLED_BACK, ResyncReason.DIVERGED):
            # Numbers would be given out a second time, and what was fetched at the first would pass for new.
            head = await self._events.begin_anew(epoch)
        else:
            head = await self._events.open()
        await self._load(head)
        self.generation += 1
        self.reset_reason = reason
        self._notify_all()

    async def _load(self, head: Head) -> None:
        """Fills the ring with the newest entries. The ring's floor is the place before its first one."""
        entries = _unbroken_end(await self._events.last_entries(RING_ENTRIES), head)
        self.floor_at = head.complete_since
        if not entries:
            self._floor = head.position
        elif entries[0].position.n == head.base + 1:
            self._floor = LogPosition(head.position.epoch, head.base, NO_TAG)
        else:
            self._floor = entries.pop(0).position
        if self._ready.is_set():
            self._memory.begin_anew(head.position.n)
        self._ring, self._ring_bytes = [], 0
        # As if they had been heard when they were logged; Redis' clock and ours need to agree only here.
        self._take_in(
            entries,
            [
                time.monotonic() - max(0.0, time.time() - logged.logged_at.timestamp())
                for logged in entries
            ],
        )
        self._heard_at = time.monotonic()
        self._memory.confirm_caught_up()

    async def _trim_log(self) -> None:
        if time.monotonic() - self._trimmed_at > TRIM_S:
            self._trimmed_at = time.monotonic()
            await self._events.trim()

    def _apply(self, entries: list[Logged | Unreadable]) -> None:
        # Memory first: whoever hears a bell must not be told of the room as it was.
        self._take_in(entries, [time.monotonic()] * len(entries))
        sids = {room_of(logged) for logged in entries}
        if None in sids:
            self._notify_all()
            return
        for sid in sids:
            for notifier in self._room_notifiers.get(sid, ()):  # type: ignore[arg-type]  # None is not among them
                notifier.notify()
        if entries:
            for notifier in self._account_notifiers:
                notifier.notify()

    def _take_in(self, entries: list[Logged | Unreadable], heard_at: list[float]) -> None:
        for logged, moment in zip(entries, heard_at, strict=True):
            if isinstance(logged, Logged):
                self._memory.apply(logged.event, logged.position.n)
            else:
                log.warning("tail.unreadable", n=logged.position.n, room_sid=logged.room_sid)
                self._memory.invalidate_all(logged.position.n)
            self._ring.append(
                LogEntry(logged, self._cursor_codec.log_cursor(logged.position), moment)
            )
            self._ring_bytes += logged.size
        self._trim()

    def _trim(self) -> None:
        # In slices: cutting the front off a list costs as much as the list is long.
        while len(self._ring) > RING_ENTRIES + _SLACK or (
            self._ring_bytes > RING_BYTES and len(self._ring) > 1
        ):
            dropped = self._ring[: min(_SLACK, len(self._ring) - 1)]
            self._floor = dropped[-1].logged.position
            self._ring_bytes -= sum(entry.logged.size for entry in dropped)
            del self._ring[: len(dropped)]

    def _notify_all(self) -> None:
        for notifier in self._account_notifiers:
            notifier.notify()
        for notifiers in self._room_notifiers.values():
            for notifier in notifiers:
                notifier.notify()


def leave_if_cancelled() -> None:
    """redis-py sends under `asyncio.wait_for`, which in Python 3.11 may lose a cancellation: python/cpython#86296."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def room_of(logged: Logged | Unreadable) -> RoomSid | None:
    """The room that an entry is about; None for one that does not let it be known, and may be about any."""
    return logged.event.room_sid if isinstance(logged, Logged) else logged.room_sid


def is_unbroken(position: LogPosition, entries: Sequence[Logged | Unreadable]) -> bool:
    """Whether these entries are what follows the place: each the next number of the same epoch, and logged behind the very
    entry before it. After a failover the same numbers may have been given out again."""
    for logged in entries:
        follows = logged.position.n == position.n + 1 and logged.position.epoch == position.epoch
        if not follows or logged.prev_tag not in (None, position.tag):
            return False
        position = logged.position
    return True


def _unbroken_end(entries: list[Logged | Unreadable], head: Head) -> list[Logged | Unreadable]:
    """As many of the last entries as are all there; none when the last of all is not."""
    if (
        not entries
        or entries[-1].position.epoch != head.position.epoch
        or entries[-1].position.n < head.position.n
    ):
        return []
    first = len(entries) - 1
    while first and is_unbroken(entries[first - 1].position, entries[first : first + 1]):
        first -= 1
    return entries[first:]
