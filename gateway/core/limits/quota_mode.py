"""Where a replica's permits come from: a state machine. Does no I/O.

    Shared  all replicas take permits from one quota in Redis
    Quiet   this replica uses no permit
    Alone   this replica takes permits from its own part of the quota

    Shared --lost--> Quiet --QUIET_S--> Alone
    Shared <--answered-- Quiet <--answered-- Alone

A replica that loses Redis uses no permit for QUIET_S before it spends alone, and none
for QUIET_S before it shares again. So no second at Twilio has requests from both. There
is one exception: if Redis was silent so briefly that no replica can have started to
spend alone, the replica shares again at once. A Redis that was slow for a moment then
costs that moment only.

Times are seconds of a clock that never goes back.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Final

QUIET_S: Final = 1.0
PROBE_S: Final = 0.1
"""The time between two probes of a Redis that does not answer."""
PROBE_TIMEOUT_S: Final = 0.5
"""The timeout of one probe: the `READ_S` of `store/connection`."""
FOUND_S: Final = PROBE_S + PROBE_TIMEOUT_S
"""When Redis is back, every replica knows so within this time: even one whose probe
started just before, and hung until its timeout."""


@dataclass(frozen=True, slots=True)
class Shared:
    """`since`: when this replica began to share. At `confirmed_at`, all replicas
    certainly shared."""

    since: float = -inf
    confirmed_at: float = -inf


@dataclass(frozen=True, slots=True)
class Quiet:
    """No permit is used until `until`. Redis has answered every probe since
    `answered_since`; None if it did not answer the last one."""

    until: float
    confirmed_at: float
    answered_since: float | None = None


@dataclass(frozen=True, slots=True)
class Alone:
    confirmed_at: float


QuotaMode = Shared | Quiet | Alone


def at(mode: QuotaMode, now: float) -> QuotaMode:
    """The mode at this time, if nothing else has happened."""
    match mode:
        case Quiet(until=until) if now >= until:
            return Alone(mode.confirmed_at)
        case Shared() | Quiet() | Alone():
            return mode


def granted(mode: QuotaMode, asked_at: float) -> QuotaMode:
    """Redis has granted permits that this replica asked for at `asked_at`."""
    match mode:
        case Shared(since=since) if asked_at - since >= FOUND_S:
            # Replicas that had lost Redis as well have found it again by now.
            return Shared(since, asked_at)
        case Shared() | Quiet() | Alone():
            return mode


def lost(mode: QuotaMode, now: float) -> QuotaMode:
    """Redis has not answered in time."""
    match mode:
        case Shared():
            return Quiet(now + QUIET_S, mode.confirmed_at)
        case Quiet():
            return replace(mode, answered_since=None)
        case Alone():
            return mode


def answered(mode: QuotaMode, now: float) -> QuotaMode:
    """Redis has answered a probe."""
    match mode:
        case Shared():
            return mode
        case Quiet(answered_since=float(since)):
            if now - since >= QUIET_S:
                return Shared(since, mode.confirmed_at)
            return Quiet(now + QUIET_S, mode.confirmed_at, since)
        case Quiet() | Alone():
            # Another replica may have lost Redis right after `confirmed_at`. It would
            # spend alone QUIET_S later, unless it finds Redis before then, which takes
            # FOUND_S at most.
            if now - mode.confirmed_at < QUIET_S - FOUND_S:
                return Shared(now, mode.confirmed_at)
            return Quiet(now + QUIET_S, mode.confirmed_at, now)
