"""One call to Twilio for all replicas that miss the same answer at the same time: a lease in Redis says who makes it."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import Final, Literal, TypeVar

from gateway.core.errors import UpstreamUnavailable
from gateway.store.leases import Leases

T = TypeVar("T")

# So long the others wait for a holder who has died: less than the shortest of our callers' default deadlines (5 s). A holder
# who takes longer is joined by one more.
LEASE_MS = 3_000
# How often one who waits looks: a call to Twilio takes some 60 ms or more.
FIRST_LOOK_S, LAST_LOOK_S = 0.005, 0.1


class _NotYet(Enum):
    NOT_YET = "not yet"


NOT_YET: Final = _NotYet.NOT_YET
NotYet = Literal[_NotYet.NOT_YET]
"""Nobody has fetched it."""


class FetchLease:
    """`is_silent`: whether Twilio is not asked at present."""

    def __init__(self, leases: Leases, is_silent: Callable[[], bool]) -> None:
        self._leases = leases
        self._is_silent = is_silent
        self._name = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def once(
        self,
        key: str,
        look: Callable[[], Awaitable[T | NotYet]],
        fetch: Callable[[], Awaitable[T]],
        *,
        is_urgent: bool,
    ) -> T:
        """What `fetch` gives, or what `look` finds because another replica has fetched it. `fetch` leaves its answer where
        `look` finds it, and is called right after a look in vain.

        Put into the key whatever makes an answer too old to wait for. What is not urgent waits for nobody: it raises
        UpstreamUnavailable while another one fetches. Without Redis, and while Twilio is silent, everybody calls `fetch`.
        """
        if self._is_silent():
            # There is no call to be shared: each of them is refused, and what is held is shown at once.
            return await fetch()
        name, owner, pause_s = f"fetch:{key}", f"{self._name} {next(self._numbers)}", FIRST_LOOK_S
        while True:
            try:
                is_ours = (await self._leases.take(name, owner, LEASE_MS)).is_ours
            except UpstreamUnavailable:
                return await fetch()
            except asyncio.CancelledError:
                # It may have been taken all the same.
                await self._give_back(name, owner)
                raise
            if is_ours:
                break
            found = await _seen(look)
            if found is not NOT_YET:
                return found
            if not is_urgent:
                raise UpstreamUnavailable("another replica is fetching it already")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_LOOK_S)
        try:
            # Whoever had the lease before may have put it there since we looked.
            found = await _seen(look)
            return await fetch() if found is NOT_YET else found
        finally:
            # Also when it failed or nobody waits for it any more: the others need not wait for the lease's end.
            await self._give_back(name, owner)

    async def _give_back(self, name: str, owner: str) -> None:
        with suppress(UpstreamUnavailable):
            await self._leases.release(name, owner)


async def _seen(look: Callable[[], Awaitable[T | NotYet]]) -> T | NotYet:
    """A Redis that gives no answer this once shows nothing; all who share this flight must not fail for that."""
    try:
        return await look()
    except UpstreamUnavailable:
        return NOT_YET
