from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import QuotaGrant, class_quota, request_kind
from gateway.core.limits.rate_limit import Rate

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
RATE = Rate(per_s=10, burst=3)


def test_ends_and_changes_are_writes_and_all_else_is_reads() -> None:
    writes = [priority for priority in Priority if request_kind(priority) == "write"]
    assert writes == [Priority.END, Priority.CHANGE]


@pytest.mark.parametrize(
    ("grant", "queue_wait_s", "remaining", "retry_after_ms", "reset_in_us"),
    [
        (QuotaGrant(0, 0, 0, 0, 100), 0.0, 3, None, 0),
        (QuotaGrant(0, 0, 150_000, 0, 100), 0.0, 1, None, 150_000),
        (QuotaGrant(0, 0, 250_000, 0, 100), 0.0, 0, 50, 250_000),
        (QuotaGrant(0, 0, 250_000, 0, 100), 0.7, 0, 700, 250_000),
        (QuotaGrant(0, 400_000, 0, 0, 100), 0.0, 0, 400, 400_000),
        (QuotaGrant(0, 0, 0, 88, 100), 0.0, 2, None, 0),
        (QuotaGrant(0, 0, 0, 95, 100), 0.0, 0, 1, 0),
    ],
    ids=["full", "burst used", "empty", "empty, queued", "paused", "few places", "no place"],
)
def test_what_is_left_for_reads(
    grant: QuotaGrant,
    queue_wait_s: float,
    remaining: int,
    retry_after_ms: int | None,
    reset_in_us: int,
) -> None:
    quota = class_quota(Priority.READ, RATE, grant, waiting=4, queue_wait_s=queue_wait_s, now=NOON)
    assert (quota.request_class, quota.per_second, quota.burst) == (Priority.READ, 10, 3)
    assert (quota.remaining, quota.retry_after_ms) == (remaining, retry_after_ms)
    assert quota.waiting == 4
    assert quota.reset_time == NOON + timedelta(microseconds=reset_in_us)
