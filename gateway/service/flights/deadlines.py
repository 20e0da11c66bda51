"""Until when somebody waits for the work that is going on.

A face says how long its caller waits; whoever works for him asks here before it begins something long. It travels in the
context, so that nothing between the two has to hand it on, and a task that is begun inside has it too. Work that is shared
has the deadline of whoever waits for it longest, at any moment: see `service/singleflight`.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar, Token
from typing import Final

from gateway.core.errors import DeadlineExceeded

Deadline = Callable[[], float]
"""The moment, by `time.monotonic`; it may change, as callers come and leave. Infinity: nobody is in a hurry."""

# Kept back of the time a caller grants, for what comes after Twilio's silence: a stale answer, or an error that says more than
# that time is up.
ANSWER_S: Final = 0.1


def never() -> float:
    return math.inf


_current: ContextVar[Deadline] = ContextVar("deadline", default=never)


def current() -> Deadline:
    return _current.get()


def left_s() -> float:
    """How long Twilio may take: what is left, but for what the answer takes."""
    return _current.get()() - ANSWER_S - time.monotonic()


def put(deadline: Deadline) -> Token[Deadline]:
    """For the task that calls this, and all that it begins."""
    return _current.set(deadline)


@contextmanager
def until(ends_at: float) -> Iterator[None]:
    """What is inside knows when its caller leaves, and is not ended: it looks to that by itself."""
    token = _current.set(lambda: ends_at)
    try:
        yield
    finally:
        _current.reset(token)


@asynccontextmanager
async def within(limit_s: float) -> AsyncIterator[None]:
    """What is inside ends within the limit. Raises DeadlineExceeded."""
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
    """What is inside ends when `left_s` has run out; whoever joins those who wait meanwhile prolongs it. Raises
    DeadlineExceeded."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal timer
        wait_s = left_s()
        if wait_s <= 0:
            limit.reschedule(loop.time())
        elif wait_s < math.inf:
            timer = loop.call_later(wait_s, look)

    try:
        async with asyncio.timeout(None) as limit:
            look()
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
