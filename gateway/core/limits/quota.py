"""What is left of Twilio's quota, as callers may see it. Does no I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RequestClass(StrEnum):
    """What a request to Twilio is for, the most urgent first. See `core.fairness.Rank`, whose names these are."""

    END = "end"
    CHANGE = "change"
    READ = "read"
    LIST = "list"
    BACKGROUND = "background"


class QuotaSource(StrEnum):
    """SHARED: out of the budget of all replicas. WAITING: nothing is spent for a moment. ALONE: out of this replica's part."""

    SHARED = "shared"
    WAITING = "waiting"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class ClassQuota:
    """`per_second` requests a second over time, and `burst` at once. `remaining` may go now; with none, one that comes now
    may go after `retry_after_ms`, behind the `waiting` ones of this replica that go before it. `reset_at`: when the whole
    burst is there again, if nobody asks."""

    request_class: RequestClass
    per_second: float
    burst: int
    remaining: int
    waiting: int
    retry_after_ms: int | None
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """Of `concurrency_limit` requests that may be under way at once, `under_way` are."""

    source: QuotaSource
    replicas: int
    under_way: int
    concurrency_limit: int
    classes: tuple[ClassQuota, ...]
