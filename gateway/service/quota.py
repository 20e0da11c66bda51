"""What is left of Twilio's quota for an account."""

import asyncio
from datetime import UTC, datetime

from gateway.core.callers import Caller, Scope
from gateway.core.limits.fairness import Priority
from gateway.core.limits.quota import TwilioQuota, class_quota, request_kind
from gateway.service.call_context import limit_max_age
from gateway.service.upstream.upstream import Upstream


class Quota:
    def __init__(self, upstream: Upstream) -> None:
        self._budget = upstream.quota_budget
        self._queues = upstream.permit_queues

    async def status(self, caller: Caller) -> TwilioQuota:
        """What is left, for each class of requests. Takes nothing of it. Raises
        PermissionDenied without the scope `rooms:read`."""
        caller.require(Scope.ROOMS_READ)
        limit_max_age(0)
        reads, writes = await asyncio.gather(self._budget.peek("read"), self._budget.peek("write"))
        now = datetime.now(UTC)
        classes = []
        for priority in Priority:
            kind = request_kind(priority)
            queue = self._queues[kind]
            classes.append(
                class_quota(
                    priority,
                    self._budget.rate(kind, priority),
                    writes if kind == "write" else reads,
                    waiting=queue.waiting(priority),
                    queue_wait_s=queue.wait_s(priority),
                    now=now,
                )
            )
        return TwilioQuota(
            self._budget.source,
            self._budget.replicas,
            reads.in_flight,
            reads.max_in_flight,
            tuple(classes),
        )
