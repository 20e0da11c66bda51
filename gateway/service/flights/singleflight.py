"""Sharing one call among all who ask for the same thing at the same time."""

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

# Longer than Twilio takes when it is well.
FALLBACK_S = 1.0
DETACHED: Final = object()


@dataclass(slots=True)
class _SharedCall(Generic[T]):
    task: asyncio.Task[T] = field(init=False)
    waiters: dict[object, Deadline] = field(default_factory=dict)
    """Until when each of them waits; under NOBODY, of a flight that goes on though they have all left."""


class SingleFlight(Generic[T]):
    """Lets callers who ask for the same key at the same time share one call.

    The call goes on while anybody waits for it and is cancelled when the last caller has left; its deadline is that of the
    caller who waits longest. Put into the key whatever makes an answer too old to share: a caller woken by an event must not
    join a read that began before it.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _SharedCall[T]] = {}

    async def share(
        self, key: Hashable, call: Callable[[], Awaitable[T]], *, has_fallback: bool = False
    ) -> T:
        """A caller who has something to fall back on waits FALLBACK_S at the most, and leaves time to show it. Raises
        DeadlineExceeded then, and the call goes on for those who come after him."""
        waiter = object()
        flight = self._join(key, call, waiter, call_context.current().deadline)
        try:
            async with asyncio.timeout(
                min(FALLBACK_S, deadlines.left_s()) if has_fallback else None
            ) as limit:
                return await asyncio.shield(flight.task)
        except TimeoutError:
            if not limit.expired():
                raise
            flight.waiters[DETACHED] = never
            raise DeadlineExceeded("the answer takes longer than it should; ask again") from None
        finally:
            del flight.waiters[waiter]
            if not flight.waiters and not flight.task.done():
                flight.task.cancel()
                self._forget(key, flight)

    def begin(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> None:
        """Starts the call, unless it is under way, for nobody in particular: it runs to its end, and its failure is
        nobody's (the next caller who waits for an answer meets the cause himself)."""
        if key not in self._flights:
            self._join(key, call, DETACHED, never)

    async def finish(self, call: Callable[[], Awaitable[T]]) -> T:
        """Runs the call to its end even when the caller leaves: for what must not be left half done. Its deadline has passed
        from then on, so it begins nothing new."""
        waiter = object()
        flight = self._join(object(), call, waiter, call_context.current().deadline)
        try:
            return await asyncio.shield(flight.task)
        finally:
            del flight.waiters[waiter]

    async def aclose(self, grace_s: float = 0.0) -> None:
        """Lets what is under way end within the grace, cancels the rest, and waits until it is gone."""
        tasks = [flight.task for flight in self._flights.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _join(
        self, key: Hashable, call: Callable[[], Awaitable[T]], waiter: object, deadline: Deadline
    ) -> _SharedCall[T]:
        flight = self._flights.get(key)
        if flight is None:
            flight = _SharedCall()
            # Of the passengers alone: the task's context would otherwise hold the flight, which holds the task.
            deadline_of_all = partial(_latest, flight.waiters)
            flight.task = asyncio.get_running_loop().create_task(
                _run_with_deadline(call, deadline_of_all)
            )
            self._flights[key] = flight
            flight.task.add_done_callback(partial(self._on_done, key, flight))
        flight.waiters[waiter] = deadline
        return flight

    def _on_done(self, key: Hashable, flight: _SharedCall[T], task: "asyncio.Task[T]") -> None:
        self._forget(key, flight)
        _note(task)

    def _forget(self, key: Hashable, flight: _SharedCall[T]) -> None:
        """A flight that was cancelled takes a while to end: another one may have the key by then."""
        if self._flights.get(key) is flight:
            del self._flights[key]


def _latest(waiters: Mapping[object, Deadline]) -> float:
    """The last passenger's deadline; that of a flight whose passengers have left is long past."""
    return max((deadline() for deadline in waiters.values()), default=-math.inf)


async def _run_with_deadline(call: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
    deadlines.enter(deadline)
    return await call()


def _note(task: "asyncio.Task[T]") -> None:
    """Looks at the outcome, so that asyncio does not report a failure nobody waited for. A bug is reported all the same."""
    with suppress(asyncio.CancelledError):
        failure = task.exception()
        if failure is not None and not isinstance(failure, GatewayError):
            task.get_loop().call_exception_handler(
                {"message": "a shared call failed", "exception": failure, "task": task}
            )
