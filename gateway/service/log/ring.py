"""The newest entries of an account's log. Does no I/O."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.cursors import NO_TAG, LogPosition
from gateway.service.log.timings import LogTimings
from gateway.store.eventlog import Entry, Head, Logged


@dataclass(frozen=True, slots=True)
class RingEntry:
    """An entry with its cursor, which is encoded once for all subscribers. `read_at`
    is this process' monotonic clock, in seconds."""

    entry: Entry
    cursor: str
    read_at: float


class Ring:
    """The newest entries, without gaps: all after `floor` up to `position`."""

    def __init__(self, floor: LogPosition, timings: LogTimings = LogTimings()) -> None:
        self.floor = floor
        self._timings = timings
        self._entries: list[RingEntry] = []
        self._bytes = 0
        # Cutting off the front of a list costs as much as the list is long, so entries
        # are evicted in slices.
        self._slice = max(1, timings.ring_entries // 40)

    @property
    def position(self) -> LogPosition:
        """The newest position that this process knows."""
        return self._entries[-1].entry.position if self._entries else self.floor

    def append(self, entry: RingEntry) -> None:
        """Adds the entry that follows the newest one, and evicts the oldest if there
        are too many."""
        self._entries.append(entry)
        self._bytes += entry.entry.size
        while len(self._entries) > self._timings.ring_entries + self._slice or (
            self._bytes > self._timings.ring_bytes and len(self._entries) > 1
        ):
            evicted = self._entries[: min(self._slice, len(self._entries) - 1)]
            self.floor = evicted[-1].entry.position
            self._bytes -= sum(old.entry.size for old in evicted)
            del self._entries[: len(evicted)]

    def after(self, n: int) -> list[RingEntry]:
        """The entries after n, which must not lie below the floor."""
        return self._entries[max(0, n - self.floor.n) :]

    def readable_after(self, n: int) -> list[Logged]:
        """Like `after`, without the entries that cannot be read."""
        return [old.entry for old in self.after(n) if isinstance(old.entry, Logged)]

    def position_at(self, n: int) -> LogPosition | None:
        """The position of the entry n; None if it is not in the ring."""
        index = n - self.floor.n - 1
        return self._entries[index].entry.position if 0 <= index < len(self._entries) else None

    def holds(self, position: LogPosition) -> bool:
        """Whether the ring proves that the position is valid, so that Redis need not be
        asked."""
        return position == self.floor or self.position_at(position.n) == position

    def position_by(self, moment: float) -> LogPosition:
        """The newest position that was read by this moment; the floor if there is
        none."""
        index = bisect_right(self._entries, moment, key=lambda entry: entry.read_at)
        return self._entries[index - 1].entry.position if index else self.floor


def is_contiguous(position: LogPosition, entries: Sequence[Entry]) -> bool:
    """Whether the entries directly follow the position, and each other.

    Each must have the next number in the same epoch, and must have been logged after
    the very entry before it: after a failover, the same numbers may be assigned again.
    """
    for entry in entries:
        follows = entry.position.n == position.n + 1 and entry.position.epoch == position.epoch
        if not follows or entry.prev_tag not in (None, position.tag):
            return False
        position = entry.position
    return True


def newest_contiguous(entries: Sequence[Entry], head: Head) -> tuple[LogPosition, list[Entry]]:
    """The longest contiguous end of the entries, and the position before it.

    It is empty if the entries do not end at the head.
    """
    if (
        not entries
        or entries[-1].position.epoch != head.position.epoch
        or entries[-1].position.n < head.position.n
    ):
        return head.position, []
    first = len(entries) - 1
    while first and is_contiguous(entries[first - 1].position, entries[first : first + 1]):
        first -= 1
    newest = list(entries[first:])
    if newest[0].position.n == head.base + 1:
        return LogPosition(head.position.epoch, head.base, NO_TAG), newest
    return newest[0].position, newest[1:]
