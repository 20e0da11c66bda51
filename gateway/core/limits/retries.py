"""How often and when a call is tried again. Does no I/O."""

from typing import Final

RETRIES: Final = 2
"""Of one call, at the most."""
# In tenths: a first try earns one, a retry costs ten. So there are never more retries than a tenth of the first tries, and
# when Twilio fails for good it is not asked three times as much.
_PRICE: Final = 10
# What a long calm may save up: enough for the calls under way that a single blip cuts off.
_SAVINGS: Final = 10 * _PRICE
# https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 1.0


class RetryBudget:
    """One account's. It begins empty: a process that is started into an outage adds nothing to it."""

    def __init__(self) -> None:
        self._saved = 0

    def earn(self) -> None:
        self._saved = min(self._saved + 1, _SAVINGS)

    def spend(self) -> bool:
        """Whether there is a retry to be had; it is taken then."""
        if self._saved < _PRICE:
            return False
        self._saved -= _PRICE
        return True


def backoff_s(retry: int, chance: float) -> float:
    """How long to wait before the retry of this number, 0 being the first. Full jitter: `chance` is evenly spread from 0 to
    1, so that those who failed together do not come back together."""
    return chance * min(_LONGEST_S, _FIRST_S * 2.0**retry)
