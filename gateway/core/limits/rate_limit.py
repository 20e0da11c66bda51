"""The arithmetic of limits on request rates and requests in flight. Does no I/O.

The rate limit is GCRA, whose whole state is one number: the time at which the full
burst is available again. The limit on requests in flight is AIMD: additive increase,
multiplicative decrease.

The script `store/scripts/take.lua` does the same inside Redis, and is tested against
this module.
"""

from dataclasses import dataclass
from typing import Final

INCREASE_EVERY_US: Final = 1_000_000
"""For each of these intervals since the last refusal, one more may be in flight."""
DECREASE_TO_PERCENT: Final = 70
"""A refusal lowers the limit to this share of the requests that were in flight."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, and `per_s` a second after that.

    In any W seconds, at most burst + per_s * W requests pass.
    """

    per_s: float
    burst: int

    @property
    def interval_us(self) -> int:
        """The time between two requests after the burst."""
        return round(1_000_000 / self.per_s)

    def available(self, full_in_us: int) -> int:
        """How many requests may pass now, if the full burst is available again in
        `full_in_us`."""
        return max(0, (self.burst * self.interval_us - full_in_us) // self.interval_us)

    def reserving(self, reserve: int) -> "Rate":
        """The same rate for requests that must leave `reserve` of the burst to more
        urgent ones. The burst stays at least 1."""
        return Rate(self.per_s, max(1, self.burst - reserve))


@dataclass(frozen=True, slots=True)
class RateDecision:
    """The answer of `check_rate`.

    `granted` requests may pass, after `wait_us`. If none may pass, `wait_us` is when to
    try again. `full_at_us` is the new state.
    """

    granted: int
    full_at_us: int
    wait_us: int

    @property
    def is_allowed(self) -> bool:
        return self.granted > 0


def check_rate(
    rate: Rate, full_at_us: int, now_us: int, max_wait_us: int = 0, wanted: int = 1
) -> RateDecision:
    """Decides how many of `wanted` requests may pass.

    Grants as many as may pass at once. If none may, grants one that has to wait no
    longer than `max_wait_us`; that one is booked, and must be sent after the wait. A
    refused request does not change the state, so retrying early does not postpone the
    next grant.

    `full_at_us` comes from the previous decision: when the full burst is available
    again. It is 0 for a key without state.
    """
    full_in_us = max(full_at_us, now_us) - now_us
    available = rate.available(full_in_us)
    granted, wait_us = min(wanted, available), 0
    if wanted and not available:
        wait_us = full_in_us + rate.interval_us - rate.burst * rate.interval_us
        if wait_us > max_wait_us:
            return RateDecision(0, full_at_us, wait_us - max_wait_us)
        granted = 1
    if not granted:
        return RateDecision(0, full_at_us, 0)
    return RateDecision(granted, now_us + full_in_us + granted * rate.interval_us, wait_us)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many requests may be in flight at once: from `at_least` to `at_most`.

    A refusal at `lowered_at_us` lowered it to `lowered_to`. It has grown since then.
    """

    at_most: int
    at_least: int
    lowered_to: int
    lowered_at_us: int

    def now(self, now_us: int) -> int:
        grown = max(0, now_us - self.lowered_at_us) // INCREASE_EVERY_US
        return max(self.at_least, min(self.at_most, self.lowered_to + grown))

    def lowered(self, in_flight: int, now_us: int) -> "Ceiling":
        """The ceiling after a refusal while `in_flight` requests were in flight. That
        was too many, whatever the ceiling was."""
        to = max(self.at_least, min(self.now(now_us), in_flight) * DECREASE_TO_PERCENT // 100)
        return Ceiling(self.at_most, self.at_least, to, now_us)


# Burst plus the requests of one second, as a share of the quota. Requests may arrive at
# Twilio closer together than they left here, if one is delayed on the way. The unused
# part, of 80 requests a second, allows for a delay of a tenth of a second.
SHARE: Final = 0.915
BURST: Final = 0.025
# The share of the quota that all replicas use together when they cannot reach Redis.
ALONE: Final = 0.8


@dataclass(frozen=True, slots=True)
class TwilioQuota:
    """Twilio's limit of requests per second, and the rate at which all replicas
    together use it."""

    per_s: float
    shared: Rate

    @classmethod
    def of(cls, per_s: int) -> "TwilioQuota":
        """Chooses the shared rate so that no second at Twilio has more than `per_s`
        requests: for 80, it is 71 a second with a burst of 2."""
        burst = max(1, round(per_s * BURST))
        return cls(per_s, Rate(max(per_s / 2, per_s * SHARE - burst), burst))

    def alone(self, replicas: int) -> Rate:
        """The rate of one of `replicas` that cannot reach Redis.

        All of them may start with one request at the same moment; with many replicas,
        the rate leaves room for that. More replicas than `per_s` cannot stay within the
        quota at any rate.
        """
        part = self.per_s / replicas
        return Rate(max(min(ALONE * part, part - 1), part / 10), 1)
