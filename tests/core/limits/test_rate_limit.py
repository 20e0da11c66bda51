from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.rate_limit import (
    INCREASE_EVERY_US,
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


def grants(rate: Rate, requests: list[tuple[int, int, int]]) -> list[int]:
    """When each granted request may pass. Requests are (time since the previous one,
    max_wait_us, number)."""
    full_at_us, now_us, allowed = 0, NOON_US, []
    for elapsed_us, max_wait_us, wanted in requests:
        now_us += elapsed_us
        decision = check_rate(rate, full_at_us, now_us, max_wait_us, wanted)
        full_at_us = decision.full_at_us
        allowed += [now_us + decision.wait_us] * decision.granted
    return allowed


def test_a_burst_passes_at_once_and_the_next_request_waits_an_interval() -> None:
    full_at_us = 0
    for _ in range(RATE.burst):
        decision = check_rate(RATE, full_at_us, NOON_US)
        assert (decision.granted, decision.wait_us) == (1, 0)
        full_at_us = decision.full_at_us

    assert check_rate(RATE, full_at_us, NOON_US) == RateDecision(0, full_at_us, 100_000)
    assert check_rate(RATE, full_at_us, NOON_US + 100_000).granted


def test_of_several_requests_those_pass_that_are_available() -> None:
    first = check_rate(RATE, 0, NOON_US, wanted=2)
    second = check_rate(RATE, first.full_at_us, NOON_US, wanted=2)

    assert [first.granted, second.granted] == [2, 1]
    assert check_rate(RATE, second.full_at_us, NOON_US, 200_000, wanted=2) == RateDecision(
        1, NOON_US + 400_000, 100_000
    )


def test_no_request_takes_nothing() -> None:
    assert check_rate(RATE, NOON_US + 50_000, NOON_US, wanted=0) == RateDecision(
        0, NOON_US + 50_000, 0
    )


def test_booked_requests_are_one_interval_apart() -> None:
    expected = [NOON_US + after for after in (0, 0, 0, 100_000, 200_000, 300_000)]
    assert grants(RATE, [(0, 1_000_000, 1)] * 6) == expected


def test_a_refusal_says_when_the_request_could_be_booked() -> None:
    full_at_us = NOON_US + 1_000_000

    refused = check_rate(RATE, full_at_us, NOON_US, max_wait_us=300_000)

    assert refused == RateDecision(0, full_at_us, 500_000)
    assert check_rate(RATE, full_at_us, NOON_US + refused.wait_us, max_wait_us=300_000).granted


@given(rates, arrivals)
def test_i13_no_window_has_more_requests_than_burst_and_rate_allow(
    rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    allowed = sorted(grants(rate, requests))

    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= rate.burst + (allowed[last] - begin) / rate.interval_us


@given(rates, arrivals)
def test_requests_pass_in_order_of_arrival(
    rate: Rate, requests: list[tuple[int, int, int]]
) -> None:
    assert all(earlier <= later for earlier, later in pairwise(grants(rate, requests)))


@given(rates, st.integers(0, 5_000_000), st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_a_refused_request_does_not_change_the_state(
    rate: Rate, ahead_us: int, elapsed_us: int, max_wait_us: int
) -> None:
    decision = check_rate(rate, NOON_US + ahead_us, NOON_US + elapsed_us, max_wait_us)

    if not decision.granted:
        assert decision.full_at_us == NOON_US + ahead_us
        assert decision.wait_us > 0


@given(rates, st.integers(0, 5_000_000), st.integers(0, 3_000_000))
def test_a_granted_request_waits_no_longer_than_its_limit(
    rate: Rate, ahead_us: int, max_wait_us: int
) -> None:
    decision = check_rate(rate, NOON_US + ahead_us, NOON_US, max_wait_us)

    assert not decision.granted or decision.wait_us <= max_wait_us


@given(rates, st.integers(0, 60))
def test_a_reserve_leaves_a_burst_of_at_least_one(rate: Rate, reserve: int) -> None:
    assert rate.reserving(reserve) == Rate(rate.per_s, max(1, rate.burst - reserve))


@given(st.integers(2, 10_000))
def test_the_shared_rate_uses_nearly_all_of_the_quota_and_never_exceeds_it(per_s: int) -> None:
    shared = TwilioQuota.of(per_s).shared

    assert shared.burst + shared.per_s <= per_s
    assert shared.per_s >= 0.85 * per_s - 1


@given(st.integers(2, 1_000), st.integers(1, 30))
def test_replicas_alone_stay_within_the_quota_together(per_s: int, replicas: int) -> None:
    alone = TwilioQuota(per_s, RATE).alone(replicas)

    assert replicas * alone.per_s <= 0.8 * per_s + 1e-6
    if per_s >= 1.2 * replicas:
        assert replicas * (alone.burst + alone.per_s) <= per_s + 1e-6


@pytest.mark.parametrize(("replicas", "total_per_s"), [(1, 64), (3, 64), (16, 64), (20, 60)])
def test_replicas_alone_use_64_of_80_reads_a_second_and_fewer_when_they_are_many(
    replicas: int, total_per_s: float
) -> None:
    assert replicas * TwilioQuota(80, RATE).alone(replicas).per_s == pytest.approx(total_per_s)


def test_a_refusal_lowers_the_ceiling_below_the_requests_in_flight_and_time_raises_it() -> None:
    full = Ceiling(at_most=100, at_least=4, lowered_to=100, lowered_at_us=0)

    lowered = full.lowered(in_flight=20, now_us=NOON_US)

    assert full.now(NOON_US) == 100
    assert lowered.now(NOON_US) == 14
    assert lowered.now(NOON_US + 6 * INCREASE_EVERY_US) == 20
    assert lowered.now(NOON_US + 1_000 * INCREASE_EVERY_US) == 100
    assert lowered.now(NOON_US - 1_000 * INCREASE_EVERY_US) == 14
    assert lowered.lowered(in_flight=50, now_us=NOON_US).now(NOON_US) == 9
    assert lowered.lowered(in_flight=1, now_us=NOON_US).now(NOON_US) == 4
