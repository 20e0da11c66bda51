from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits.retries import RETRIES, RetryBudget, backoff_s


@given(st.lists(st.booleans(), max_size=400))
def test_p17_retries_are_at_most_a_tenth_of_the_first_tries(
    tries: list[bool],
) -> None:
    """In any order of first tries and retries."""
    budget, first_tries, retries = RetryBudget(), 0, 0
    for is_first in tries:
        if is_first:
            first_tries += 1
            budget.earn()
        else:
            retries += budget.spend()
        assert retries * 10 <= first_tries


def test_at_most_ten_retries_are_saved() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


@given(st.integers(0, 60), st.floats(0, 1))
def test_backoff_has_full_jitter_and_doubles_up_to_a_second(retry: int, chance: float) -> None:
    assert backoff_s(retry, 0) == 0
    assert 0 <= backoff_s(retry, chance) <= 1
    assert [backoff_s(retry, 1) for retry in range(RETRIES)] == [0.1, 0.2]
