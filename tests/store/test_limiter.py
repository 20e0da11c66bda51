import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.rate_limit import Ceiling, Rate, check_rate
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.limiter import LEASE_MS, REFUSED, TAKE, TAKE_S, Concurrency, Limiter
from tests.store.samples import ACCOUNT

KEYS = Keys(ACCOUNT)
NOON_US = 1_800_000_000_000_000
RATE = Rate(per_s=10, burst=2)
CONCURRENCY = Concurrency(at_most=100, at_least=4)
PLENTY = Rate(1_000, 1_000)


@dataclass(frozen=True)
class Told:
    granted: int
    full_at_us: int
    wait_us: int
    under_way: int
    may_be: int
    is_full: bool


async def take_at(
    connections: Connections,
    rate: Rate,
    now_us: int,
    patience_us: int = 0,
    leases: Sequence[str] = ("lease",),
    given_back: Sequence[str] = (),
    concurrency: Concurrency = Concurrency(1_000, 1),
    owed_if_lost_us: int = 0,
) -> Told:
    """The script itself, at a time of our choosing."""
    limits = [
        concurrency.at_most,
        concurrency.at_least,
        100,
        LEASE_MS,
        len(leases),
        owed_if_lost_us,
    ]
    granted, full_at_us, wait_us, now, under_way, may_be, is_full = await connections.run(
        TAKE,
        [KEYS.rate("read"), KEYS.pause("read"), KEYS.under_way, KEYS.ceiling],
        [now_us, rate.interval_us, rate.burst, patience_us, *limits, *leases, *given_back],
    )
    assert int(now) == now_us
    return Told(granted, int(full_at_us), int(wait_us), under_way, may_be, bool(is_full))


async def refuse_at(
    connections: Connections, now_us: int, concurrency: Concurrency = CONCURRENCY
) -> int:
    keys = [KEYS.pause("read"), KEYS.under_way, KEYS.ceiling]
    may_be = await connections.run(
        REFUSED, keys, [now_us, 0, concurrency.at_most, concurrency.at_least, 70]
    )
    return int(may_be)


def limiter(
    connections: Connections, concurrency: Concurrency = CONCURRENCY, account: AccountSid = ACCOUNT
) -> Limiter:
    return Limiter(connections, account, concurrency)


def named(count: int) -> list[str]:
    return [f"lease {number}" for number in range(count)]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rate=st.builds(Rate, st.floats(0.5, 5_000), st.integers(1, 100)),
    requests=st.lists(
        st.tuples(st.integers(-3_000_000, 3_000_000), st.integers(0, 2_000_000), st.integers(0, 4)),
        max_size=12,
    ),
)
async def test_i13_the_script_judges_as_the_arithmetic_says_also_when_its_clock_steps_back(
    connections: Connections, rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    await connections.commands.flushall()
    full_at_us, now_us, under_way = 0, NOON_US, list[tuple[int, str]]()
    for number, (passed_us, patience_us, wanted) in enumerate(requests):
        now_us += passed_us
        # What was promised moves along with a clock that goes back; leases of its future are forgotten.
        full_at_us = max(0, full_at_us + min(0, passed_us))
        under_way = [each for each in under_way if now_us < each[0] <= now_us + LEASE_MS * 1000]
        expected = check_rate(rate, full_at_us, now_us, patience_us, wanted)
        full_at_us = expected.full_at_us
        leases = [f"{number} {each}" for each in range(wanted)]
        under_way += [(now_us + LEASE_MS * 1000, lease) for lease in leases[: expected.granted]]

        told = await take_at(connections, rate, now_us, patience_us, leases)
        assert (told.granted, told.wait_us) == (expected.granted, expected.wait_us)
        assert told.full_at_us == full_at_us
        assert told.under_way == len(under_way)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    concurrency=st.integers(1, 10).flatmap(
        lambda least: st.builds(Concurrency, st.integers(least, 100), st.just(least))
    ),
    moves=st.lists(
        st.tuples(st.integers(0, 5_000_000), st.integers(0, 10), st.booleans()), max_size=10
    ),
)
async def test_the_script_lowers_and_raises_the_ceiling_as_the_arithmetic_says(
    connections: Connections, concurrency: Concurrency, moves: list[tuple[int, int, bool]]
) -> None:
    await connections.commands.flushall()
    now_us, under_way = NOON_US, list[tuple[int, str]]()
    ceiling = Ceiling(concurrency.at_most, concurrency.at_least, concurrency.at_most, 0)
    for number, (passed_us, wanted, is_refused) in enumerate(moves):
        now_us += passed_us
        under_way = [each for each in under_way if now_us < each[0]]
        free = max(0, ceiling.now(now_us) - len(under_way))
        leases = [f"{number} {each}" for each in range(wanted)]
        under_way += [(now_us + LEASE_MS * 1000, lease) for lease in leases[:free]]

        told = await take_at(
            connections, Rate(100_000, 1_000), now_us, 0, leases, concurrency=concurrency
        )
        assert (told.granted, told.is_full) == (min(wanted, free), wanted > 0 and free == 0)
        assert (told.under_way, told.may_be) == (len(under_way), ceiling.now(now_us))
        if is_refused:
            ceiling = ceiling.lowered(len(under_way), now_us)
            assert await refuse_at(connections, now_us, concurrency) == ceiling.now(now_us)


async def test_many_at_once_share_one_burst(connections: Connections) -> None:
    here = limiter(connections)

    taken = await asyncio.gather(
        *(here.take("read", Rate(0.01, 8), [f"lease {number}"]) for number in range(50))
    )

    assert sum(each.granted for each in taken) == 8


async def test_those_who_wait_are_given_turns_one_interval_apart(connections: Connections) -> None:
    waits = [(await take_at(connections, RATE, NOON_US, 1_000_000)).wait_us for _ in range(5)]

    assert waits == [0, 0, 100_000, 200_000, 300_000]


async def test_reads_writes_and_accounts_do_not_take_from_each_other(
    connections: Connections,
) -> None:
    here, once = limiter(connections), Rate(0.01, 1)

    assert (await here.take("read", once, ["a"])).granted
    assert not (await here.take("read", once, ["b"])).granted
    assert (await here.take("write", once, ["c"])).granted
    assert (
        await limiter(connections, account=AccountSid("AC" + "1" * 32)).take("read", once, ["d"])
    ).granted


async def test_who_looks_takes_nothing(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", RATE, ["a"])

    for _ in range(5):
        seen = await here.take("read", RATE, [])
        assert (seen.granted, seen.under_way, seen.may_be) == (0, 1, 100)
        assert 0 < seen.owed_us <= 100_000


async def test_a_clock_that_steps_back_neither_stops_nor_frees_anybody(
    connections: Connections,
) -> None:
    for _ in range(3):
        before = await take_at(connections, RATE, NOON_US, 100_000)

    hour_us = 3_600_000_000
    after = await take_at(connections, RATE, NOON_US - hour_us)

    assert (before.granted, before.full_at_us, before.wait_us) == (1, NOON_US + 300_000, 100_000)
    assert (after.granted, after.full_at_us, after.wait_us) == (
        0,
        NOON_US + 300_000 - hour_us,
        200_000,
    )
    assert (await take_at(connections, RATE, NOON_US - hour_us + 200_000)).granted


async def test_a_clock_that_steps_ahead_frees_one_burst_at_most(connections: Connections) -> None:
    for _ in range(2):
        await take_at(connections, RATE, NOON_US)

    later_us = NOON_US + 3_600_000_000
    told = [await take_at(connections, RATE, later_us) for _ in range(10)]

    assert sum(each.granted for each in told) == RATE.burst


async def test_a_redis_that_lost_what_it_knew_lets_nobody_pass_before_what_was_told_is_over(
    connections: Connections,
) -> None:
    for expected in (RATE.interval_us, RATE.interval_us, RATE.interval_us):
        # The second and the third ask a Redis that knows.
        told = await take_at(connections, RATE, NOON_US, owed_if_lost_us=2 * RATE.interval_us)
        assert (told.granted, told.wait_us) == (0, expected)
    assert (
        await take_at(connections, RATE, NOON_US + RATE.interval_us, owed_if_lost_us=10**9)
    ).granted


async def test_a_pause_lets_nobody_pass_until_it_is_over(connections: Connections) -> None:
    here = limiter(connections)
    await here.refused("read", 60_000)

    refused = await here.take("read", Rate(80, 8), ["a"])
    patient = await here.take("read", Rate(80, 8), ["b"], patience_us=61_000_000)

    assert not refused.granted
    assert 50_000_000 < refused.wait_us <= 60_000_000
    assert patient.granted
    assert 50_000_000 < patient.wait_us <= 60_000_000
    assert (await here.take("write", Rate(80, 8), ["c"])).granted


async def test_those_who_wait_out_a_pause_do_not_come_back_all_at_once(
    connections: Connections,
) -> None:
    await limiter(connections).refused("read", 60_000)

    waits = [(await take_at(connections, RATE, NOON_US, 90_000_000)).wait_us for _ in range(6)]

    assert waits[5] - waits[0] > 300_000


async def test_a_shorter_pause_does_not_end_a_longer_one(connections: Connections) -> None:
    here = limiter(connections)
    for pause_ms in (60_000, 10, 0):
        await here.refused("read", pause_ms)

    assert await connections.commands.pttl(KEYS.pause("read")) > 50_000


async def test_so_many_are_under_way_at_once_and_a_place_given_back_is_free(
    connections: Connections,
) -> None:
    here, there = limiter(connections, Concurrency(5, 1)), limiter(connections, Concurrency(5, 1))

    first = await here.take("read", PLENTY, named(8))
    full = await there.take("write", PLENTY, ["other"])
    freed = await there.take("write", PLENTY, ["other", "another"], given_back=["lease 0"])

    assert (first.granted, first.under_way, first.may_be) == (5, 5, 5)
    assert (full.granted, full.is_full) == (0, True)
    assert full.wait_us > 0
    assert (freed.granted, freed.under_way) == (1, 5)
    await here.give_back(["lease 1", "lease 2", "never taken"])
    assert (await there.take("read", PLENTY, ["x", "y", "z"])).granted == 2


async def test_some_take_only_a_part_of_the_places(connections: Connections) -> None:
    here = limiter(connections, Concurrency(10, 1))

    assert (await here.take("read", PLENTY, named(20), percent=50)).granted == 5
    assert (await here.take("read", PLENTY, ["lists"], percent=50)).is_full
    assert (await here.take("write", PLENTY, ["end"], percent=100)).granted == 1


async def test_the_places_of_a_replica_that_died_are_free_after_a_while(
    connections: Connections,
) -> None:
    few = Concurrency(2, 1)
    await take_at(connections, PLENTY, NOON_US, leases=named(2), concurrency=few)

    before = await take_at(connections, PLENTY, NOON_US + LEASE_MS * 1000 - 1, concurrency=few)
    after = await take_at(connections, PLENTY, NOON_US + LEASE_MS * 1000, concurrency=few)

    assert (before.granted, after.granted) == (0, 1)


async def test_refusals_that_come_together_lower_the_ceiling_once(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", PLENTY, named(20))

    for _ in range(5):
        await here.refused("read", 1_000)

    assert (await here.take("write", PLENTY, [])).may_be == 14


async def test_what_is_no_request_by_itself_takes_no_place(connections: Connections) -> None:
    here = limiter(connections, Concurrency(1, 1))
    await here.take("read", PLENTY, ["a"])

    first = await here.take_uncounted("reconcile", Rate(10, 1), 1_000_000)
    second = await here.take_uncounted("reconcile", Rate(10, 1), 1_000_000)

    assert (first.granted, first.wait_us, second.granted) == (1, 0, 1)
    assert 0 < second.wait_us <= 100_000


async def test_what_somebody_broke_counts_as_never_seen(connections: Connections) -> None:
    await connections.commands.lpush(KEYS.rate("read"), "junk")
    await connections.commands.set(KEYS.rate("write"), "99999999999999999999 junk")
    await connections.commands.set(KEYS.under_way, "junk")
    await connections.commands.lpush(KEYS.ceiling, "junk")
    here = limiter(connections)

    assert (await here.take("read", RATE, ["a"])).granted
    assert (await here.take("write", RATE, ["b"])).under_way == 2
    await here.refused("read", 0)


async def test_a_redis_that_is_not_there_is_an_error(redis_url: str) -> None:
    nowhere = Connections("redis://127.0.0.1:1")
    here = limiter(nowhere)

    for asked in (
        here.take("read", RATE, ["a"]),
        here.give_back(["a"]),
        here.give_back([]),
        here.refused("read", 1),
    ):
        with pytest.raises(UpstreamUnavailable):
            await asked
    await nowhere.aclose()


async def test_every_key_ends_by_itself(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", RATE, ["a"])
    await here.refused("read", 1_000)

    for key in (KEYS.rate("read"), KEYS.pause("read"), KEYS.under_way, KEYS.ceiling):
        assert 0 < await connections.commands.pttl(key) <= 120_000


async def test_a_process_that_is_held_up_does_not_take_redis_for_away(
    connections: Connections,
) -> None:
    here, loop = limiter(connections), asyncio.get_running_loop()
    await here.take("read", RATE, [])
    troubles: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
    # Redis answers well in time; but the process is busy from before it does until long after the limit.
    await connections.ask(
        connections.commands.execute_command("CLIENT", "PAUSE", round(TAKE_S * 500), "ALL")
    )
    loop.call_later(TAKE_S / 10, spin, TAKE_S * 2)
    try:
        assert (await here.take("read", RATE, ["a"])).granted
    finally:
        loop.set_exception_handler(None)
    assert troubles == []


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_nothing_is_left_of_a_question_to_redis(connections: Connections) -> None:
    limiter = Limiter(connections, ACCOUNT, CONCURRENCY, within_s=5.0)
    await limiter.take("read", PLENTY, ["a"])

    def looks() -> int:
        functions = [each for each in gc.get_objects() if type(each) is FunctionType]
        return sum(each.__qualname__ == "Limiter._soon.<locals>.look" for each in functions)

    gc.collect()
    gc.disable()
    try:
        before = looks()
        await limiter.take("read", PLENTY, ["a"])
        assert looks() == before
    finally:
        gc.enable()
