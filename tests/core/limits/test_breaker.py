from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.breaker import (
    FAILURES,
    FIRST_REST_S,
    LONGEST_REST_S,
    Breaker,
    BreakerState,
    CallOutcome,
)

ANSWERED, FAILED, UNKNOWN = CallOutcome.ANSWERED, CallOutcome.FAILED, CallOutcome.UNKNOWN


def after(breaker: Breaker, *outcomes: CallOutcome, now: float = 0.0) -> Breaker:
    """The breaker after calls with these outcomes, one after the other."""
    for outcome in outcomes:
        ticket = breaker.admit()
        assert ticket is not None
        breaker.record(ticket, outcome, now)
    return breaker


def opened(now: float = 0.0) -> Breaker:
    return after(Breaker(trials=2), *[FAILED] * FAILURES, now=now)


def half_open() -> Breaker:
    breaker = opened()
    breaker.record_probe(ANSWERED, FIRST_REST_S)
    return breaker


def test_failures_in_a_row_open_the_breaker() -> None:
    breaker = after(Breaker(trials=2), *[FAILED] * (FAILURES - 1))
    assert breaker.state is BreakerState.CLOSED
    after(breaker, FAILED)
    assert (breaker.state, breaker.admit()) == (BreakerState.OPEN, None)


def test_an_answer_resets_the_failures_and_an_unknown_outcome_does_not() -> None:
    assert (
        after(Breaker(trials=2), *([FAILED] * (FAILURES - 1) + [ANSWERED]) * 9).state
        is BreakerState.CLOSED
    )
    assert after(Breaker(trials=2), *[UNKNOWN, FAILED] * FAILURES).state is BreakerState.OPEN


def test_the_rest_before_a_probe_doubles_up_to_a_limit() -> None:
    breaker, now, rests = opened(), 0.0, []
    for _ in range(6):
        rests.append(breaker.rest_s(now))
        now += rests[-1]
        assert breaker.rest_s(now) == 0
        breaker.record_probe(FAILED, now)
    assert rests == [1, 2, 4, 8, 8, 8]
    assert (rests[0], rests[-1]) == (FIRST_REST_S, LONGEST_REST_S)


def test_a_probe_with_an_unknown_outcome_is_repeated_soon() -> None:
    breaker = opened()
    breaker.record_probe(FAILED, 1)
    breaker.record_probe(UNKNOWN, 3)
    assert (breaker.state, breaker.rest_s(3)) == (BreakerState.OPEN, FIRST_REST_S)


def test_an_answered_probe_lets_a_few_calls_through() -> None:
    breaker = half_open()
    first = breaker.admit()
    assert first is not None
    assert breaker.admit() is not None
    assert breaker.admit() is None
    breaker.record(first, UNKNOWN, 2)
    assert (breaker.state, breaker.admit() is not None) == (BreakerState.HALF_OPEN, True)


def test_the_first_outcome_while_half_open_decides() -> None:
    assert after(half_open(), ANSWERED).state is BreakerState.CLOSED
    assert after(half_open(), FAILED).state is BreakerState.OPEN


def test_a_relapse_rests_longer_and_an_answer_resets_the_rest() -> None:
    assert after(half_open(), FAILED, now=5).rest_s(5) == 2 * FIRST_REST_S
    closed = after(half_open(), ANSWERED, now=5)
    assert after(closed, *[FAILED] * FAILURES, now=9).rest_s(9) == FIRST_REST_S


def test_only_the_first_outcome_of_a_call_counts() -> None:
    breaker = after(Breaker(trials=2), *[FAILED] * (FAILURES - 1))
    ticket = breaker.admit()
    assert ticket is not None
    for outcome in (ANSWERED, FAILED, FAILED):
        breaker.record(ticket, outcome, 0)
    assert breaker.state is BreakerState.CLOSED


def test_calls_from_before_the_last_change_of_state_are_ignored() -> None:
    breaker = Breaker(trials=2)
    late = [breaker.admit() for _ in range(3)]
    after(breaker, *[FAILED] * FAILURES)
    for ticket, outcome in zip(late, (ANSWERED, FAILED, FAILED), strict=True):
        assert ticket is not None
        breaker.record(ticket, outcome, 50)
    assert (breaker.state, breaker.rest_s(0)) == (BreakerState.OPEN, FIRST_REST_S)
    breaker.record_probe(ANSWERED, 1)
    for ticket in late:
        assert ticket is not None
        breaker.record(ticket, FAILED, 50)
    assert breaker.state is BreakerState.HALF_OPEN


def test_the_thresholds_can_be_set() -> None:
    breaker = after(Breaker(1, failures=2, first_rest_s=0.5, longest_rest_s=0.75), FAILED, FAILED)
    rests = [breaker.rest_s(0)]
    breaker.record_probe(FAILED, 0)
    assert [*rests, breaker.rest_s(0)] == [0.5, 0.75]


def test_one_failure_may_be_enough() -> None:
    breaker = Breaker(trials=2)
    ticket = breaker.admit()
    assert ticket is not None
    breaker.record(ticket, FAILED, 0, failures=1)
    assert breaker.state is BreakerState.OPEN


@given(st.lists(st.sampled_from(CallOutcome), max_size=80), st.integers(1, 3))
def test_a_breaker_opens_only_after_failures_and_an_answer_closes_it(
    outcomes: list[CallOutcome], trials: int
) -> None:
    breaker, now = Breaker(trials), 0.0
    for outcome in outcomes:
        now += 1
        ticket = breaker.admit()
        if ticket is None:
            breaker.record_probe(outcome, now)
        else:
            breaker.record(ticket, outcome, now)
        assert breaker.rest_s(now) <= LONGEST_REST_S
        if CallOutcome.FAILED not in outcomes:
            assert breaker.state is BreakerState.CLOSED
    if breaker.state is BreakerState.OPEN:
        breaker.record_probe(ANSWERED, now)
    assert after(breaker, ANSWERED).state is BreakerState.CLOSED
