"""Trying a call at Twilio: again where that helps, and not at all where it does not.

While Twilio is ill or slow, callers lose what they can do without first:

1. What is held is shown stale. The reads that stand before this do so when a call is refused, fails, or takes longer than
   a second; and the refusals here come at once: of a lane whose breaker is open, and of one that has no room left.
2. Lists and refreshes are refused when half of a lane's berths are taken: calls pile up there when Twilio slows down.
3. Cold reads are refused when all are taken, or the breaker is open.
4. Changes have a lane of their own, so they do not wait behind reads; they too are refused at once when its breaker is open.

Subscriptions live on the log, and notice nothing. When it is the quota that is short, turns run out in the same order.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
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
from gateway.core.limits.breaker import FAILURES, FIRST_REST_S, Breaker, CallOutcome, State
from gateway.core.limits.fairness import Priority
from gateway.core.limits.retries import RETRIES, RetryBudget, backoff_s
from gateway.core.rooms import RoomFilter
from gateway.service.flights import deadlines
from gateway.service.flights.singleflight import SingleFlight
from gateway.twilio.client import TwilioVideo
from gateway.twilio.wire.exchange import Product, WireRequest
from gateway.twilio.wire.insights import list_insights_rooms
from gateway.twilio.wire.rooms import list_rooms

log = structlog.get_logger()
T = TypeVar("T")

PermitContext = Callable[[], AbstractAsyncContextManager[None]]
"""A turn in the quota, which is waited for, and the place of a call under way. Raises QuotaExceeded, and UpstreamUnavailable when
nobody can say whose turn it is."""

READ_S = 5.0
# Less than the 10 s that a caller has: what became of a create without an answer is looked up in the rest.
WRITE_S = 8.0
PROBE_S = 3.0
# Twilio answers reads in tenths of a second: one that has not by now counts as a failure, although it is still waited for. A
# caller who leaves sooner, or whose deadline comes, tells nothing.
SILENCE_S = 2.0
HELD_UP_S = 0.5
# How many calls may be at Twilio at once, of each kind: a hundred together, which is as many connections as there are.
READS = 70
WRITES = 20
INSIGHTS_READS = 10
# How many changes a breaker lets through to see whether Twilio takes them again: that reads work does not say so.
TRIAL_WRITES = 5


@dataclass(slots=True)
class Bulkhead:
    """What one kind of calls has for itself, so that its trouble is not that of the others."""

    name: str
    berths: int
    breaker: Breaker
    probe: WireRequest[Any]
    under_way: int = 0


class CallPolicy:
    """One account's. `permit` is for the probes."""

    def __init__(self, twilio: TwilioVideo, permit: PermitContext) -> None:
        self._twilio = twilio
        self._permit = permit
        self._budget = RetryBudget()
        rooms, summaries = list_rooms(RoomFilter(), 1), list_insights_rooms(InsightsRoomFilter(), 1)
        self._reads: dict[Product, Bulkhead] = {
            "video": Bulkhead("reads", READS, Breaker(READS), rooms),
            "insights": Bulkhead("insights", INSIGHTS_READS, Breaker(INSIGHTS_READS), summaries),
        }
        # A change cannot be tried out: what is asked instead is whether Twilio answers at all.
        self._writes = Bulkhead("writes", WRITES, Breaker(TRIAL_WRITES), rooms)
        self._watches = SingleFlight[None]()

    async def make(
        self, request: WireRequest[T], permit: PermitContext, *, is_urgent: bool = True
    ) -> T:
        """Twilio's answer. Each try takes a turn; none begins after the deadline of whoever waits. A change that is on its way
        by then is finished.

        Raises UpstreamUnavailable at once, with `retry_after_ms` and `is_unsent`, while Twilio does not answer or is too slow.
        What is not urgent is not tried again, and gives way to what is.
        """
        lane = self._writes if request.is_write else self._reads[request.product]
        berths = (
            lane.berths if is_urgent and request.priority is not Priority.LIST else lane.berths // 2
        )
        retries = 0
        while True:
            _look(lane, berths)
            async with permit():
                # While it waited, others may have found out what there is to know.
                _look(lane, berths)
                if not retries:
                    self._budget.earn()
                try:
                    return await self._try(lane, request)
                except UpstreamUnavailable as failure:
                    wait_s = backoff_s(retries, random.random())  # noqa: S311 - nobody gains by guessing it
                    is_worthwhile = is_urgent and retries < RETRIES and _invites(request, failure)
                    if (
                        not is_worthwhile
                        or wait_s >= deadlines.left_s()
                        or not self._budget.spend()
                    ):
                        raise
            retries += 1
            await asyncio.sleep(wait_s)

    def is_silent(self) -> bool:
        """Whether reads of rooms are refused at present, because Twilio answers none."""
        return self._reads["video"].breaker.is_shut

    async def aclose(self) -> None:
        await self._watches.aclose()

    async def _try(self, lane: Bulkhead, request: WireRequest[T]) -> T:
        ticket = lane.breaker.admit()
        assert ticket is not None, "nothing has happened since it was looked at"
        outcome = CallOutcome.WELL
        lane.under_way += 1
        loop = asyncio.get_running_loop()
        silent_at = loop.time() + SILENCE_S
        silence = loop.call_at(silent_at, self._fall_silent, lane, ticket, silent_at)
        try:
            if request.is_write:
                # Once sent it is waited for, whoever has left: it must be recorded.
                return await self._twilio.send(
                    request, deadline_s=WRITE_S, send_within_s=deadlines.left_s()
                )
            async with deadlines.while_awaited():
                return await self._twilio.send(request, deadline_s=READ_S)
        except BaseException as failure:
            outcome = _outcome(failure)
            raise
        finally:
            silence.cancel()
            lane.under_way -= 1
            self._tell(lane, ticket, outcome)

    def _fall_silent(self, lane: Bulkhead, ticket: object, at: float) -> None:
        # A change takes what it takes, unless reads are not answered either.
        is_telling = lane is not self._writes or self._is_suspect()
        # When this comes too late itself, it is our own process that was held up: the answer may be waiting to be read.
        if is_telling and asyncio.get_running_loop().time() - at < HELD_UP_S:
            self._tell(lane, ticket, CallOutcome.ILL)

    def _is_suspect(self) -> bool:
        """Whether reads say that changes will fail too."""
        return self._reads["video"].breaker.state is State.OPEN

    def _tell(self, lane: Bulkhead, ticket: object, outcome: CallOutcome) -> None:
        # Where no read is answered, one change that fails is enough: each costs somebody the time it hangs.
        is_enough = lane is self._writes and self._is_suspect()
        before = lane.breaker.state
        lane.breaker.tell(ticket, outcome, time.monotonic(), enough=1 if is_enough else FAILURES)
        if lane.breaker.state is not before:
            log.warning("twilio.breaker", lane=lane.name, state=lane.breaker.state.value)
        if lane.breaker.state is State.OPEN:
            self._watches.begin(lane.name, lambda: self._watch(lane))

    async def _watch(self, lane: Bulkhead) -> None:
        """Asks Twilio something small each time the lane has rested, until it answers."""
        while lane.breaker.state is State.OPEN:
            await asyncio.sleep(lane.breaker.rest_s(time.monotonic()))
            outcome = await self._probe(lane)
            lane.breaker.probed(outcome, time.monotonic())
        log.warning("twilio.breaker", lane=lane.name, state=lane.breaker.state.value)

    async def _probe(self, lane: Bulkhead) -> CallOutcome:
        try:
            async with self._permit():
                return await self._asked(lane)
        except (QuotaExceeded, UpstreamUnavailable):
            return CallOutcome.NOTHING

    async def _asked(self, lane: Bulkhead) -> CallOutcome:
        try:
            await self._twilio.send(lane.probe, deadline_s=PROBE_S)
        except DeadlineExceeded:
            return CallOutcome.ILL
        except GatewayError as failure:
            return _outcome(failure)
        return CallOutcome.WELL


def _look(lane: Bulkhead, berths: int) -> None:
    """Raises what keeps a call from being tried now."""
    if deadlines.left_s() <= 0:
        raise DeadlineExceeded(
            "the deadline passed before Twilio was asked; allow more time", is_unsent=True
        )
    if lane.breaker.is_shut:
        rest_s = max(lane.breaker.rest_s(time.monotonic()), FIRST_REST_S)
        raise UpstreamUnavailable(
            "Twilio does not answer at present; ask again after the time given",
            retry_after_ms=math.ceil(rest_s * 1000),
            is_unsent=True,
        )
    if lane.under_way >= berths:
        raise UpstreamUnavailable(
            "Twilio answers too slowly for more at present; ask again after the time given",
            retry_after_ms=math.ceil(FIRST_REST_S * 1000),
            is_unsent=True,
        )


def _invites(request: WireRequest[T], failure: UpstreamUnavailable) -> bool:
    """Whether the same may well succeed in a moment: no answer came, or one that says Twilio failed and not when to come back.
    A read only: nobody knows what became of a change."""
    return not request.is_write and failure.retry_after_ms is None and _is_ill(failure)


def _is_ill(failure: GatewayError) -> bool:
    return failure.twilio is None or failure.twilio.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _outcome(failure: BaseException) -> CallOutcome:
    """A refusal is an answer, and so is one that cannot be read."""
    match failure:
        case DeadlineExceeded() | QuotaExceeded():
            return CallOutcome.NOTHING
        case UpstreamUnavailable() | OutcomeUnknown():
            return CallOutcome.ILL if _is_ill(failure) else CallOutcome.WELL
        case GatewayError():
            return CallOutcome.WELL
        case _:
            return CallOutcome.NOTHING
