"""The appends that were acknowledged to this process and have not been read back. Does
no I/O."""

from collections.abc import Callable
from typing import Final

from gateway.core.cursors import LogPosition

# The log is read every 0.1 s. So many are unread only if reading fails while appending
# works.
LIMIT: Final = 10_000


class Acknowledged:
    """Finds appends that Redis acknowledged and lost.

    An asynchronous failover may lose an entry and assign its number again. A process
    that reads the log afterwards sees a complete chain: only the process that received
    the acknowledgement can know.
    """

    def __init__(self) -> None:
        self._unread: dict[int, LogPosition] = {}
        self._has_conflict = False

    def add(self, position: LogPosition) -> None:
        earlier = self._unread.get(position.n)
        if earlier is not None and earlier.epoch == position.epoch and earlier != position:
            # Two appends were acknowledged with one number: the first is lost.
            self._has_conflict = True
        self._unread[position.n] = position
        if len(self._unread) > LIMIT:
            self._unread.pop(next(iter(self._unread)))

    def newest_after(self, position: LogPosition) -> LogPosition | None:
        """The newest unread position in the same epoch, if it is after this one."""
        later = (
            unread
            for unread in self._unread.values()
            if unread.epoch == position.epoch and unread.n > position.n
        )
        return max(later, key=lambda unread: unread.n, default=None)

    def is_consistent(
        self, head: LogPosition, position_at: Callable[[int], LogPosition | None]
    ) -> bool:
        """Whether the log up to `head` has all that was acknowledged.

        `position_at` gives the position of the entry with a number, or None if it is
        not known any more. Forgets what it has checked.
        """
        is_consistent = not self._has_conflict
        read = [
            unread
            for unread in self._unread.values()
            if unread.epoch == head.epoch and unread.n <= head.n
        ]
        for unread in read:
            del self._unread[unread.n]
            is_consistent = is_consistent and position_at(unread.n) in (unread, None)
        return is_consistent

    def reset(self, epoch: str) -> None:
        """Forgets what was acknowledged in other epochs: its loss is announced by the
        new epoch."""
        self._has_conflict = False
        self._unread = {n: unread for n, unread in self._unread.items() if unread.epoch == epoch}
