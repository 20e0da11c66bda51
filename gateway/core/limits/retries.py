"""How often and when a call to Twilio is retried. Does no I/O."""

from typing import Final

RETRIES: Final = 2
"""The most retries of one call."""
# In tenths of a retry: a first try earns one, a retry costs ten. So retries are at most
# a tenth of the first tries. If all calls fail, Twilio gets 10 % more, not three times
# as many.
_COST: Final = 10
# The most that is saved: enough to retry ten calls that one blip cuts off.
_MAX_SAVED: Final = 10 * _COST
# https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 1.0


class RetryBudget:
    """One account's retries. The budget starts empty: a process that starts during an
    outage adds no load."""

    def __init__(self) -> None:
        self._saved = 0

    def earn(self) -> None:
        """Records a first try."""
        self._saved = min(self._saved + 1, _MAX_SAVED)

    def spend(self) -> bool:
        """Takes one retry. Returns False if there is none."""
        if self._saved < _COST:
            return False
        self._saved -= _COST
        return True


def backoff_s(
    retry: int,
    chance: float,
    first_s: float = FIRST_BACKOFF_S,
    longest_s: float = LONGEST_BACKOFF_S,
) -> float:
    """How long to wait before a retry; `retry` counts from 0.

    `chance` is uniform from 0 to 1 (full jitter), so that calls that failed together
    are not retried together.
    """
    return chance * min(longest_s, first_s * 2.0**retry)
