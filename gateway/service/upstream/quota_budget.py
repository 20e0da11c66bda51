"""Where turns come from: from the budget that all replicas share or, while Redis gives no answer, from a part of it that this
replica spends alone.

Nothing is spent for a second between the two, so that no second at Twilio sees both. Only the way back from a silence so short
that no replica can have begun to spend alone is short: a Redis that was slow for a moment costs that moment.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Literal

import structlog

from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaSource
from gateway.core.limits.rate_limit import Ceiling, Rate, TwilioQuota, check_rate
from gateway.service.flights.singleflight import SingleFlight
from gateway.store.connection import READ_S
from gateway.store.limiter import Concurrency, Limiter, QuotaGrant

log = structlog.get_logger()

QUIET_S = 1.0
PROBE_S = 0.1
# Whoever lost Redis has found it again by then, however late its last probe began and however long that hung.
_FOUND_S = PROBE_S + READ_S
# Requests that end together, and the next take, give their leases back in one round trip.
GATHER_S = 0.005
# Who is kept waiting by requests under way asks again: those of other replicas do not ring here.
FULL_US = 20_000

RequestKind = Literal["read", "write"]


def request_kind(priority: Priority) -> RequestKind:
    return "write" if priority <= Priority.CHANGE else "read"


@dataclass(frozen=True, slots=True)
class PriorityPolicy:
    """What a rank may take. Ranks are strict within a replica; over all replicas these keep room for the better ones.

    `leaves`: so many turns of the burst. `patience_us`: how far ahead a turn is taken; while a better rank, which reaches
    further, is short of turns anywhere, none comes so near. `percent`: of those that may be under way at once.
    """

    leaves: int
    patience_us: int
    percent: int


PRIORITY_POLICIES: Final = {
    Priority.END: PriorityPolicy(0, 250_000, 100),
    Priority.CHANGE: PriorityPolicy(0, 10_000, 95),
    Priority.READ: PriorityPolicy(0, 250_000, 90),
    Priority.LIST: PriorityPolicy(1, 10_000, 75),
    Priority.BACKGROUND: PriorityPolicy(2, 10_000, 50),
}


# The longest that a turn which was told is still to come; and for how long Redis knows of the last one in any case.
MOST_AHEAD_US: Final = max(allowed.patience_us for allowed in PRIORITY_POLICIES.values())
KNOWN_S: Final = 60.0


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Permits:
    """`leases`: one for each request that may go ahead in `wait_s`; give each back. Without any: ask again in `wait_s`."""

    leases: tuple[str, ...]
    wait_s: float
    is_full: bool = False


class QuotaBudget:
    """One account's. `replicas` tells how many there are, this one included."""

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
        self._concurrency = concurrency
        self._replicas = replicas
        self._last_replicas = 1
        self._flights = flights
        self._name = uuid.uuid4().hex[:12]
        self._numbers = count()
        self._held: set[str] = set()
        self._given_back: list[str] = []
        self._is_giving_back = False
        self._is_shared = True
        # Redis has answered since then; and that is how far it is sure that no replica has lost it.
        self._back_at = float("-inf")
        self._sure_until = float("-inf")
        self._quiet_until = float("-inf")
        self._full_at_us: dict[RequestKind, int] = dict.fromkeys(quotas, 0)
        self._paused_until: dict[RequestKind, float] = dict.fromkeys(quotas, 0.0)
        self._told_at: dict[RequestKind, float] = dict.fromkeys(quotas, float("-inf"))
        self._ceiling = Ceiling(concurrency.at_most, concurrency.at_least, concurrency.at_most, 0)
        self.on_change: list[Callable[[], None]] = []
        """Called when turns may come sooner than was told."""

    @property
    def source(self) -> QuotaSource:
        if self._is_shared:
            return QuotaSource.SHARED
        return QuotaSource.WAITING if _now() < self._quiet_until else QuotaSource.ALONE

    async def take(self, kind: RequestKind, priority: Priority, wanted: int) -> Permits:
        leases = [f"{self._name}:{next(self._numbers)}" for _ in range(wanted)]
        if self._is_shared:
            given_back, self._given_back = self._given_back, []
            allowed, asked_at = PRIORITY_POLICIES[priority], _now()
            try:
                taken = await self._limiter.take(
                    kind,
                    self._quotas[kind].together.less(allowed.leaves),
                    leases,
                    patience_us=allowed.patience_us,
                    percent=allowed.percent,
                    owed_if_lost_us=MOST_AHEAD_US
                    if asked_at - self._told_at[kind] < KNOWN_S
                    else 0,
                    given_back=given_back,
                )
            except UpstreamUnavailable:
                self._lose([*leases, *given_back])
            else:
                self._last_replicas = self._replicas()
                self._told_at[kind] = asked_at
                if asked_at - self._back_at >= _FOUND_S:
                    self._sure_until = asked_at
                return self._held_of(leases, taken)
        quiet_s = self._quiet_until - _now()
        if quiet_s > 0:
            return Permits((), quiet_s)
        return self._held_of(leases, self._take_alone(kind, priority, wanted))

    def give_back(self, lease: str) -> None:
        """The request has ended."""
        self._held.discard(lease)
        # Beyond that they end by themselves; so many cannot be under way unless Redis has been away for long.
        if len(self._given_back) < self._concurrency.at_most:
            self._given_back.append(lease)
        if self._is_shared and not self._is_giving_back:
            self._is_giving_back = True
            self._flights.begin(object(), self._give_back)

    async def refused(self, kind: RequestKind, pause_ms: int) -> None:
        """Twilio said 429. All replicas hold back, not only this one."""
        now = _now()
        self._paused_until[kind] = max(self._paused_until[kind], now + pause_ms / 1000)
        self._ceiling = self._ceiling.lowered(len(self._held), round(now * 1_000_000))
        if self._is_shared:
            try:
                await self._limiter.refused(kind, pause_ms)
            except UpstreamUnavailable:
                self._lose([])

    async def look(self, kind: RequestKind) -> QuotaGrant:
        """What is left, without taking any of it; `wait_us`: how long nobody may pass."""
        if self._is_shared:
            try:
                return await self._limiter.take(kind, self._quotas[kind].together, [])
            except UpstreamUnavailable:
                self._lose([])
        quiet_us = max(0, round((self._quiet_until - _now()) * 1_000_000))
        taken = self._take_alone(kind, Priority.END, 0)
        return replace(taken, wait_us=max(taken.wait_us, quiet_us))

    def rate(self, kind: RequestKind, priority: Priority) -> Rate:
        """What a rank's turns come from now."""
        quota = self._quotas[kind]
        rate = quota.together if self._is_shared else quota.alone(self.replicas)
        return rate.less(PRIORITY_POLICIES[priority].leaves)

    @property
    def replicas(self) -> int:
        """The last count heard: while Redis is away nobody is heard any more."""
        return max(self._replicas(), 1 if self._is_shared else self._last_replicas)

    async def aclose(self) -> None:
        """After the last request has ended: the places of this replica are free at once."""
        if self._is_shared and self._given_back:
            with suppress(UpstreamUnavailable):
                await self._limiter.give_back(self._given_back)

    def _held_of(self, leases: Sequence[str], taken: QuotaGrant) -> Permits:
        held = tuple(leases[: taken.granted])
        self._held.update(held)
        return Permits(held, taken.wait_us / 1_000_000, taken.is_full)

    def _take_alone(self, kind: RequestKind, priority: Priority, wanted: int) -> QuotaGrant:
        now = _now()
        now_us = round(now * 1_000_000)
        rate, allowed = self._quotas[kind].alone(self.replicas), PRIORITY_POLICIES[priority]
        may_be = max(1, self._ceiling.now(now_us) // self.replicas)
        free = max(1, may_be * allowed.percent // 100) - len(self._held)
        paused_us = max(0, round((self._paused_until[kind] - now) * 1_000_000))
        if wanted and free <= 0:
            return QuotaGrant(0, max(paused_us, FULL_US), 0, len(self._held), may_be, is_full=True)
        if paused_us:
            return QuotaGrant(0, paused_us, 0, len(self._held), may_be)
        # Taken when it comes, never ahead: nobody else takes from it.
        verdict = check_rate(rate, self._full_at_us[kind], now_us, wanted=min(wanted, max(0, free)))
        self._full_at_us[kind] = verdict.full_at_us
        owed_us = max(0, verdict.full_at_us - now_us)
        return QuotaGrant(
            verdict.granted, verdict.wait_us, owed_us, len(self._held) + verdict.granted, may_be
        )

    async def _give_back(self) -> None:
        try:
            await asyncio.sleep(GATHER_S)
            while self._given_back and self._is_shared:
                leases, self._given_back = self._given_back, []
                try:
                    await self._limiter.give_back(leases)
                except UpstreamUnavailable:
                    self._lose(leases)
        finally:
            self._is_giving_back = False

    def _lose(self, doubtful: list[str]) -> None:
        """Redis gave no answer. `doubtful`: leases that it may hold though nobody uses them; they are given back when it is
        there again, or end by themselves."""
        if not self._is_shared:
            # Of one who had asked before that was known.
            self._given_back += doubtful
            return
        log.warning("quota.alone")
        self._last_replicas = max(self._last_replicas, self._replicas())
        self._is_shared = False
        self._quiet_until = _now() + QUIET_S
        self._flights.begin(object(), lambda: self._find_again(doubtful))

    async def _find_again(self, doubtful: list[str]) -> None:
        await self._answered(doubtful)
        self._back_at = _now()
        # Others may have lost it as soon as that, and spend alone a second later if they have not found it by then.
        if self._back_at - self._sure_until >= QUIET_S - _FOUND_S:
            await self._rest()
        self._is_shared = True
        self._quiet_until = float("-inf")
        log.info("quota.shared")
        for notify in self.on_change:
            notify()

    async def _rest(self) -> None:
        """Returns when Redis has answered for a second, in which nothing was spent."""
        while (now := _now()) - self._back_at < QUIET_S:
            self._quiet_until = now + QUIET_S
            await asyncio.sleep(PROBE_S)
            try:
                await self._limiter.give_back([])
            except UpstreamUnavailable:
                await self._answered([])
                self._back_at = _now()

    async def _answered(self, leases: list[str]) -> None:
        """Returns when Redis answers."""
        while True:
            try:
                return await self._limiter.give_back(leases)
            except UpstreamUnavailable:
                await asyncio.sleep(PROBE_S)
