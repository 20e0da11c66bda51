"""The points that callers may spend, for all replicas. The arithmetic is that of
`core/limits/points_bucket`."""

from collections.abc import Sequence
from typing import Final

from gateway.core.limits.points_bucket import WINDOW_US, SpendResult
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_SPEND: Final = Script("head.lua", "spend.lua")


class PointsBuckets:
    """One bucket for each caller of each account. A full bucket has no key in Redis."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def spend(
        self,
        account_sid: AccountSid,
        caller_id: str,
        costs_us: Sequence[int],
        unreported_us: int,
        *,
        timeout_s: float,
    ) -> list[SpendResult]:
        """Charges the costs in this order, and says of each whether it is allowed; see
        `core.limits.points_bucket.spend`. Uses the clock of the Redis server. One round
        trip.

        Raises UpstreamUnavailable when Redis does not answer; the points may be spent
        then or not.
        """
        key = Keys(account_sid).points_bucket(caller_id)
        answers = await self._connections.run(
            _SPEND, [key], [WINDOW_US, unreported_us, "", *costs_us], timeout_s
        )
        return [
            SpendResult(bool(is_allowed), int(used_us))
            for is_allowed, used_us in zip(answers[::2], answers[1::2], strict=True)
        ]
