"""How many things of a kind may be open at once: in this process, and of one caller. Does no I/O."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.core.callers import Caller
from gateway.core.errors import Throttled

RETRY_MS = 1_000


class ConnectionLimit:
    """Room for `limit` at once, of which one caller may take `per_caller`, so that nobody fills it alone. Nobody waits:
    who finds it full is told so."""

    def __init__(self, what: str, limit: int, per_caller: int) -> None:
        self._what = what
        self._limit = limit
        self._per_caller = per_caller
        self._inside: Counter[tuple[str, str]] = Counter()
        self._count = 0

    @contextmanager
    def enter(self, caller: Caller) -> Iterator[None]:
        """Raises Throttled."""
        who = caller.account_sid, caller.id
        if self._count >= self._limit:
            raise Throttled(
                f"this gateway has its {self._limit:,} {self._what} open; come back shortly",
                retry_after_ms=RETRY_MS,
            )
        if self._inside[who] >= self._per_caller:
            raise Throttled(
                f"this caller has its {self._per_caller:,} {self._what} open on this gateway; close one, or come back later",
                retry_after_ms=RETRY_MS,
            )
        self._inside[who] += 1
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._inside[who] -= 1
            if not self._inside[who]:
                del self._inside[who]
