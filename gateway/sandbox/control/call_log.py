"""The recent requests to the REST API, and their peak rates."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from gateway.sandbox.rest.quota import Peaks

# How many requests are kept: those of 100 s at 1,000 requests per second.
MAX_CALLS = 100_000


@dataclass(slots=True)
class LoggedCall:
    """One request. `at` is in seconds since 1970.

    `status` is None while the request is in flight, and 0 if it got no response.
    `account_sid` is None without valid credentials.
    """

    at: float
    method: str
    path: str
    query: str
    status: int | None = None
    account_sid: str | None = None


class CallLog:
    def __init__(self) -> None:
        self._peaks = Peaks()
        self._calls: deque[LoggedCall] = deque(maxlen=MAX_CALLS)

    def begin(self, method: str, path: str, query: str, is_read: bool) -> LoggedCall:
        """Adds a request. Each call must be followed by one call of `end`."""
        self._peaks.begin(is_read, time.monotonic())
        call = LoggedCall(time.time(), method, path, query)
        self._calls.append(call)
        return call

    def end(self) -> None:
        self._peaks.end()

    def calls(self, since: float = 0) -> list[dict[str, Any]]:
        """Returns the requests that began at `since` or later, in that order."""
        return [asdict(call) for call in self._calls if call.at >= since]

    def peak(self) -> dict[str, int]:
        return self._peaks.json()

    def clear(self) -> None:
        """Removes all requests. Those in flight still count as concurrent."""
        self._calls.clear()
        self._peaks.clear()
