"""Limits every caller to its points, over all replicas."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from gateway.core.callers import CallerKey
from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.points_bucket import SpendResult, spend, still_unreported
from gateway.core.lru import LruCache
from gateway.service.callers.timings import CallerTimings
from gateway.service.flights.singleflight import SingleFlight
from gateway.store.points import PointsBuckets


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


@dataclass(slots=True, eq=False)
class _Batch:
    """Calls of one caller that are charged in one round trip.

    `cancelled` are the indexes of calls that ended meanwhile: their points go back.
    """

    costs_us: list[int] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    results: list[SpendResult] | None = None


class CallerLimiter:
    """Charges calls to the points of their callers, which all replicas share in Redis.

    While Redis does not answer, each process limits callers by itself: it starts from
    the points that it last knew of, and reports to Redis afterwards. So an outage of
    Redis lets no caller exceed its limit freely, and locks none out. Without
    `points_buckets`, the limit holds in this process only.

    `run` reports what no later call of the caller reports. Costs are given as the time
    in which so many points come back, in µs.
    """

    def __init__(
        self,
        points_buckets: PointsBuckets | None = None,
        timings: CallerTimings = CallerTimings(),
        clock_us: Callable[[], int] = monotonic_us,
    ) -> None:
        self._points_buckets = points_buckets
        self._timings = timings
        self._clock_us = clock_us
        self._use_redis_at = float("-inf") if points_buckets else float("inf")
        # When each caller has all its points again, by this process's clock.
        self._full_at_us = LruCache[CallerKey, int](max_entries=timings.known_callers)
        # Points that Redis does not know to be spent (below 0: returned), since when.
        self._unreported: dict[CallerKey, tuple[int, int]] = {}
        self._has_unreported = asyncio.Event()
        self._locks: WeakValueDictionary[CallerKey, asyncio.Lock] = WeakValueDictionary()
        self._open_batches: dict[CallerKey, _Batch] = {}
        self._flights = SingleFlight[list[SpendResult]]()

    async def run(self) -> None:
        """Reports to Redis what is unreported, until it is cancelled."""
        while True:
            await self._has_unreported.wait()
            pause_s = self._use_redis_at - time.monotonic()
            await asyncio.sleep(max(self._timings.report_s, pause_s))
            await self.report()

    async def report(self) -> None:
        """Reports to Redis all points that are unreported now, if Redis answers."""
        self._has_unreported.clear()
        at_once = self._timings.reports_at_once
        keys = list(self._unreported)
        for start in range(0, len(keys), at_once):
            if self._uses_redis:
                await asyncio.gather(*map(self._report, keys[start : start + at_once]))
        if self._unreported:  # Redis does not answer.
            self._has_unreported.set()

    async def spend(self, key: CallerKey, cost_us: int) -> SpendResult:
        """Charges the cost, if the caller has enough points.

        While one command about a caller is in flight, all calls that arrive are charged
        in the next one: many concurrent calls cost few round trips. The command is not
        cancelled with the call, because its outcome would be unknown. Instead, the cost
        is returned.
        """
        batch = self._open_batches.get(key)
        if batch is None:
            batch = self._open_batches[key] = _Batch()
        index = len(batch.costs_us)
        batch.costs_us.append(cost_us)
        self._flights.begin(batch, lambda: self._send(key, batch))
        try:
            return (await self._flights.share(batch, lambda: self._send(key, batch)))[index]
        except asyncio.CancelledError:
            batch.cancelled.add(index)
            if batch.results is not None:
                self._return_cancelled(key, batch, batch.results)
            raise

    def give_back(self, key: CallerKey, us: int) -> None:
        """Returns points that were charged and not needed."""
        full_at_us = self._full_at_us.peek(key)
        if full_at_us is not None:
            self._full_at_us.put(key, full_at_us - us)
        if self._points_buckets is not None:
            self._add_unreported(key, -us)

    @property
    def _uses_redis(self) -> bool:
        return time.monotonic() >= self._use_redis_at

    async def _report(self, key: CallerKey) -> None:
        if self._unreported_us(key):
            await self.spend(key, 0)
        else:  # The points have come back in the meantime.
            self._unreported.pop(key, None)

    async def _send(self, key: CallerKey, batch: _Batch) -> list[SpendResult]:
        """Charges a batch, when the batch before it has been charged."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            del self._open_batches[key]
            results = await self._charge(key, batch.costs_us)
        batch.results = results
        self._return_cancelled(key, batch, results)
        return results

    def _return_cancelled(
        self, key: CallerKey, batch: _Batch, results: Sequence[SpendResult]
    ) -> None:
        while batch.cancelled:
            index = batch.cancelled.pop()
            if results[index].is_allowed:
                self.give_back(key, batch.costs_us[index])

    async def _charge(self, key: CallerKey, costs_us: Sequence[int]) -> list[SpendResult]:
        if self._points_buckets is None or not self._uses_redis:
            return [self._charge_here(key, cost_us) for cost_us in costs_us]
        unreported_us = self._unreported_us(key)
        self._unreported.pop(key, None)
        try:
            results = await self._points_buckets.spend(
                *key, costs_us, unreported_us, timeout_s=self._timings.redis_s
            )
        except UpstreamUnavailable:
            self._use_redis_at = time.monotonic() + self._timings.redis_pause_s
            self._add_unreported(key, unreported_us)
            return [self._charge_here(key, cost_us) for cost_us in costs_us]
        self._full_at_us.put(key, self._clock_us() + results[-1].used_us)
        return results

    def _charge_here(self, key: CallerKey, cost_us: int) -> SpendResult:
        now_us = self._clock_us()
        result = spend(self._full_at_us.peek(key) or 0, now_us, cost_us)
        self._full_at_us.put(key, now_us + result.used_us)
        if result.is_allowed and self._points_buckets is not None:
            self._add_unreported(key, cost_us)
        return result

    def _add_unreported(self, key: CallerKey, us: int) -> None:
        has_room = len(self._unreported) < self._timings.known_callers
        if us and (has_room or key in self._unreported):
            self._unreported[key] = self._unreported_us(key) + us, self._clock_us()
            self._has_unreported.set()

    def _unreported_us(self, key: CallerKey) -> int:
        us, since_us = self._unreported.get(key, (0, 0))
        return still_unreported(us, self._clock_us() - since_us)
