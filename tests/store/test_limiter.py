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
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Ceiling, Rate, check_rate
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.limiter import PERMIT_TTL_MS, REFUSED, TAKE, TAKE_S, Limiter
from tests.store.samples import ACCOUNT

KEYS = Keys(ACCOUNT)
NOON_US = 1_800_000_000_000_000
RATE = Rate(per_s=10, burst=2)
CONCURRENCY = Concurrency(at_most=100, at_least=4)
PLENTY = Rate(1_000, 1_000)


@dataclass(frozen=True)
class Grant:
    granted: int
    full_at_us: int
    wait_us: int
    in_flight: int
    max_in_flight: int
    is_full: bool


async def take_at(
    connections: Connections,
    rate: Rate,
    now_us: int,
    max_wait_us: int = 0,
    permits: Sequence[str] = ("permit",),
    released: Sequence[str] = (),
    concurrency: Concurrency = Concurrency(1_000, 1),
    assume_full_in_us: int = 0,
) -> Grant:
    """Runs the script itself, at a given time."""
    limits = [
        concurrency.at_most,
        concurrency.at_least,
        100,
        PERMIT_TTL_MS,
        len(permits),
        assume_full_in_us,
    ]
    granted, full_at_us, wait_us, now, in_flight, max_in_flight, is_full = await connections.run(
        TAKE,
        [KEYS.rate("read"), KEYS.pause("read"), KEYS.in_flight, KEYS.concurrency_limit],
        [now_us, rate.interval_us, rate.burst, max_wait_us, *limits, *permits, *released],
    )
    assert int(now) == now_us
    return Grant(granted, int(full_at_us), int(wait_us), in_flight, max_in_flight, bool(is_full))


async def refuse_at(
    connections: Connections, now_us: int, concurrency: Concurrency = CONCURRENCY
) -> int:
    keys = [KEYS.pause("read"), KEYS.in_flight, KEYS.concurrency_limit]
    max_in_flight = await connections.run(
        REFUSED, keys, [now_us, 0, concurrency.at_most, concurrency.at_least, 70]
    )
    return int(max_in_flight)


def limiter(
    connections: Connections, concurrency: Concurrency = CONCURRENCY, account: AccountSid = ACCOUNT
) -> Limiter:
    return Limiter(connections, account, concurrency)


def named(count: int) -> list[str]:
    return [f"permit {number}" for number in range(count)]


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
async def test_i13_the_take_script_agrees_with_check_rate_also_when_its_clock_steps_back(
    connections: Connections, rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    await connections.commands.flushall()
    full_at_us, now_us, in_flight = 0, NOON_US, list[tuple[int, str]]()
    for number, (elapsed_us, max_wait_us, wanted) in enumerate(requests):
        now_us += elapsed_us
        # Bookings move along with a clock that goes back; permits of its future are
        # dropped.
        full_at_us = max(0, full_at_us + min(0, elapsed_us))
        in_flight = [
            permit for permit in in_flight if now_us < permit[0] <= now_us + PERMIT_TTL_MS * 1000
        ]
        expected = check_rate(rate, full_at_us, now_us, max_wait_us, wanted)
        full_at_us = expected.full_at_us
        permits = [f"{number} {index}" for index in range(wanted)]
        in_flight += [
            (now_us + PERMIT_TTL_MS * 1000, permit) for permit in permits[: expected.granted]
        ]

        grant = await take_at(connections, rate, now_us, max_wait_us, permits)
        assert (grant.granted, grant.wait_us) == (expected.granted, expected.wait_us)
        assert grant.full_at_us == full_at_us
        assert grant.in_flight == len(in_flight)


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
async def test_the_scripts_agree_with_ceiling(
    connections: Connections, concurrency: Concurrency, moves: list[tuple[int, int, bool]]
) -> None:
    await connections.commands.flushall()
    now_us, in_flight = NOON_US, list[tuple[int, str]]()
    ceiling = Ceiling(concurrency.at_most, concurrency.at_least, concurrency.at_most, 0)
    for number, (elapsed_us, wanted, is_refused) in enumerate(moves):
        now_us += elapsed_us
        in_flight = [permit for permit in in_flight if now_us < permit[0]]
        places = max(0, ceiling.now(now_us) - len(in_flight))
        permits = [f"{number} {index}" for index in range(wanted)]
        in_flight += [(now_us + PERMIT_TTL_MS * 1000, permit) for permit in permits[:places]]

        grant = await take_at(
            connections, Rate(100_000, 1_000), now_us, 0, permits, concurrency=concurrency
        )
        assert (grant.granted, grant.is_full) == (min(wanted, places), wanted > 0 and places == 0)
        assert (grant.in_flight, grant.max_in_flight) == (len(in_flight), ceiling.now(now_us))
        if is_refused:
            ceiling = ceiling.lowered(len(in_flight), now_us)
            assert await refuse_at(connections, now_us, concurrency) == ceiling.now(now_us)


async def test_concurrent_takes_share_one_burst(connections: Connections) -> None:
    here = limiter(connections)

    grants = await asyncio.gather(
        *(here.take("read", Rate(0.01, 8), [f"permit {number}"]) for number in range(50))
    )

    assert sum(grant.granted for grant in grants) == 8


async def test_booked_permits_are_one_interval_apart(connections: Connections) -> None:
    waits = [(await take_at(connections, RATE, NOON_US, 1_000_000)).wait_us for _ in range(5)]

    assert waits == [0, 0, 100_000, 200_000, 300_000]


async def test_reads_writes_and_accounts_have_separate_rates(
    connections: Connections,
) -> None:
    here, once = limiter(connections), Rate(0.01, 1)

    assert (await here.take("read", once, ["a"])).granted
    assert not (await here.take("read", once, ["b"])).granted
    assert (await here.take("write", once, ["c"])).granted
    assert (
        await limiter(connections, account=AccountSid("AC" + "1" * 32)).take("read", once, ["d"])
    ).granted


async def test_a_take_without_permits_takes_nothing(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", RATE, ["a"])

    for _ in range(5):
        grant = await here.take("read", RATE, [])
        assert (grant.granted, grant.in_flight, grant.max_in_flight) == (0, 1, 100)
        assert 0 < grant.full_in_us <= 100_000


async def test_a_clock_that_steps_back_neither_blocks_nor_frees_a_request(
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


async def test_a_clock_that_steps_ahead_allows_one_burst_at_most(connections: Connections) -> None:
    for _ in range(2):
        await take_at(connections, RATE, NOON_US)

    later_us = NOON_US + 3_600_000_000
    grants = [await take_at(connections, RATE, later_us) for _ in range(10)]

    assert sum(grant.granted for grant in grants) == RATE.burst


async def test_a_redis_that_lost_its_data_grants_nothing_until_earlier_bookings_are_over(
    connections: Connections,
) -> None:
    for expected in (RATE.interval_us, RATE.interval_us, RATE.interval_us):
        # Redis has state at the second and the third.
        grant = await take_at(connections, RATE, NOON_US, assume_full_in_us=2 * RATE.interval_us)
        assert (grant.granted, grant.wait_us) == (0, expected)
    assert (
        await take_at(connections, RATE, NOON_US + RATE.interval_us, assume_full_in_us=10**9)
    ).granted


async def test_a_pause_blocks_its_kind_until_it_is_over(connections: Connections) -> None:
    here = limiter(connections)
    await here.back_off("read", 60_000)

    blocked = await here.take("read", Rate(80, 8), ["a"])
    booked = await here.take("read", Rate(80, 8), ["b"], max_wait_us=61_000_000)

    assert not blocked.granted
    assert 50_000_000 < blocked.wait_us <= 60_000_000
    assert booked.granted
    assert 50_000_000 < booked.wait_us <= 60_000_000
    assert (await here.take("write", Rate(80, 8), ["c"])).granted


async def test_permits_booked_during_a_pause_are_spread_out_after_it(
    connections: Connections,
) -> None:
    await limiter(connections).back_off("read", 60_000)

    waits = [(await take_at(connections, RATE, NOON_US, 90_000_000)).wait_us for _ in range(6)]

    assert waits[5] - waits[0] > 300_000


async def test_a_shorter_pause_does_not_shorten_a_longer_one(connections: Connections) -> None:
    here = limiter(connections)
    for pause_ms in (60_000, 10, 0):
        await here.back_off("read", pause_ms)

    assert await connections.commands.pttl(KEYS.pause("read")) > 50_000


async def test_requests_in_flight_are_limited_and_a_released_permit_makes_room(
    connections: Connections,
) -> None:
    here, there = limiter(connections, Concurrency(5, 1)), limiter(connections, Concurrency(5, 1))

    first = await here.take("read", PLENTY, named(8))
    full = await there.take("write", PLENTY, ["other"])
    freed = await there.take("write", PLENTY, ["other", "another"], released=["permit 0"])

    assert (first.granted, first.in_flight, first.max_in_flight) == (5, 5, 5)
    assert (full.granted, full.is_full) == (0, True)
    assert full.wait_us > 0
    assert (freed.granted, freed.in_flight) == (1, 5)
    await here.release(["permit 1", "permit 2", "never taken"])
    assert (await there.take("read", PLENTY, ["x", "y", "z"])).granted == 2


async def test_a_percentage_limits_the_requests_in_flight(connections: Connections) -> None:
    here = limiter(connections, Concurrency(10, 1))

    assert (await here.take("read", PLENTY, named(20), percent=50)).granted == 5
    assert (await here.take("read", PLENTY, ["lists"], percent=50)).is_full
    assert (await here.take("write", PLENTY, ["end"], percent=100)).granted == 1


async def test_permits_of_a_replica_that_died_expire(
    connections: Connections,
) -> None:
    few = Concurrency(2, 1)
    await take_at(connections, PLENTY, NOON_US, permits=named(2), concurrency=few)

    before = await take_at(connections, PLENTY, NOON_US + PERMIT_TTL_MS * 1000 - 1, concurrency=few)
    after = await take_at(connections, PLENTY, NOON_US + PERMIT_TTL_MS * 1000, concurrency=few)

    assert (before.granted, after.granted) == (0, 1)


async def test_refusals_during_one_pause_lower_the_ceiling_once(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", PLENTY, named(20))

    for _ in range(5):
        await here.back_off("read", 1_000)

    assert (await here.take("write", PLENTY, [])).max_in_flight == 14


async def test_an_uncounted_permit_is_not_in_flight(connections: Connections) -> None:
    here = limiter(connections, Concurrency(1, 1))
    await here.take("read", PLENTY, ["a"])

    first = await here.take_uncounted("reconcile", Rate(10, 1), 1_000_000)
    second = await here.take_uncounted("reconcile", Rate(10, 1), 1_000_000)

    assert (first.granted, first.wait_us, second.granted) == (1, 0, 1)
    assert 0 < second.wait_us <= 100_000


async def test_damaged_keys_count_as_missing(connections: Connections) -> None:
    await connections.commands.lpush(KEYS.rate("read"), "junk")
    await connections.commands.set(KEYS.rate("write"), "99999999999999999999 junk")
    await connections.commands.set(KEYS.in_flight, "junk")
    await connections.commands.lpush(KEYS.concurrency_limit, "junk")
    here = limiter(connections)

    assert (await here.take("read", RATE, ["a"])).granted
    assert (await here.take("write", RATE, ["b"])).in_flight == 2
    await here.back_off("read", 0)


async def test_an_unreachable_redis_is_an_error(redis_url: str) -> None:
    nowhere = Connections("redis://127.0.0.1:1")
    here = limiter(nowhere)

    for command in (
        here.take("read", RATE, ["a"]),
        here.release(["a"]),
        here.release([]),
        here.back_off("read", 1),
    ):
        with pytest.raises(UpstreamUnavailable):
            await command
    await nowhere.aclose()


async def test_every_key_expires(connections: Connections) -> None:
    here = limiter(connections)
    await here.take("read", RATE, ["a"])
    await here.back_off("read", 1_000)

    for key in (KEYS.rate("read"), KEYS.pause("read"), KEYS.in_flight, KEYS.concurrency_limit):
        assert 0 < await connections.commands.pttl(key) <= 120_000


async def test_time_in_which_the_process_was_busy_does_not_count_as_a_timeout(
    connections: Connections,
) -> None:
    here, loop = limiter(connections), asyncio.get_running_loop()
    await here.take("read", RATE, [])
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, error: errors.append(error))
    # Redis answers in time; but this process is busy from before the answer until after
    # the timeout.
    await connections.reply(
        connections.commands.execute_command("CLIENT", "PAUSE", round(TAKE_S * 500), "ALL")
    )
    loop.call_later(TAKE_S / 10, spin, TAKE_S * 2)
    try:
        assert (await here.take("read", RATE, ["a"])).granted
    finally:
        loop.set_exception_handler(None)
    assert errors == []


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_a_take_leaves_no_reference_cycle(connections: Connections) -> None:
    limiter = Limiter(connections, ACCOUNT, CONCURRENCY, timeout_s=5.0)
    await limiter.take("read", PLENTY, ["a"])

    def checks() -> int:
        functions = [found for found in gc.get_objects() if type(found) is FunctionType]
        return sum(
            function.__qualname__ == "Limiter._in_time.<locals>.check" for function in functions
        )

    gc.collect()
    gc.disable()
    try:
        before = checks()
        await limiter.take("read", PLENTY, ["a"])
        assert checks() == before
    finally:
        gc.enable()
