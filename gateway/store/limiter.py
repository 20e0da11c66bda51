"""Twilio's quota, shared by all replicas. The arithmetic is that of
`core/limits/rate_limit`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from gateway.core.errors import UpstreamUnavailable
from gateway.core.limits.quota import Concurrency, QuotaGrant
from gateway.core.limits.rate_limit import DECREASE_TO_PERCENT, Rate
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys, RateKind

TAKE: Final = Script("head.lua", "ceiling.lua", "take.lua")
REFUSED: Final = Script("head.lua", "ceiling.lua", "refused.lua")

TAKE_S: Final = 0.045
"""The timeout of Redis for one request. Together with the work before and after, a
Redis that hangs costs a request 50 ms. An answer that comes later is not used."""
PERMIT_TTL_MS: Final = 15_000
"""When the permits of a replica that died expire: later than any request to Twilio may
take."""
# The timeout must not count the time in which this process itself was busy. So a timer
# checks the clock this often, and a check that is later than _LATE_S restarts the
# timeout.
_CHECK_S: Final = 0.01
_LATE_S: Final = 0.002


class Limiter:
    """Grants permits to send requests to Twilio, over all replicas of one account.

    A permit counts as a request in flight until it is released, or until PERMIT_TTL_MS.

    All times are those of the Redis server, so replicas need not agree on the time.
    When its clock goes back, all bookings move back with it: nothing waits longer and
    nothing passes early. When it goes forward, up to one burst more passes at that
    moment.

    Every method is one round trip. It raises UpstreamUnavailable when Redis does not
    answer in time; the command may have been executed or not.
    """

    def __init__(
        self,
        connections: Connections,
        account_sid: AccountSid,
        concurrency: Concurrency,
        *,
        timeout_s: float = TAKE_S,
    ) -> None:
        self._connections = connections
        self._timeout_s = timeout_s
        self._keys = Keys(account_sid)
        self._concurrency = concurrency

    async def take(
        self,
        kind: RateKind,
        rate: Rate,
        permits: Sequence[str],
        *,
        max_wait_us: int = 0,
        percent: int = 100,
        assume_full_in_us: int = 0,
        released: Sequence[str] = (),
    ) -> QuotaGrant:
        """Takes up to as many permits as `permits` names; the first ones are granted.
        With no names, takes nothing and says what is left. See `check_rate`; a pause
        counts as waiting.

        `percent`: the share of the requests in flight that these may use.
        `assume_full_in_us`: when the full burst is available again if Redis has lost
        its data.
        `released`: permits whose requests have ended.
        """
        return await self._take(
            kind,
            rate,
            self._concurrency.at_most,
            percent,
            permits,
            max_wait_us,
            assume_full_in_us,
            released,
        )

    async def take_uncounted(self, kind: RateKind, rate: Rate, max_wait_us: int) -> QuotaGrant:
        """Takes one permit of a rate that does not stand for requests in flight."""
        return await self._take(kind, rate, 0, 0, [""], max_wait_us, 0, [])

    async def release(self, permits: Sequence[str]) -> None:
        """Ends permits; with none, only checks that Redis answers. No request waits for
        this, so it has the timeout of an ordinary command."""
        in_flight = self._keys.in_flight
        command = ("ZREM", in_flight, *permits) if permits else ("EXISTS", in_flight)
        await self._connections.pipeline(command)

    async def back_off(self, kind: RateKind, pause_ms: int) -> None:
        """Twilio has answered 429: grants nothing of this kind for `pause_ms`, and
        lowers the limit on requests in flight. A longer pause that is already set
        stays."""
        keys = [self._keys.pause(kind), self._keys.in_flight, self._keys.concurrency_limit]
        most, least = self._concurrency.at_most, self._concurrency.at_least
        args: list[str | bytes | int] = ["", max(0, pause_ms), most, least, DECREASE_TO_PERCENT]
        await self._in_time(self._connections.run(REFUSED, keys, args))

    async def _take(
        self,
        kind: RateKind,
        rate: Rate,
        at_most: int,
        percent: int,
        permits: Sequence[str],
        max_wait_us: int,
        assume_full_in_us: int,
        released: Sequence[str],
    ) -> QuotaGrant:
        keys = [
            self._keys.rate(kind),
            self._keys.pause(kind),
            self._keys.in_flight,
            self._keys.concurrency_limit,
        ]
        args: list[str | bytes | int] = [
            "",
            rate.interval_us,
            rate.burst,
            max_wait_us,
            at_most,
            self._concurrency.at_least,
            percent,
            PERMIT_TTL_MS,
            len(permits),
            assume_full_in_us,
            *permits,
            *released,
        ]
        answer = await self._in_time(self._connections.run(TAKE, keys, args))
        granted, full_at_us, wait_us, now_us, in_flight, max_in_flight, is_full = map(int, answer)
        return QuotaGrant(
            granted,
            wait_us,
            max(0, full_at_us - now_us),
            in_flight,
            max_in_flight,
            bool(is_full),
        )

    async def _in_time(self, answer: Awaitable[Any]) -> Any:
        """The answer, if it takes no longer than the timeout while this process is
        ready to read it. Raises UpstreamUnavailable."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._timeout_s
        timer: asyncio.TimerHandle

        # The function is passed to itself. If it referred to itself by name, every call
        # would leave a reference cycle to the garbage collector.
        def check(due_at: float, again: Callable[..., None]) -> None:
            nonlocal give_up_at, timer
            now = loop.time()
            if now - due_at > _LATE_S:
                give_up_at = now + self._timeout_s
            if now >= give_up_at:
                timeout.reschedule(now)
            else:
                due_at = min(now + _CHECK_S, give_up_at)
                timer = loop.call_at(due_at, again, due_at, again)

        first_at = loop.time() + _CHECK_S
        timer = loop.call_at(first_at, check, first_at, check)
        try:
            async with asyncio.timeout(None) as timeout:
                return await answer
        except TimeoutError:
            raise UpstreamUnavailable("Redis gave no answer in time") from None
        finally:
            timer.cancel()
