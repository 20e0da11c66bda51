"""Twilio under its quota: every call waits here for its turn, which all replicas share."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

from gateway.core.callers import Caller, Scope
from gateway.core.errors import DeadlineExceeded, QuotaExceeded, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import ClassQuota, QuotaStatus, RequestClass
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.service import call_context
from gateway.service.call_context import count_request, limit_max_age
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.call_policy import CallPolicy
from gateway.service.upstream.permit_queue import PermitQueue
from gateway.service.upstream.quota_budget import (
    PRIORITY_POLICIES,
    QuotaBudget,
    RequestKind,
    request_kind,
)
from gateway.store.limiter import TAKE_S, Concurrency, Limiter, QuotaGrant
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.exchange import WireRequest

T = TypeVar("T")

# What a cached answer may stand in for, flagged as stale: Twilio's silence, but never its no.
NO_ANSWER = (UpstreamUnavailable, QuotaExceeded, DeadlineExceeded)
# How long everybody holds back after a 429 that does not say. https://www.twilio.com/docs/api/errors/20429
PAUSE_MS = 1_000
COMPARE_PATIENCE_S = 2.0
GRACE_S = 0.1


@dataclass(frozen=True, slots=True)
class AccountQuota:
    """What one account may spend. `reconcile` is the part of `read` that comparing the log with Twilio may take of it.
    `patience_s`: how long a call waits for its turn before it is refused."""

    read: TwilioQuota
    write: TwilioQuota
    reconcile: Rate
    concurrency: Concurrency
    patience_s: float


class Upstream:
    """A read spends from one budget, a write from another; both share the places of those under way.

    `replicas` tells how many gateways spend from this account, this one included.
    """

    def __init__(
        self,
        twilio: TwilioVideo,
        limiter: Limiter,
        budget: AccountQuota,
        replicas: Callable[[], int],
    ) -> None:
        self._limiter = limiter
        self._reconcile = budget.reconcile
        self._patience_s = budget.patience_s
        self._flights = SingleFlight[None]()
        quotas: dict[RequestKind, TwilioQuota] = {"read": budget.read, "write": budget.write}
        self._quota_budget = QuotaBudget(
            limiter, quotas, budget.concurrency, replicas, self._flights
        )
        self._permit_queues = {
            kind: PermitQueue(kind, self._quota_budget, self._flights) for kind in quotas
        }
        self._call_policy = CallPolicy(
            twilio, lambda: self._permit("read", Priority.READ, self._patience_s)
        )

    async def send(self, request: WireRequest[T], *, is_urgent: bool = True) -> T:
        """Raises QuotaExceeded with `retry_after_ms` when the turn would come too late, for the patience that calls are given or
        for the caller's deadline; and what `CallPolicy.make` raises. What is not urgent (a refresh behind a stale answer) takes
        a turn only when one is free at once."""
        if is_urgent:
            return await self._send(request, request.priority, self._patience_s, is_urgent=True)
        return await self._send(request, Priority.BACKGROUND, 0.0, is_urgent=False)

    async def compare(self, request: WireRequest[T]) -> T:
        """As `send`, for the reconciler: in its own part of the read budget, which it is to have also while callers want all
        there is. So in the shared one it waits like any caller who reads; but while Twilio is slow it gives way."""
        patience_us = round(COMPARE_PATIENCE_S * 1_000_000)
        taken = await self._limiter.take_uncounted("reconcile", self._reconcile, patience_us)
        wait_s = taken.wait_us / 1_000_000
        if not taken.granted:
            raise QuotaExceeded(
                "the reconciler's part of Twilio's quota is used up",
                retry_after_ms=round(wait_s * 1000),
            )
        await asyncio.sleep(wait_s)
        return await self._send(request, Priority.READ, COMPARE_PATIENCE_S, is_urgent=False)

    def is_silent(self) -> bool:
        """Whether reads of rooms are refused at present, because Twilio answers none."""
        return self._call_policy.is_silent()

    def waiting(self, priority: Priority) -> int:
        """How many wait for a turn here."""
        return sum(permits.waiting(priority) for permits in self._permit_queues.values())

    async def quota(self, caller: Caller) -> QuotaStatus:
        """What is left, by class. Takes nothing."""
        caller.require(Scope.ROOMS_READ)
        limit_max_age(0)
        reads, writes = await asyncio.gather(
            self._quota_budget.look("read"), self._quota_budget.look("write")
        )
        classes = tuple(
            self._left(priority, writes if request_kind(priority) == "write" else reads)
            for priority in Priority
        )
        quota_budget = self._quota_budget
        return QuotaStatus(
            quota_budget.source, quota_budget.replicas, reads.under_way, reads.may_be, classes
        )

    def _left(self, priority: Priority, taken: QuotaGrant) -> ClassQuota:
        kind = request_kind(priority)
        rate, permits = self._quota_budget.rate(kind, priority), self._permit_queues[kind]
        positions = taken.may_be * PRIORITY_POLICIES[priority].percent // 100 - taken.under_way
        remaining = 0 if taken.wait_us else max(0, min(positions, rate.free(taken.owed_us)))
        due_us = taken.wait_us + max(0, taken.owed_us - (rate.burst - 1) * rate.interval_us)
        wait_ms = max(math.ceil(due_us / 1000), math.ceil(permits.wait_s(priority) * 1000), 1)
        return ClassQuota(
            RequestClass[priority.name],
            round(rate.per_s, 2),
            rate.burst,
            remaining,
            permits.waiting(priority),
            None if remaining else wait_ms,
            datetime.now(UTC) + timedelta(microseconds=taken.wait_us + taken.owed_us),
        )

    async def aclose(self) -> None:
        """After the last request has ended: its place is given back, so that other replicas need not wait for its end."""
        await self._call_policy.aclose()
        await self._flights.aclose(grace_s=GRACE_S)
        await self._quota_budget.aclose()

    async def _send(
        self, request: WireRequest[T], priority: Priority, patience_s: float, *, is_urgent: bool
    ) -> T:
        kind: RequestKind = "write" if request.is_write else "read"
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + patience_s

        @asynccontextmanager
        async def permit() -> AsyncIterator[None]:
            async with self._permit(kind, priority, give_up_at - loop.time()):
                count_request()
                yield

        while True:
            try:
                return await self._call_policy.make(request, permit, is_urgent=is_urgent)
            except QuotaExceeded as refused:
                if refused.twilio is None or refused.twilio.status != HTTPStatus.TOO_MANY_REQUESTS:
                    # Our own no; or not the rate: the account has as many rooms as it may, which waiting does not mend.
                    raise
                # Somebody else spends from the same account. All replicas hold back, not only this one; and as Twilio
                # never processes what it refuses so, the call is safe to repeat while there is patience left.
                await self._quota_budget.refused(kind, refused.retry_after_ms or PAUSE_MS)
                if loop.time() >= give_up_at:
                    raise

    def _permit(
        self, kind: RequestKind, priority: Priority, patience_s: float
    ) -> AbstractAsyncContextManager[None]:
        """For whom and how long is as it is now: of those who share a call, some may have left meanwhile."""
        caller = call_context.current().caller
        wait_s = min(max(0.0, patience_s), deadlines.left_s() - TAKE_S)
        return self._permit_queues[kind].permit(
            priority,
            "" if caller is None else caller.id,
            asyncio.get_running_loop().time() + wait_s,
        )
