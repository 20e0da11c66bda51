"""How Twilio's quota for an account is divided among requests, and what is left of it.
Does no I/O."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from gateway.core.limits.fairness import Priority
from gateway.core.limits.rate_limit import Rate

RequestKind = Literal["read", "write"]
"""Twilio has one rate limit for reads and one for writes."""


def request_kind(priority: Priority) -> RequestKind:
    return "write" if priority <= Priority.CHANGE else "read"


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many requests may be in flight at once, over all replicas.

    Twilio limits that too, and does not say to how many. The limit starts at `at_most`;
    refusals lower it, but never below `at_least`.
    https://www.twilio.com/docs/video/guide-to-scaling-applications
    """

    at_most: int
    at_least: int


@dataclass(frozen=True, slots=True)
class PriorityPolicy:
    """What requests of one priority may take of the quota.

    Within a replica, priorities are strict. Between replicas, these limits keep room
    for the more urgent ones.

    `burst_reserve`: how many permits of the burst are left to others.
    `book_ahead_us`: how far ahead a permit may be booked. Urgent requests book further
    ahead than others, so they get the next permits while they wait on any replica.
    `percent`: the share of the requests in flight.
    """

    burst_reserve: int
    book_ahead_us: int
    percent: int


PRIORITY_POLICIES: Final = {
    Priority.END: PriorityPolicy(0, 250_000, 100),
    Priority.CHANGE: PriorityPolicy(0, 10_000, 95),
    Priority.READ: PriorityPolicy(0, 250_000, 90),
    Priority.LIST: PriorityPolicy(1, 10_000, 75),
    Priority.BACKGROUND: PriorityPolicy(2, 10_000, 50),
}
LONGEST_BOOKING_US: Final = max(policy.book_ahead_us for policy in PRIORITY_POLICIES.values())


@dataclass(frozen=True, slots=True)
class QuotaGrant:
    """The answer to a request for permits.

    `granted` permits may be used after `wait_us`. If there are none, `wait_us` is when
    to try again. The full burst is available again in `full_in_us`. `in_flight` of at
    most `max_in_flight` requests are in flight; `is_full` says that this is why nothing
    was granted.
    """

    granted: int
    wait_us: int
    full_in_us: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    is_full: bool = False


class QuotaSource(StrEnum):
    """Where permits come from.

    SHARED: the quota that all replicas share. WAITING: nowhere for a moment. ALONE:
    this replica's own part of the quota.
    """

    SHARED = "shared"
    WAITING = "waiting"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class RequestClassQuota:
    """What is left of the quota for requests of one priority.

    `per_second` requests a second over time, and `burst` at once. `remaining` may go
    now. If none may, a new request may go after `retry_after_ms`, behind the `waiting`
    ones of this replica that go before it. The whole burst is available again at
    `reset_time` if nothing else is sent.
    """

    request_class: Priority
    per_second: float
    burst: int
    remaining: int
    waiting: int
    retry_after_ms: int | None
    reset_time: datetime


@dataclass(frozen=True, slots=True)
class TwilioQuota:
    """What is left of an account's quota. `in_flight` of at most `concurrency_limit`
    requests are in flight."""

    source: QuotaSource
    replicas: int
    in_flight: int
    concurrency_limit: int
    classes: tuple[RequestClassQuota, ...]


def class_quota(
    priority: Priority,
    rate: Rate,
    grant: QuotaGrant,
    *,
    waiting: int,
    queue_wait_s: float,
    now: datetime,
) -> RequestClassQuota:
    """What `grant`, an answer to a request for no permits, says about this priority.

    `rate` is the priority's own. `waiting` requests are in this replica's queue, and a
    new one would wait there for `queue_wait_s`.
    """
    policy = PRIORITY_POLICIES[priority]
    places = grant.max_in_flight * policy.percent // 100 - grant.in_flight
    remaining = 0 if grant.wait_us else max(0, min(places, rate.available(grant.full_in_us)))
    due_in_us = grant.wait_us + max(0, grant.full_in_us - (rate.burst - 1) * rate.interval_us)
    retry_after_ms = max(math.ceil(due_in_us / 1000), math.ceil(queue_wait_s * 1000), 1)
    return RequestClassQuota(
        request_class=priority,
        per_second=round(rate.per_s, 2),
        burst=rate.burst,
        remaining=remaining,
        waiting=waiting,
        retry_after_ms=None if remaining else retry_after_ms,
        reset_time=now + timedelta(microseconds=grant.wait_us + grant.full_in_us),
    )
