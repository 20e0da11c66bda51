"""Replicas that share one quota, in simulated time: a minute takes a moment, on any
machine.

The queues, the quota budget and the arithmetic are the gateway's own. Simulated are
Redis around that arithmetic (tests/store tests the script against it), its clock and
outages, and Twilio, which records when it receives each request.
"""

import asyncio
import selectors
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.core.errors import QuotaExceeded, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import Concurrency, QuotaGrant, RequestKind, request_kind
from gateway.core.limits.rate_limit import Rate, TwilioQuota, check_rate
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.permit_queue import PermitQueue
from gateway.service.upstream.quota_budget import QuotaBudget
from gateway.store.connection import READ_TIMEOUT_S
from gateway.store.limiter import TAKE_S

T = TypeVar("T")

READS = TwilioQuota.of(80)
WRITES = TwilioQuota.of(20)
CONCURRENCY = Concurrency(100, 4)
ROUND_TRIP_S = 0.0005


class _Selector(selectors.SelectSelector):
    """Never waits: moves the simulated clock instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now_s += max(0.0, timeout or 0.0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.simulated = _Selector()
        super().__init__(self.simulated)

    def time(self) -> float:
        return self.simulated.now_s


def simulate(scenario: Callable[[], Awaitable[T]]) -> T:
    """Runs the scenario and returns its result. Fails when a task fails that is not
    awaited."""
    failures: list[Any] = []

    async def run() -> T:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, failure: failures.append(failure)
        )
        return await scenario()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        result = runner.run(run())
    assert failures == []
    return result


def now() -> float:
    return asyncio.get_running_loop().time()


class Redis:
    """What all replicas share.

    `is_away`: it refuses every command at once. `hangs_until`: it answers only then.
    `ahead_s`: how far its clock is ahead.
    """

    def __init__(self) -> None:
        self.is_away = False
        self.hangs_until = 0.0
        self.ahead_s = 1_000_000.0
        self.commands = 0
        self.full_at_us: Counter[RequestKind] = Counter()
        self.paused_until_s: defaultdict[RequestKind, float] = defaultdict(float)
        self.in_flight: dict[str, None] = {}

    def step(self, seconds: float) -> None:
        """Moves the server's clock."""
        self.ahead_s += seconds
        if seconds < 0:
            for kind in self.full_at_us:
                self.full_at_us[kind] += round(seconds * 1_000_000)

    def wipe(self) -> None:
        self.full_at_us.clear()
        self.in_flight.clear()

    async def answer(self, timeout_s: float = TAKE_S) -> None:
        """Raises UpstreamUnavailable after the timeout; the command is executed all the
        same."""
        self.commands += 1
        latency_s = max(ROUND_TRIP_S, self.hangs_until - now())
        await asyncio.sleep(min(latency_s, timeout_s))
        if self.is_away or latency_s > timeout_s:
            raise UpstreamUnavailable("Redis gave no answer")

    async def take(
        self,
        kind: RequestKind,
        rate: Rate,
        permits: Sequence[str],
        *,
        max_wait_us: int = 0,
        percent: int = 100,
        assume_full_in_us: int = 0,
        released: Sequence[str] = (),
    ) -> QuotaGrant:
        if self.is_away:
            await self.answer()
        for permit in released:
            self.in_flight.pop(permit, None)
        now_us = round((now() + self.ahead_s) * 1_000_000)
        self.full_at_us.setdefault(kind, now_us + assume_full_in_us)
        places = max(0, CONCURRENCY.at_most * percent // 100 - len(self.in_flight))
        pause_us = max(0, round((self.paused_until_s[kind] - now()) * 1_000_000))
        if permits and (pause_us or not places):
            granted, wait_us = 0, pause_us or 20_000
        else:
            decision = check_rate(
                rate, self.full_at_us[kind], now_us, max_wait_us, min(places, len(permits))
            )
            self.full_at_us[kind] = decision.full_at_us
            granted, wait_us = decision.granted, decision.wait_us
        self.in_flight |= dict.fromkeys(permits[:granted])
        full_in_us = max(0, self.full_at_us[kind] - now_us)
        await self.answer()
        return QuotaGrant(
            granted,
            wait_us,
            full_in_us,
            len(self.in_flight),
            CONCURRENCY.at_most,
            bool(permits) and not places,
        )

    async def release(self, permits: Sequence[str]) -> None:
        await self.answer(READ_TIMEOUT_S)
        for permit in permits:
            self.in_flight.pop(permit, None)

    async def back_off(self, kind: RequestKind, pause_ms: int) -> None:
        self.paused_until_s[kind] = max(self.paused_until_s[kind], now() + pause_ms / 1000)
        await self.answer()


class Replica:
    def __init__(self, redis: Redis, replicas: Callable[[], int]) -> None:
        self.flights = SingleFlight[None]()
        quotas: dict[RequestKind, TwilioQuota] = {"read": READS, "write": WRITES}
        limiter: Any = redis
        self.quota_budget = QuotaBudget(limiter, quotas, CONCURRENCY, replicas, self.flights)
        self.queues = {kind: PermitQueue(kind, self.quota_budget, self.flights) for kind in quotas}


@dataclass
class World:
    """`replicas` gateways, one Redis, one Twilio.

    `sent`: each request, when Twilio receives it. `refused`: each request that was
    refused instead, with its retry hint. `longest_overstay_s`: the longest that a
    request waited for either beyond its `max_wait_s`.
    """

    replicas: int = 3
    latency_s: float = 0.02
    redis: Redis = field(default_factory=Redis)
    sent: list[tuple[float, Priority, str]] = field(default_factory=list)
    refused: list[tuple[float, Priority, str, int]] = field(default_factory=list)
    longest_overstay_s: float = 0.0

    def __post_init__(self) -> None:
        self.gateways = [Replica(self.redis, self.known_replicas) for _ in range(self.replicas)]

    def known_replicas(self) -> int:
        """Replicas hear of each other by way of Redis."""
        return 1 if self.redis.is_away else self.replicas

    async def send(
        self, replica: int, priority: Priority, caller: str = "ada", max_wait_s: float = 2.0
    ) -> bool:
        """Returns whether the request was sent to Twilio."""
        give_up_at = now() + max_wait_s
        queue = self.gateways[replica % self.replicas].queues[request_kind(priority)]
        try:
            async with queue.permit(priority, caller, give_up_at):
                self.sent.append((now(), priority, caller))
                self._note_overstay(give_up_at)
                await asyncio.sleep(self.latency_s)
                return True
        except QuotaExceeded as refusal:
            self.refused.append((now(), priority, caller, refusal.retry_after_ms or 0))
            self._note_overstay(give_up_at)
            return False

    def _note_overstay(self, give_up_at: float) -> None:
        self.longest_overstay_s = max(self.longest_overstay_s, now() - give_up_at)

    async def close(self) -> None:
        for gateway in self.gateways:
            await gateway.flights.aclose()

    def times(self, *priorities: Priority) -> list[float]:
        """When the requests of these priorities were sent; of all, if none is given."""
        return [at for at, priority, _ in self.sent if not priorities or priority in priorities]

    def count(self, caller: str) -> int:
        """How many requests of the caller were sent."""
        return sum(sender == caller for _, _, sender in self.sent)


def most_in(times: Sequence[float], window_s: float = 1.0) -> int:
    """The most requests in any window of this length."""
    most, first = 0, 0
    for last, at in enumerate(times):
        # Times that differ by a rounding error are one time.
        while times[first] <= at - window_s + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


async def keep_sending(
    world: World, replica: int, priority: Priority, caller: str, per_s: float, seconds: float
) -> None:
    """An open loop: each request starts on time, whether or not the one before has
    ended."""
    async with asyncio.TaskGroup() as group:
        for _ in range(round(per_s * seconds)):
            group.create_task(world.send(replica, priority, caller))
            await asyncio.sleep(1 / per_s)
