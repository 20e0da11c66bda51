"""How a call to Twilio is tried: with a timeout, retries where they help, and a circuit
breaker.

When Twilio fails or is slow, features degrade in this order:

1. Cached answers are served stale. The reads in `service/cache` do so when a call is
   refused, fails or takes longer than a second. Refusals come at once: when a
   bulkhead's breaker is open, and when the bulkhead has no room left.
2. Lists and background refreshes are refused when a bulkhead is half full: calls pile
   up there when Twilio slows down.
3. Single reads are refused when the bulkhead is full or its breaker is open.
4. Changes have a bulkhead of their own, so they do not wait behind reads. They too are
   refused at once when its breaker is open.

Subscriptions read the event log, and are not affected. When the quota is short, permits
run out in the same order.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, TypeVar

import structlog

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    OutcomeUnknown,
    QuotaExceeded,
    UpstreamUnavailable,
)
from gateway.core.insights import InsightsRoomFilter
from gateway.core.limits.breaker import (
    Breaker,
    BreakerState,
    CallOutcome,
)
from gateway.core.limits.fairness import Priority
from gateway.core.limits.retries import (
    RETRIES,
    RetryBudget,
    backoff_s,
)
from gateway.core.rooms import RoomFilter
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.upstream.timings import CallLimits, UpstreamTimings
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.exchange import Product, WireRequest
from gateway.twilio.wire.insights import list_insights_rooms
from gateway.twilio.wire.rooms import list_rooms

log = structlog.get_logger()
T = TypeVar("T")

PermitContext = Callable[[], AbstractAsyncContextManager[None]]
"""Waits for a permit and holds it while the call is in flight. Raises QuotaExceeded,
and UpstreamUnavailable when Redis cannot say whether the call may go."""


class Bulkhead:
    """Separates one kind of calls from the others: with a limit on the calls in flight,
    and a circuit breaker. Trouble with one kind does not stop the others.

    `probe` is the request that finds out whether Twilio answers again.
    """

    def __init__(
        self, name: str, max_in_flight: int, breaker: Breaker, probe: WireRequest[Any]
    ) -> None:
        self.name = name
        self.breaker = breaker
        self.probe = probe
        self.in_flight = 0
        self._max_in_flight = max_in_flight

    def check(self, *, is_first_to_go: bool, retry_s: float) -> None:
        """Raises UpstreamUnavailable if no call may start now. Calls that are the first
        to go when Twilio is slow may use half of the places. `retry_s`: when the caller
        may retry."""
        if self.breaker.is_blocking:
            rest_s = max(self.breaker.rest_s(time.monotonic()), retry_s)
            raise UpstreamUnavailable(
                "Twilio does not answer: retry after the given time",
                retry_after_ms=math.ceil(rest_s * 1000),
                is_unsent=True,
            )
        if self.in_flight >= self._max_in_flight // (2 if is_first_to_go else 1):
            raise UpstreamUnavailable(
                "Twilio answers too slowly for more calls: retry after the given time",
                retry_after_ms=math.ceil(retry_s * 1000),
                is_unsent=True,
            )


class CallPolicy:
    """The policy of one account's calls. `probe_permit` is for the breakers' probes."""

    def __init__(
        self,
        twilio: TwilioVideo,
        probe_permit: PermitContext,
        timings: UpstreamTimings = UpstreamTimings(),
        limits: CallLimits = CallLimits(),
    ) -> None:
        self._twilio = twilio
        self._probe_permit = probe_permit
        self._timings = timings
        self._retry_budget = RetryBudget()

        def bulkhead(
            name: str, max_in_flight: int, trials: int, probe: WireRequest[Any]
        ) -> Bulkhead:
            breaker = Breaker(
                trials,
                failures=limits.failures,
                first_rest_s=timings.first_rest_s,
                longest_rest_s=timings.longest_rest_s,
            )
            return Bulkhead(name, max_in_flight, breaker, probe)

        rooms, summaries = list_rooms(RoomFilter(), 1), list_insights_rooms(InsightsRoomFilter(), 1)
        self._reads: dict[Product, Bulkhead] = {
            "video": bulkhead("reads", limits.reads, limits.reads, rooms),
            "insights": bulkhead(
                "insights", limits.insights_reads, limits.insights_reads, summaries
            ),
        }
        # A change cannot be tried out. Its probe asks whether Twilio answers at all.
        self._writes = bulkhead("writes", limits.writes, limits.trial_writes, rooms)
        self._probes = SingleFlight[None]()

    async def call(
        self, request: WireRequest[T], permit: PermitContext, *, is_urgent: bool = True
    ) -> T:
        """Returns Twilio's answer. Each try takes a permit, and none starts after the
        caller's deadline. A change that was sent before then is waited for.

        Raises UpstreamUnavailable at once, with `retry_after_ms` and `is_unsent`, while
        Twilio does not answer or is too slow. A call that is not urgent is not retried,
        and is the first to go when Twilio is slow.
        """
        bulkhead = self._writes if request.is_write else self._reads[request.product]
        is_first_to_go = not is_urgent or request.priority is Priority.LIST
        retries = 0
        while True:
            self._check(bulkhead, is_first_to_go)
            async with permit():
                # Other calls may have shown meanwhile that Twilio does not answer.
                self._check(bulkhead, is_first_to_go)
                if not retries:
                    self._retry_budget.earn()
                try:
                    return await self._try(bulkhead, request)
                except UpstreamUnavailable as failure:
                    wait_s = self._backoff_s(retries)
                    is_worthwhile = is_urgent and retries < RETRIES and _may_retry(request, failure)
                    has_time = wait_s < deadlines.left_s()
                    if not (is_worthwhile and has_time and self._retry_budget.spend()):
                        raise
            retries += 1
            await asyncio.sleep(wait_s)

    def is_unavailable(self) -> bool:
        """Whether reads of rooms are refused at present, because Twilio does not answer
        them."""
        return self._reads["video"].breaker.is_blocking

    async def aclose(self) -> None:
        """Ends the probes."""
        await self._probes.aclose()

    def _backoff_s(self, retry: int) -> float:
        chance = random.random()  # noqa: S311 - nothing is gained by guessing it
        timings = self._timings
        return backoff_s(retry, chance, timings.first_backoff_s, timings.longest_backoff_s)

    def _check(self, bulkhead: Bulkhead, is_first_to_go: bool) -> None:
        """Raises the reason why the call cannot be tried now."""
        if deadlines.left_s() <= 0:
            raise DeadlineExceeded(
                "deadline passed before the request was sent to Twilio: allow more time",
                is_unsent=True,
            )
        bulkhead.check(is_first_to_go=is_first_to_go, retry_s=self._timings.first_rest_s)

    async def _try(self, bulkhead: Bulkhead, request: WireRequest[T]) -> T:
        ticket = bulkhead.breaker.admit()
        assert ticket is not None, "nothing was awaited since the check"
        outcome = CallOutcome.ANSWERED
        bulkhead.in_flight += 1
        loop = asyncio.get_running_loop()
        slow_at = loop.time() + self._timings.slow_s
        slow_timer = loop.call_at(slow_at, self._on_slow, bulkhead, ticket, slow_at)
        try:
            if request.is_write:
                # Once it is sent, its outcome must be recorded, even if the caller has
                # left.
                return await self._twilio.send(
                    request, deadline_s=self._timings.write_s, send_within_s=deadlines.left_s()
                )
            async with deadlines.while_awaited():
                return await self._twilio.send(request, deadline_s=self._timings.read_s)
        except BaseException as failure:
            outcome = _outcome(failure)
            raise
        finally:
            slow_timer.cancel()
            bulkhead.in_flight -= 1
            self._record(bulkhead, ticket, outcome)

    def _on_slow(self, bulkhead: Bulkhead, ticket: object, due_at: float) -> None:
        """Records a failure for a call that is still waited for."""
        # A slow change is no failure by itself.
        counts = bulkhead is not self._writes or self._are_reads_failing()
        is_stalled = asyncio.get_running_loop().time() - due_at >= self._timings.stall_s
        if counts and not is_stalled:
            self._record(bulkhead, ticket, CallOutcome.FAILED)

    def _are_reads_failing(self) -> bool:
        """Whether reads suggest that changes will fail too."""
        return self._reads["video"].breaker.state is BreakerState.OPEN

    def _record(self, bulkhead: Bulkhead, ticket: object, outcome: CallOutcome) -> None:
        breaker = bulkhead.breaker
        # While no read is answered, one failed change is enough: each costs a caller
        # its timeout.
        is_one_enough = bulkhead is self._writes and self._are_reads_failing()
        before = breaker.state
        breaker.record(ticket, outcome, time.monotonic(), failures=1 if is_one_enough else None)
        if breaker.state is not before:
            log.warning("twilio.breaker", bulkhead=bulkhead.name, state=breaker.state.value)
        if breaker.state is BreakerState.OPEN:
            self._probes.begin(bulkhead.name, lambda: self._probe_until_answered(bulkhead))

    async def _probe_until_answered(self, bulkhead: Bulkhead) -> None:
        breaker = bulkhead.breaker
        while breaker.state is BreakerState.OPEN:
            await asyncio.sleep(breaker.rest_s(time.monotonic()))
            outcome = await self._probe(bulkhead)
            breaker.record_probe(outcome, time.monotonic())
        log.warning("twilio.breaker", bulkhead=bulkhead.name, state=breaker.state.value)

    async def _probe(self, bulkhead: Bulkhead) -> CallOutcome:
        try:
            async with self._probe_permit():
                return await self._send_probe(bulkhead)
        except (QuotaExceeded, UpstreamUnavailable):
            return CallOutcome.UNKNOWN

    async def _send_probe(self, bulkhead: Bulkhead) -> CallOutcome:
        try:
            await self._twilio.send(bulkhead.probe, deadline_s=self._timings.probe_s)
        except DeadlineExceeded:
            return CallOutcome.FAILED
        except GatewayError as failure:
            return _outcome(failure)
        return CallOutcome.ANSWERED


def _may_retry(request: WireRequest[T], failure: UpstreamUnavailable) -> bool:
    """Whether the same request may well succeed in a moment: there was no answer, or a
    5xx without Retry-After. Reads only: a change may have taken effect."""
    return not request.is_write and failure.retry_after_ms is None and _is_twilios(failure)


def _is_twilios(failure: GatewayError) -> bool:
    """Whether the failure is Twilio's: no answer at all, or a 5xx."""
    return failure.twilio is None or failure.twilio.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _outcome(failure: BaseException) -> CallOutcome:
    """A refusal is an answer, and so is one that cannot be read."""
    match failure:
        case DeadlineExceeded() | QuotaExceeded():
            return CallOutcome.UNKNOWN
        case UpstreamUnavailable() | OutcomeUnknown():
            return CallOutcome.FAILED if _is_twilios(failure) else CallOutcome.ANSWERED
        case GatewayError():
            return CallOutcome.ANSWERED
        case _:
            return CallOutcome.UNKNOWN
