import asyncio
from itertools import pairwise

import pytest

from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.service.upstream.quota_budget import PROBE_S, QUIET_S, request_kind
from tests.service.simulation import READS, World, keep_asking, most_in, now, simulate

# A probe, and its answer that does not come.
FOUND_S = PROBE_S + 0.06


def test_changes_are_written_and_all_else_is_read() -> None:
    assert [priority for priority in Priority if request_kind(priority) == "write"] == [
        Priority.END,
        Priority.CHANGE,
    ]


@pytest.mark.parametrize("replicas", [1, 3])
def test_p13_without_redis_replicas_wait_a_second_and_then_spend_their_part(replicas: int) -> None:
    async def story() -> World:
        world = World(replicas)
        async with asyncio.TaskGroup() as group:
            for replica in range(replicas):
                group.create_task(
                    keep_asking(world, replica, Priority.READ, "ada", 400 / replicas, 20)
                )
            await asyncio.sleep(5)
            world.redis.is_away = True
            await asyncio.sleep(10)
            world.redis.is_away = False
            world.redis.wipe()
        await world.close()
        return world

    world = simulate(story)
    times = world.times()

    def between(begin: float, end: float) -> int:
        return sum(begin <= at < end for at in times)

    assert between(5.05, 5 + QUIET_S) == 0, "nothing is spent while nobody knows who else spends"
    assert between(7, 14) >= 0.95 * 7 * 64 >= 0.6 * 7 * READS.per_s
    assert between(15 + FOUND_S, 15 + QUIET_S) == 0, "nor while others may still spend alone"
    assert between(17, 20) >= 0.95 * 3 * READS.together.per_s
    assert most_in(times) <= READS.per_s


def test_p15_a_redis_that_hangs_costs_two_requests_50_ms_and_is_found_again_at_once() -> None:
    async def story() -> tuple[list[QuotaSource], int, float]:
        world, sources = World(replicas=1), []
        quota_budget = world.gateways[0].quota_budget
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_asking(world, 0, Priority.READ, "ada", 30, 3))
            group.create_task(keep_asking(world, 0, Priority.CHANGE, "ada", 10, 3))
            await asyncio.sleep(1)
            world.redis.hangs_until = now() + 0.3
            before = world.redis.asked
            for _ in range(5):
                await asyncio.sleep(0.1)
                sources.append(quota_budget.source)
            # Both kinds of turns, what was to be given back, and the probes.
            asked = world.redis.asked - before
        times = world.times(Priority.READ)
        await world.close()
        return sources, asked, max(late - early for early, late in pairwise(times))

    sources, asked, gap_s = simulate(story)
    assert sources[:2] == [QuotaSource.WAITING] * 2
    assert sources[-1] is QuotaSource.SHARED
    assert asked <= 40
    assert gap_s <= 0.35, "not a second: nothing was spent elsewhere meanwhile"


def test_what_two_askers_may_hold_unheard_is_given_back_when_redis_answers_again() -> None:
    async def story() -> tuple[int, int]:
        world = World(replicas=1)
        world.redis.hangs_until = now() + 0.3
        async with asyncio.TaskGroup() as group:
            group.create_task(world.ask(0, Priority.READ, patience_s=0.1))
            group.create_task(world.ask(0, Priority.CHANGE, patience_s=0.1))
        held_unheard = len(world.redis.under_way)
        await asyncio.sleep(QUIET_S)
        assert await world.ask(0, Priority.READ)
        await asyncio.sleep(0.1)
        await world.close()
        return held_unheard, len(world.redis.under_way)

    assert simulate(story) == (2, 0)


def test_a_refusal_by_twilio_holds_everybody_back_with_and_without_redis() -> None:
    async def story(is_away: bool) -> float:
        world = World(replicas=1)
        world.redis.is_away = is_away
        await world.ask(0, Priority.READ)
        await asyncio.sleep(1.5)
        assert await world.ask(0, Priority.READ)
        refused_at = now()
        await world.gateways[0].quota_budget.refused("read", 700)
        assert await world.ask(0, Priority.READ)
        return world.sent[-1][0] - refused_at

    for is_away in (False, True):
        waited_s = simulate(lambda away=is_away: story(away))  # type: ignore[misc]
        assert 0.699 <= waited_s <= 0.8


def test_alone_a_replica_has_its_part_of_the_places_under_way() -> None:
    async def story() -> tuple[int, int]:
        world = World(replicas=4, latency_s=3)
        assert await world.ask(0, Priority.CHANGE)
        world.redis.is_away = True
        quota_budget = world.gateways[0].quota_budget
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_asking(world, 0, Priority.READ, "ada", 50, 4))
            await asyncio.sleep(3.9)
            left = await quota_budget.look("read")
        return left.under_way, left.may_be

    under_way, may_be = simulate(story)
    assert may_be == 25
    assert 0 < under_way <= 0.9 * may_be


def test_places_are_given_back_while_nobody_asks() -> None:
    async def story() -> list[int]:
        world = World(replicas=1, latency_s=0.5)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(world.ask(0, Priority.READ))
            await asyncio.sleep(0.2)
            during = len(world.redis.under_way)
        await asyncio.sleep(0.1)
        return [during, len(world.redis.under_way)]

    assert simulate(story) == [5, 0]
