"""A queue of tasks by priority and due time. Does no I/O; times are seconds of a clock
that never goes back."""

import heapq
from collections.abc import Hashable
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class DuePriority(IntEnum):
    """Of several tasks that are due, the lowest value goes first; then the one that was
    due first."""

    URGENT = 0
    ROUND = 1
    SPARE = 2
    """Only when nothing else is due."""


class DueQueue(Generic[T]):
    """Holds each task once per priority, at the earliest time that it was added for.
    Taking a task removes it from all priorities."""

    def __init__(self) -> None:
        self._due: dict[T, dict[DuePriority, float]] = {}
        self._heaps: dict[DuePriority, list[tuple[float, int, T]]] = {
            priority: [] for priority in DuePriority
        }
        self._ordinals = count()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, task: T, at: float, priority: DuePriority) -> None:
        due = self._due.setdefault(task, {})
        if at < due.get(priority, float("inf")):
            due[priority] = at
            heapq.heappush(self._heaps[priority], (at, next(self._ordinals), task))

    def take(self, now: float) -> T | None:
        """Removes and returns the first task that is due; None when none is."""
        for priority in DuePriority:
            first = self._first(priority)
            if first is not None and first[0] <= now:
                task = first[1]
                heapq.heappop(self._heaps[priority])
                del self._due[task]
                return task
        return None

    def drop(self, task: T) -> None:
        """Removes the task from all priorities, if it is in the queue."""
        self._due.pop(task, None)

    def next_at(self) -> float:
        """When the next task is due; infinity when there is none."""
        firsts = [first for priority in DuePriority if (first := self._first(priority)) is not None]
        return min((at for at, _ in firsts), default=float("inf"))

    def _first(self, priority: DuePriority) -> tuple[float, T] | None:
        heap = self._heaps[priority]
        while heap:
            at, _, task = heap[0]
            if self._due.get(task, {}).get(priority) == at:
                return at, task
            # Outdated: the task was taken, dropped, or added again for an earlier time.
            heapq.heappop(heap)
        return None
