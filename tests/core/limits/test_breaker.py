from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.breaker import (
    FAILURES,
    FIRST_REST_S,
    LONGEST_REST_S,
    Breaker,
    CallOutcome,
    State,
)

WELL, ILL, NOTHING = CallOutcome.WELL, CallOutcome.ILL, CallOutcome.NOTHING


def told(breaker: Breaker, *outcomes: CallOutcome, now_s: float = 0.0) -> Breaker:
    """Calls one after the other."""
    for outcome in outcomes:
        ticket = breaker.admit()
        assert ticket is not None
        breaker.tell(ticket, outcome, now_s)
    return breaker


def opened(now_s: float = 0.0) -> Breaker:
    return told(Breaker(trials=2), *[ILL] * FAILURES, now_s=now_s)


def half_open() -> Breaker:
    breaker = opened()
    breaker.probed(WELL, FIRST_REST_S)
    return breaker


def test_failures_in_a_row_open_it_and_then_none_may_go() -> None:
    breaker = told(Breaker(trials=2), *[ILL] * (FAILURES - 1))
    assert breaker.state is State.CLOSED
    told(breaker, ILL)
    assert (breaker.state, breaker.admit()) == (State.OPEN, None)


def test_an_answer_in_between_keeps_it_closed_and_what_tells_nothing_does_not() -> None:
    assert told(Breaker(trials=2), *([ILL] * (FAILURES - 1) + [WELL]) * 9).state is State.CLOSED
    assert told(Breaker(trials=2), *[NOTHING, ILL] * FAILURES).state is State.OPEN


def test_a_probe_falls_due_after_a_rest_that_doubles_up_to_a_limit() -> None:
    breaker, now_s, rests = opened(), 0.0, []
    for _ in range(6):
        rests.append(breaker.rest_s(now_s))
        now_s += rests[-1]
        assert breaker.rest_s(now_s) == 0
        breaker.probed(ILL, now_s)
    assert rests == [1, 2, 4, 8, 8, 8]
    assert (rests[0], rests[-1]) == (FIRST_REST_S, LONGEST_REST_S)


def test_a_probe_that_told_nothing_is_repeated_soon() -> None:
    breaker = opened()
    breaker.probed(ILL, 1)
    breaker.probed(NOTHING, 3)
    assert (breaker.state, breaker.rest_s(3)) == (State.OPEN, FIRST_REST_S)


def test_after_a_probe_that_was_answered_a_few_may_go_at_once() -> None:
    breaker = half_open()
    first = breaker.admit()
    assert first is not None
    assert breaker.admit() is not None
    assert breaker.admit() is None
    breaker.tell(first, NOTHING, 2)
    assert (breaker.state, breaker.admit() is not None) == (State.HALF_OPEN, True)


def test_the_first_of_them_that_tells_decides() -> None:
    assert told(half_open(), WELL).state is State.CLOSED
    assert told(half_open(), ILL).state is State.OPEN


def test_a_relapse_rests_longer_and_an_answer_makes_rests_short_again() -> None:
    assert told(half_open(), ILL, now_s=5).rest_s(5) == 2 * FIRST_REST_S
    well = told(half_open(), WELL, now_s=5)
    assert told(well, *[ILL] * FAILURES, now_s=9).rest_s(9) == FIRST_REST_S


def test_the_first_outcome_of_a_call_counts() -> None:
    breaker = told(Breaker(trials=2), *[ILL] * (FAILURES - 1))
    ticket = breaker.admit()
    assert ticket is not None
    for outcome in (WELL, ILL, ILL):
        breaker.tell(ticket, outcome, 0)
    assert breaker.state is State.CLOSED


def test_what_began_before_the_last_change_is_passed_over() -> None:
    breaker = Breaker(trials=2)
    late = [breaker.admit() for _ in range(3)]
    told(breaker, *[ILL] * FAILURES)
    for ticket, outcome in zip(late, (WELL, ILL, ILL), strict=True):
        assert ticket is not None
        breaker.tell(ticket, outcome, 50)
    assert (breaker.state, breaker.rest_s(0)) == (State.OPEN, FIRST_REST_S)
    breaker.probed(WELL, 1)
    for ticket in late:
        assert ticket is not None
        breaker.tell(ticket, ILL, 50)
    assert breaker.state is State.HALF_OPEN


@given(st.lists(st.sampled_from(CallOutcome), max_size=80), st.integers(1, 3))
def test_whatever_happens_it_opens_only_after_failures_and_a_well_twilio_closes_it(
    outcomes: list[CallOutcome], trials: int
) -> None:
    breaker, now_s = Breaker(trials), 0.0
    for outcome in outcomes:
        now_s += 1
        ticket = breaker.admit()
        if ticket is None:
            breaker.probed(outcome, now_s)
        else:
            breaker.tell(ticket, outcome, now_s)
        assert breaker.rest_s(now_s) <= LONGEST_REST_S
        if CallOutcome.ILL not in outcomes:
            assert breaker.state is State.CLOSED
    if breaker.state is State.OPEN:
        breaker.probed(WELL, now_s)
    assert told(breaker, WELL).state is State.CLOSED
