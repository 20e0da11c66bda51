"""What a face says about the call that it serves, for the code below it.

A face calls `enter` once per call. The value travels in a context variable: functions
in between need no extra parameters, and tasks inherit it from the task that starts
them. Without a face (in background work of the gateway itself) all fields keep their
defaults.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from gateway.core.callers import Caller

Deadline = Callable[[], float]
"""Returns the deadline by `time.monotonic`, or infinity for none. The result may change
over time: a call that several callers share has the latest of their deadlines."""


def never() -> float:
    """The deadline of work that has none."""
    return math.inf


class RequestCounter:
    """Counts the requests to Twilio that one call causes."""

    def __init__(self) -> None:
        self.count = 0


class MaxAge:
    """How long the answer to one call stays fresh: as long as the part of it that
    expires first.

    `fresh_s` is in seconds, and None until the call has read something.
    """

    def __init__(self) -> None:
        self.fresh_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call. `caller` is None for work of the gateway itself.

    `requests` counts for the caller's bill. It covers the call's own task and the tasks
    that it starts: a request that another call has started, and this one only waits
    for, is not counted.
    """

    caller: Caller | None = None
    deadline: Deadline = never
    requests: RequestCounter | None = None
    max_age: MaxAge | None = None


_NO_CALL: Final = CallContext()
_CURRENT: Final[ContextVar[CallContext]] = ContextVar("call_context", default=_NO_CALL)


def current() -> CallContext:
    """The context of the call that the current task works for."""
    return _CURRENT.get()


def enter(context: CallContext) -> None:
    """Sets the context for the rest of the task, and for all tasks it starts."""
    _CURRENT.set(context)


@contextmanager
def entered(context: CallContext) -> Iterator[None]:
    """Sets the context inside the block, and restores the previous one after it."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def count_request() -> None:
    """Counts one request to Twilio, if the call has a counter."""
    requests = _CURRENT.get().requests
    if requests is not None:
        requests.count += 1


def limit_max_age(seconds: float) -> None:
    """Lowers the max-age of the call's answer to `seconds`; 0: it must not be kept."""
    max_age = _CURRENT.get().max_age
    if max_age is not None:
        seconds = max(0.0, seconds)
        max_age.fresh_s = seconds if max_age.fresh_s is None else min(max_age.fresh_s, seconds)
