"""Twilio's quota as a budget that all replicas share. The arithmetic is that of `core/ratelimit`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.rate_limit import DOWN_PERCENT, Rate
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys, RateKind

TAKE: Final = Script("head.lua", "ceiling.lua", "take.lua")
REFUSED: Final = Script("head.lua", "ceiling.lua", "refused.lua")

# A request waits no longer for Redis to say whether it may go; an answer that comes later is not used. A Redis that hangs costs
# 50 ms with what is done before and after.
TAKE_S: Final = 0.045
# Time in which this process was busy itself tells nothing of Redis: it is looked at so often, and what is late by so much
# does not count.
_LOOK_S: Final = 0.01
_LATE_S: Final = 0.002
# Of a replica that died; longer than any request to Twilio may take.
LEASE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many requests may be under way at once, over all replicas: Twilio limits that too, and does not say how many.

    `at_most` is where it begins; refusals lower it, never below `at_least`. https://www.twilio.com/docs/video/guide-to-scaling-applications
    """

    at_most: int
    at_least: int


@dataclass(frozen=True, slots=True)
class QuotaGrant:
    """`granted`: how many may pass. `wait_us`: how long to wait before they go ahead, or, with none, before asking again.

    `owed_us`: how long until the full burst is there again. Of `may_be` requests that may be under way at once, `under_way`
    are; `is_full`: that is why nobody may pass.
    """

    granted: int
    wait_us: int
    owed_us: int = 0
    under_way: int = 0
    may_be: int = 0
    is_full: bool = False


class Limiter:
    """Judges by the clock of the Redis server, so that replicas need not agree on the time.

    When that clock steps back, what was promised moves back with it: nobody waits longer and nobody passes early. When it
    steps forward, as much of the burst as it skipped is there at once: at most one burst above the rate for each step, beside
    the turns that were taken ahead.
    Every method is one round trip and raises UpstreamUnavailable when Redis gives no answer in time; what was asked may then
    have been done or not.
    """

    def __init__(
        self,
        connections: Connections,
        account_sid: AccountSid,
        concurrency: Concurrency,
        *,
        within_s: float = TAKE_S,
    ) -> None:
        self._connections = connections
        self._within_s = within_s
        self._keys = Keys(account_sid)
        self._concurrency = concurrency

    async def take(
        self,
        kind: RateKind,
        rate: Rate,
        leases: Sequence[str],
        *,
        patience_us: int = 0,
        percent: int = 100,
        owed_if_lost_us: int = 0,
        given_back: Sequence[str] = (),
    ) -> QuotaGrant:
        """May so many more requests of this kind pass as leases are named? See `core.ratelimit.judge`; a pause counts as
        waiting. `owed_if_lost_us`: what may be owed when Redis knows nothing of it any more.

        Of those under way, only `percent` of what may be are for the asker. Each request granted holds its lease, the first
        ones of `leases`, until that is given back; without any named, nothing is taken.
        """
        return await self._take(
            kind,
            rate,
            self._concurrency.at_most,
            percent,
            leases,
            patience_us,
            owed_if_lost_us,
            given_back,
        )

    async def take_uncounted(self, kind: RateKind, rate: Rate, patience_us: int) -> QuotaGrant:
        """A turn for something that is not by itself a request to Twilio."""
        return await self._take(kind, rate, 0, 0, [""], patience_us, 0, [])

    async def give_back(self, leases: Sequence[str]) -> None:
        """Nobody waits for it: it may take as long as any command, and so tells when Redis answers again."""
        command = (
            ("ZREM", self._keys.under_way, *leases) if leases else ("EXISTS", self._keys.under_way)
        )
        await self._connections.read(command)

    async def refused(self, kind: RateKind, pause_ms: int) -> None:
        """Twilio said 429: nobody passes for so long, and fewer at once from then on. A longer pause that is on stays."""
        keys = [self._keys.pause(kind), self._keys.under_way, self._keys.ceiling]
        most, least = self._concurrency.at_most, self._concurrency.at_least
        await self._soon(
            self._connections.run(REFUSED, keys, ["", max(0, pause_ms), most, least, DOWN_PERCENT])
        )

    async def _take(
        self,
        kind: RateKind,
        rate: Rate,
        at_most: int,
        percent: int,
        leases: Sequence[str],
        patience_us: int,
        owed_if_lost_us: int,
        given_back: Sequence[str],
    ) -> QuotaGrant:
        keys = [
            self._keys.rate(kind),
            self._keys.pause(kind),
            self._keys.under_way,
            self._keys.ceiling,
        ]
        limits = [at_most, self._concurrency.at_least, percent, LEASE_MS]
        asked: list[str | bytes | int] = [
            "",
            rate.interval_us,
            rate.burst,
            patience_us,
            *limits,
            len(leases),
            owed_if_lost_us,
        ]
        answer = await self._soon(self._connections.run(TAKE, keys, [*asked, *leases, *given_back]))
        granted, full_at_us, wait_us, now_us, under_way, may_be, is_full = map(int, answer)
        return QuotaGrant(
            granted, wait_us, max(0, full_at_us - now_us), under_way, may_be, bool(is_full)
        )

    async def _soon(self, answer: Awaitable[Any]) -> Any:
        """The answer, if it takes no longer than `within_s` while this process is ready to hear it. Raises
        UpstreamUnavailable."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._within_s
        next_look: asyncio.TimerHandle

        # Given itself, for if it named itself, each call would leave a cycle to the garbage collector.
        def look(due_at: float, again: Callable[..., None]) -> None:
            nonlocal give_up_at, next_look
            now = loop.time()
            if now - due_at > _LATE_S:
                give_up_at = now + self._within_s
            if now >= give_up_at:
                limit.reschedule(now)
            else:
                due_at = min(now + _LOOK_S, give_up_at)
                next_look = loop.call_at(due_at, again, due_at, again)

        first_at = loop.time() + _LOOK_S
        next_look = loop.call_at(first_at, look, first_at, look)
        try:
            async with asyncio.timeout(None) as limit:
                return await answer
        except TimeoutError:
            raise UpstreamUnavailable("Redis gave no answer in time") from None
        finally:
            next_look.cancel()
