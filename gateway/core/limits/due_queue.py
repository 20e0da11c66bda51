"""What is to be done next. Does no I/O; time is an argument, in seconds of any clock that only goes forward."""

import heapq
from collections.abc import Hashable
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Rank(IntEnum):
    """Of two tasks that are due, the one of the lower rank comes first; within a rank the one that was due first."""

    URGENT = 0
    ROUND = 1
    SPARE = 2
    """Only when nothing else is due."""


class Agenda(Generic[T]):
    """Each task stands in it once a rank, at the earliest time asked for; taken out, it is gone from all ranks."""

    def __init__(self) -> None:
        self._due: dict[T, dict[Rank, float]] = {}
        self._heaps: dict[Rank, list[tuple[float, int, T]]] = {rank: [] for rank in Rank}
        self._ordinals = count()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, task: T, at: float, rank: Rank) -> None:
        due = self._due.setdefault(task, {})
        if at < due.get(rank, float("inf")):
            due[rank] = at
            heapq.heappush(self._heaps[rank], (at, next(self._ordinals), task))

    def take(self, now: float) -> T | None:
        """The task that comes first, if one is due."""
        for rank in Rank:
            first = self._first(rank)
            if first is not None and first[0] <= now:
                task = first[1]
                heapq.heappop(self._heaps[rank])
                del self._due[task]
                return task
        return None

    def drop(self, task: T) -> None:
        self._due.pop(task, None)

    def next_at(self) -> float:
        """When the next task falls due; infinity when there is none."""
        firsts = [first for rank in Rank if (first := self._first(rank)) is not None]
        return min((at for at, _ in firsts), default=float("inf"))

    def _first(self, rank: Rank) -> tuple[float, T] | None:
        heap = self._heaps[rank]
        while heap:
            at, _, task = heap[0]
            if self._due.get(task, {}).get(rank) == at:
                return at, task
            # It was taken or dropped, or has come to stand earlier.
            heapq.heappop(heap)
        return None
