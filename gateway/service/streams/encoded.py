"""A bounded cache of encoded stream messages, so that a message for many subscribers is
encoded once. Does no I/O."""

from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

from gateway.core.lru import LruCache

# Subscribers at the head of the log share a few events. Subscribers that return after
# an outage share the events that they missed.
COUNT = 1_000
BYTES = 4 * 1024 * 1024

K = TypeVar("K", bound=Hashable)


class EncodedMessage(msgspec.Struct, frozen=True, gc=False):
    """One stream message as its transport sends it, with the cursor to resume after it.

    `gc=False`: it refers to no container, so the garbage collector need not visit the
    cache.
    """

    encoded: bytes
    cursor: str


class EncodedMessages(Generic[K]):
    """The newest encoded messages: up to `count` of them and up to `bytes_` bytes in
    all.

    A key must hold everything that the bytes depend on. Bytes that depend on the
    receiver, such as an error with a trace id, must not be put in.
    """

    def __init__(self, *, count: int = COUNT, bytes_: int = BYTES) -> None:
        self._messages = LruCache[K, EncodedMessage](max_entries=count, max_bytes=bytes_)

    @property
    def size(self) -> int:
        return self._messages.size

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, key: K) -> EncodedMessage | None:
        # First in, first out: subscribers advance through the events together, so the
        # oldest message is the one that is needed least.
        return self._messages.peek(key)

    def put(self, key: K, message: EncodedMessage) -> None:
        self._messages.put(key, message, len(message.encoded))
