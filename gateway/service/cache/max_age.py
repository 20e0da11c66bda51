"""How long an answer may be kept by whoever asked: as long as that part of it is fresh which is so for the shortest time.

Reads say how fresh what they give is; who puts an answer together looks at the least of it. What is read in tasks that an
answer starts counts too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Horizon:
    """`fresh_s` is None as long as nothing was read."""

    def __init__(self) -> None:
        self.fresh_s: float | None = None


_current: ContextVar[Horizon | None] = ContextVar("horizon", default=None)


@contextmanager
def watching() -> Iterator[Horizon]:
    horizon = Horizon()
    token = _current.set(horizon)
    try:
        yield horizon
    finally:
        _current.reset(token)


def fresh_for(seconds: float) -> None:
    """What is being read now is fresh for so long; 0 for what is not to be kept at all."""
    horizon = _current.get()
    if horizon is not None:
        seconds = max(0.0, seconds)
        horizon.fresh_s = seconds if horizon.fresh_s is None else min(horizon.fresh_s, seconds)
