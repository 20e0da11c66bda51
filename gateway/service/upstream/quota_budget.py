"""Where permits come from: the quota in Redis that all replicas share or, while Redis
does not answer, this replica's own part of it. `core/limits/quota_mode` decides which.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import structlog

from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits import quota_mode
from gateway.core.limits.fairness import Priority
from gateway.core.limits.local_quota import LocalQuota
from gateway.core.limits.quota import (
    LONGEST_BOOKING_US,
    PRIORITY_POLICIES,
    Concurrency,
    QuotaGrant,
    QuotaSource,
    RequestKind,
)
from gateway.core.limits.quota_mode import PROBE_S, Alone, Quiet, QuotaMode, Shared
from gateway.core.limits.rate_limit import Rate, TwilioQuota
from gateway.service.flights.singleflight import SingleFlight
from gateway.store.limiter import Limiter

log = structlog.get_logger()

# Requests that end within this time release their permits in one round trip, if no take
# goes first.
_GATHER_S: Final = 0.005
# Redis keeps the state of a rate for at least this long: see the last lines of
# take.lua.
_STATE_KEPT_S: Final = 60.0


def _now() -> float:
    return asyncio.get_running_loop().time()


def _now_us() -> int:
    return round(_now() * 1_000_000)


@dataclass(frozen=True, slots=True)
class Permits:
    """`ids`: one permit for each request that may be sent in `wait_s`; release each. If
    there are none, try again in `wait_s`. `is_full`: the limit on requests in flight is
    the reason."""

    ids: tuple[str, ...]
    wait_s: float
    is_full: bool = False


class QuotaBudget:
    """One account's permits. `replicas` returns how many replicas there are, this one
    included."""

    def __init__(
        self,
        limiter: Limiter,
        quotas: dict[RequestKind, TwilioQuota],
        concurrency: Concurrency,
        replicas: Callable[[], int],
        flights: SingleFlight[None],
    ) -> None:
        self._limiter = limiter
        self._quotas = quotas
        self._local = LocalQuota(quotas, concurrency)
        self._max_released = concurrency.at_most
        self._replicas = replicas
        self._last_replicas = 1
        self._flights = flights
        self._permit_prefix = uuid.uuid4().hex[:12]
        self._permit_numbers = count()
        self._in_flight: set[str] = set()
        # Permits that Redis does not know to be released.
        self._released: list[str] = []
        self._is_releasing = False
        self._mode: QuotaMode = Shared()
        self._last_answer_at: dict[RequestKind, float] = dict.fromkeys(quotas, float("-inf"))
        self.on_change: list[Callable[[], None]] = []
        """Called when permits may be available sooner than `take` has said."""

    @property
    def source(self) -> QuotaSource:
        match quota_mode.at(self._mode, _now()):
            case Shared():
                return QuotaSource.SHARED
            case Quiet():
                return QuotaSource.WAITING
            case Alone():
                return QuotaSource.ALONE

    async def take(self, kind: RequestKind, priority: Priority, wanted: int) -> Permits:
        """Takes up to `wanted` permits for requests of this priority."""
        ids = [f"{self._permit_prefix}:{next(self._permit_numbers)}" for _ in range(wanted)]
        if self._is_shared:
            grant = await self._take_shared(kind, priority, ids)
            if grant is not None:
                return self._permits(ids, grant)
        self._mode = quota_mode.at(self._mode, _now())
        if isinstance(self._mode, Quiet):
            return Permits((), self._mode.until - _now())
        return self._permits(ids, self._take_alone(kind, priority, wanted))

    def release(self, permit: str) -> None:
        """The permit's request has ended."""
        self._in_flight.discard(permit)
        # More are not worth keeping: they expire. So many requests cannot have been in
        # flight unless Redis has been away for long.
        if len(self._released) < self._max_released:
            self._released.append(permit)
        if self._is_shared and not self._is_releasing:
            self._is_releasing = True
            self._flights.begin(object(), self._release_gathered)

    async def back_off(self, kind: RequestKind, pause_ms: int) -> None:
        """Twilio has answered 429. Pauses all replicas, not only this one."""
        self._local.back_off(kind, pause_ms * 1000, len(self._in_flight), _now_us())
        if self._is_shared:
            try:
                await self._limiter.back_off(kind, pause_ms)
            except UpstreamUnavailable:
                self._lose([])

    async def peek(self, kind: RequestKind) -> QuotaGrant:
        """What is left. Takes nothing. `wait_us`: how long no request may pass."""
        if self._is_shared:
            try:
                return await self._limiter.take(kind, self._quotas[kind].shared, [])
            except UpstreamUnavailable:
                self._lose([])
        grant = self._take_alone(kind, Priority.END, 0)
        match quota_mode.at(self._mode, _now()):
            case Quiet(until=until):
                quiet_us = round((until - _now()) * 1_000_000)
                return replace(grant, wait_us=max(grant.wait_us, quiet_us))
            case Shared() | Alone():
                return grant

    def rate(self, kind: RequestKind, priority: Priority) -> Rate:
        """The rate at which requests of this priority get permits now."""
        rate = (
            self._quotas[kind].shared if self._is_shared else self._local.rate(kind, self.replicas)
        )
        return rate.reserving(PRIORITY_POLICIES[priority].burst_reserve)

    @property
    def replicas(self) -> int:
        """The number of replicas. Without Redis this is the last known one: replicas
        hear of each other by way of Redis."""
        return max(self._replicas(), 1 if self._is_shared else self._last_replicas)

    async def aclose(self) -> None:
        """Releases this replica's permits at once. Call it after the last request has
        ended."""
        if self._is_shared and self._released:
            with suppress(UpstreamUnavailable):
                await self._limiter.release(self._released)

    @property
    def _is_shared(self) -> bool:
        return isinstance(self._mode, Shared)

    def _permits(self, ids: Sequence[str], grant: QuotaGrant) -> Permits:
        permits = tuple(ids[: grant.granted])
        self._in_flight.update(permits)
        return Permits(permits, grant.wait_us / 1_000_000, grant.is_full)

    async def _take_shared(
        self, kind: RequestKind, priority: Priority, ids: Sequence[str]
    ) -> QuotaGrant | None:
        """The answer of Redis; None when there is none."""
        policy, asked_at = PRIORITY_POLICIES[priority], _now()
        has_state = asked_at - self._last_answer_at[kind] < _STATE_KEPT_S
        released, self._released = self._released, []
        try:
            grant = await self._limiter.take(
                kind,
                self._quotas[kind].shared.reserving(policy.burst_reserve),
                ids,
                max_wait_us=policy.book_ahead_us,
                percent=policy.percent,
                assume_full_in_us=LONGEST_BOOKING_US if has_state else 0,
                released=released,
            )
        except UpstreamUnavailable:
            self._lose([*ids, *released])
            return None
        self._last_replicas = self._replicas()
        self._last_answer_at[kind] = asked_at
        self._mode = quota_mode.granted(self._mode, asked_at)
        return grant

    def _take_alone(self, kind: RequestKind, priority: Priority, wanted: int) -> QuotaGrant:
        return self._local.take(
            kind,
            priority,
            wanted,
            replicas=self.replicas,
            in_flight=len(self._in_flight),
            now_us=_now_us(),
        )

    async def _release_gathered(self) -> None:
        try:
            await asyncio.sleep(_GATHER_S)
            while self._released and self._is_shared:
                permits, self._released = self._released, []
                try:
                    await self._limiter.release(permits)
                except UpstreamUnavailable:
                    self._lose(permits)
        finally:
            self._is_releasing = False

    def _lose(self, doubtful: list[str]) -> None:
        """Redis gave no answer. It may count the `doubtful` permits although no request
        uses them: they are released when it answers again, or expire."""
        if not self._is_shared:
            # A command that was sent before another one failed.
            self._released += doubtful
            return
        log.warning("quota.alone")
        self._last_replicas = max(self._last_replicas, self._replicas())
        self._mode = quota_mode.lost(self._mode, _now())
        self._flights.begin(object(), lambda: self._recover(doubtful))

    async def _recover(self, doubtful: list[str]) -> None:
        """Probes Redis until the quota is shared again."""
        while True:
            try:
                await self._limiter.release(doubtful)
            except UpstreamUnavailable:
                self._mode = quota_mode.lost(self._mode, _now())
            else:
                doubtful = []
                self._mode = quota_mode.answered(self._mode, _now())
            if self._is_shared:
                break
            await asyncio.sleep(PROBE_S)
        log.info("quota.shared")
        for notify in self.on_change:
            notify()
