"""A circuit breaker for calls to Twilio. Does no I/O; times are seconds of a clock that
never goes back.

    closed     calls pass; `failures` failures in a row open the breaker
    open       no call passes; after a rest, a small request (a probe) asks whether
               Twilio answers, so that no caller has to find out
    half-open  a probe was answered: `trials` calls may be in flight at once, and the
               first outcome closes or opens the breaker

https://martinfowler.com/bliki/CircuitBreaker.html
"""

from enum import Enum
from typing import Final

FAILURES: Final = 5
"""In a row. So half of all calls may fail without opening the breaker for long, and an
account that makes one call a minute needs no percentage of anything."""
# The rest doubles while probes fail. The longest one plus a probe that hangs is well
# below the 35 s after which all must be normal again (P12). A blip costs a second.
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 8.0


class BreakerState(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CallOutcome(Enum):
    """What one call says about Twilio."""

    ANSWERED = "answered"
    """It answers, be it with a refusal."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The call ended too soon to tell, or Twilio's edge refused it."""


class Breaker:
    """`trials`: how many calls may be in flight at once while it is half-open."""

    def __init__(
        self,
        trials: int,
        *,
        failures: int = FAILURES,
        first_rest_s: float = FIRST_REST_S,
        longest_rest_s: float = LONGEST_REST_S,
    ) -> None:
        self.state = BreakerState.CLOSED
        self._trials = trials
        self._failures_to_open = failures
        self._first_rest_s = first_rest_s
        self._longest_rest_s = longest_rest_s
        self._failures = 0
        self._tickets: set[object] = set()
        self._rest_s = first_rest_s
        self._probe_at = float("-inf")

    @property
    def is_blocking(self) -> bool:
        """Whether no call may pass now."""
        return self.state is BreakerState.OPEN or (
            self.state is BreakerState.HALF_OPEN and len(self._tickets) >= self._trials
        )

    def admit(self) -> object | None:
        """A ticket for one call, to be passed to `record` with its outcome; None while
        blocking."""
        if self.is_blocking:
            return None
        ticket = object()
        self._tickets.add(ticket)
        return ticket

    def record(
        self, ticket: object, outcome: CallOutcome, now: float, *, failures: int | None = None
    ) -> None:
        """Records the outcome of a call. Only the first outcome of a ticket counts.

        A call that began before the last change of state says nothing about Twilio as
        it is now: it is ignored. `failures`: how many in a row open the breaker, if not
        the usual number.
        """
        if ticket not in self._tickets:
            return
        self._tickets.remove(ticket)
        match outcome:
            case CallOutcome.ANSWERED:
                self._rest_s = self._first_rest_s
                self._failures = 0
                if self.state is BreakerState.HALF_OPEN:
                    self._become(BreakerState.CLOSED)
            case CallOutcome.FAILED:
                self._failures += 1
                is_enough = self._failures >= (failures or self._failures_to_open)
                if self.state is BreakerState.HALF_OPEN or is_enough:
                    self._open(now)
            case CallOutcome.UNKNOWN:
                pass

    def record_probe(self, outcome: CallOutcome, now: float) -> None:
        """Records the outcome of a probe of an open breaker."""
        match outcome:
            case CallOutcome.ANSWERED:
                self._become(BreakerState.HALF_OPEN)
            case CallOutcome.FAILED:
                self._open(now)
            case CallOutcome.UNKNOWN:
                self._probe_at = now + self._first_rest_s

    def rest_s(self, now: float) -> float:
        """The time until the next probe is due."""
        return max(0.0, self._probe_at - now)

    def _open(self, now: float) -> None:
        self._become(BreakerState.OPEN)
        self._probe_at = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, self._longest_rest_s)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._failures = 0
        self._tickets.clear()
