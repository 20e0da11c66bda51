"""One replica's part of Twilio's quota, for the time in which it cannot reach Redis.
Does no I/O."""

from collections.abc import Mapping

from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import PRIORITY_POLICIES, Concurrency, QuotaGrant, RequestKind
from gateway.core.limits.rate_limit import Ceiling, Rate, TwilioQuota, check_rate

# When all places are taken, a permit is free as soon as a request of this replica ends.
# The queue also tries again after this time.
FULL_RETRY_US = 20_000


class LocalQuota:
    """Grants permits from this replica's part of the quota. Times are microseconds of a
    clock that never goes back."""

    def __init__(self, quotas: Mapping[RequestKind, TwilioQuota], concurrency: Concurrency) -> None:
        self._quotas = quotas
        self._full_at_us = dict.fromkeys(quotas, 0)
        self._paused_until_us = dict.fromkeys(quotas, 0)
        self._ceiling = Ceiling(concurrency.at_most, concurrency.at_least, concurrency.at_most, 0)

    def rate(self, kind: RequestKind, replicas: int) -> Rate:
        """The rate of one of `replicas`."""
        return self._quotas[kind].alone(replicas)

    def back_off(self, kind: RequestKind, pause_us: int, in_flight: int, now_us: int) -> None:
        """Twilio has refused a request: grants nothing of this kind for `pause_us`, and
        lowers the limit on requests in flight."""
        self._paused_until_us[kind] = max(self._paused_until_us[kind], now_us + pause_us)
        self._ceiling = self._ceiling.lowered(in_flight, now_us)

    def take(
        self,
        kind: RequestKind,
        priority: Priority,
        wanted: int,
        *,
        replicas: int,
        in_flight: int,
        now_us: int,
    ) -> QuotaGrant:
        """Grants up to `wanted` permits; with 0, only says what is left. `in_flight`:
        how many requests of this replica are in flight."""
        policy = PRIORITY_POLICIES[priority]
        max_in_flight = max(1, self._ceiling.now(now_us) // replicas)
        places = max(1, max_in_flight * policy.percent // 100) - in_flight
        pause_us = max(0, self._paused_until_us[kind] - now_us)
        if wanted and places <= 0:
            wait_us = max(pause_us, FULL_RETRY_US)
            return QuotaGrant(0, wait_us, 0, in_flight, max_in_flight, is_full=True)
        if pause_us:
            return QuotaGrant(0, pause_us, 0, in_flight, max_in_flight)
        # Nothing is booked ahead: no other process takes from this part of the quota.
        decision = check_rate(
            self.rate(kind, replicas),
            self._full_at_us[kind],
            now_us,
            wanted=min(wanted, max(0, places)),
        )
        self._full_at_us[kind] = decision.full_at_us
        return QuotaGrant(
            decision.granted,
            decision.wait_us,
            max(0, decision.full_at_us - now_us),
            in_flight + decision.granted,
            max_in_flight,
        )
