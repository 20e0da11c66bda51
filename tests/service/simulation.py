"""Replicas that spend from one budget, in simulated time: a minute of them takes a moment, and it never depends on the machine.

The queues and the spending are the gateway's own, and so is the arithmetic; simulated are Redis around that arithmetic (the
script is tested against it in tests/store), its clock and its outages, and a Twilio that writes down when it was asked.
"""

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.core.errors import QuotaExceeded, UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.limits.rate_limit import Rate, TwilioQuota, check_rate
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.permit_queue import PermitQueue
from gateway.service.upstream.quota_budget import QuotaBudget, RequestKind
from gateway.store.connection import READ_S
from gateway.store.limiter import TAKE_S, Concurrency, QuotaGrant

T = TypeVar("T")

READS = TwilioQuota.of(80)
WRITES = TwilioQuota.of(20)
CONCURRENCY = Concurrency(100, 4)
ROUND_TRIP_S = 0.0005


class _Selector(selectors.SelectSelector):
    """Never waits: the time that would pass has passed."""

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


def simulate(story: Callable[[], Awaitable[T]]) -> T:
    """What the story tells. Fails when a task that nobody waits for did."""
    failures: list[Any] = []

    async def told() -> T:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, failure: failures.append(failure)
        )
        return await story()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        result = runner.run(told())
    assert failures == []
    return result


def now() -> float:
    return asyncio.get_running_loop().time()


class Redis:
    """What all replicas share. `is_away`: it refuses at once. `hangs_until`: answers come then. `ahead_s`: of its clock."""

    def __init__(self) -> None:
        self.is_away = False
        self.hangs_until = 0.0
        self.ahead_s = 1_000_000.0
        self.asked = 0
        self.full_at_us: Counter[RequestKind] = Counter()
        self.paused_until_s: Counter[RequestKind] = Counter()
        self.under_way: dict[str, None] = {}

    def step(self, seconds: float) -> None:
        self.ahead_s += seconds
        if seconds < 0:
            for kind in self.full_at_us:
                self.full_at_us[kind] += round(seconds * 1_000_000)

    def wipe(self) -> None:
        self.full_at_us.clear()
        self.under_way.clear()

    async def answer(self, within_s: float = TAKE_S) -> None:
        """Raises when it comes too late; what was asked is done all the same."""
        self.asked += 1
        late_s = max(ROUND_TRIP_S, self.hangs_until - now())
        await asyncio.sleep(min(late_s, within_s))
        if self.is_away or late_s > within_s:
            raise UpstreamUnavailable("Redis gave no answer")

    async def take(
        self,
        kind: RequestKind,
        rate: Rate,
        leases: Sequence[str],
        *,
        patience_us: int = 0,
        percent: int = 100,
        owed_if_lost_us: int = 0,
        given_back: Sequence[str] = (),
    ) -> QuotaGrant:
        if self.is_away:
            await self.answer()
        for lease in given_back:
            self.under_way.pop(lease, None)
        now_us = round((now() + self.ahead_s) * 1_000_000)
        self.full_at_us.setdefault(kind, now_us + owed_if_lost_us)
        free = max(0, CONCURRENCY.at_most * percent // 100 - len(self.under_way))
        paused_us = max(0, round((self.paused_until_s[kind] - now()) * 1_000_000))
        if leases and (paused_us or not free):
            verdict_granted, wait_us = 0, paused_us or 20_000
        else:
            verdict = check_rate(
                rate, self.full_at_us[kind], now_us, patience_us, min(free, len(leases))
            )
            self.full_at_us[kind] = verdict.full_at_us
            verdict_granted, wait_us = verdict.granted, verdict.wait_us
        self.under_way |= dict.fromkeys(leases[:verdict_granted])
        owed_us = max(0, self.full_at_us[kind] - now_us)
        await self.answer()
        return QuotaGrant(
            verdict_granted,
            wait_us,
            owed_us,
            len(self.under_way),
            CONCURRENCY.at_most,
            bool(leases) and not free,
        )

    async def give_back(self, leases: Sequence[str]) -> None:
        await self.answer(READ_S)
        for lease in leases:
            self.under_way.pop(lease, None)

    async def refused(self, kind: RequestKind, pause_ms: int) -> None:
        self.paused_until_s[kind] = max(self.paused_until_s[kind], now() + pause_ms / 1000)
        await self.answer()


class Replica:
    def __init__(self, redis: Redis, replicas: Callable[[], int]) -> None:
        self.flights = SingleFlight[None]()
        quotas: dict[RequestKind, TwilioQuota] = {"read": READS, "write": WRITES}
        limiter: Any = redis
        self.quota_budget = QuotaBudget(limiter, quotas, CONCURRENCY, replicas, self.flights)
        self.permits = {kind: PermitQueue(kind, self.quota_budget, self.flights) for kind in quotas}


@dataclass
class World:
    """`replicas` gateways, one Redis, one Twilio. Each request of a story is noted when Twilio gets it, and so is who was
    told to come again, and how long anybody waited for either beyond the patience he had."""

    replicas: int = 3
    latency_s: float = 0.02
    redis: Redis = field(default_factory=Redis)
    sent: list[tuple[float, Priority, str]] = field(default_factory=list)
    refused: list[tuple[float, Priority, str, int]] = field(default_factory=list)
    longest_overstay_s: float = 0.0

    def __post_init__(self) -> None:
        self.gateways = [Replica(self.redis, self.heard) for _ in range(self.replicas)]

    def heard(self) -> int:
        """Each hears of the others by way of Redis."""
        return 1 if self.redis.is_away else self.replicas

    async def ask(
        self, replica: int, priority: Priority, caller: str = "ada", patience_s: float = 2.0
    ) -> bool:
        """Whether Twilio was asked."""
        give_up_at = now() + patience_s
        kind: RequestKind = "write" if priority <= Priority.CHANGE else "read"
        try:
            async with (
                self.gateways[replica % self.replicas]
                .permits[kind]
                .permit(priority, caller, give_up_at)
            ):
                self.sent.append((now(), priority, caller))
                self._note(give_up_at)
                await asyncio.sleep(self.latency_s)
                return True
        except QuotaExceeded as no:
            self.refused.append((now(), priority, caller, no.retry_after_ms or 0))
            self._note(give_up_at)
            return False

    def _note(self, give_up_at: float) -> None:
        self.longest_overstay_s = max(self.longest_overstay_s, now() - give_up_at)

    async def close(self) -> None:
        for gateway in self.gateways:
            await gateway.flights.aclose()

    def times(self, *priorities: Priority) -> list[float]:
        return [at for at, priority, _ in self.sent if not priorities or priority in priorities]

    def count(self, caller: str) -> int:
        return sum(who == caller for _, _, who in self.sent)


def most_in(times: Sequence[float], window_s: float = 1.0) -> int:
    """The most in any window of this length."""
    most, first = 0, 0
    for last, at in enumerate(times):
        # Moments that are equal but for rounding are one moment.
        while times[first] <= at - window_s + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most


async def keep_asking(
    world: World, replica: int, priority: Priority, caller: str, per_s: float, seconds: float
) -> None:
    """An open loop: the next one does not wait for the one before."""
    async with asyncio.TaskGroup() as group:
        for _ in range(round(per_s * seconds)):
            group.create_task(world.ask(replica, priority, caller))
            await asyncio.sleep(1 / per_s)
