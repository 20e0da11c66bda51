"""All requests to Twilio go through here: each waits for a permit of the quota that all
replicas share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from gateway.core.errors import DeadlineExceeded, QuotaExceeded, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import Concurrency, RequestKind
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.service import call_context
from gateway.service.call_context import count_request
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.call_policy import CallPolicy
from gateway.service.upstream.permit_queue import PermitQueue
from gateway.service.upstream.quota_budget import QuotaBudget
from gateway.service.upstream.timings import UpstreamTimings
from gateway.store.limiter import TAKE_S, Limiter
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.exchange import WireRequest

T = TypeVar("T")

NO_ANSWER: Final = (UpstreamUnavailable, QuotaExceeded, DeadlineExceeded)
"""Failures for which a cached answer may stand in, flagged as stale: Twilio has not
answered. A refusal by Twilio is an answer."""
COMPARE_WAIT_S: Final = 2.0
# How long `aclose` waits for the last permits to be released.
_GRACE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class AccountQuota:
    """What one account may send to Twilio.

    `reconcile` is the part of `read` that the reconciler may use. `max_wait_s` is how
    long a call waits for a permit before it is refused.
    """

    read: TwilioQuota
    write: TwilioQuota
    reconcile: Rate
    concurrency: Concurrency
    max_wait_s: float


class Upstream:
    """Sends one account's requests to Twilio.

    Reads and writes have separate rates, and share the limit on requests in flight.
    `replicas` returns how many gateways use this account's quota, this one included.
    """

    def __init__(
        self,
        twilio: TwilioVideo,
        limiter: Limiter,
        quota: AccountQuota,
        replicas: Callable[[], int],
        timings: UpstreamTimings = UpstreamTimings(),
    ) -> None:
        self._limiter = limiter
        self._reconcile = quota.reconcile
        self._max_wait_s = quota.max_wait_s
        self._timings = timings
        self._flights = SingleFlight[None]()
        quotas: dict[RequestKind, TwilioQuota] = {"read": quota.read, "write": quota.write}
        self.quota_budget = QuotaBudget(limiter, quotas, quota.concurrency, replicas, self._flights)
        self.permit_queues = {
            kind: PermitQueue(kind, self.quota_budget, self._flights) for kind in quotas
        }
        self._call_policy = CallPolicy(
            twilio, lambda: self._permit("read", Priority.READ, self._max_wait_s), timings
        )

    async def send(self, request: WireRequest[T], *, is_urgent: bool = True) -> T:
        """Returns Twilio's answer.

        A call that is not urgent (a refresh of a stale answer) gets a permit only if
        one is available at once. Raises QuotaExceeded with `retry_after_ms` when the
        permit would come later than the account's `max_wait_s` or the caller's
        deadline, and what `CallPolicy.call` raises.
        """
        if is_urgent:
            return await self._send(request, request.priority, self._max_wait_s, is_urgent=True)
        return await self._send(request, Priority.BACKGROUND, 0.0, is_urgent=False)

    async def compare(self, request: WireRequest[T]) -> T:
        """As `send`, for the reconciler.

        It has its own part of the read quota, also while callers want all of it. So it
        waits in their queue like any single read. But while Twilio is slow, it is the
        first to go.
        """
        max_wait_us = round(COMPARE_WAIT_S * 1_000_000)
        grant = await self._limiter.take_uncounted("reconcile", self._reconcile, max_wait_us)
        wait_s = grant.wait_us / 1_000_000
        if not grant.granted:
            raise QuotaExceeded(
                "the reconciler's part of Twilio's quota is used up: retry after the given time",
                retry_after_ms=round(wait_s * 1000),
            )
        await asyncio.sleep(wait_s)
        return await self._send(request, Priority.READ, COMPARE_WAIT_S, is_urgent=False)

    def is_unavailable(self) -> bool:
        """Whether reads of rooms are refused at present, because Twilio does not answer
        them."""
        return self._call_policy.is_unavailable()

    async def aclose(self) -> None:
        """Releases this replica's permits, so that other replicas need not wait until
        they expire. Call it after the last request has ended."""
        await self._call_policy.aclose()
        await self._flights.aclose(grace_s=_GRACE_S)
        await self.quota_budget.aclose()

    async def _send(
        self, request: WireRequest[T], priority: Priority, max_wait_s: float, *, is_urgent: bool
    ) -> T:
        kind: RequestKind = "write" if request.is_write else "read"
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + max_wait_s

        @asynccontextmanager
        async def permit() -> AsyncIterator[None]:
            async with self._permit(kind, priority, give_up_at - loop.time()):
                count_request()
                yield

        while True:
            try:
                return await self._call_policy.call(request, permit, is_urgent=is_urgent)
            except QuotaExceeded as refused:
                if refused.twilio is None or refused.twilio.status != HTTPStatus.TOO_MANY_REQUESTS:
                    # Our own refusal; or the account has all the rooms that it may
                    # have, which waiting does not change.
                    raise
                # Something else uses the same account. All replicas pause, not only
                # this one. Twilio never processes what it refuses with 429, so the call
                # is repeated while there is time.
                pause_ms = refused.retry_after_ms or round(self._timings.pause_s * 1000)
                await self.quota_budget.back_off(kind, pause_ms)
                if loop.time() >= give_up_at:
                    raise

    def _permit(
        self, kind: RequestKind, priority: Priority, max_wait_s: float
    ) -> AbstractAsyncContextManager[None]:
        """A permit for the caller and the deadline as they are now: some of the callers
        that share the call may have left."""
        caller = call_context.current().caller
        wait_s = min(max(0.0, max_wait_s), deadlines.left_s() - TAKE_S)
        return self.permit_queues[kind].permit(
            priority,
            "" if caller is None else caller.id,
            asyncio.get_running_loop().time() + wait_s,
        )
