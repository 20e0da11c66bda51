from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.purse import WINDOW_US, Spent, spend
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.purses import _SPEND, Purses
from tests.store.samples import ACCOUNT

NOON_US = 1_800_000_000_000_000
KEY = Keys(ACCOUNT).purse("web")

calls = st.lists(
    st.tuples(st.integers(0, WINDOW_US), st.integers(0, WINDOW_US // 2), st.integers(-WINDOW_US // 2, WINDOW_US // 2)),
    max_size=12,
)


async def spend_at(connections: Connections, now_us: int, cost_us: int, owed_us: int = 0) -> Spent:
    is_allowed, used_us = await connections.run(_SPEND, [KEY], [cost_us, owed_us, WINDOW_US, now_us])
    return Spent(bool(is_allowed), int(used_us))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls)
async def test_the_script_does_what_core_says(connections: Connections, asked: list[tuple[int, int, int]]) -> None:
    await connections.commands.delete(KEY)
    now_us, full_at_us = NOON_US, 0
    for after_us, cost_us, owed_us in asked:
        now_us += after_us
        expected = spend(full_at_us, now_us, cost_us, owed_us)
        full_at_us = now_us + expected.used_us
        assert await spend_at(connections, now_us, cost_us, owed_us) == expected


async def test_a_purse_is_kept_until_it_is_full_again(connections: Connections) -> None:
    purses = Purses(connections)
    await purses.spend(ACCOUNT, "web", 10_000_000, 0, within_s=5)
    assert 9_000 < await connections.commands.pttl(KEY) <= 10_001
    assert await purses.spend(ACCOUNT, "web", 0, -11_000_000, within_s=5) == Spent(True, 0)
    assert not await connections.commands.exists(KEY)


async def test_i12_keys_of_the_same_name_have_a_purse_in_each_account(connections: Connections) -> None:
    purses = Purses(connections)
    assert (await purses.spend(ACCOUNT, "web", WINDOW_US, 0, within_s=5)).is_allowed
    assert not (await purses.spend(ACCOUNT, "web", WINDOW_US, 0, within_s=5)).is_allowed
    for account, key_id in ((AccountSid("AC" + "9" * 32), "web"), (ACCOUNT, "other")):
        assert (await purses.spend(account, key_id, WINDOW_US, 0, within_s=5)).is_allowed


async def test_a_purse_that_somebody_broke_counts_as_full(connections: Connections) -> None:
    await connections.commands.lpush(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == Spent(True, 5)
    await connections.commands.set(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == Spent(True, 5)
