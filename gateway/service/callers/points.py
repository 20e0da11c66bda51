"""What callers may spend, in points, and what each of their calls costs them.

A call's cost is reckoned before it runs, as if every page were full and nothing in a cache; so much is held. When it has run,
what it did not take is given back.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

from gateway.core.callers import Caller
from gateway.core.errors import InvalidArgument, Throttled, UpstreamUnavailable
from gateway.core.limits.points_bucket import (
    WINDOW_US,
    Balance,
    SpendResult,
    duration_us,
    spend,
    still_unreported,
)
from gateway.core.lru import LruCache
from gateway.core.rooms import AccountSid
from gateway.service.call_context import RequestCounter
from gateway.service.flights.singleflight import SingleFlight
from gateway.store.points import PointsBuckets

# Taking a call in, reading it and writing the answer takes as long as showing some ten objects.
CALL: Final = 10
# An object is shown in some 25 µs, and costs 1. A fetch may be one of the 80 reads a second that Twilio grants the account.
FETCH: Final = 25

# What waits for an answer that does not come, waits so long; and so long nobody else asks.
ASK_S: Final = 0.05
AWAY_S: Final = 1.0
# Subjects of tokens are without number; of so many, those who called last, this process knows what they have spent. It matters
# while Redis is away: who is forgotten has all his points again here.
KNOWN: Final = 50_000
TOLD: Final = 50
# What is owed travels with the caller's next call, or by itself after so long.
SETTLE_S: Final = 0.1

_Who = tuple[AccountSid, str]


@dataclass(slots=True, eq=False)
class _Load:
    """What is asked for one caller at the same time."""

    costs_us: list[int] = field(default_factory=list)


class CallerLimiter:
    """Holds every caller to his limit, over all replicas. While Redis is away each process does so by itself, from where it
    last knew the caller to be, and tells Redis afterwards: nobody is let through freely, nobody is locked out.

    Without `points_buckets` there is this process only. `run` gives back what no later call takes along.
    """

    def __init__(self, points_buckets: PointsBuckets | None = None) -> None:
        self._points_buckets = points_buckets
        self._away_until = float("-inf") if points_buckets else float("inf")
        # When each has all his points again, by this process' own clock.
        self._full_at_us = LruCache[_Who, int](max_entries=KNOWN)
        # What Redis is to be told, and when it was noted.
        self._owed: dict[_Who, tuple[int, int]] = {}
        self._lanes: WeakValueDictionary[_Who, asyncio.Lock] = WeakValueDictionary()
        self._gathering: dict[_Who, _Load] = {}
        self._flights = SingleFlight[list[SpendResult]]()
        self._has_debts = asyncio.Event()

    def charge(self, caller: Caller) -> "Charge":
        return Charge(self, caller)

    async def run(self) -> None:
        while True:
            await self._has_debts.wait()
            await asyncio.sleep(max(SETTLE_S, self._away_until - time.monotonic()))
            self._has_debts.clear()
            # After an outage it may be many: so few at a time that none of them is late for waiting behind the others.
            owing = list(self._owed)
            for start in range(0, len(owing), TOLD):
                if time.monotonic() >= self._away_until:
                    await asyncio.gather(*map(self._tell, owing[start : start + TOLD]))
            if self._owed:  # Redis is away.
                self._has_debts.set()

    async def _tell(self, who: _Who) -> None:
        if self._owed_us(who):
            await self.spend(who, 0)
        else:  # Time has paid it.
            self._owed.pop(who, None)

    async def spend(self, who: _Who, cost_us: int) -> SpendResult:
        lane = self._lanes.setdefault(who, asyncio.Lock())
        if not lane.locked():
            async with lane:
                return (await self._ask(who, [cost_us]))[0]
        load = self._gathering.setdefault(who, _Load())
        load.costs_us.append(cost_us)
        place = len(load.costs_us) - 1
        return (await self._flights.share(load, lambda: self._carry(who, load, lane)))[place]

    async def _carry(self, who: _Who, load: "_Load", lane: asyncio.Lock) -> list[SpendResult]:
        """While one question about a caller is on its way, the next one gathers: a crowd behind one key is one question."""
        try:
            async with lane:
                self._close(who, load)
                return await self._ask(who, load.costs_us)
        finally:
            self._close(who, load)  # All may have left before it began.

    def _close(self, who: _Who, load: "_Load") -> None:
        if self._gathering.get(who) is load:
            del self._gathering[who]

    async def _ask(self, who: _Who, costs_us: Sequence[int]) -> list[SpendResult]:
        if self._points_buckets is None or time.monotonic() < self._away_until:
            return [self._spend_here(who, cost_us) for cost_us in costs_us]
        owed_us = self._owed_us(who)
        self._owed.pop(who, None)
        try:
            spent = await self._points_buckets.spend(*who, costs_us, owed_us, timeout_s=ASK_S)
        except UpstreamUnavailable:
            self._away_until = time.monotonic() + AWAY_S
            self._owe(who, owed_us)
            return [self._spend_here(who, cost_us) for cost_us in costs_us]
        self._full_at_us.put(who, _now_us() + spent[-1].used_us)
        return spent

    def _spend_here(self, who: _Who, cost_us: int) -> SpendResult:
        now_us = _now_us()
        spent = spend(self._full_at_us.peek(who) or 0, now_us, cost_us)
        self._full_at_us.put(who, now_us + spent.used_us)
        if spent.is_allowed and self._points_buckets is not None:
            self._owe(who, cost_us)
        return spent

    def give_back(self, who: _Who, us: int) -> None:
        if (full_at_us := self._full_at_us.peek(who)) is not None:
            self._full_at_us.put(who, full_at_us - us)
        if self._points_buckets is not None:
            self._owe(who, -us)

    def _owe(self, who: _Who, us: int) -> None:
        if us and (who in self._owed or len(self._owed) < KNOWN):
            self._owed[who] = self._owed_us(who) + us, _now_us()
            self._has_debts.set()

    def _owed_us(self, who: _Who) -> int:
        us, noted_at_us = self._owed.get(who, (0, 0))
        return still_unreported(us, _now_us() - noted_at_us)


class Charge:
    """One call's. `requested` and `actual` are points; `balance` is what the caller has left, once it is known.

    The face puts `requests` into the `CallContext`: what Twilio is asked for this call is counted there.
    """

    def __init__(self, callers: CallerLimiter, caller: Caller) -> None:
        self._callers = callers
        self._caller = caller
        self._who = caller.account_sid, caller.id
        self.requests = RequestCounter()
        self.requested = 0
        self.actual = 0
        self.balance: Balance | None = None
        self.retry_after_ms: int | None = None

    async def hold(self, points: int) -> None:
        """Before anything is done. Raises Throttled with `retry_after_ms`, and InvalidArgument for what is more than this
        caller may spend at all."""
        self.requested, limit = points, self._caller.limit
        if points > limit:
            await self.hold(CALL)
            raise InvalidArgument(
                f"this costs up to {points:,} points, and this caller may spend {limit:,} a minute; ask for smaller pages"
            )
        cost_us = duration_us(points, limit)
        spent = await self._callers.spend(self._who, cost_us)
        self.balance = Balance(limit, spent.used_us)
        if not spent.is_allowed:
            self.retry_after_ms = self.balance.retry_after_ms(cost_us)
            raise Throttled(
                f"this caller has spent its {limit:,} points a minute; ask again after the time given",
                retry_after_ms=self.retry_after_ms,
            )
        self.actual = points

    def settle(self, objects: int) -> None:
        """After the last thing that was done: `objects` are those that are shown. Never more than was held: a page may be
        longer than it looked, and an answer take a second try, by no fault of the caller."""
        if self.balance is None:
            return
        self.actual = min(self.requested, CALL + objects + FETCH * self.requests.count)
        unused_us = duration_us(self.requested, self.balance.limit) - duration_us(
            self.actual, self.balance.limit
        )
        if unused_us:
            self._callers.give_back(self._who, unused_us)
            self.balance = Balance(self.balance.limit, max(0, self.balance.used_us - unused_us))


def limit_headers(charge: Charge) -> dict[str, str]:
    """What HTTP and gRPC tell beside an answer. A policy's unit is points, its window a minute in which all of them come back;
    `t` is when they all will be there.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    if charge.balance is None:
        return {}
    reset_s = math.ceil(charge.balance.used_us / 1_000_000)
    headers = {
        "RateLimit-Policy": f'"default";q={charge.balance.limit};w={WINDOW_US // 1_000_000}',
        "RateLimit": f'"default";r={charge.balance.remaining};t={reset_s}',
    }
    if charge.retry_after_ms is not None:
        headers["Retry-After"] = str(math.ceil(charge.retry_after_ms / 1000))
    return headers


def _now_us() -> int:
    return time.monotonic_ns() // 1000
