"""Repairs the event log by comparing it with Twilio's REST API.

One replica at a time leads and does this. It first checks rooms with missing sequence
numbers and rooms that other replicas want checked. It lists the rooms in progress every
few seconds. It checks each room in turn, as fast as its part of the read quota allows.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from gateway.core.errors import GatewayError, NotFound, UpstreamUnavailable
from gateway.core.room_state.reconcile import Difference, fact_id
from gateway.core.room_state.room_book import Check, CheckIntervals, CheckKind, RoomBook
from gateway.core.rooms import AccountSid
from gateway.service.log.notifier import Notifier
from gateway.service.log.tail import Tail, leave_if_cancelled
from gateway.service.reconcile.checks import (
    READ_COUNT,
    DeparturesCheck,
    ParticipantsCheck,
    RoomCheck,
    RoomListCheck,
    RunnableCheck,
    SnapshotCheck,
    TracksCheck,
    Twilio,
)
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.eventlog import EventLog, Logged, readable
from gateway.store.leases import Leases
from gateway.store.presence import PresenceStore
from gateway.store.recheck_queue import RecheckQueue

log = structlog.get_logger()

LEASE = "reconcile"
# Rooms taken from the recheck queue at once.
RECHECK_COUNT = 100


@dataclass(frozen=True, slots=True)
class ReconcileTimings:
    """The reconciler's pace. All times are in seconds."""

    lease_s: float = 3.0
    """Another replica leads this long after a leader died. One that stops releases its
    lease."""
    renew_s: float = 1.0
    """Between two renewals of the lease."""
    poll_s: float = 0.25
    """How often a replica that does not lead looks whether it may."""
    retry_s: float = 1.0
    """Without new requests after one that failed."""
    idle_s: float = 1.0
    """The longest sleep of a leader without due checks, and between two reads of the
    recheck queue."""
    list_page_size: int = 250
    """Rooms on one page of the list, which then has some 300 kB."""
    max_in_flight: int = 8
    """Checks in flight: enough for 16 requests per second if Twilio takes half a second
    to respond."""
    checks: CheckIntervals = field(default_factory=CheckIntervals)


class Reconciler:
    """Keeps trying to lead, and repairs the log while it does.

    Any number of replicas run it, and one of them leads.
    """

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        tail: Tail,
        leases: Leases,
        recheck_queue: RecheckQueue,
        presence: PresenceStore,
        account_sid: AccountSid,
        timings: ReconcileTimings = ReconcileTimings(),
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._tail = tail
        self._leases = leases
        self._recheck_queue = recheck_queue
        self._presence = presence
        self._account_sid = account_sid
        self._timings = timings
        self._owner = uuid.uuid4().hex
        self._leads_until = float("-inf")

    @property
    def is_leader(self) -> bool:
        return time.monotonic() < self._leads_until

    async def run(self) -> None:
        """Runs until cancelled. Survives outages of Redis and of Twilio."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                tasks.create_task(self._lead())
        finally:
            if self.is_leader:
                self._leads_until = float("-inf")
                with suppress(UpstreamUnavailable):
                    await self._leases.release(LEASE, self._owner)

    async def _keep_lease(self) -> None:
        lifetime_ms = round(self._timings.lease_s * 1000)
        while True:
            requested_at = time.monotonic()
            with suppress(UpstreamUnavailable):
                lease = await self._leases.take(LEASE, self._owner, lifetime_ms)
                self._leads_until = (
                    requested_at + lease.left_ms / 1000 if lease.is_ours else float("-inf")
                )
            leave_if_cancelled()
            await asyncio.sleep(self._timings.renew_s)

    async def _lead(self) -> None:
        while True:
            if not self._may_lead():
                await asyncio.sleep(self._timings.poll_s)
                continue
            log.info("reconcile.leads")
            try:
                await LeaderTerm(
                    self._upstream,
                    self._events,
                    self._tail,
                    self._recheck_queue,
                    self._presence,
                    self._account_sid,
                    self._may_lead,
                    self._timings,
                ).run()
            except* UpstreamUnavailable as failures:
                log.warning("reconcile.interrupted", reason=str(failures.exceptions[0]))
            leave_if_cancelled()
            await asyncio.sleep(self._timings.retry_s)

    def _may_lead(self) -> bool:
        """Whether this replica holds the lease and reads the log without delay.

        A replica that lags the log must not lead: it would log events that are already
        in it.
        """
        return self.is_leader and self._tail.is_healthy and not self._tail.is_redis_away


class LeaderTerm:
    """The time from the moment a replica begins to lead until it stops.

    A term also ends when the log is found to be another one: what it knew is then void.
    """

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        tail: Tail,
        recheck_queue: RecheckQueue,
        presence: PresenceStore,
        account_sid: AccountSid,
        may_lead: Callable[[], bool],
        timings: ReconcileTimings,
    ) -> None:
        self._events = events
        self._tail = tail
        self._recheck_queue = recheck_queue
        self._presence = presence
        self._may_lead = may_lead
        self._timings = timings
        self._generation = tail.generation
        self._twilio = Twilio(upstream, events, tail, account_sid, self._is_on)
        self._book = RoomBook(account_sid, timings.checks)
        self._read_n = 0
        self._slots = asyncio.Semaphore(timings.max_in_flight)
        self._hold_until = float("-inf")
        self._rechecks_read_at = float("-inf")

    async def run(self) -> None:
        """Returns when the term is over.

        Raises UpstreamUnavailable when Redis does not respond.
        """
        await self._read_log()
        with self._tail.notifier(None) as notifier:
            async with asyncio.TaskGroup() as tasks:
                while self._is_on():
                    notifier.clear()
                    await self._read_news()
                    check = self._book.take_check(time.monotonic())
                    if check is None:
                        idle_s = self._book.next_check_at() - time.monotonic()
                        await notifier.wait(min(self._timings.idle_s, max(0.0, idle_s)))
                        continue
                    await asyncio.sleep(max(0.0, self._hold_until - time.monotonic()))
                    await self._slots.acquire()
                    tasks.create_task(self._run(check, notifier))

    def _is_on(self) -> bool:
        return self._may_lead() and self._tail.generation == self._generation

    async def _read_log(self) -> None:
        """Reads the whole log into the book."""
        head = await self._events.open()
        while self._read_n < self._tail.ring.floor.n:
            entries = await self._events.read(self._read_n, READ_COUNT)
            self._add(readable(entries))
            self._read_n = entries[-1].position.n if entries else self._tail.ring.floor.n
        self._add(self._tail.ring.readable_after(self._read_n))
        self._book.start(time.monotonic(), head.base)

    async def _read_news(self) -> None:
        """Reads new entries of the log and the recheck queue, and compares again."""
        if self._read_n >= self._tail.ring.floor.n:
            self._add(self._tail.ring.readable_after(self._read_n))
        else:
            self._add(readable(await self._events.read(self._read_n, READ_COUNT)))
        if time.monotonic() - self._rechecks_read_at > self._timings.idle_s:
            self._rechecks_read_at = time.monotonic()
            for sid in await self._recheck_queue.take(RECHECK_COUNT):
                self._book.recheck(sid, time.monotonic())
            leave_if_cancelled()
        for difference in self._book.compare_again(datetime.now(UTC), time.monotonic()):
            await self._log(difference)

    def _add(self, entries: Sequence[Logged]) -> None:
        for entry in entries:
            self._book.add_event(entry.event, entry.position.n, time.monotonic())
            self._read_n = max(self._read_n, entry.position.n)

    async def _run(self, check: Check, notifier: Notifier) -> None:
        """Runs one check, logs its difference and schedules what follows."""
        try:
            difference = await self._runnable(check).run(self._book, self._twilio)
            await self._log(difference)
            self._book.finish(check, difference, time.monotonic())
        except NO_ANSWER as exc:
            self._retry(check, self._timings.retry_s)
            log.info("reconcile.deferred", check=check.kind.value, reason=exc.message)
        except GatewayError as exc:
            if isinstance(exc, NotFound) and check.kind is not CheckKind.ROOM_LIST:
                self._book.not_found(check, time.monotonic())
                log.info("reconcile.not_found", check=check.kind.value, room_sid=check.room)
                return
            self._retry(check, self._timings.checks.room_list_s)
            log.warning("reconcile.refused", check=check.kind.value, reason=exc.message)
        finally:
            self._slots.release()
            notifier.notify()

    def _retry(self, check: Check, after_s: float) -> None:
        self._hold_until = time.monotonic() + self._timings.retry_s
        self._book.retry(check, time.monotonic() + after_s)

    def _runnable(self, check: Check) -> RunnableCheck:
        match check.kind:
            case CheckKind.ROOM_LIST:
                return RoomListCheck(self._timings.list_page_size)
            case CheckKind.ROOM:
                return RoomCheck(check.room)
            case CheckKind.PARTICIPANTS:
                return ParticipantsCheck(check.room)
            case CheckKind.DEPARTURES:
                return DeparturesCheck(check.room)
            case CheckKind.TRACKS:
                return TracksCheck(check.room, check.participant)
            case CheckKind.SNAPSHOT:
                return SnapshotCheck(check.room, self._presence)

    async def _log(self, difference: Difference) -> None:
        """Appends the events that the log lacks. Raises UpstreamUnavailable."""
        for event in difference.events:
            if not self._is_on():
                return
            appended = await self._events.append(event, fact_id(event))
            log.info("reconcile.repaired", type=event.type.value, room_sid=event.room_sid)
            # The tail brings the event again, which changes nothing. But the next check
            # has to know it now.
            self._book.add_repair(event, appended.position.n, time.monotonic())
