"""How many calls Twilio takes, and how many there were. Does no I/O.

https://www.twilio.com/docs/video/programmable-video-limits: 80 reads and 20 writes per second and account.
"""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Quotas:
    """`concurrent` is Twilio's platform-wide limit, whose number is not published: 0 is without one."""

    read_per_s: int = 80
    write_per_s: int = 20
    concurrent: int = 0


class Window:
    """The calls of the last second. A refused one does not count: hammering does not keep the door shut."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: deque[float] = deque()

    def take(self, now_s: float) -> bool:
        while self._taken and self._taken[0] <= now_s - WINDOW_S:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            return False
        self._taken.append(now_s)
        return True


class AccountQuota:
    """The budget of one account. Time is an argument and is never pushed."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._reads = Window(quotas.read_per_s)
        self._writes = Window(quotas.write_per_s)
        self.in_flight = 0

    def take(self, is_read: bool, now_s: float) -> bool:
        """May this call pass? Ask after counting it into `in_flight`."""
        if 0 < self._quotas.concurrent < self.in_flight:
            return False
        return (self._reads if is_read else self._writes).take(now_s)


class Peak:
    """The most calls in any one-second window."""

    def __init__(self) -> None:
        self.most = 0
        self._seen: deque[float] = deque()

    def count(self, now_s: float) -> None:
        while self._seen and self._seen[0] <= now_s - WINDOW_S:
            self._seen.popleft()
        self._seen.append(now_s)
        self.most = max(self.most, len(self._seen))


class Peaks:
    """What `/_sandbox/peak` tells: over all accounts, refused calls included."""

    def __init__(self) -> None:
        self._reads = Peak()
        self._writes = Peak()
        self._in_flight = 0
        self._concurrent = 0

    def begin(self, is_read: bool, now_s: float) -> None:
        (self._reads if is_read else self._writes).count(now_s)
        self._in_flight += 1
        self._concurrent = max(self._concurrent, self._in_flight)

    def end(self) -> None:
        self._in_flight -= 1

    def clear(self) -> None:
        self._reads, self._writes = Peak(), Peak()
        self._concurrent = self._in_flight

    def json(self) -> dict[str, int]:
        return {
            "read": self._reads.most,
            "write": self._writes.most,
            "concurrent": self._concurrent,
        }
