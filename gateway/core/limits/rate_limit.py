"""Limits as arithmetic on a number or two: so many requests a second (GCRA), and so many at once (AIMD). Does no I/O.

The script `store/scripts/take.lua` does the same inside Redis; this module is what it is tested against.
"""

from dataclasses import dataclass
from typing import Final

# Additive up: one more for each second since the last refusal. Multiplicative down: to so many of those that were under way.
UP_US: Final = 1_000_000
DOWN_PERCENT: Final = 70


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests may come at once, and `per_s` a second after that: at most burst + per_s × W in any W seconds."""

    per_s: float
    burst: int

    @property
    def interval_us(self) -> int:
        return round(1_000_000 / self.per_s)

    def free(self, owed_us: int) -> int:
        """How many may pass at once, so long before the full burst is there again."""
        return max(0, (self.burst * self.interval_us - owed_us) // self.interval_us)

    def less(self, turns: int) -> "Rate":
        """The same rate for those who are to leave so many turns of the burst to others."""
        return Rate(self.per_s, max(1, self.burst - turns))


@dataclass(frozen=True, slots=True)
class RateDecision:
    """`granted`: how many may pass. `wait_us`: how long to wait before they go ahead, or, with none, before asking again."""

    granted: int
    full_at_us: int
    wait_us: int

    @property
    def is_allowed(self) -> bool:
        return self.granted > 0


def check_rate(
    rate: Rate, full_at_us: int, now_us: int, patience_us: int = 0, wanted: int = 1
) -> RateDecision:
    """May `wanted` more requests pass?

    As many of them as are free at once; when none is, one that is ready to wait `patience_us` for its turn. `full_at_us` is
    what the last verdict said: when the full burst is there again; 0 for a key never seen. Who is granted holds his turn; a
    refused request costs nothing: hammering does not push the caller further away.
    """
    owed_us = max(full_at_us, now_us) - now_us
    free = rate.free(owed_us)
    granted, wait_us = min(wanted, free), 0
    if wanted and not free:
        wait_us = owed_us + rate.interval_us - rate.burst * rate.interval_us
        if wait_us > patience_us:
            return RateDecision(0, full_at_us, wait_us - patience_us)
        granted = 1
    if not granted:
        return RateDecision(0, full_at_us, 0)
    return RateDecision(granted, now_us + owed_us + granted * rate.interval_us, wait_us)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many requests may be under way at once. `at_most` and `at_least` hold always; between them it was lowered to
    `lowered_to` at `lowered_at_us`, by a refusal, and has grown since."""

    at_most: int
    at_least: int
    lowered_to: int
    lowered_at_us: int

    def now(self, now_us: int) -> int:
        grown = max(0, now_us - self.lowered_at_us) // UP_US
        return max(self.at_least, min(self.at_most, self.lowered_to + grown))

    def lowered(self, under_way: int, now_us: int) -> "Ceiling":
        """After a refusal, while so many were under way. That were too many, whatever the ceiling was."""
        to = max(self.at_least, min(self.now(now_us), under_way) * DOWN_PERCENT // 100)
        return Ceiling(self.at_most, self.at_least, to, now_us)


# Burst and a second's rate together. Requests reach Twilio closer together than they leave here, by as much as one of them
# can be held up on the way: what is left unspent, of 80 a second, allows for a tenth of a second.
SHARE: Final = 0.915
BURST: Final = 0.025
# A replica that cannot ask the others spends its part of so much of the quota.
ALONE: Final = 0.8


@dataclass(frozen=True, slots=True)
class TwilioQuota:
    """What Twilio grants in a second, and how all replicas together spend it."""

    per_s: float
    together: Rate

    @classmethod
    def of(cls, per_s: int) -> "TwilioQuota":
        """So that no second sees more than is granted: of 80, 71 are spent, with a burst of 2."""
        burst = max(1, round(per_s * BURST))
        return cls(per_s, Rate(max(per_s / 2, per_s * SHARE - burst), burst))

    def alone(self, replicas: int) -> Rate:
        """How one of so many replicas spends its part by itself. All of them may begin with a request in the same moment, so
        where they are many their rate leaves room for that; more of them than `per_s` cannot be held by any rate."""
        part = self.per_s / replicas
        return Rate(max(min(ALONE * part, part - 1), part / 10), 1)
