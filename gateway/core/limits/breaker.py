"""Keeping calls from a Twilio that does not answer. Does no I/O; time is an argument, in seconds of any clock that only goes
forward.

    closed     all may go; FAILURES failures in a row open it
    open       none may go; when it has rested, Twilio is asked something small (a probe): no caller has to find out
    half-open  a probe was answered: so many may be under way at once, and the first that tells decides

https://martinfowler.com/bliki/CircuitBreaker.html
"""

from enum import Enum
from typing import Final

FAILURES: Final = 5
"""In a row, so that half of all calls may fail without opening it for long, and an account that calls once a minute need not
wait for a percentage of anything."""
# The rest doubles while probes fail. The longest one, and a probe that hangs, are well below the 35 s after which all must be
# normal again; a blip costs a second.
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 8.0


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CallOutcome(Enum):
    """What one call told about Twilio."""

    WELL = "well"
    """It answered, be it with a refusal."""
    ILL = "ill"
    NOTHING = "nothing"
    """It was over too soon to tell, or Twilio's edge sent it away."""


class Breaker:
    """`trials`: how many calls may be under way at once while it is half-open."""

    def __init__(self, trials: int) -> None:
        self.state = State.CLOSED
        self._trials = trials
        self._failures = 0
        self._tickets: set[object] = set()
        self._rest_s = FIRST_REST_S
        self._probe_at_s = float("-inf")

    @property
    def is_shut(self) -> bool:
        return self.state is State.OPEN or (
            self.state is State.HALF_OPEN and len(self._tickets) >= self._trials
        )

    def admit(self) -> object | None:
        """A ticket for one call, to be given back with its outcome; None when it is shut."""
        if self.is_shut:
            return None
        ticket = object()
        self._tickets.add(ticket)
        return ticket

    def tell(
        self, ticket: object, outcome: CallOutcome, now_s: float, *, enough: int = FAILURES
    ) -> None:
        """The first outcome of a call counts. One that began before the last change of state says nothing about Twilio as it is
        now, and is passed over. `enough`: how many failures in a row open it."""
        if ticket not in self._tickets:
            return
        self._tickets.remove(ticket)
        match outcome:
            case CallOutcome.WELL:
                self._rest_s = FIRST_REST_S
                self._failures = 0
                if self.state is State.HALF_OPEN:
                    self._become(State.CLOSED)
            case CallOutcome.ILL:
                self._failures += 1
                if self.state is State.HALF_OPEN or self._failures >= enough:
                    self._open(now_s)
            case CallOutcome.NOTHING:
                pass

    def probed(self, outcome: CallOutcome, now_s: float) -> None:
        """Of an open breaker."""
        match outcome:
            case CallOutcome.WELL:
                self._become(State.HALF_OPEN)
            case CallOutcome.ILL:
                self._open(now_s)
            case CallOutcome.NOTHING:
                self._probe_at_s = now_s + FIRST_REST_S

    def rest_s(self, now_s: float) -> float:
        """How long until the next probe is due."""
        return max(0.0, self._probe_at_s - now_s)

    def _open(self, now_s: float) -> None:
        self._become(State.OPEN)
        self._probe_at_s = now_s + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)

    def _become(self, state: State) -> None:
        self.state = state
        self._failures = 0
        self._tickets.clear()
