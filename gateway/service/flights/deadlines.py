"""Limits on how long a call may take.

A face sets its caller's deadline; code below it calls `left_s` before it starts something long. The
deadline is part of the `CallContext`, so tasks that a call starts have it too. Work that several
callers share has the latest of their deadlines: see `SingleFlight`.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final

from gateway.core.errors import DeadlineExceeded
from gateway.service import call_context
from gateway.service.call_context import Deadline

# Kept back for what follows when Twilio stays silent: a stale answer, or an error that says more
# than "deadline exceeded".
ANSWER_S: Final = 0.1


def left_s() -> float:
    """How many seconds Twilio may take: the time left until the deadline, less ANSWER_S."""
    return call_context.current().deadline() - ANSWER_S - time.monotonic()


def enter(deadline: Deadline) -> None:
    """Sets the deadline for the rest of the current task, and for all tasks that it starts."""
    call_context.enter(replace(call_context.current(), deadline=deadline))


@contextmanager
def until(ends_at: float) -> Iterator[None]:
    """Sets the deadline (by `time.monotonic`) inside the block. Does not cancel the block."""
    with call_context.entered(replace(call_context.current(), deadline=lambda: ends_at)):
        yield


@asynccontextmanager
async def within(limit_s: float) -> AsyncIterator[None]:
    """Sets a deadline inside the block, and cancels the block when it passes. Raises
    DeadlineExceeded then."""
    try:
        with until(time.monotonic() + limit_s):
            async with asyncio.timeout(limit_s) as limit:
                yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(
            f"no answer within {limit_s:.2g} s; ask again, give it more time, or ask for less"
        ) from None


@asynccontextmanager
async def while_awaited() -> AsyncIterator[None]:
    """Cancels the block when `left_s` reaches 0. A caller that joins meanwhile may extend the
    deadline. Raises DeadlineExceeded."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def check() -> None:
        nonlocal timer
        wait_s = left_s()
        if wait_s <= 0:
            limit.reschedule(loop.time())
        elif wait_s < math.inf:
            timer = loop.call_later(wait_s, check)

    try:
        async with asyncio.timeout(None) as limit:
            check()
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(
            "no answer in the time that callers give; ask again, or give it more time"
        ) from None
    finally:
        if timer is not None:
            timer.cancel()
