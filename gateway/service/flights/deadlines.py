"""Deadlines: how long a call may take.

A face sets its caller's deadline; code below it calls `left_s` before it starts
something long. The deadline is part of the `CallContext`, so tasks that a call starts
have it too. Work that several callers share has the latest of their deadlines: see
`SingleFlight`.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final

from gateway.core.errors import DeadlineExceeded
from gateway.service import call_context
from gateway.service.call_context import Deadline

ANSWER_S: Final = 0.1
"""Time kept back for what follows when Twilio does not answer: a stale answer, or an
error that says more than that the deadline has passed."""


def left_s() -> float:
    """How many seconds Twilio may take: the time until the deadline, less ANSWER_S."""
    return call_context.current().deadline() - ANSWER_S - time.monotonic()


def enter(deadline: Deadline) -> None:
    """Sets the deadline for the rest of the task, and for all tasks it starts."""
    call_context.enter(replace(call_context.current(), deadline=deadline))


@contextmanager
def until(ends_at: float) -> Iterator[None]:
    """Sets the deadline (by `time.monotonic`) inside the block. Does not cancel it."""
    with call_context.entered(replace(call_context.current(), deadline=lambda: ends_at)):
        yield


@asynccontextmanager
async def within(limit_s: float) -> AsyncIterator[None]:
    """Sets a deadline inside the block, and cancels the block when it passes. Raises
    DeadlineExceeded then."""
    try:
        with until(time.monotonic() + limit_s):
            async with asyncio.timeout(limit_s) as timeout:
                yield
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlineExceeded(
            f"no answer within {limit_s:.2g} s: retry, allow more time, or request less"
        ) from None


@asynccontextmanager
async def while_awaited() -> AsyncIterator[None]:
    """Cancels the block when `left_s` reaches 0. The deadline may move meanwhile, when
    other callers join. Raises DeadlineExceeded."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    # The function is passed to itself. If it referred to itself by name, every call
    # would leave a reference cycle to the garbage collector.
    def check(again: Callable[..., None]) -> None:
        nonlocal timer
        wait_s = left_s()
        if wait_s <= 0:
            timeout.reschedule(loop.time())
        elif wait_s < math.inf:
            timer = loop.call_later(wait_s, again, again)

    try:
        async with asyncio.timeout(None) as timeout:
            check(check)
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlineExceeded(
            "no answer within the callers' deadlines: retry, or allow more time"
        ) from None
    finally:
        if timer is not None:
            timer.cancel()
