"""What a caller may spend: points that come back evenly, all of them within a minute. A rate limit as arithmetic on one number
(GCRA), for requests that cost more or less. Does no I/O.

The script `store/scripts/spend.lua` does the same inside Redis; this module is what it is tested against.
"""

import math
from dataclasses import dataclass
from typing import Final

WINDOW_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class SpendResult:
    """How it stands after somebody wanted to spend: `used_us` is how long it takes until all points are there again."""

    is_allowed: bool
    used_us: int


def spend(full_at_us: int, now_us: int, cost_us: int, owed_us: int = 0) -> SpendResult:
    """May so much be spent now?

    `full_at_us` is when all is there again, or 0 for a caller never seen. `owed_us` counts first and whatever comes of it:
    what was spent elsewhere already or, below 0, held and not needed. It never makes the purse emptier than empty or fuller
    than full. What is refused costs nothing: hammering does not push the caller further away.
    """
    used_us = min(max(0, max(full_at_us, now_us) - now_us + owed_us), WINDOW_US)
    if used_us + cost_us > WINDOW_US:
        return SpendResult(False, used_us)
    return SpendResult(True, used_us + cost_us)


def remaining_debt(owed_us: int, since_us: int) -> int:
    """What is left to tell of what was spent elsewhere, so long afterwards: points come back there as they would have here.
    What is to be given back (below 0) is that until it is."""
    return owed_us if owed_us < 0 else max(0, owed_us - since_us)


@dataclass(frozen=True, slots=True)
class Balance:
    """What a caller with so many points a minute has left: `used_us` as `spend` says it."""

    limit: int
    used_us: int

    @property
    def remaining(self) -> int:
        return self.limit * (WINDOW_US - self.used_us) // WINDOW_US

    @property
    def reset_after_ms(self) -> int:
        """Until all points are there again."""
        return math.ceil(self.used_us / 1000)

    def retry_after_ms(self, cost_us: int) -> int:
        """Until so much can be spent."""
        return max(1, math.ceil((self.used_us + cost_us - WINDOW_US) / 1000))


def duration_us(points: int, limit: int) -> int:
    """In what time so many points come back."""
    return -(-points * WINDOW_US // limit)
