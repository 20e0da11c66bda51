"""The one reader of an account's log in each process.

It keeps the room memory up to date, keeps the newest entries in a ring, and notifies
the streams.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import structlog

from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import UpstreamUnavailable
from gateway.core.events import ResyncReason
from gateway.core.rooms import RoomSid
from gateway.service.log.heartbeat import Heartbeat
from gateway.service.log.notifier import Notifier, Notifiers
from gateway.service.log.ring import Ring, RingEntry, is_contiguous, newest_contiguous
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.timings import LogTimings
from gateway.store.eventlog import Entry, EventLog, Head, Logged

log = structlog.get_logger()


class Tail:
    """Follows the log. `run` never ends by itself, and survives outages of Redis.

    `generation` counts how often the log was found to be another one (a new epoch, a
    rollback). A position from an earlier generation is void; `reset_reason` says why.
    """

    def __init__(
        self,
        events: EventLog,
        room_memory: RoomMemory,
        cursor_codec: CursorCodec,
        timings: LogTimings = LogTimings(),
    ) -> None:
        self._events = events
        self._room_memory = room_memory
        self._cursor_codec = cursor_codec
        self._timings = timings
        self._ring: Ring | None = None
        self._notifiers = Notifiers()
        self._ready = asyncio.Event()
        self._read_at = float("-inf")
        self._is_lost = False
        self._trimmed_at = float("-inf")
        self.heartbeat = Heartbeat(events.heartbeats, timings)
        self.history_start_time: datetime | None = None
        """Since when the history of the log is complete."""
        self.generation = 0
        self.reset_reason = ResyncReason.EPOCH
        self.is_closed = False

    @property
    def is_healthy(self) -> bool:
        """Whether the log was read in the last seconds, on the server that this process
        writes to. If not, `is_redis_away` says whether Redis itself does not answer."""
        is_read = time.monotonic() - self._read_at <= self._timings.lost_s
        return is_read and self.heartbeat.is_received

    @property
    def is_redis_away(self) -> bool:
        return self.heartbeat.is_redis_away

    @property
    def replicas(self) -> int:
        """How many processes follow this log, with this one."""
        return self.heartbeat.replicas

    @property
    def ring(self) -> Ring:
        """The newest entries. Raises UpstreamUnavailable before the first read."""
        if self._ring is None:
            raise UpstreamUnavailable(
                "the event log has not been read yet: retry in a second", retry_after_ms=1000
            )
        return self._ring

    @property
    def position(self) -> LogPosition:
        """The newest position that this process knows. Raises UpstreamUnavailable, as
        `ring`."""
        return self.ring.position

    async def ready(self) -> None:
        """Waits until the log was first read."""
        await self._ready.wait()

    def as_of(self) -> LogPosition | None:
        """A position such that a fetch that starts now shows everything up to it; None
        before the log was first read."""
        if self._ring is None:
            return None
        return self._ring.position_by(time.monotonic() - self._timings.rest_lag_s)

    def notifier(self, room_sid: RoomSid | None) -> AbstractContextManager[Notifier]:
        """A notifier for one room, or with None for the whole account."""
        return self._notifiers.register(room_sid)

    def close(self) -> None:
        """Ends the streams: wakes them up, so that they see `is_closed`."""
        self.is_closed = True
        self._notifiers.notify_all()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.heartbeat.run())
                await self._keep_following()
        except BaseExceptionGroup as failures:
            # The caller expects the failure itself, not a group.
            raise failures.exceptions[0] from failures

    async def _keep_following(self) -> None:
        while True:
            try:
                await self._follow()
            except UpstreamUnavailable as exc:
                if not self._is_lost:
                    log.warning("tail.lost", reason=exc.message)
                self._is_lost = True
                await asyncio.sleep(self._timings.retry_s)

    async def _follow(self) -> None:
        await self.heartbeat.start()
        await self._resume()
        if self._is_lost:
            log.info("tail.found")
        self._is_lost = False
        checked_at = time.monotonic()
        while True:
            read = await self._events.tail(
                self.position.n,
                self._timings.read_count,
                self._timings.block_ms,
                self.heartbeat.after,
            )
            leave_if_cancelled()
            self.heartbeat.receive(read.heartbeats)
            if self.heartbeat.should_reconnect():
                await self._events.renew()
                raise UpstreamUnavailable("heartbeats of this process do not come back from Redis")
            if not is_contiguous(self.position, read.entries):
                await self._check(has_gap=True)
                continue
            if not self._has_all_acknowledged(read.entries):
                await self._reset(ResyncReason.DIVERGED, self.position.epoch)
                continue
            self._apply(read.entries)
            self._read_at = time.monotonic()
            # A read that is not full has reached the end of the log, so memory is
            # current.
            if len(read.entries) < self._timings.read_count and self.heartbeat.is_received:
                self._room_memory.confirm_caught_up()
            if self._read_at - checked_at > self._timings.check_s:
                checked_at = self._read_at
                await self._check()
                await self._trim_log()

    async def _resume(self) -> None:
        """Opens the log, and continues from this process' position if it is still
        valid."""
        if self._ring is None:
            await self._load(await self._events.open())
            self._ready.set()
        else:
            await self._check()

    async def _check(self, *, has_gap: bool = False) -> None:
        """Checks whether this process' position is still valid, as for a client's
        cursor. With a gap after it, it is not."""
        position = self.position
        if not has_gap:
            # An append that was acknowledged to this process must be there too, even if
            # it has not been read yet. The tags prove the entries in between.
            position = self._events.acknowledged.newest_after(position) or position
        found = await self._events.check(position)
        if isinstance(found, ResyncReason):
            await self._reset(found, position.epoch)
        elif has_gap:
            await self._reset(ResyncReason.TRIMMED, position.epoch)
        else:
            self.history_start_time = found.complete_since

    def _has_all_acknowledged(self, entries: Sequence[Entry]) -> bool:
        """Whether the log, with these new entries, has all that was acknowledged to
        this process."""
        ring, first_n = self.ring, self.position.n + 1

        def position_at(n: int) -> LogPosition | None:
            return entries[n - first_n].position if n >= first_n else ring.position_at(n)

        head = entries[-1].position if entries else ring.position
        return self._events.acknowledged.is_consistent(head, position_at)

    async def _reset(self, reason: ResyncReason, epoch: str) -> None:
        log.warning("tail.resync", reason=reason)
        if reason in (ResyncReason.ROLLED_BACK, ResyncReason.DIVERGED):
            # The same numbers would be assigned again, and a value that was fetched at
            # the first of them would count as new at the second.
            head = await self._events.replace_epoch(epoch)
        else:
            head = await self._events.open()
        await self._load(head)
        self.generation += 1
        self.reset_reason = reason
        self._notifiers.notify_all()

    async def _load(self, head: Head) -> None:
        """Fills the ring with the newest entries."""
        last = await self._events.read_last(self._timings.ring_entries)
        floor, entries = newest_contiguous(last, head)
        self.history_start_time = head.complete_since
        if self._ready.is_set():
            self._room_memory.reset(head.position.n)
        self._ring = Ring(floor, self._timings)
        self._events.acknowledged.reset(head.position.epoch)
        # As if they had been read when they were logged. Only here, Redis' clock and
        # this process' clock must agree.
        now, wall = time.monotonic(), time.time()
        for entry in entries:
            self._add(self._ring, entry, now - max(0.0, wall - entry.logged_at.timestamp()))
        self._read_at = time.monotonic()
        self._room_memory.confirm_caught_up()

    async def _trim_log(self) -> None:
        if time.monotonic() - self._trimmed_at > self._timings.trim_s:
            self._trimmed_at = time.monotonic()
            await self._events.trim()

    def _apply(self, entries: Sequence[Entry]) -> None:
        # Memory first: a stream that is notified must not read the room as it was
        # before.
        now = time.monotonic()
        for entry in entries:
            self._add(self.ring, entry, now)
        rooms = {entry.room_sid for entry in entries}
        if None in rooms:
            self._notifiers.notify_all()
        elif rooms:
            self._notifiers.notify(sid for sid in rooms if sid is not None)

    def _add(self, ring: Ring, entry: Entry, read_at: float) -> None:
        if isinstance(entry, Logged):
            self._room_memory.apply(entry.event, entry.position.n)
        else:
            log.warning("tail.unreadable", n=entry.position.n, room_sid=entry.room_sid)
            self._room_memory.invalidate_all(entry.position.n)
        cursor = self._cursor_codec.log_cursor(entry.position)
        ring.append(RingEntry(entry, cursor, read_at))


def leave_if_cancelled() -> None:
    """Raises CancelledError if the current task was cancelled.

    redis-py sends under `asyncio.wait_for`, which may lose a cancellation in Python
    3.11: https://github.com/python/cpython/issues/86296
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
