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

# In whole seconds: Redis expires the key of a bucket that is nearly full by its own
# clock, whatever time the script gets.
call_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30), st.integers(-30, 30)), max_size=12
)


async def spend_at(
    connections: Connections, now_us: int, cost_us: int, unreported_us: int = 0
) -> SpendResult:
    is_allowed, used_us = await connections.run(
        _SPEND, [KEY], [WINDOW_US, unreported_us, now_us, cost_us]
    )
    return SpendResult(bool(is_allowed), int(used_us))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call_lists)
async def test_the_spend_script_agrees_with_core(
    connections: Connections, calls: list[tuple[int, int, int]]
) -> None:
    await connections.commands.delete(KEY)
    now_us, full_at_us = NOON_US, 0
    for after_s, cost_s, unreported_s in calls:
        now_us += after_s * SECOND_US
        cost_us, unreported_us = cost_s * SECOND_US, unreported_s * SECOND_US
        expected = spend(full_at_us, now_us, cost_us, unreported_us)
        full_at_us = now_us + expected.used_us
        assert await spend_at(connections, now_us, cost_us, unreported_us) == expected


async def test_a_bucket_has_a_key_until_it_is_full_again(connections: Connections) -> None:
    points_buckets = PointsBuckets(connections)
    await points_buckets.spend(ACCOUNT, "web", [WINDOW_US], 0, timeout_s=5)
    assert 50_000 < await connections.commands.pttl(KEY) <= 60_001
    assert await points_buckets.spend(ACCOUNT, "web", [0], -WINDOW_US, timeout_s=5) == [
        SpendResult(True, 0)
    ]
    assert not await connections.commands.exists(KEY)


async def test_i12_keys_with_one_id_have_a_bucket_in_each_account(
    connections: Connections,
) -> None:
    async def spend_all(account_sid: AccountSid, key_id: str) -> bool:
        [result] = await PointsBuckets(connections).spend(
            account_sid, key_id, [WINDOW_US], 0, timeout_s=5
        )
        return result.is_allowed

    assert [await spend_all(ACCOUNT, "web") for _ in range(2)] == [True, False]
    assert await spend_all(AccountSid("AC" + "9" * 32), "web")
    assert await spend_all(ACCOUNT, "other")


async def test_each_of_several_costs_has_its_own_result(connections: Connections) -> None:
    third = WINDOW_US // 3
    results = await PointsBuckets(connections).spend(
        ACCOUNT, "web", [third, 3 * third, third, 1, third], third, timeout_s=5
    )
    assert [result.is_allowed for result in results] == [True, False, True, False, False]
    assert 0 < await connections.commands.pttl(KEY) <= 60_000


async def test_a_damaged_bucket_counts_as_full(connections: Connections) -> None:
    await connections.commands.lpush(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == SpendResult(True, 5)
    await connections.commands.set(KEY, "junk")
    assert await spend_at(connections, NOON_US, 5) == SpendResult(True, 5)
