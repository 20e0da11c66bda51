"""Twilio's request quotas, and the peak request rates. Does no I/O.

https://www.twilio.com/docs/video/programmable-video-limits: 80 reads and 20 writes per
second and account.
"""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of each account.

    `concurrent` is Twilio's platform-wide limit of requests in flight. Twilio does not
    publish the number. 0 means no limit.
    """

    read_per_s: int = 80
    write_per_s: int = 20
    concurrent: int = 0


class Window:
    """A sliding window of one second.

    Refused requests do not count: repeated requests do not prolong the refusal.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accepted: deque[float] = deque()

    def allow(self, now_s: float) -> bool:
        """Counts and allows a request unless the window is full."""
        while self._accepted and self._accepted[0] <= now_s - WINDOW_S:
            self._accepted.popleft()
        if len(self._accepted) >= self._limit:
            return False
        self._accepted.append(now_s)
        return True


class AccountQuota:
    """The quotas of one account, in real time. The caller counts `in_flight`."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._reads = Window(quotas.read_per_s)
        self._writes = Window(quotas.write_per_s)
        self.in_flight = 0

    def allow(self, is_read: bool, now_s: float) -> bool:
        """Counts and allows a request, which `in_flight` must already include."""
        if 0 < self._quotas.concurrent < self.in_flight:
            return False
        return (self._reads if is_read else self._writes).allow(now_s)


class Peak:
    """The highest number of requests in any window of one second."""

    def __init__(self) -> None:
        self.highest = 0
        self._times: deque[float] = deque()

    def count(self, now_s: float) -> None:
        while self._times and self._times[0] <= now_s - WINDOW_S:
            self._times.popleft()
        self._times.append(now_s)
        self.highest = max(self.highest, len(self._times))


class Peaks:
    """The peaks that `/_sandbox/peak` returns.

    They cover all accounts and include refused requests.
    """

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
            "read": self._reads.highest,
            "write": self._writes.highest,
            "concurrent": self._concurrent,
        }
