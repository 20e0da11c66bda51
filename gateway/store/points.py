"""What callers have left to spend, for all replicas. The arithmetic is that of `core/purse`."""

from collections.abc import Sequence
from typing import Final

from gateway.core.limits.points_bucket import WINDOW_US, SpendResult
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_SPEND: Final = Script("head.lua", "spend.lua")


class PointsBuckets:
    """One for each caller of each account. A caller whose points are all there takes no room at Redis."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def spend(
        self,
        account_sid: AccountSid,
        caller_id: str,
        costs_us: Sequence[int],
        owed_us: int,
        *,
        within_s: float,
    ) -> list[SpendResult]:
        """Of each cost, in this order, whether it is allowed; see `core.points_bucket.spend`. By the clock of the Redis server. One
        round trip. Raises UpstreamUnavailable; it may be spent then or not."""
        key = Keys(account_sid).points_bucket(caller_id)
        answers = await self._connections.run(
            _SPEND, [key], [WINDOW_US, owed_us, "", *costs_us], within_s
        )
        return [
            SpendResult(bool(allowed), int(used))
            for allowed, used in zip(answers[::2], answers[1::2], strict=True)
        ]
