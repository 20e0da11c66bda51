"""How long an answer may be kept by whoever asked: as long as that part of it is fresh which is so for the shortest time.

Reads say how fresh what they give is; who puts an answer together looks at the least of it. What is read in tasks that an
answer starts counts too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class MaxAge:
    """`fresh_s` is None as long as nothing was read."""

    def __init__(self) -> None:
        self.fresh_s: float | None = None


_current: ContextVar[MaxAge | None] = ContextVar("horizon", default=None)


@contextmanager
def collect_max_age() -> Iterator[MaxAge]:
    max_age = MaxAge()
    token = _current.set(max_age)
    try:
        yield max_age
    finally:
        _current.reset(token)


def limit_max_age(seconds: float) -> None:
    """What is being read now is fresh for so long; 0 for what is not to be kept at all."""
    max_age = _current.get()
    if max_age is not None:
        seconds = max(0.0, seconds)
        max_age.fresh_s = seconds if max_age.fresh_s is None else min(max_age.fresh_s, seconds)
