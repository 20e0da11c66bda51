"""Requests to Twilio that wait for a permit: in each replica, one queue for reads and
one for writes.

A permit is taken for the replica, not for a request: which request uses it is decided
when it arrives. So an urgent request overtakes all that wait, at most one take of each
kind is in flight however long the queue is, and a replica that was held up sends late
but never in a crowd.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import QuotaExceeded
from gateway.core.limits.fairness import FairQueue, Priority
from gateway.core.limits.quota import RequestKind
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.quota_budget import QuotaBudget
from gateway.store.limiter import TAKE_S

WAITING_LIMIT: Final = 500
"""Of each priority. A request that must wait too long is refused at once, so there are
rarely more waiting than get a permit in time."""
# Permits that are available at once are taken in one round trip.
_BATCH: Final = 8
# The weight of a new interval in the moving average of the intervals between permits.
_SMOOTHING: Final = 0.2
# After so long without a permit, earlier intervals say nothing.
_FORGET_S: Final = 1.0


@dataclass(eq=False, slots=True)
class _Waiter:
    priority: Priority
    caller: str
    give_up_at: float
    permit: asyncio.Future[str]


class PermitQueue:
    """The queue of one kind of requests. Times are those of the event loop."""

    def __init__(
        self, kind: RequestKind, quota_budget: QuotaBudget, flights: SingleFlight[None]
    ) -> None:
        self._kind = kind
        self._quota_budget = quota_budget
        self._flights = flights
        self._queue = FairQueue[_Waiter](WAITING_LIMIT)
        self._wake_up = asyncio.Event()
        self._is_serving = False
        self._is_full = False
        # The priority of the last take and, if it got no permit, when the next one is
        # due.
        self._taken_for = Priority.END
        self._retry_at = float("-inf")
        self._served_at = float("-inf")
        self._interval_s = 0.0
        quota_budget.on_change.append(self._on_change)

    def waiting(self, priority: Priority) -> int:
        """How many requests of this priority wait."""
        return self._queue.size(priority)

    def wait_s(self, priority: Priority, caller: str = "") -> float:
        """How long a new request would wait, as far as is known."""
        now = asyncio.get_running_loop().time()
        # A take that failed for one priority may succeed for a more urgent one.
        retry_in_s = self._retry_at - now if priority >= self._taken_for else 0.0
        ahead = self._queue.ahead(priority, caller)
        return max(0.0, retry_in_s) + ahead * max(
            self._interval_s, 1 / self._quota_budget.rate(self._kind, priority).per_s
        )

    @asynccontextmanager
    async def permit(
        self, priority: Priority, caller: str, give_up_at: float
    ) -> AsyncIterator[None]:
        """Waits for a permit, and holds it until the end of the `async with` block.

        Raises QuotaExceeded with `retry_after_ms`: at once if the permit would come too
        late as far as is known; later if it has not come at `give_up_at`, or if the
        queue is full and this caller has the most requests in it.
        """
        permit = await self._wait(priority, caller, give_up_at)
        try:
            yield
        finally:
            self._quota_budget.release(permit)
            if self._is_full:
                self._wake_up.set()

    async def _wait(self, priority: Priority, caller: str, give_up_at: float) -> str:
        loop = asyncio.get_running_loop()
        wait_s = self.wait_s(priority, caller)
        # Even a request that must not wait at all waits for the limiter's answer.
        waiter = _Waiter(priority, caller, give_up_at + TAKE_S, loop.create_future())
        if loop.time() + wait_s > waiter.give_up_at:
            raise self._quota_exceeded(wait_s)
        evicted = self._queue.put(priority, caller, waiter)
        if evicted is waiter:
            raise self._quota_exceeded(wait_s)
        if evicted is not None and not evicted.permit.done():
            evicted.permit.set_exception(
                self._quota_exceeded(self.wait_s(priority, evicted.caller))
            )
        self._serve_soon(priority)
        try:
            async with asyncio.timeout_at(waiter.give_up_at):
                return await waiter.permit
        except TimeoutError:
            self._leave(waiter)
            raise self._quota_exceeded(self.wait_s(priority, caller)) from None
        except BaseException:
            self._leave(waiter)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        self._queue.remove(waiter.priority, waiter.caller, waiter)
        permit = waiter.permit
        if permit.done() and not permit.cancelled() and permit.exception() is None:
            # The permit came just when the waiter gave up.
            self._quota_budget.release(permit.result())

    def _serve_soon(self, priority: Priority) -> None:
        if not self._is_serving:
            self._is_serving = True
            # Under a key of its own: a call that has ended holds its key for a moment
            # longer.
            self._flights.begin(object(), self._serve)
        elif priority < self._taken_for:
            self._wake_up.set()

    async def _serve(self) -> None:
        """Takes permits and hands them out, as long as requests wait."""
        try:
            while (priority := self._queue.first_priority) is not None:
                self._wake_up.clear()
                self._taken_for = priority
                wanted = min(self._queue.size(priority), _BATCH)
                permits = await self._quota_budget.take(self._kind, priority, wanted)
                self._is_full = permits.is_full
                if permits.ids:
                    self._retry_at = float("-inf")
                    await asyncio.sleep(permits.wait_s)
                    self._hand_out(permits.ids)
                else:
                    await self._hold_back(priority, permits.wait_s)
        finally:
            self._is_serving = False

    async def _hold_back(self, priority: Priority, wait_s: float) -> None:
        """No request of this priority or a lesser one passes for `wait_s`. Refuses
        those that cannot wait so long now."""
        self._retry_at = asyncio.get_running_loop().time() + wait_s
        too_late = [
            waiter
            for waiter in self._queue
            if waiter.priority >= priority and waiter.give_up_at < self._retry_at
        ]
        for waiter in too_late:
            self._queue.remove(waiter.priority, waiter.caller, waiter)
            if not waiter.permit.done():
                waiter.permit.set_exception(self._quota_exceeded(wait_s))
        if len(self._queue):
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake_up.wait()

    def _hand_out(self, permits: tuple[str, ...]) -> None:
        for permit in permits:
            waiter = self._queue.pop()
            while waiter is not None and waiter.permit.done():
                waiter = self._queue.pop()
            if waiter is None:
                # All have left meanwhile. The permit cannot be used later: the next
                # one, of any replica, may be due right after it.
                self._quota_budget.release(permit)
            else:
                waiter.permit.set_result(permit)
        self._learn_interval(len(permits))

    def _learn_interval(self, served: int) -> None:
        """Learns how fast permits come while requests wait: other replicas take their
        share."""
        now = asyncio.get_running_loop().time()
        since_s, self._served_at = now - self._served_at, now
        if since_s > _FORGET_S or not len(self._queue):
            self._interval_s = 0.0
            return
        interval_s = since_s / served
        if self._interval_s:
            interval_s = self._interval_s + _SMOOTHING * (interval_s - self._interval_s)
        self._interval_s = interval_s

    def _on_change(self) -> None:
        self._retry_at = float("-inf")
        self._wake_up.set()

    def _quota_exceeded(self, wait_s: float) -> QuotaExceeded:
        return QuotaExceeded(
            f"Twilio's {self._kind} quota for this account is used up: retry after the given time",
            retry_after_ms=max(1, math.ceil(wait_s * 1000)),
        )
