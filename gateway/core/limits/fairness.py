"""Who goes first when not all can go: by rank, and within a rank one of each caller in turn. Does no I/O."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Priority(IntEnum):
    """What a request to Twilio is for, the most urgent first."""

    END = 0
    """Ends a room, or somebody's stay: delay costs money, or lets somebody stay who must not."""
    CHANGE = 1
    READ = 2
    """One thing, which somebody waits for; and comparing the log with Twilio, which has a small budget of its own."""
    LIST = 3
    BACKGROUND = 4
    """Nobody waits for it: refreshes behind a stale answer."""


class FairQueue(Generic[T]):
    """Those who wait, up to `limit` of each rank: a flood of lists takes no room from anything else.

    As every request costs one turn, taking one of each caller in turn is deficit round robin; whoever asks ten times as much
    as others waits for himself.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._callers: dict[Priority, OrderedDict[str, deque[T]]] = {
            priority: OrderedDict() for priority in Priority
        }
        self._sizes = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def __iter__(self) -> Iterator[T]:
        return (
            item
            for callers in self._callers.values()
            for waiting in callers.values()
            for item in waiting
        )

    def size(self, priority: Priority) -> int:
        return self._sizes[priority]

    @property
    def first_priority(self) -> Priority | None:
        """Of who is served next."""
        return next((priority for priority, size in self._sizes.items() if size), None)

    def ahead(self, priority: Priority, caller: str) -> int:
        """How many are served before one of this caller's who would come now, at the most, if nobody comes after him."""
        callers = self._callers[priority]
        own = len(callers.get(caller, ()))
        others = sum(
            min(len(waiting), own + 1) for each, waiting in callers.items() if each != caller
        )
        return own + others + sum(size for better, size in self._sizes.items() if better < priority)

    def put(self, priority: Priority, caller: str, item: T) -> T | None:
        """Which item has no room any more, this one or another: the last one of the caller who has most. None while there is
        room for all."""
        callers = self._callers[priority]
        callers.setdefault(caller, deque()).append(item)
        self._sizes[priority] += 1
        if self._sizes[priority] <= self._limit:
            return None
        # Of several who have as many, the one who has just come.
        greedy = max(callers, key=lambda each: (len(callers[each]), each == caller))
        turned_away = callers[greedy][-1]
        self.remove(priority, greedy, turned_away)
        return turned_away

    def pop(self) -> T | None:
        """The next one; None when nobody waits."""
        priority = self.first_priority
        if priority is None:
            return None
        callers = self._callers[priority]
        caller, waiting = next(iter(callers.items()))
        item = waiting.popleft()
        self._sizes[priority] -= 1
        if waiting:
            callers.move_to_end(caller)
        else:
            del callers[caller]
        return item

    def remove(self, priority: Priority, caller: str, item: T) -> None:
        """Of one who does not wait any more; nothing happens to who has been served."""
        waiting = self._callers[priority].get(caller, deque())
        if item in waiting:
            waiting.remove(item)
            self._sizes[priority] -= 1
            if not waiting:
                del self._callers[priority][caller]
