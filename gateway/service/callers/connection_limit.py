"""Limits how many calls, streams or sockets are open at once. Does no I/O."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.core.addresses import Network
from gateway.core.callers import Caller, CallerKey
from gateway.core.errors import Throttled

RETRY_MS: Final = 1_000


class ConnectionLimit:
    """Lets `limit` be open in this process at once, and `per_caller` of one caller, so
    that one caller does not fill the process. Nothing waits for a place."""

    def __init__(self, kind: str, limit: int, per_caller: int | None = None) -> None:
        self._kind = kind
        self._limit = limit
        self._per_caller = limit if per_caller is None else per_caller
        self._open = 0
        self._open_by_caller: Counter[CallerKey | Network] = Counter()

    @contextmanager
    def enter(self, caller: Caller | Network | None = None) -> Iterator[None]:
        """Takes a place inside the `with` block. Raises Throttled if there is none.

        A network stands for a caller without a credential. Without either, the limit
        per caller does not apply.
        """
        if self._open >= self._limit:
            raise Throttled(
                f"this gateway already has {self._limit:,} {self._kind} open: retry in a second",
                retry_after_ms=RETRY_MS,
            )
        key = caller.key if isinstance(caller, Caller) else caller
        if key is not None and self._open_by_caller[key] >= self._per_caller:
            raise Throttled(
                f"this caller already has {self._per_caller:,} {self._kind} open on this gateway: "
                "close one, or retry later",
                retry_after_ms=RETRY_MS,
            )
        self._open += 1
        if key is not None:
            self._open_by_caller[key] += 1
        try:
            yield
        finally:
            self._open -= 1
            if key is not None:
                self._open_by_caller[key] -= 1
                if not self._open_by_caller[key]:
                    del self._open_by_caller[key]
