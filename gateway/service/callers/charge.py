"""What one call costs its caller, in points.

The largest possible cost of a call is calculated before it runs, as if every page were
full and nothing cached. So many points are held. When the call has run, what it did not
cost is returned.
"""

import math
from typing import Final

from gateway.core.callers import Caller
from gateway.core.errors import MaxCostExceeded, Throttled
from gateway.core.limits.points_bucket import WINDOW_US, Balance, duration_us
from gateway.service.call_context import RequestCounter
from gateway.service.callers.points import CallerLimiter

CALL_COST: Final = 10
"""Of any call: decoding the request and writing the response takes as long as showing
some ten objects. An object takes some 25 µs, and costs 1."""
FETCH_COST: Final = 25
"""Of a request to Twilio: it may use one of the 80 reads a second that Twilio grants
the account."""


class Charge:
    """The cost of one call.

    `requested` and `actual` are in points. `balance` is what is left to the caller,
    once it is known. `requests` counts the requests to Twilio that the call causes: the
    face puts it into the `CallContext`.
    """

    def __init__(self, limiter: CallerLimiter, caller: Caller) -> None:
        self._limiter = limiter
        self._caller = caller
        self.requests = RequestCounter()
        self.requested = 0
        self.actual = 0
        self.balance: Balance | None = None
        self.retry_after_ms: int | None = None

    async def hold(self, points: int, advice: str = "request smaller pages") -> None:
        """Charges the largest possible cost, before the call runs. `advice` says what
        lowers it.

        A second call changes what is held: it charges or returns the difference.

        Raises Throttled with `retry_after_ms` if the caller has not enough points left,
        and MaxCostExceeded if it never has enough for this call. Points that are held
        already then stay charged.
        """
        held, limit = self.actual, self._caller.limit
        self.requested = points
        if points > limit:
            await self.hold(CALL_COST)
            raise MaxCostExceeded(
                f"call costs up to {points:,} points, and this caller has {limit:,} a minute: "
                f"{advice}",
                {"points": points, "points_allowed": limit},
            )
        cost_us = duration_us(points, limit) - duration_us(held, limit)
        if self.balance is not None and cost_us <= 0:
            self._give_back(-cost_us, self.balance)
            self.actual = points
            return
        result = await self._limiter.spend(self._caller.key, cost_us)
        self.balance = Balance(limit, result.used_us)
        if not result.is_allowed:
            self.retry_after_ms = self.balance.retry_after_ms(cost_us)
            raise Throttled(
                f"caller has used its {limit:,} points a minute: retry after the given time",
                retry_after_ms=self.retry_after_ms,
            )
        self.actual = points

    def settle(self, objects: int) -> None:
        """Returns what the call did not cost. Call it when the call has run.

        `objects` is how many objects the response has. The cost is never more than was
        held: that a page is longer than announced, or a request is retried, is not the
        caller's fault.
        """
        if self.balance is None:
            return
        self.actual = min(self.requested, CALL_COST + objects + FETCH_COST * self.requests.count)
        limit = self.balance.limit
        unused_us = duration_us(self.requested, limit) - duration_us(self.actual, limit)
        self._give_back(unused_us, self.balance)

    def _give_back(self, us: int, balance: Balance) -> None:
        if us:
            self._limiter.give_back(self._caller.key, us)
            self.balance = Balance(balance.limit, max(0, balance.used_us - us))


def limit_headers(charge: Charge) -> dict[str, str]:
    """The rate limit headers of HTTP and gRPC responses.

    The unit of the policy is points, and its window is the minute in which all of them
    come back. `t` is when all are available again.
    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    if charge.balance is None:
        return {}
    reset_s = math.ceil(charge.balance.used_us / 1_000_000)
    headers = {
        "RateLimit-Policy": f'"default";q={charge.balance.limit};w={WINDOW_US // 1_000_000}',
        "RateLimit": f'"default";r={charge.balance.remaining};t={reset_s}',
    }
    if charge.retry_after_ms is not None:
        headers["Retry-After"] = str(math.ceil(charge.retry_after_ms / 1000))
    return headers
