import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.core.callers import Caller
from gateway.core.errors import InvalidArgument, Throttled
from gateway.service.callers import points as module
from gateway.service.callers.points import (
    CALL,
    FETCH,
    CallerLimiter,
    Charge,
    limit_headers,
)
from gateway.store.connection import Connections
from gateway.store.points import PointsBuckets
from tests.service.conftest import ANYBODY, LIMIT_S, soon

LIMIT = 1_000
CALLER = replace(ANYBODY, limit=LIMIT)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy elsewhere is not taken for a Redis that hangs."""
    monkeypatch.setattr(module, "ASK_S", 5.0)


async def held(callers: CallerLimiter, points: int, caller: object = CALLER) -> Charge:
    charge = callers.charge(caller)  # type: ignore[arg-type]
    await charge.hold(points)
    return charge


def left(charge: Charge) -> int:
    assert charge.balance is not None
    return charge.balance.remaining


@asynccontextmanager
async def without_redis() -> AsyncIterator[CallerLimiter]:
    dead = Connections("redis://127.0.0.1:1")
    yield CallerLimiter(PointsBuckets(dead))
    await dead.aclose()


async def test_replicas_share_what_a_caller_has(connections: Connections) -> None:
    one, other = (
        CallerLimiter(PointsBuckets(connections)),
        CallerLimiter(PointsBuckets(connections)),
    )
    await held(one, 700)
    with pytest.raises(Throttled) as refused:
        await held(other, 400)
    assert refused.value.retry_after_ms is not None
    assert 0 < refused.value.retry_after_ms <= 60_000 * 100 // LIMIT
    await held(other, 200)


async def test_what_was_not_taken_comes_back_with_the_next_call(connections: Connections) -> None:
    callers, elsewhere = (
        CallerLimiter(PointsBuckets(connections)),
        CallerLimiter(PointsBuckets(connections)),
    )
    charge = await held(callers, 800)
    charge.settle(objects=0)
    assert (charge.requested, charge.actual) == (800, CALL)
    assert left(charge) >= LIMIT - CALL
    await held(callers, 100)
    assert left(await held(elsewhere, 100)) >= LIMIT - CALL - 200


async def test_what_was_not_taken_comes_back_by_itself(connections: Connections) -> None:
    callers, elsewhere = (
        CallerLimiter(PointsBuckets(connections)),
        CallerLimiter(PointsBuckets(connections)),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(callers.run())
        (await held(callers, 1_000)).settle(objects=0)
        while True:
            try:
                await soon(held(elsewhere, 500))
                break
            except Throttled:
                await asyncio.sleep(0.01)  # until it was told
        running.cancel()


async def test_requests_to_twilio_and_objects_are_charged_but_never_more_than_was_held() -> None:
    callers = CallerLimiter()
    charge = await held(callers, 200)
    charge.requests.count += 2
    charge.settle(objects=7)
    assert charge.actual == CALL + 2 * FETCH + 7
    expensive = await held(callers, 20)
    expensive.requests.count += 1
    expensive.settle(objects=100)
    assert expensive.actual == 20


async def test_what_is_more_than_all_is_refused_for_good_and_not_for_free() -> None:
    callers = CallerLimiter()
    charge = callers.charge(CALLER)
    with pytest.raises(
        InvalidArgument, match=r"costs up to 1,001 points, and this caller may spend 1,000 a minute"
    ):
        await charge.hold(LIMIT + 1)
    assert left(charge) <= LIMIT - CALL + 1


async def test_without_redis_each_process_goes_on_from_where_it_knew_the_caller_to_be() -> None:
    async with without_redis() as callers:
        await held(callers, 900)
        with pytest.raises(Throttled):
            await held(callers, 200)
        await held(callers, 50)


async def test_redis_is_told_when_it_is_back_and_not_asked_by_everybody_meanwhile(
    connections: Connections,
) -> None:
    callers, elsewhere = (
        CallerLimiter(PointsBuckets(connections)),
        CallerLimiter(PointsBuckets(connections)),
    )
    callers._away_until = float("inf")
    await held(callers, 900)
    assert left(await held(elsewhere, 1)) >= LIMIT - 2
    callers._away_until = float("-inf")
    await held(callers, 1)
    with pytest.raises(Throttled):
        await held(elsewhere, 200)


async def test_a_long_outage_leaves_a_caller_no_debt_that_time_has_paid(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = CallerLimiter(PointsBuckets(connections))
    callers._away_until = float("inf")
    real = module._now_us
    for minute in range(5):
        monkeypatch.setattr(module, "_now_us", lambda later=minute: real() + later * 60_000_000)
        await held(callers, 900)
    monkeypatch.setattr(module, "_now_us", lambda: real() + 4 * 60_000_000 + 30_000_000)
    callers._away_until = float("-inf")
    assert 500 < left(await held(callers, 10)) < 700


async def test_after_an_outage_nobody_asks_for_a_while() -> None:
    async with without_redis() as callers:
        await held(callers, 1)
        away_until = callers._away_until
        await asyncio.gather(*(held(callers, 1) for _ in range(20)))
        assert callers._away_until == away_until


async def test_a_crowd_behind_one_key_is_few_questions(connections: Connections) -> None:
    callers = CallerLimiter(PointsBuckets(connections))
    await held(callers, 1)
    before = await asked(connections)
    bills = await asyncio.gather(*(held(callers, 10) for _ in range(50)))
    assert await asked(connections) - before <= 2
    assert min(left(charge) for charge in bills) <= LIMIT - 500
    refused = await asyncio.gather(*(held(callers, 10) for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(each, Throttled) for each in refused) >= 10


async def asked(connections: Connections) -> int:
    stats = await connections.commands.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_who_leaves_a_crowd_takes_nothing_along_from_the_others(
    connections: Connections,
) -> None:
    callers = CallerLimiter(PointsBuckets(connections))
    async with asyncio.TaskGroup() as tasks:
        first, leaver, stayer = (tasks.create_task(held(callers, 10)) for _ in range(3))
        await asyncio.sleep(0)
        leaver.cancel()
    assert left(stayer.result()) <= LIMIT - 20
    assert first.result().actual == 10
    async with asyncio.TaskGroup() as tasks:
        first, leaver = (tasks.create_task(held(callers, 10)) for _ in range(2))
        await asyncio.sleep(0)
        leaver.cancel()
    await held(callers, 10)


async def test_other_keys_and_accounts_are_not_touched(connections: Connections) -> None:
    callers = CallerLimiter(PointsBuckets(connections))
    await held(callers, LIMIT)
    for other in (replace(CALLER, id="other"), replace(CALLER, account_sid="AC" + "9" * 32)):
        await held(callers, LIMIT, other)


def subject(number: int) -> Caller:
    return replace(CALLER, id=f"sub-{number}")


async def test_of_subjects_without_number_those_are_remembered_who_called_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KNOWN", 20)
    async with without_redis() as callers:
        await held(callers, LIMIT)
        for number in range(100):
            await held(callers, 1, subject(number))
            if number % 10 == 0:
                with pytest.raises(Throttled):
                    await held(callers, LIMIT // 2)
            assert len(callers._full_at_us) <= 20
            assert len(callers._owed) <= 20
    assert len(callers._lanes) == 0


async def test_after_an_outage_redis_is_told_of_all_who_have_spent(
    connections: Connections,
) -> None:
    callers, elsewhere = (
        CallerLimiter(PointsBuckets(connections)),
        CallerLimiter(PointsBuckets(connections)),
    )
    callers._away_until = float("inf")
    for number in range(3 * module.TOLD):
        await held(callers, 900, subject(number))
    callers._away_until = float("-inf")
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(callers.run())
        while callers._owed:  # noqa: ASYNC110 - nothing rings when all were told
            await asyncio.sleep(0.001)
        running.cancel()
    for number in (0, module.TOLD, 3 * module.TOLD - 1):
        with pytest.raises(Throttled):
            await held(elsewhere, 500, subject(number))


async def test_while_redis_is_away_debts_are_not_counted_over_and_over_and_end_with_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.001)
    monkeypatch.setattr(module, "SETTLE_S", 0.001)
    async with without_redis() as callers, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(callers.run())
        for number in range(5):
            await held(callers, 100, subject(number))
        assert len(callers._owed) == 5
        real = module._now_us
        monkeypatch.setattr(module, "_now_us", lambda: real() + 60_000_000)
        async with asyncio.timeout(LIMIT_S):
            while callers._owed:  # noqa: ASYNC110 - nothing rings when it was looked through
                await asyncio.sleep(0.001)
        running.cancel()


async def test_headers_are_those_of_the_draft() -> None:
    callers = CallerLimiter()
    assert limit_headers(callers.charge(CALLER)) == {}
    charge = await held(callers, 400)
    assert limit_headers(charge) == {
        "RateLimit-Policy": '"default";q=1000;w=60',
        "RateLimit": '"default";r=600;t=24',
    }
    refused = callers.charge(CALLER)
    with pytest.raises(Throttled):
        await refused.hold(1_000)
    assert limit_headers(refused)["Retry-After"] == "24"
