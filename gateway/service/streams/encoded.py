"""What goes to many is encoded once. Does no I/O."""

from collections.abc import Hashable
from typing import Generic, TypeVar

# A crowd at the head of the log needs a few events, one that comes back after an outage those it missed.
COUNT = 1_000
BYTES = 4 * 1024 * 1024

K = TypeVar("K", bound=Hashable)


class EncodedMessages(Generic[K]):
    """What was told last, encoded: up to `count` messages and `bytes_` in all. The key holds everything that a message depends
    on; what depends on its receiver, such as an error with a trace, must not be put in."""

    def __init__(self, *, count: int = COUNT, bytes_: int = BYTES) -> None:
        self._count = count
        self._bytes = bytes_
        self._kept: dict[K, bytes] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> bytes | None:
        return self._kept.get(key)

    def put(self, key: K, encoded: bytes) -> None:
        self.size += len(encoded) - len(self._kept.get(key, b""))
        self._kept[key] = encoded
        # The oldest goes first, and not the one used least: a crowd goes through the events together and leaves them behind.
        while len(self._kept) > self._count or self.size > self._bytes:
            self.size -= len(self._kept.pop(next(iter(self._kept))))
