"""Repairing the log: of all replicas, one at a time compares it with Twilio's REST and tells it what it misses.

It looks at everything when it begins to lead and when the log was lost; `service/repair` says what comes after that.
"""

import asyncio
import time
import uuid
from contextlib import suppress

import structlog

from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.service.log.tail import Tail, leave_if_cancelled
from gateway.service.reconcile.term import LeaderTerm
from gateway.service.upstream.upstream import Upstream
from gateway.store.eventlog import EventLog
from gateway.store.leases import Leases
from gateway.store.recheck_queue import RecheckQueue

log = structlog.get_logger()

LEASE = "reconcile"
# A leader that dies is followed within so long; one that stops gives its lease back.
LEASE_S = 3.0
RENEW_S = 1.0
LOOK_S = 0.25
RETRY_S = 1.0


class Reconciler:
    """`run` never ends by itself and survives the outages of Redis and Twilio. Any number of replicas run it, one leads."""

    def __init__(
        self,
        upstream: Upstream,
        events: EventLog,
        tail: Tail,
        leases: Leases,
        recheck_queue: RecheckQueue,
        account_sid: AccountSid,
    ) -> None:
        self._upstream = upstream
        self._events = events
        self._tail = tail
        self._leases = leases
        self._recheck_queue = recheck_queue
        self._account_sid = account_sid
        self._owner = uuid.uuid4().hex
        self._held_until = float("-inf")

    @property
    def is_leader(self) -> bool:
        return time.monotonic() < self._held_until

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._elect())
                tasks.create_task(self._lead())
        finally:
            if self.is_leader:
                self._held_until = float("-inf")
                with suppress(UpstreamUnavailable):
                    await self._leases.release(LEASE, self._owner)

    async def _elect(self) -> None:
        while True:
            asked_at = time.monotonic()
            with suppress(UpstreamUnavailable):
                lease = await self._leases.take(LEASE, self._owner, round(LEASE_S * 1000))
                self._held_until = (
                    asked_at + lease.left_ms / 1000 if lease.is_ours else float("-inf")
                )
            leave_if_cancelled()
            await asyncio.sleep(RENEW_S)

    async def _lead(self) -> None:
        while True:
            if not self._may_lead():
                await asyncio.sleep(LOOK_S)
                continue
            log.info("reconcile.leads")
            try:
                await self._term().serve()
            except* UpstreamUnavailable as lost:
                log.warning("reconcile.interrupted", reason=str(lost.exceptions[0]))
            leave_if_cancelled()
            await asyncio.sleep(RETRY_S)

    def _term(self) -> LeaderTerm:
        return LeaderTerm(
            self._upstream,
            self._events,
            self._tail,
            self._recheck_queue,
            self._account_sid,
            self._may_lead,
        )

    def _may_lead(self) -> bool:
        """Whoever is behind the log himself would tell it what it knows."""
        return self.is_leader and self._tail.is_healthy and not self._tail.is_redis_away
