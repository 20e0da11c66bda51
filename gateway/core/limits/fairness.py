"""Which request goes first when not all can: by priority, then one of each caller in
turn. Does no I/O."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Priority(IntEnum):
    """What a request to Twilio is for, the most urgent first."""

    END = 0
    """Ends a room or removes a participant: a delay costs money, or lets somebody stay
    who must leave."""
    CHANGE = 1
    """Any other change."""
    READ = 2
    """Reads one thing that a caller waits for, or compares the log with Twilio; the
    comparison has a small budget of its own."""
    LIST = 3
    BACKGROUND = 4
    """Refreshes a stale answer that the caller already has."""


class FairQueue(Generic[T]):
    """Waiting items, at most `limit` of each priority: a flood of lists takes no room
    from reads.

    Within a priority, one item of each caller is served in turn. As every request costs
    one permit, that is deficit round robin: a caller that sends ten times as many
    requests as others delays only its own.
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
            for items in callers.values()
            for item in items
        )

    def size(self, priority: Priority) -> int:
        """How many items of this priority wait."""
        return self._sizes[priority]

    @property
    def first_priority(self) -> Priority | None:
        """The priority of the next item; None when the queue is empty."""
        return next((priority for priority, size in self._sizes.items() if size), None)

    def ahead(self, priority: Priority, caller: str) -> int:
        """How many items are served before a new one of this caller, if nothing else
        arrives. This is an upper bound."""
        callers = self._callers[priority]
        own = len(callers.get(caller, ()))
        others = sum(
            min(len(items), own + 1) for other, items in callers.items() if other != caller
        )
        more_urgent = sum(size for other, size in self._sizes.items() if other < priority)
        return own + others + more_urgent

    def put(self, priority: Priority, caller: str, item: T) -> T | None:
        """Adds the item. Returns the item that was evicted for it, or None.

        If there is no room, the last item of the caller with the most items is
        evicted. That may be the new item itself.
        """
        callers = self._callers[priority]
        callers.setdefault(caller, deque()).append(item)
        self._sizes[priority] += 1
        if self._sizes[priority] <= self._limit:
            return None
        # Of several callers with equally many items, the new item's caller loses one.
        greediest = max(callers, key=lambda name: (len(callers[name]), name == caller))
        evicted = callers[greediest][-1]
        self.remove(priority, greediest, evicted)
        return evicted

    def pop(self) -> T | None:
        """Removes and returns the next item; None when the queue is empty."""
        priority = self.first_priority
        if priority is None:
            return None
        callers = self._callers[priority]
        caller, items = next(iter(callers.items()))
        item = items.popleft()
        self._sizes[priority] -= 1
        if items:
            callers.move_to_end(caller)
        else:
            del callers[caller]
        return item

    def remove(self, priority: Priority, caller: str, item: T) -> None:
        """Removes an item that waits no longer, if it is in the queue."""
        items = self._callers[priority].get(caller, deque())
        if item in items:
            items.remove(item)
            self._sizes[priority] -= 1
            if not items:
                del self._callers[priority][caller]
