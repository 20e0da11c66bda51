from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.points_bucket import (
    WINDOW_US,
    Balance,
    SpendResult,
    duration_us,
    spend,
    still_unreported,
)

NOON_US = 1_800_000_000_000_000
SECOND_US = 1_000_000


def test_all_points_can_be_spent_at_once_and_come_back_evenly() -> None:
    empty = spend(0, NOON_US, WINDOW_US)
    assert empty == SpendResult(True, WINDOW_US)
    full_at_us = NOON_US + empty.used_us
    assert spend(full_at_us, NOON_US, 1) == SpendResult(False, WINDOW_US)
    assert spend(full_at_us, NOON_US + 6 * SECOND_US, 6 * SECOND_US) == SpendResult(True, WINDOW_US)
    assert not spend(full_at_us, NOON_US + 6 * SECOND_US, 6 * SECOND_US + 1).is_allowed


def test_unreported_points_are_charged_first_within_an_empty_and_a_full_bucket() -> None:
    assert spend(0, NOON_US, SECOND_US, unreported_us=2 * SECOND_US) == SpendResult(
        True, 3 * SECOND_US
    )
    assert spend(
        NOON_US + 5 * SECOND_US, NOON_US, SECOND_US, unreported_us=-2 * SECOND_US
    ) == SpendResult(True, 4 * SECOND_US)
    assert spend(0, NOON_US, 0, unreported_us=2 * WINDOW_US) == SpendResult(True, WINDOW_US)
    assert spend(0, NOON_US, 0, unreported_us=-WINDOW_US) == SpendResult(True, 0)


def test_unreported_spending_shrinks_with_time_and_a_refund_does_not() -> None:
    assert [still_unreported(5, since_us) for since_us in (0, 3, 9)] == [5, 2, 0]
    assert still_unreported(-5, 9) == -5


def test_a_clock_that_went_back_empties_the_bucket_at_worst() -> None:
    assert spend(NOON_US + 3_600 * SECOND_US, NOON_US, 1) == SpendResult(False, WINDOW_US)


def test_a_balance_says_what_is_left_and_when_to_retry() -> None:
    balance = Balance(600, WINDOW_US - 5 * SECOND_US)
    assert (balance.remaining, balance.reset_after_ms) == (50, 55_000)
    assert balance.retry_after_ms(duration_us(60, 600)) == 1_000
    assert Balance(600, 0).remaining == 600
    assert Balance(600, WINDOW_US).remaining == 0


limits = st.integers(100, 10_000_000)
call_lists = st.lists(st.tuples(st.integers(0, 2 * SECOND_US), st.integers(1, 100)), max_size=50)


@given(limits, call_lists)
def test_no_window_has_more_than_the_limit_and_what_came_back_in_it(
    limit: int, calls: list[tuple[int, int]]
) -> None:
    now_us, full_at_us, allowed = NOON_US, 0, list[tuple[int, int]]()
    for after_us, points in calls:
        now_us += after_us
        result = spend(full_at_us, now_us, duration_us(points, limit))
        full_at_us = now_us + result.used_us
        if result.is_allowed:
            allowed.append((now_us, points))
    for first, (begin_us, _) in enumerate(allowed):
        spent = 0
        for at_us, points in allowed[first:]:
            spent += points
            assert spent <= limit * (1 + (at_us - begin_us) / WINDOW_US) + 1e-6


@given(limits, call_lists)
def test_a_retry_after_the_hint_is_allowed(limit: int, calls: list[tuple[int, int]]) -> None:
    now_us, full_at_us = NOON_US, NOON_US + WINDOW_US
    for _, points in calls:
        cost_us = duration_us(points, limit)
        refused = spend(full_at_us, now_us, cost_us)
        assert not refused.is_allowed
        wait_us = Balance(limit, refused.used_us).retry_after_ms(cost_us) * 1_000
        assert spend(full_at_us, now_us + wait_us, cost_us).is_allowed
