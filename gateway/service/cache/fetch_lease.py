"""One request to Twilio when several replicas miss the same value at the same time.

A lease in Redis decides which replica sends the request.
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Final, Literal, TypeVar

from gateway.core.errors import UpstreamUnavailable
from gateway.service.cache.timings import CacheTimings
from gateway.store.leases import Leases

T = TypeVar("T")


class _Miss(Enum):
    MISS = "miss"


MISS: Final = _Miss.MISS
Miss = Literal[_Miss.MISS]
"""The value is not in the cache. (None may be a value.)"""


class FetchLease:
    """Runs one fetch per key among all replicas of an account.

    `is_unavailable` says whether requests to Twilio are refused at present.
    """

    def __init__(
        self,
        leases: Leases,
        is_unavailable: Callable[[], bool],
        timings: CacheTimings = CacheTimings(),
    ) -> None:
        self._leases = leases
        self._is_unavailable = is_unavailable
        self._timings = timings
        self._process = secrets.token_hex(8)
        self._calls = itertools.count()

    async def once(
        self,
        key: str,
        look_up: Callable[[], Awaitable[T | Miss]],
        fetch: Callable[[], Awaitable[T]],
        *,
        is_urgent: bool,
    ) -> T:
        """Returns what `fetch` returns, or what `look_up` finds when another replica
        has fetched the value meanwhile. `fetch` must store the value where `look_up`
        finds it.

        The key must hold everything that makes a value too old to wait for. A fetch
        that is not urgent does not wait: UpstreamUnavailable is raised when another
        replica is fetching. Without Redis, and while Twilio is unavailable, every
        replica calls `fetch`.
        """
        if self._is_unavailable():
            # No request is sent that could be shared: `fetch` fails at once.
            return await fetch()
        name, owner = f"fetch:{key}", f"{self._process} {next(self._calls)}"
        pause_s = self._timings.first_pause_s
        while True:
            try:
                lease = await self._leases.take(name, owner, self._timings.lease_ms)
            except UpstreamUnavailable:
                return await fetch()
            except asyncio.CancelledError:
                # Redis may have granted the lease.
                await self._release(name, owner)
                raise
            if lease.is_ours:
                break
            found = await _look_up(look_up)
            if found is not MISS:
                return found
            if not is_urgent:
                raise UpstreamUnavailable("another replica is already fetching this value")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timings.last_pause_s)
        try:
            # The previous holder may have stored the value since the last look-up.
            found = await _look_up(look_up)
            return await fetch() if found is MISS else found
        finally:
            # After a failure or a cancellation too: the others need not wait for the
            # lease.
            await self._release(name, owner)

    async def _release(self, name: str, owner: str) -> None:
        with suppress(UpstreamUnavailable):
            await self._leases.release(name, owner)


async def _look_up(look_up: Callable[[], Awaitable[T | Miss]]) -> T | Miss:
    """A look-up that Redis does not answer is a miss: it must not fail all callers of a
    flight."""
    try:
        return await look_up()
    except UpstreamUnavailable:
        return MISS
