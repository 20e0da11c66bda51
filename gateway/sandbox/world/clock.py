"""The time of the sandbox: a wall clock for dates, and a clock for timeouts that tests can push."""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.sandbox.world.model import Moment


class Clock:
    """One alarm per key. A push lets what falls due happen in its order, each at its own time.

    So a timeout that another one starts is measured from there: four hours in one push end a room whose last
    participant was thrown out after two. Needs a running loop from the first alarm on.
    """

    def __init__(self) -> None:
        self._pushed_s = 0.0
        self._alarms: dict[str, float] = {}
        self._heap: list[tuple[float, str, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> Moment:
        return Moment(datetime.now(UTC), self._now_s())

    def alarm(self, key: str, at_s: float, ring: Callable[[], None]) -> None:
        """`ring` is called at `at_s` or before it: it has to look for itself and to set the alarm again.

        An alarm that stands earlier stays, so moving one later is free; that is what a busy room does all day.
        """
        standing_s = self._alarms.get(key)
        if standing_s is not None and standing_s <= at_s:
            return
        self._alarms[key] = at_s
        heapq.heappush(self._heap, (at_s, key, ring))
        if self._heap[0][0] == at_s:
            self._wind()

    def drop(self, key: str) -> None:
        self._alarms.pop(key, None)

    def advance(self, seconds: float) -> None:
        """Returns when everything that falls due has happened."""
        target_s = self._now_s() + seconds
        while self._heap and self._heap[0][0] <= target_s:
            self._pushed_s += max(0.0, self._heap[0][0] - self._now_s())
            self._ring_due()
        self._pushed_s += max(0.0, target_s - self._now_s())
        self._wind()

    def clear(self) -> None:
        """No alarm is left; the push stays, for time never goes back."""
        self._alarms.clear()
        self._heap.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _now_s(self) -> float:
        return time.monotonic() + self._pushed_s

    def _ring_due(self) -> None:
        while self._heap and self._heap[0][0] <= self._now_s():
            at_s, key, ring = heapq.heappop(self._heap)
            # Dropped, or replaced by an earlier one that has rung.
            if self._alarms.get(key) == at_s:
                del self._alarms[key]
                ring()

    def _wind(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay_s = max(0.0, self._heap[0][0] - self._now_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._ring_due()
        self._wind()
