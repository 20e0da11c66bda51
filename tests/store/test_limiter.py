import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.ratelimit import Rate, Verdict, judge
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys
from gateway.store.limiter import Limiter
from tests.store.samples import ACCOUNT

TAKE = Script("head.lua", "take.lua")
KEYS = Keys(ACCOUNT)
NOON_US = 1_800_000_000_000_000
RATE = Rate(per_s=10, burst=2)


async def take_at(connections: Connections, rate: Rate, now_us: int, patience_us: int = 0) -> Verdict:
    """The script itself, at a time of our choosing."""
    is_allowed, whole_at_us, wait_us = await connections.run(
        TAKE, [KEYS.rate("read"), KEYS.pause("read")], [rate.interval_us, rate.burst, patience_us, now_us]
    )
    return Verdict(bool(is_allowed), int(whole_at_us), int(wait_us))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.builds(Rate, st.floats(0.5, 5_000), st.integers(1, 100)),
    requests=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 2_000_000)), max_size=12),
)
async def test_the_script_judges_as_the_arithmetic_says(
    connections: Connections, rate: Rate, requests: list[tuple[int, int]]
) -> None:
    await connections.commands.flushall()
    whole_at_us, now_us = 0, NOON_US
    for passed_us, patience_us in requests:
        now_us += passed_us
        expected = judge(rate, whole_at_us, now_us, patience_us)
        assert await take_at(connections, rate, now_us, patience_us) == expected
        whole_at_us = expected.whole_at_us


async def test_many_at_once_share_one_burst(connections: Connections) -> None:
    limiter = Limiter(connections)

    verdicts = await asyncio.gather(*(limiter.take(ACCOUNT, "read", Rate(0.01, 8)) for _ in range(50)))

    assert [verdict.is_allowed for verdict in verdicts].count(True) == 8


async def test_those_who_wait_are_given_turns_one_interval_apart(connections: Connections) -> None:
    waits = [(await take_at(connections, RATE, NOON_US, 1_000_000)).wait_us for _ in range(5)]

    assert waits == [0, 0, 100_000, 200_000, 300_000]


async def test_reads_writes_and_accounts_do_not_take_from_each_other(connections: Connections) -> None:
    limiter, once = Limiter(connections), Rate(0.01, 1)

    assert (await limiter.take(ACCOUNT, "read", once)).is_allowed
    assert not (await limiter.take(ACCOUNT, "read", once)).is_allowed
    assert (await limiter.take(ACCOUNT, "write", once)).is_allowed
    assert (await limiter.take(AccountSid("AC" + "1" * 32), "read", once)).is_allowed


async def test_a_clock_that_steps_back_neither_stops_nor_frees_anybody(connections: Connections) -> None:
    for _ in range(3):
        before = await take_at(connections, RATE, NOON_US, 100_000)

    hour_us = 3_600_000_000
    after = await take_at(connections, RATE, NOON_US - hour_us)

    assert before == Verdict(True, NOON_US + 300_000, 100_000)
    assert after == Verdict(False, NOON_US + 300_000 - hour_us, 200_000)
    assert (await take_at(connections, RATE, NOON_US - hour_us + 200_000)).is_allowed


async def test_a_clock_that_steps_ahead_frees_one_burst_at_most(connections: Connections) -> None:
    for _ in range(2):
        await take_at(connections, RATE, NOON_US)

    later_us = NOON_US + 3_600_000_000
    verdicts = [await take_at(connections, RATE, later_us) for _ in range(10)]

    assert [verdict.is_allowed for verdict in verdicts].count(True) == RATE.burst


async def test_a_pause_lets_nobody_pass_until_it_is_over(connections: Connections) -> None:
    limiter = Limiter(connections)
    await limiter.pause(ACCOUNT, "read", 60_000)

    refused = await limiter.take(ACCOUNT, "read", Rate(80, 8))
    patient = await limiter.take(ACCOUNT, "read", Rate(80, 8), patience_us=61_000_000)

    assert not refused.is_allowed
    assert 50_000_000 < refused.wait_us <= 60_000_000
    assert patient.is_allowed
    assert 50_000_000 < patient.wait_us <= 60_000_000
    assert (await limiter.take(ACCOUNT, "write", Rate(80, 8))).is_allowed


async def test_those_who_wait_out_a_pause_do_not_come_back_all_at_once(connections: Connections) -> None:
    limiter = Limiter(connections)
    await limiter.pause(ACCOUNT, "read", 60_000)

    waits = [(await take_at(connections, RATE, NOON_US, 90_000_000)).wait_us for _ in range(6)]

    assert waits[5] - waits[0] > 300_000


async def test_a_shorter_pause_does_not_end_a_longer_one(connections: Connections) -> None:
    limiter = Limiter(connections)
    await limiter.pause(ACCOUNT, "read", 60_000)
    await limiter.pause(ACCOUNT, "read", 10)
    await limiter.pause(ACCOUNT, "read", 0)

    assert await connections.commands.pttl(KEYS.pause("read")) > 50_000


async def test_a_rate_that_somebody_broke_counts_as_never_seen(connections: Connections) -> None:
    await connections.commands.lpush(KEYS.rate("read"), "junk")
    await connections.commands.set(KEYS.rate("write"), "99999999999999999999 junk")
    limiter = Limiter(connections)

    assert (await limiter.take(ACCOUNT, "read", RATE)).is_allowed
    assert (await limiter.take(ACCOUNT, "write", RATE)).is_allowed
