"""The clocks of the sandbox: wall time for dates, a simulated clock for timeouts."""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.sandbox.world.model import Instant


class Clock:
    """The wall clock, and a simulated clock that tests can advance.

    The simulated clock has one timer per key. Advancing it runs the timers that are due
    in their order, each at its own time. A timeout that another timeout starts is
    therefore measured from that one: advancing by four hours ends a room whose last
    participant was disconnected after two.

    The first timer needs a running event loop.
    """

    def __init__(self) -> None:
        self._advanced_s = 0.0
        self._due_s: dict[str, float] = {}
        self._queue: list[tuple[float, str, Callable[[], None]]] = []
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> Instant:
        return Instant(datetime.now(UTC), self._now_s())

    def schedule(self, key: str, due_s: float, callback: Callable[[], None]) -> None:
        """Runs `callback` at `due_s` or earlier: it must check what is due itself.

        A timer with an earlier time stays in place, and the callback schedules the next
        one. Postponing a timer is therefore free, and a busy room does so all the time.
        """
        scheduled_s = self._due_s.get(key)
        if scheduled_s is not None and scheduled_s <= due_s:
            return
        self._due_s[key] = due_s
        heapq.heappush(self._queue, (due_s, key, callback))
        if self._queue[0][0] == due_s:
            self._arm()

    def cancel(self, key: str) -> None:
        self._due_s.pop(key, None)

    def advance(self, seconds: float) -> None:
        """Advances the simulated clock and runs every timer that becomes due."""
        target_s = self._now_s() + seconds
        while self._queue and self._queue[0][0] <= target_s:
            self._advanced_s += max(0.0, self._queue[0][0] - self._now_s())
            self._run_due()
        self._advanced_s += max(0.0, target_s - self._now_s())
        self._arm()

    def cancel_all(self) -> None:
        """Cancels all timers. The simulated time stays, because it never goes back."""
        self._due_s.clear()
        self._queue.clear()
        if self._handle:
            self._handle.cancel()
            self._handle = None

    def _now_s(self) -> float:
        return time.monotonic() + self._advanced_s

    def _run_due(self) -> None:
        while self._queue and self._queue[0][0] <= self._now_s():
            due_s, key, callback = heapq.heappop(self._queue)
            # Otherwise it was cancelled, or replaced by an earlier timer that has run.
            if self._due_s.get(key) == due_s:
                del self._due_s[key]
                callback()

    def _arm(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None
        if self._queue:
            delay_s = max(0.0, self._queue[0][0] - self._now_s())
            self._handle = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._run_due()
        self._arm()
