"""Shares one call among all who request the same thing at the same time."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

from gateway.core.errors import DeadlineExceeded, GatewayError
from gateway.service import call_context
from gateway.service.call_context import Deadline, never
from gateway.service.flights import deadlines

T = TypeVar("T")

DETACHED: Final = object()
"""The waiter of a call that runs to its end even if no caller waits for it."""


@dataclass(slots=True)
class _SharedCall(Generic[T]):
    """A task, and the deadline of each of its waiters."""

    task: asyncio.Task[T] = field(init=False)
    waiters: dict[object, Deadline] = field(default_factory=dict)


class SingleFlight(Generic[T]):
    """Lets callers who request the same key at the same time share one call.

    The call runs while a caller waits for it, and is cancelled when the last one
    leaves. Its deadline is the latest of their deadlines; for the rest, it has the
    `CallContext` of the first caller. Put everything into the key that makes an answer
    too old to share: a caller that an event has woken up must not join a read that
    began before.
    """

    def __init__(self) -> None:
        self._calls: dict[Hashable, _SharedCall[T]] = {}

    async def share(
        self, key: Hashable, call: Callable[[], Awaitable[T]], *, max_wait_s: float | None = None
    ) -> T:
        """Returns the result of the shared call.

        With `max_wait_s`, this caller has a fallback: it waits no longer than that, and
        not beyond `left_s`, so it has time for the fallback. Raises DeadlineExceeded
        then, and the call goes on for later callers.
        """
        waiter = object()
        shared = self._join(key, call, waiter, call_context.current().deadline)
        wait_s = None if max_wait_s is None else min(max_wait_s, deadlines.left_s())
        try:
            async with asyncio.timeout(wait_s) as timeout:
                return await asyncio.shield(shared.task)
        except TimeoutError:
            if not timeout.expired():
                raise
            shared.waiters[DETACHED] = never
            raise DeadlineExceeded("answer takes longer than usual: retry later") from None
        finally:
            self._leave(key, shared, waiter)

    def begin(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> None:
        """Starts the call, unless it is running. It runs to its end. If it fails, only
        the callers who wait for it get the error."""
        if key not in self._calls:
            self._join(key, call, DETACHED, never)

    async def finish(self, call: Callable[[], Awaitable[T]]) -> T:
        """Runs the call to its end even if the caller leaves: for what must not stop
        half way. From then on its deadline has passed, so it starts nothing new."""
        waiter = object()
        shared = self._join(object(), call, waiter, call_context.current().deadline)
        try:
            return await asyncio.shield(shared.task)
        finally:
            del shared.waiters[waiter]

    async def aclose(self, grace_s: float = 0.0) -> None:
        """Lets running calls end within the grace period, cancels the rest, and waits
        until they have ended."""
        tasks = [shared.task for shared in self._calls.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _join(
        self, key: Hashable, call: Callable[[], Awaitable[T]], waiter: object, deadline: Deadline
    ) -> _SharedCall[T]:
        shared = self._calls.get(key)
        if shared is None:
            shared = _SharedCall()
            # Refers to the waiters only. Otherwise the task's context would refer to
            # the shared call, which refers to the task.
            latest = partial(_latest, shared.waiters)
            shared.task = asyncio.get_running_loop().create_task(_run(call, latest))
            self._calls[key] = shared
            shared.task.add_done_callback(partial(self._on_done, key, shared))
        shared.waiters[waiter] = deadline
        return shared

    def _leave(self, key: Hashable, shared: _SharedCall[T], waiter: object) -> None:
        del shared.waiters[waiter]
        if not shared.waiters and not shared.task.done():
            shared.task.cancel()
            self._forget(key, shared)

    def _on_done(self, key: Hashable, shared: _SharedCall[T], task: "asyncio.Task[T]") -> None:
        self._forget(key, shared)
        _report_bug(task)

    def _forget(self, key: Hashable, shared: _SharedCall[T]) -> None:
        # A cancelled call takes a while to end. Another one may have the key by then.
        if self._calls.get(key) is shared:
            del self._calls[key]


def _latest(waiters: Mapping[object, Deadline]) -> float:
    """The latest deadline. Without waiters it has passed."""
    return max((deadline() for deadline in waiters.values()), default=-math.inf)


async def _run(call: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
    deadlines.enter(deadline)
    return await call()


def _report_bug(task: "asyncio.Task[T]") -> None:
    """Retrieves the task's exception, so that asyncio does not report a failure for
    which no caller waits. A bug is reported all the same."""
    with suppress(asyncio.CancelledError):
        failure = task.exception()
        if failure is not None and not isinstance(failure, GatewayError):
            task.get_loop().call_exception_handler(
                {"message": "a shared call failed", "exception": failure, "task": task}
            )
