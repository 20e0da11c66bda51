"""A caller's points: they come back evenly, all of them within a minute. Does no I/O.

This is the rate limit GCRA for calls of different costs, as arithmetic on one number:
the time at which all points are available again. Costs are given as the time in which
so many points come back.

The script `store/scripts/spend.lua` does the same inside Redis, and is tested against
this module.
"""

import math
from dataclasses import dataclass
from typing import Final

WINDOW_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class SpendResult:
    """Whether the cost was charged, and in what time all points are available again."""

    is_allowed: bool
    used_us: int


def spend(full_at_us: int, now_us: int, cost_us: int, unreported_us: int = 0) -> SpendResult:
    """Charges the cost, if there are enough points.

    `full_at_us` is when all points are available again; 0 for a caller without state.
    `unreported_us` is charged before, in any case: points that were spent elsewhere or,
    below 0, points that were held and not needed. The bucket never gets emptier than
    empty or fuller than full. A refused cost is not charged, so retrying early does not
    postpone the next success.
    """
    used_us = min(max(0, max(full_at_us, now_us) - now_us + unreported_us), WINDOW_US)
    if used_us + cost_us > WINDOW_US:
        return SpendResult(False, used_us)
    return SpendResult(True, used_us + cost_us)


def still_unreported(unreported_us: int, since_us: int) -> int:
    """What is left of a debt of points after `since_us`.

    Points that were spent elsewhere come back there as they do here. Points to give
    back (below 0) stay until they are given back.
    """
    return unreported_us if unreported_us < 0 else max(0, unreported_us - since_us)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left to a caller of `limit` points a minute. `used_us` is as in
    `SpendResult`."""

    limit: int
    used_us: int

    @property
    def remaining(self) -> int:
        """In points."""
        return self.limit * (WINDOW_US - self.used_us) // WINDOW_US

    @property
    def reset_after_ms(self) -> int:
        """The time until all points are available again."""
        return math.ceil(self.used_us / 1000)

    def retry_after_ms(self, cost_us: int) -> int:
        """The time until the cost can be charged."""
        return max(1, math.ceil((self.used_us + cost_us - WINDOW_US) / 1000))


def duration_us(points: int, limit: int) -> int:
    """The time in which so many points of `limit` a minute come back."""
    return -(-points * WINDOW_US // limit)
