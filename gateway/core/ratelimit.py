"""A rate limit as arithmetic on one number (GCRA). Does no I/O.

The script `store/scripts/take.lua` does the same inside Redis; this module is what it is tested against.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests may come at once, and `per_s` a second after that: at most burst + per_s × W in any W seconds."""

    per_s: float
    burst: int

    @property
    def interval_us(self) -> int:
        return round(1_000_000 / self.per_s)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wait_us`: how long to wait before going ahead (allowed), or before asking again (not allowed)."""

    is_allowed: bool
    whole_at_us: int
    wait_us: int


def judge(rate: Rate, whole_at_us: int, now_us: int, patience_us: int = 0) -> Verdict:
    """May one more request pass, if it is ready to wait `patience_us` for its turn?

    `whole_at_us` is what the last verdict said: when the full burst is there again; 0 for a key never seen. An allowed
    request holds its turn; a refused one costs nothing: hammering does not push the caller further away.
    """
    new_whole_at_us = max(whole_at_us, now_us) + rate.interval_us
    wait_us = max(0, new_whole_at_us - rate.burst * rate.interval_us - now_us)
    if wait_us > patience_us:
        return Verdict(False, whole_at_us, wait_us - patience_us)
    return Verdict(True, new_whole_at_us, wait_us)
