"""The timeouts, pauses and limits of calls to Twilio. Tests change them."""

from dataclasses import dataclass

from gateway.core.limits.breaker import FAILURES, FIRST_REST_S, LONGEST_REST_S
from gateway.core.limits.retries import FIRST_BACKOFF_S, LONGEST_BACKOFF_S


@dataclass(frozen=True, slots=True)
class UpstreamTimings:
    """Times are in seconds."""

    read_s: float = 5.0
    """The timeout of a read."""
    write_s: float = 8.0
    """The timeout of a change. Less than the 10 s that a caller has: after a create
    without an answer, the rest is for finding out what became of it."""
    probe_s: float = 3.0
    """The timeout of a probe of an open circuit breaker."""
    slow_s: float = 2.0
    """A read without an answer by then counts as a failure for the circuit breaker, but
    is still waited for: Twilio answers reads in tenths of a second. A call that is
    cancelled before then, or whose deadline passes, does not count."""
    stall_s: float = 0.5
    """If the timer for `slow_s` fires later than this, the process was held up itself.
    The answer may be waiting to be read, so the call does not count as a failure."""
    first_rest_s: float = FIRST_REST_S
    """The pause before the first probe of an open circuit breaker."""
    longest_rest_s: float = LONGEST_REST_S
    first_backoff_s: float = FIRST_BACKOFF_S
    """The longest pause before the first retry."""
    longest_backoff_s: float = LONGEST_BACKOFF_S
    pause_s: float = 1.0
    """How long all replicas pause after a 429 without Retry-After.
    https://www.twilio.com/docs/api/errors/20429"""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many calls of each kind may be in flight to Twilio at once: a hundred
    together, which is as many as the session has connections."""

    reads: int = 70
    writes: int = 20
    insights_reads: int = 10
    trial_writes: int = 5
    """How many changes a half-open circuit breaker lets through at once. An answered
    probe, which is a read, does not show that changes work."""
    failures: int = FAILURES
    """How many failures in a row open a circuit breaker."""
