import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.callers import Caller, CallerKey
from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.points_bucket import WINDOW_US, Balance, SpendResult, duration_us
from gateway.core.rooms import AccountSid
from gateway.service.callers.points import CallerLimiter, monotonic_us
from gateway.service.callers.timings import CallerTimings
from gateway.store.connection import Connections
from gateway.store.points import PointsBuckets
from tests.service.conftest import ADMIN, LIMIT_S, wait_until

LIMIT = 1_000
CALLER = replace(ADMIN, limit=LIMIT)
# A busy machine must not look like a Redis that hangs.
TIMINGS = CallerTimings(redis_s=5.0, redis_pause_s=0.0, report_s=0.001)


class Buckets(PointsBuckets):
    """Buckets in Redis, with an outage or a gate in front of them."""

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.is_away = False
        self.commands = 0
        self.waiting = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def spend(self, *args: Any, **options: Any) -> list[SpendResult]:
        self.commands += 1
        if self.is_away:
            raise UpstreamUnavailable("Redis gave no answer")
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        return await super().spend(*args, **options)


class Clock:
    """A process's clock, which a test can move ahead."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return monotonic_us() + self.ahead_us


@pytest.fixture
def buckets(connections: Connections) -> Buckets:
    return Buckets(connections)


@pytest.fixture
def limiter(buckets: Buckets) -> CallerLimiter:
    return CallerLimiter(buckets, TIMINGS)


@pytest.fixture
def elsewhere(connections: Connections) -> CallerLimiter:
    """The limiter of another replica."""
    return CallerLimiter(PointsBuckets(connections), TIMINGS)


@asynccontextmanager
async def without_redis(
    timings: CallerTimings = TIMINGS, clock: Clock | None = None
) -> AsyncIterator[CallerLimiter]:
    dead = Connections("redis://127.0.0.1:1")
    yield CallerLimiter(PointsBuckets(dead), timings, clock or Clock())
    await dead.aclose()


def subject(number: int) -> CallerKey:
    return CALLER.account_sid, f"sub-{number}"


def cost_us(points: int) -> int:
    return duration_us(points, LIMIT)


async def spend(limiter: CallerLimiter, points: int, key: CallerKey = CALLER.key) -> bool:
    return (await limiter.spend(key, cost_us(points))).is_allowed


async def remaining(limiter: CallerLimiter, key: CallerKey = CALLER.key) -> int:
    return Balance(LIMIT, (await limiter.spend(key, 0)).used_us).remaining


def is_about(points: int, expected: int) -> bool:
    """Some points come back while the test runs: 17 a second."""
    return expected <= points <= expected + 100


async def test_replicas_share_the_points_of_a_caller(
    limiter: CallerLimiter, elsewhere: CallerLimiter
) -> None:
    assert await spend(limiter, 700)
    assert not await spend(elsewhere, 400)
    assert await spend(elsewhere, 200)


async def test_returned_points_are_reported_with_the_next_call(
    limiter: CallerLimiter, elsewhere: CallerLimiter
) -> None:
    await spend(limiter, 800)
    limiter.give_back(CALLER.key, cost_us(700))
    assert is_about(await remaining(elsewhere), LIMIT - 800)
    await spend(limiter, 100)
    assert is_about(await remaining(elsewhere), LIMIT - 200)


async def test_returned_points_are_reported_without_another_call(
    limiter: CallerLimiter, elsewhere: CallerLimiter
) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(limiter.run())
        await spend(limiter, LIMIT)
        limiter.give_back(CALLER.key, cost_us(900))
        async with asyncio.timeout(LIMIT_S):
            while not await spend(elsewhere, 800):  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.001)
        running.cancel()


async def test_without_redis_a_process_goes_on_from_the_points_that_it_knows(
    limiter: CallerLimiter, buckets: Buckets
) -> None:
    await spend(limiter, 600)
    buckets.is_away = True
    await spend(limiter, 300)
    assert not await spend(limiter, 200)
    assert await spend(limiter, 50)


async def test_spending_without_redis_is_reported_when_it_is_back(
    limiter: CallerLimiter, elsewhere: CallerLimiter, buckets: Buckets
) -> None:
    buckets.is_away = True
    await spend(limiter, 900)
    assert is_about(await remaining(elsewhere), LIMIT)
    buckets.is_away = False
    await spend(limiter, 1)
    assert not await spend(elsewhere, 200)


async def test_spending_without_redis_is_not_reported_once_it_has_come_back(
    buckets: Buckets, elsewhere: CallerLimiter
) -> None:
    clock = Clock()
    limiter = CallerLimiter(buckets, TIMINGS, clock)
    buckets.is_away = True
    for minute in range(5):
        clock.ahead_us = minute * WINDOW_US
        assert await spend(limiter, 900)
    clock.ahead_us += WINDOW_US // 2
    buckets.is_away = False
    await spend(limiter, 10)
    assert is_about(await remaining(elsewhere), LIMIT - 410)


async def test_redis_is_not_used_for_a_while_after_a_timeout(buckets: Buckets) -> None:
    limiter = CallerLimiter(buckets, replace(TIMINGS, redis_pause_s=60.0))
    buckets.is_away = True
    for _ in range(20):
        await spend(limiter, 1)
    assert buckets.commands == 1


async def test_concurrent_calls_of_one_caller_cost_few_commands(
    limiter: CallerLimiter, buckets: Buckets
) -> None:
    buckets.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(spend(limiter, 10))
        await wait_until(lambda: buckets.waiting == 1)
        others = [tasks.create_task(spend(limiter, 10)) for _ in range(120)]
        await asyncio.sleep(0)
        buckets.gate.set()
    assert buckets.commands == 2
    allowed = [task.result() for task in (first, *others)]
    assert 100 <= sum(allowed) <= 110
    assert allowed == sorted(allowed, reverse=True), "in order of arrival"


async def test_a_cancelled_call_does_not_cancel_those_that_are_charged_with_it(
    limiter: CallerLimiter, buckets: Buckets
) -> None:
    buckets.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(spend(limiter, 100))
        await wait_until(lambda: buckets.waiting == 1)
        leaving, staying = (tasks.create_task(spend(limiter, 200)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        leaving.cancel()
        buckets.gate.set()
    assert staying.result()
    assert is_about(await remaining(limiter), LIMIT - 200)


async def test_a_call_cancelled_while_redis_charges_it_costs_nothing_and_loses_no_refund(
    limiter: CallerLimiter, elsewhere: CallerLimiter, buckets: Buckets
) -> None:
    await spend(limiter, 500)
    limiter.give_back(CALLER.key, cost_us(500))
    buckets.gate.clear()
    call = asyncio.get_running_loop().create_task(spend(limiter, 300))
    await wait_until(lambda: buckets.waiting == 1)
    call.cancel()
    await asyncio.wait([call])
    buckets.gate.set()
    await spend(limiter, 10)
    assert is_about(await remaining(elsewhere), LIMIT - 10)


async def test_a_cancelled_call_that_was_refused_returns_nothing(
    limiter: CallerLimiter, buckets: Buckets
) -> None:
    await spend(limiter, 900)
    buckets.gate.clear()
    call = asyncio.get_running_loop().create_task(spend(limiter, 500))
    await wait_until(lambda: buckets.waiting == 1)
    call.cancel()
    await asyncio.wait([call])
    buckets.gate.set()
    assert is_about(await remaining(limiter), LIMIT - 900)


async def test_other_keys_and_accounts_have_separate_points(limiter: CallerLimiter) -> None:
    other: Sequence[Caller] = (
        replace(CALLER, id="other"),
        replace(CALLER, account_sid=AccountSid("AC" + "9" * 32)),
    )
    for caller in (CALLER, *other):
        assert await spend(limiter, LIMIT, caller.key)


async def test_i16_of_many_callers_the_most_recent_ones_are_known() -> None:
    async with without_redis(replace(TIMINGS, known_callers=20)) as limiter:
        await spend(limiter, LIMIT)
        for number in range(100):
            await spend(limiter, 1, subject(number))
            if number % 10 == 0:
                assert not await spend(limiter, LIMIT // 2)
            assert len(limiter._full_at_us) <= 20
            assert len(limiter._unreported) <= 20
    assert len(limiter._locks) == len(limiter._open_batches) == 0


async def test_after_an_outage_all_callers_are_reported(
    limiter: CallerLimiter, elsewhere: CallerLimiter, buckets: Buckets
) -> None:
    buckets.is_away = True
    count = 3 * TIMINGS.reports_at_once
    for number in range(count):
        await spend(limiter, 900, subject(number))
    buckets.is_away = False
    await limiter.report()
    for number in (0, count // 2, count - 1):
        assert not await spend(elsewhere, 500, subject(number))


async def test_reports_that_fail_are_not_counted_twice_and_end_with_time() -> None:
    clock = Clock()
    async with without_redis(clock=clock) as limiter:
        for number in range(5):
            await spend(limiter, 100, subject(number))
        for _ in range(3):
            await limiter.report()
        assert sorted(limiter._unreported) == [subject(number) for number in range(5)]
        assert all(0 < us <= cost_us(100) for us, _ in limiter._unreported.values())
        clock.ahead_us = WINDOW_US
        await limiter.report()
        assert limiter._unreported == {}
