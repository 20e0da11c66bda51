import asyncio
from itertools import pairwise

import pytest

from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.core.limits.quota_mode import PROBE_S, QUIET_S
from tests.service.simulation import READS, World, keep_sending, most_in, now, simulate

# One probe and its timeout.
FOUND_S = PROBE_S + 0.06


@pytest.mark.parametrize("replicas", [1, 3])
def test_p13_without_redis_replicas_wait_a_second_and_then_use_their_own_parts(
    replicas: int,
) -> None:
    async def scenario() -> World:
        world = World(replicas)
        async with asyncio.TaskGroup() as group:
            for replica in range(replicas):
                group.create_task(
                    keep_sending(world, replica, Priority.READ, "ada", 400 / replicas, 20)
                )
            await asyncio.sleep(5)
            world.redis.is_away = True
            await asyncio.sleep(10)
            world.redis.is_away = False
            world.redis.wipe()
        await world.close()
        return world

    world = simulate(scenario)
    times = world.times()

    def between(begin: float, end: float) -> int:
        return sum(begin <= at < end for at in times)

    assert between(5.05, 5 + QUIET_S) == 0, (
        "nothing is sent while replicas may use the shared quota or their own"
    )
    assert between(7, 14) >= 0.95 * 7 * 64 >= 0.6 * 7 * READS.per_s
    assert between(15 + FOUND_S, 15 + QUIET_S) == 0, (
        "nor while other replicas may still use their own parts"
    )
    assert between(17, 20) >= 0.95 * 3 * READS.shared.per_s
    assert most_in(times) <= READS.per_s


def test_p15_a_redis_that_hangs_briefly_is_used_again_as_soon_as_it_answers() -> None:
    async def scenario() -> tuple[list[QuotaSource], int, float]:
        world, sources = World(replicas=1), []
        quota_budget = world.gateways[0].quota_budget
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_sending(world, 0, Priority.READ, "ada", 30, 3))
            group.create_task(keep_sending(world, 0, Priority.CHANGE, "ada", 10, 3))
            await asyncio.sleep(1)
            world.redis.hangs_until = now() + 0.3
            before = world.redis.commands
            for _ in range(5):
                await asyncio.sleep(0.1)
                sources.append(quota_budget.source)
            # Takes of both kinds, releases, and the probes.
            commands = world.redis.commands - before
        times = world.times(Priority.READ)
        await world.close()
        return sources, commands, max(late - early for early, late in pairwise(times))

    sources, commands, gap_s = simulate(scenario)
    assert sources[:2] == [QuotaSource.WAITING] * 2
    assert sources[-1] is QuotaSource.SHARED
    assert commands <= 40
    assert gap_s <= 0.35, "not a second: no replica can have used its own part meanwhile"


def test_permits_of_unanswered_takes_are_released_when_redis_answers_again() -> None:
    async def scenario() -> tuple[int, int]:
        world = World(replicas=1)
        world.redis.hangs_until = now() + 0.3
        async with asyncio.TaskGroup() as group:
            group.create_task(world.send(0, Priority.READ, max_wait_s=0.1))
            group.create_task(world.send(0, Priority.CHANGE, max_wait_s=0.1))
        doubtful = len(world.redis.in_flight)
        await asyncio.sleep(QUIET_S)
        assert await world.send(0, Priority.READ)
        await asyncio.sleep(0.1)
        await world.close()
        return doubtful, len(world.redis.in_flight)

    assert simulate(scenario) == (2, 0)


def test_a_429_pauses_requests_with_and_without_redis() -> None:
    async def scenario(is_away: bool) -> float:
        world = World(replicas=1)
        world.redis.is_away = is_away
        await world.send(0, Priority.READ)
        await asyncio.sleep(1.5)
        assert await world.send(0, Priority.READ)
        refused_at = now()
        await world.gateways[0].quota_budget.back_off("read", 700)
        assert await world.send(0, Priority.READ)
        return world.sent[-1][0] - refused_at

    for is_away in (False, True):
        waited_s = simulate(lambda away=is_away: scenario(away))  # type: ignore[misc]
        assert 0.699 <= waited_s <= 0.8


def test_a_replica_alone_has_its_part_of_the_requests_in_flight() -> None:
    async def scenario() -> tuple[int, int]:
        world = World(replicas=4, latency_s=3)
        assert await world.send(0, Priority.CHANGE)
        world.redis.is_away = True
        quota_budget = world.gateways[0].quota_budget
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_sending(world, 0, Priority.READ, "ada", 50, 4))
            await asyncio.sleep(3.9)
            left = await quota_budget.peek("read")
        return left.in_flight, left.max_in_flight

    in_flight, max_in_flight = simulate(scenario)
    assert max_in_flight == 25
    assert 0 < in_flight <= 0.9 * max_in_flight


def test_permits_are_released_when_no_request_waits() -> None:
    async def scenario() -> list[int]:
        world = World(replicas=1, latency_s=0.5)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(world.send(0, Priority.READ))
            await asyncio.sleep(0.2)
            during = len(world.redis.in_flight)
        await asyncio.sleep(0.1)
        return [during, len(world.redis.in_flight)]

    assert simulate(scenario) == [5, 0]
