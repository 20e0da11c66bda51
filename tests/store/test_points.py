from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.limits.points_bucket import WINDOW_US, SpendResult, spend
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.points import _SPEND, PointsBuckets
from tests.store.samples import ACCOUNT

NOON_US = 1_800_000_000_000_000
KEY = Keys(ACCOUNT).points_bucket("web")

SECOND_US = 1_000_000

# In whole seconds: a purse that is nearly full goes by the server's own clock, whatever time the script is told.
calls = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(-30, 30)), max_size=12
)


async def spend_at(
    connections: Connections, now_us: int, cost_us: int, owed_us: int = 0
) -> SpendResult:
    is_allowed, used_us = await connections.run(
        _SPEND, [KEY], [WINDOW_US, owed_us, now_us, cost_us]
    )
    return SpendResult(bool(is_allowed), int(used_us))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls)
async def test_the_script_does_what_core_says(
    connections: Connections, asked: list[tuple[int, int, int]]
) -> None:
    await connections.commands.delete(KEY)
    now_us, full_at_us = NOON_US, 0
    for after_s, cost_s, owed_s in asked:
        now_us += after_s * SECOND_US
        cost_us, owed_us = cost_s * SECOND_US, owed_s * SECOND_US
        expected = spend(full_at_us, now_us, cost_us, owed_us)
        full_at_us = now_us + expected.used_us
        assert await spend_at(connections, now_us, cost_us, owed_us) == expected


async def test_a_purse_is_kept_until_it_is_full_again(connections: Connections) -> None:
    points_buckets = PointsBuckets(connections)
    await points_buckets.spend(ACCOUNT, "web", [10_000_000], 0, timeout_s=5)
    assert 9_000 < await connections.commands.pttl(KEY) <= 10_001
    assert await points_buckets.spend(ACCOUNT, "web", [0], -11_000_000, timeout_s=5) == [
        SpendResult(True, 0)
    ]
    assert not await connections.commands.exists(KEY)


async def test_i12_keys_of_the_same_name_have_a_purse_in_each_account(
    connections: Connections,
) -> None:
    async def spend_all(account_sid: AccountSid, key_id: str) -> bool:
        [spent] = await PointsBuckets(connections).spend(
            account_sid, key_id, [WINDOW_US], 0, timeout_s=5
        )
        return spent.is_allowed

    assert [await spend_all(ACCOUNT, "web") for _ in range(2)] == [True, False]
    assert await spend_all(AccountSid("AC" + "9" * 32), "web")
    assert await spend_all(ACCOUNT, "other")


async def test_of_several_costs_each_has_its_own_answer(connections: Connections) -> None:
    third = WINDOW_US // 3
    spent = await PointsBuckets(connections).spend(
        ACCOUNT, "web", [third, 3 * third, third, 1, third], third, timeout_s=5
    )
    assert [each.is_allowed for each in spent] == [True, False, True, False, False]
    assert 0 < await connections.commands.pttl(KEY) <= 60_000


async def test_a_purse_that_somebody_broke_counts_as_full(connections: Connections) -> None:
    await connections.commands.lpush(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == SpendResult(True, 5)
    await connections.commands.set(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == SpendResult(True, 5)
