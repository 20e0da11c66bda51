"""What goes to many is encoded once. Does no I/O."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from gateway.core.lru import LruCache

# A crowd at the head of the log needs a few events, one that comes back after an outage those it missed.
COUNT = 1_000
BYTES = 4 * 1024 * 1024

K = TypeVar("K", bound=Hashable)


class EncodedMessages(Generic[K]):
    """What was told last, encoded: up to `count` messages and `bytes_` in all. The key holds everything that a message depends
    on; what depends on its receiver, such as an error with a trace, must not be put in."""

    def __init__(self, *, count: int = COUNT, bytes_: int = BYTES) -> None:
        self._messages = LruCache[K, bytes](max_entries=count, max_bytes=bytes_)

    @property
    def size(self) -> int:
        return self._messages.size

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, key: K) -> bytes | None:
        # The oldest message is evicted first, and not the one used least recently: a crowd
        # goes through the events together and leaves them behind.
        return self._messages.peek(key)

    def put(self, key: K, encoded: bytes) -> None:
        self._messages.put(key, encoded, len(encoded))
