"""What the callers of the REST API did: the last calls, and the peaks."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from gateway.sandbox.rest.quota import Peaks

# How many calls are remembered: a minute and a half of 1,000 a second.
MAX_CALLS = 100_000


@dataclass(slots=True)
class LoggedCall:
    """`at` is in seconds since 1970. `status` is None while the call is under way, and 0 when it got no answer. `account_sid` is
    None for a call without valid credentials."""

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
        """To be followed by `end`, whatever becomes of the call."""
        self._peaks.begin(is_read, time.monotonic())
        call = LoggedCall(time.time(), method, path, query)
        self._calls.append(call)
        return call

    def end(self) -> None:
        self._peaks.end()

    def calls(self, since: float = 0) -> list[dict[str, Any]]:
        """Calls that began at `since` or later, in the order of their beginning."""
        return [asdict(call) for call in self._calls if call.at >= since]

    def peak(self) -> dict[str, int]:
        return self._peaks.json()

    def clear(self) -> None:
        """Calls under way still count as concurrent."""
        self._calls.clear()
        self._peaks.clear()
