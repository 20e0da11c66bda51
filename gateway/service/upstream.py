"""Twilio under its quota: every call waits here for its turn, which all replicas share."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from gateway.core.errors import DeadlineExceeded, QuotaExceeded, UpstreamUnavailable
from gateway.core.ratelimit import Rate, judge
from gateway.core.rooms import AccountSid
from gateway.service import deadlines
from gateway.service.attempts import Attempts
from gateway.service.callers import note_call
from gateway.store.keys import RateKind
from gateway.store.limiter import Limiter
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.exchange import Request

T = TypeVar("T")

# What a cached answer may stand in for, flagged as stale: Twilio's silence, but never its no.
NO_ANSWER = (UpstreamUnavailable, QuotaExceeded, DeadlineExceeded)
# How long everybody holds back after a 429 that does not say. https://www.twilio.com/docs/api/errors/20429
PAUSE_MS = 1_000
COMPARE_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What one account may spend. `reconcile` is the part of `read` that comparing the log with Twilio may take of it.
    `patience_s`: how long a call waits for its turn before it is refused."""

    read: Rate
    write: Rate
    reconcile: Rate
    patience_s: float


class Upstream:
    """A read spends from one budget, a write from another."""

    def __init__(self, twilio: TwilioVideo, limiter: Limiter, budget: Budget) -> None:
        self._limiter = limiter
        self._account_sid = AccountSid(twilio.account_sid)
        self._rates: dict[RateKind, Rate] = {
            "read": budget.read,
            "write": budget.write,
            "reconcile": budget.reconcile,
        }
        self._patience_us = round(budget.patience_s * 1_000_000)
        self._full_until: dict[RateKind, float] = {}
        self._gates = {kind: _Gate(rate) for kind, rate in self._rates.items()}
        self._attempts = Attempts(twilio, lambda: self._turn("read", self._patience_us))

    async def send(self, request: Request[T], *, is_urgent: bool = True) -> T:
        """Raises QuotaExceeded with `retry_after_ms` when the turn would come too late, for the patience that calls are given or
        for the caller's deadline; and what `Attempts.make` raises. What is not urgent (a refresh behind a stale answer) takes
        a turn only when one is free at once."""
        kind: RateKind = "write" if request.is_write else "read"
        patience_us = self._patience_us if is_urgent else 0
        give_up_at = time.monotonic() + patience_us / 1_000_000

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            async with self._turn(kind, _within_deadline(patience_us)):
                note_call()
                yield

        while True:
            try:
                return await self._attempts.make(request, turn, is_urgent=is_urgent)
            except QuotaExceeded as refused:
                if refused.twilio is None or refused.twilio.status != HTTPStatus.TOO_MANY_REQUESTS:
                    # Not the rate: the account has as many rooms as it may, which waiting does not mend.
                    raise
                # Somebody else spends from the same account. All replicas hold back, not only this one; and as Twilio
                # never processes what it refuses so, the call is safe to repeat while there is patience left.
                await self._limiter.pause(self._account_sid, kind, refused.retry_after_ms or PAUSE_MS)
                patience_us = round((give_up_at - time.monotonic()) * 1_000_000)
                if patience_us <= 0:
                    raise

    def is_silent(self) -> bool:
        """Whether reads of rooms are refused at present, because Twilio answers none."""
        return self._attempts.is_silent()

    async def aclose(self) -> None:
        await self._attempts.aclose()

    async def compare(self, request: Request[T]) -> T:
        """As `send`, for the reconciler: in its own part of the read budget, for which it waits, and out of the shared one
        only what is free at once."""
        async with self._turn("reconcile", round(COMPARE_PATIENCE_S * 1_000_000)):
            return await self.send(request, is_urgent=False)

    @asynccontextmanager
    async def _turn(self, kind: RateKind, patience_us: int) -> AsyncIterator[None]:
        # Until the moment that the last refusal named, nobody with that much patience or less can be let in. Not asking
        # again keeps a crowd that is refused from holding up, at Redis, those who are not.
        full_s = self._full_until.get(kind, 0.0) - time.monotonic()
        if full_s > 0:
            raise _used_up(kind, full_s)
        verdict = await self._limiter.take(self._account_sid, kind, self._rates[kind], patience_us)
        if not verdict.is_allowed:
            if patience_us == self._patience_us:
                self._full_until[kind] = time.monotonic() + verdict.wait_us / 1_000_000
            raise _used_up(kind, verdict.wait_us / 1_000_000)
        if verdict.wait_us:
            await asyncio.sleep(verdict.wait_us / 1_000_000)
        await self._gates[kind].pass_through()
        yield


def _within_deadline(patience_us: int) -> int:
    return min(patience_us, max(0, round(min(deadlines.left_s(), _HOUR_S) * 1_000_000)))


_HOUR_S = 3_600
_HOUR_US = _HOUR_S * 1_000_000


class _Gate:
    """Keeps those whose turns have come apart when they go.

    Turns are given out evenly, but a process that was held up wakes all whose turns came meanwhile at once. A little
    faster than the turns come, so that whoever was held up catches up.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = Rate(rate.per_s * 1.08, rate.burst)
        self._whole_at_us = 0

    async def pass_through(self) -> None:
        now_us = time.monotonic_ns() // 1000
        verdict = judge(self._rate, self._whole_at_us, now_us, patience_us=_HOUR_US)
        self._whole_at_us = verdict.whole_at_us
        if verdict.wait_us:
            await asyncio.sleep(verdict.wait_us / 1_000_000)


def _used_up(kind: RateKind, wait_s: float) -> QuotaExceeded:
    return QuotaExceeded(
        f"Twilio's {kind} quota for this account is used up; ask again after the time given",
        retry_after_ms=math.ceil(wait_s * 1000),
    )
