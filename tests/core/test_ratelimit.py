from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ratelimit import Rate, Verdict, judge

NOON_US = 1_800_000_000_000_000
RATE = Rate(per_s=10, burst=3)

rates = st.builds(Rate, st.floats(0.5, 1_000), st.integers(1, 50))
arrivals = st.lists(st.tuples(st.integers(0, 500_000), st.integers(0, 2_000_000)), max_size=60)


def turns(rate: Rate, requests: list[tuple[int, int]]) -> list[int]:
    """When each allowed request goes ahead; requests are given as (time since the one before, patience)."""
    whole_at_us, now_us, allowed = 0, NOON_US, []
    for passed_us, patience_us in requests:
        now_us += passed_us
        verdict = judge(rate, whole_at_us, now_us, patience_us)
        whole_at_us = verdict.whole_at_us
        if verdict.is_allowed:
            allowed.append(now_us + verdict.wait_us)
    return allowed


def test_a_burst_passes_at_once_and_the_next_one_waits_an_interval() -> None:
    whole_at_us = 0
    for _ in range(RATE.burst):
        verdict = judge(RATE, whole_at_us, NOON_US)
        assert verdict.is_allowed
        assert verdict.wait_us == 0
        whole_at_us = verdict.whole_at_us

    assert judge(RATE, whole_at_us, NOON_US) == Verdict(False, whole_at_us, 100_000)
    assert judge(RATE, whole_at_us, NOON_US + 100_000).is_allowed


def test_the_patient_hold_turns_one_interval_apart() -> None:
    assert turns(RATE, [(0, 1_000_000)] * 6) == [NOON_US + after for after in (0, 0, 0, 100_000, 200_000, 300_000)]


def test_a_refused_request_is_told_when_its_patience_would_do() -> None:
    whole_at_us = NOON_US + 1_000_000

    refused = judge(RATE, whole_at_us, NOON_US, patience_us=300_000)

    assert refused == Verdict(False, whole_at_us, 500_000)
    assert judge(RATE, whole_at_us, NOON_US + refused.wait_us, patience_us=300_000).is_allowed


@given(rates, arrivals)
def test_no_window_holds_more_than_burst_and_rate_allow(rate: Rate, requests: list[tuple[int, int]]) -> None:
    allowed = sorted(turns(rate, requests))

    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= rate.burst + (allowed[last] - begin) / rate.interval_us


@given(rates, arrivals)
def test_turns_are_given_in_the_order_of_asking(rate: Rate, requests: list[tuple[int, int]]) -> None:
    assert all(earlier <= later for earlier, later in pairwise(turns(rate, requests)))


@given(rates, st.integers(0, 5_000_000), st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_a_refused_request_costs_nothing(rate: Rate, ahead_us: int, passed_us: int, patience_us: int) -> None:
    verdict = judge(rate, NOON_US + ahead_us, NOON_US + passed_us, patience_us)

    if not verdict.is_allowed:
        assert verdict.whole_at_us == NOON_US + ahead_us
        assert verdict.wait_us > 0


@given(rates, st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_an_allowed_request_waits_no_longer_than_it_is_ready_to(rate: Rate, ahead_us: int, patience_us: int) -> None:
    verdict = judge(rate, NOON_US + ahead_us, NOON_US, patience_us)

    assert not verdict.is_allowed or verdict.wait_us <= patience_us
