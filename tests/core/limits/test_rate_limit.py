from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.rate_limit import (
    UP_US,
    Ceiling,
    Rate,
    RateDecision,
    TwilioQuota,
    check_rate,
)

NOON_US = 1_800_000_000_000_000
RATE = Rate(per_s=10, burst=3)

rates = st.builds(Rate, st.floats(0.5, 1_000), st.integers(1, 50))
arrivals = st.lists(
    st.tuples(st.integers(0, 500_000), st.integers(0, 2_000_000), st.integers(1, 5)), max_size=60
)


def turns(rate: Rate, requests: list[tuple[int, int, int]]) -> list[int]:
    """When each allowed request goes ahead; requests are given as (time since the one before, patience, how many)."""
    full_at_us, now_us, allowed = 0, NOON_US, []
    for passed_us, patience_us, wanted in requests:
        now_us += passed_us
        verdict = check_rate(rate, full_at_us, now_us, patience_us, wanted)
        full_at_us = verdict.full_at_us
        allowed += [now_us + verdict.wait_us] * verdict.granted
    return allowed


def test_a_burst_passes_at_once_and_the_next_one_waits_an_interval() -> None:
    full_at_us = 0
    for _ in range(RATE.burst):
        verdict = check_rate(RATE, full_at_us, NOON_US)
        assert (verdict.granted, verdict.wait_us) == (1, 0)
        full_at_us = verdict.full_at_us

    assert check_rate(RATE, full_at_us, NOON_US) == RateDecision(0, full_at_us, 100_000)
    assert check_rate(RATE, full_at_us, NOON_US + 100_000).granted


def test_of_many_wanted_so_many_pass_as_are_free() -> None:
    first = check_rate(RATE, 0, NOON_US, wanted=2)
    second = check_rate(RATE, first.full_at_us, NOON_US, wanted=2)

    assert [first.granted, second.granted] == [2, 1]
    assert check_rate(RATE, second.full_at_us, NOON_US, 200_000, wanted=2) == RateDecision(
        1, NOON_US + 400_000, 100_000
    )


def test_who_wants_none_takes_none() -> None:
    assert check_rate(RATE, NOON_US + 50_000, NOON_US, wanted=0) == RateDecision(
        0, NOON_US + 50_000, 0
    )


def test_the_patient_hold_turns_one_interval_apart() -> None:
    expected = [NOON_US + after for after in (0, 0, 0, 100_000, 200_000, 300_000)]
    assert turns(RATE, [(0, 1_000_000, 1)] * 6) == expected


def test_a_refused_request_is_told_when_its_patience_would_do() -> None:
    full_at_us = NOON_US + 1_000_000

    refused = check_rate(RATE, full_at_us, NOON_US, patience_us=300_000)

    assert refused == RateDecision(0, full_at_us, 500_000)
    assert check_rate(RATE, full_at_us, NOON_US + refused.wait_us, patience_us=300_000).granted


@given(rates, arrivals)
def test_i13_no_window_holds_more_than_burst_and_rate_allow(
    rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    allowed = sorted(turns(rate, requests))

    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= rate.burst + (allowed[last] - begin) / rate.interval_us


@given(rates, arrivals)
def test_turns_are_given_in_the_order_of_asking(
    rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    assert all(earlier <= later for earlier, later in pairwise(turns(rate, requests)))


@given(rates, st.integers(0, 5_000_000), st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_a_refused_request_costs_nothing(
    rate: Rate, ahead_us: int, passed_us: int, patience_us: int
) -> None:
    verdict = check_rate(rate, NOON_US + ahead_us, NOON_US + passed_us, patience_us)

    if not verdict.granted:
        assert verdict.full_at_us == NOON_US + ahead_us
        assert verdict.wait_us > 0


@given(rates, st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_an_allowed_request_waits_no_longer_than_it_is_ready_to(
    rate: Rate, ahead_us: int, patience_us: int
) -> None:
    verdict = check_rate(rate, NOON_US + ahead_us, NOON_US, patience_us)

    assert not verdict.granted or verdict.wait_us <= patience_us


@given(rates, st.integers(0, 60))
def test_who_leaves_turns_to_others_still_has_one(rate: Rate, turns: int) -> None:
    assert rate.less(turns) == Rate(rate.per_s, max(1, rate.burst - turns))


@given(st.integers(2, 10_000))
def test_a_quota_is_spent_nearly_whole_and_never_exceeded(per_s: int) -> None:
    together = TwilioQuota.of(per_s).together

    assert together.burst + together.per_s <= per_s
    assert together.per_s >= 0.85 * per_s - 1


@given(st.integers(2, 1_000), st.integers(1, 30))
def test_replicas_that_spend_alone_stay_within_the_quota_together(
    per_s: int, replicas: int
) -> None:
    alone = TwilioQuota(per_s, RATE).alone(replicas)

    assert replicas * alone.per_s <= 0.8 * per_s + 1e-6
    if per_s >= 1.2 * replicas:
        assert replicas * (alone.burst + alone.per_s) <= per_s + 1e-6


@pytest.mark.parametrize(("replicas", "together"), [(1, 64), (3, 64), (16, 64), (20, 60)])
def test_of_80_reads_a_second_replicas_alone_spend_64_and_fewer_when_they_are_many(
    replicas: int, together: float
) -> None:
    assert replicas * TwilioQuota(80, RATE).alone(replicas).per_s == pytest.approx(together)


def test_a_refusal_lowers_the_ceiling_below_what_was_under_way_and_time_raises_it() -> None:
    whole = Ceiling(at_most=100, at_least=4, lowered_to=100, lowered_at_us=0)

    lowered = whole.lowered(under_way=20, now_us=NOON_US)

    assert whole.now(NOON_US) == 100
    assert lowered.now(NOON_US) == 14
    assert lowered.now(NOON_US + 6 * UP_US) == 20
    assert lowered.now(NOON_US + 1_000 * UP_US) == 100
    assert lowered.now(NOON_US - 1_000 * UP_US) == 14
    assert lowered.lowered(under_way=50, now_us=NOON_US).now(NOON_US) == 9
    assert lowered.lowered(under_way=1, now_us=NOON_US).now(NOON_US) == 4
