"""What callers have left to spend, for all replicas. The arithmetic is that of `core/purse`."""

from typing import Final

from gateway.core.purse import WINDOW_US, Spent
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_SPEND: Final = Script("head.lua", "spend.lua")


class Purses:
    """One for each caller of each account. A caller whose points are all there takes no room at Redis."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def spend(
        self, account_sid: AccountSid, key_id: str, cost_us: int, owed_us: int, *, within_s: float
    ) -> Spent:
        """See `core.purse.spend`; by the clock of the Redis server. One round trip, which a crowd shares. Raises
        UpstreamUnavailable; it may be spent then or not."""
        key = Keys(account_sid).purse(key_id)
        is_allowed, used_us = await self._connections.run(_SPEND, [key], [cost_us, owed_us, WINDOW_US], within_s)
        return Spent(bool(is_allowed), int(used_us))
