"""A bounded dictionary that evicts its least recently used entries. Does no I/O."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A mapping with at most `max_entries` entries and at most `max_bytes` in total.

    `None` means no limit. `get` and `put` mark an entry as the one used last; `peek`
    and `in` do not. Iteration yields the keys, the least recently used first.
    """

    def __init__(self, *, max_entries: int | None = None, max_bytes: int | None = None) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0
        """The total size of all entries, in the unit of `max_bytes`."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def get(self, key: K) -> V | None:
        """Returns the value, or None. The entry counts as used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def peek(self, key: K) -> V | None:
        """Returns the value, or None. The entry does not count as used."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def put(self, key: K, value: V, size: int = 0) -> list[tuple[K, V]]:
        """Stores the value and returns the entries that were evicted, the oldest first.

        `size` counts towards `max_bytes`. An entry that is larger than `max_bytes`
        evicts all others and then itself.
        """
        self.pop(key)
        self._entries[key] = value, size
        self.size += size
        evicted = []
        while self._is_over_limit():
            oldest, (dropped, freed) = self._entries.popitem(last=False)
            self.size -= freed
            evicted.append((oldest, dropped))
        return evicted

    def pop(self, key: K) -> V | None:
        """Removes the entry and returns its value, or None when there is none."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self.size -= entry[1]
        return entry[0]

    def _is_over_limit(self) -> bool:
        return (self._max_entries is not None and len(self._entries) > self._max_entries) or (
            self._max_bytes is not None and self.size > self._max_bytes
        )
