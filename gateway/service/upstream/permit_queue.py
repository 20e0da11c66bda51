"""Waiting for a turn at Twilio: one queue for reads and one for writes in each replica, served in the order of ranks.

A turn is taken for the replica, not for a request: who goes is decided when it comes. So an urgent request overtakes all that
wait, at most one turn of each kind is out at a time, however long the queue is, and a replica that was held up sends late but
never in a crowd.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.core.errors import QuotaExceeded
from gateway.core.limits.fairness import FairQueue, Priority
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.quota_budget import QuotaBudget, RequestKind
from gateway.store.limiter import TAKE_S

# Of each rank. Who is told to wait is served within his patience, so there are rarely more than that takes turns.
WAITING_LIMIT = 500
# Turns that are free at once are taken in one go.
BATCH = 8
# How much of a new interval between turns is believed.
_LEARNT = 0.2
# After so long without a turn the intervals before say nothing.
_FORGET_S = 1.0


@dataclass(eq=False, slots=True)
class _Waiter:
    priority: Priority
    caller: str
    give_up_at: float
    lease: asyncio.Future[str]


class PermitQueue:
    """Of one kind. Times are the event loop's."""

    def __init__(
        self, kind: RequestKind, quota_budget: QuotaBudget, flights: SingleFlight[None]
    ) -> None:
        self._kind = kind
        self._quota_budget = quota_budget
        self._flights = flights
        self._queue = FairQueue[_Waiter](WAITING_LIMIT)
        self._stir = asyncio.Event()
        self._is_serving = False
        self._is_full = False
        self._asked_for = Priority.END
        self._not_before = float("-inf")
        self._served_at = float("-inf")
        self._pace_s = 0.0
        quota_budget.on_change.append(self._be_told)

    def waiting(self, priority: Priority) -> int:
        return self._queue.size(priority)

    def wait_s(self, priority: Priority, caller: str = "") -> float:
        """How long one who came now would wait, as far as is known."""
        now = asyncio.get_running_loop().time()
        # What a rank is refused a better one may have.
        held_s = self._not_before - now if priority >= self._asked_for else 0.0
        ahead = self._queue.ahead(priority, caller)
        return max(0.0, held_s) + ahead * max(
            self._pace_s, 1 / self._quota_budget.rate(self._kind, priority).per_s
        )

    @asynccontextmanager
    async def permit(
        self, priority: Priority, caller: str, give_up_at: float
    ) -> AsyncIterator[None]:
        """Waits for a turn, and holds one of the places of those under way until the end of the context.

        Raises QuotaExceeded with `retry_after_ms`: at once, when the turn would come too late as far as is known, and else
        when it has not come by then, or when others need the room of a caller who has most of it.
        """
        lease = await self._wait(priority, caller, give_up_at)
        try:
            yield
        finally:
            self._quota_budget.give_back(lease)
            if self._is_full:
                self._stir.set()

    async def _wait(self, priority: Priority, caller: str, give_up_at: float) -> str:
        loop = asyncio.get_running_loop()
        wait_s = self.wait_s(priority, caller)
        # An answer of the limiter is waited for even by those who have no patience at all.
        waiter = _Waiter(priority, caller, give_up_at + TAKE_S, loop.create_future())
        if loop.time() + wait_s > waiter.give_up_at:
            raise self._used_up(wait_s)
        turned_away = self._queue.put(priority, caller, waiter)
        if turned_away is waiter:
            raise self._used_up(wait_s)
        if turned_away is not None and not turned_away.lease.done():
            turned_away.lease.set_exception(
                self._used_up(self.wait_s(priority, turned_away.caller))
            )
        self._serve_soon(priority)
        try:
            async with asyncio.timeout_at(waiter.give_up_at):
                return await waiter.lease
        except TimeoutError:
            self._leave(waiter)
            raise self._used_up(self.wait_s(priority, caller)) from None
        except BaseException:
            self._leave(waiter)
            raise

    def _leave(self, waiter: _Waiter) -> None:
        self._queue.remove(waiter.priority, waiter.caller, waiter)
        lease = waiter.lease
        if lease.done() and not lease.cancelled() and lease.exception() is None:
            # It came in the moment of giving up.
            self._quota_budget.give_back(lease.result())

    def _serve_soon(self, priority: Priority) -> None:
        if not self._is_serving:
            self._is_serving = True
            # Under a key of its own: a flight that has ended holds its key for a moment longer.
            self._flights.begin(object(), self._serve)
        elif priority < self._asked_for:
            self._stir.set()

    async def _serve(self) -> None:
        """Takes turns and deals them out, for as long as anybody waits."""
        try:
            while (priority := self._queue.first_priority) is not None:
                self._stir.clear()
                self._asked_for = priority
                wanted = min(self._queue.size(priority), BATCH)
                permits = await self._quota_budget.take(self._kind, priority, wanted)
                self._is_full = permits.is_full
                if permits.leases:
                    self._not_before = float("-inf")
                    await asyncio.sleep(permits.wait_s)
                    self._deal(permits.leases)
                else:
                    await self._hold(priority, permits.wait_s)
        finally:
            self._is_serving = False

    async def _hold(self, priority: Priority, wait_s: float) -> None:
        """Nobody of this rank or a lesser one passes for so long: who cannot wait for that is told so now."""
        loop = asyncio.get_running_loop()
        self._not_before = loop.time() + wait_s
        for waiter in [
            each
            for each in self._queue
            if each.priority >= priority and each.give_up_at < self._not_before
        ]:
            self._queue.remove(waiter.priority, waiter.caller, waiter)
            if not waiter.lease.done():
                waiter.lease.set_exception(self._used_up(wait_s))
        if len(self._queue):
            try:
                async with asyncio.timeout(wait_s):
                    await self._stir.wait()
            except TimeoutError:
                pass

    def _deal(self, leases: tuple[str, ...]) -> None:
        for lease in leases:
            waiter = self._queue.pop()
            while waiter is not None and waiter.lease.done():
                waiter = self._queue.pop()
            if waiter is None:
                # All have left meanwhile. The turn is lost: somebody else's may be close behind it.
                self._quota_budget.give_back(lease)
            else:
                waiter.lease.set_result(lease)
        self._learn(len(leases))

    def _learn(self, served: int) -> None:
        """How fast turns come while some wait: other replicas have their part of them too."""
        now = asyncio.get_running_loop().time()
        since_s, self._served_at = now - self._served_at, now
        if since_s > _FORGET_S or not len(self._queue):
            self._pace_s = 0.0
        else:
            new_s = since_s / served
            self._pace_s = (
                new_s if not self._pace_s else self._pace_s + _LEARNT * (new_s - self._pace_s)
            )

    def _be_told(self) -> None:
        self._not_before = float("-inf")
        self._stir.set()

    def _used_up(self, wait_s: float) -> QuotaExceeded:
        return QuotaExceeded(
            f"Twilio's {self._kind} quota for this account is used up; ask again after the time given",
            retry_after_ms=max(1, math.ceil(wait_s * 1000)),
        )
