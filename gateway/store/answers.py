"""Answers of Twilio's about what hangs below a room, and about the account: kept in Redis, fenced by the log like rooms.

A kept value is `<seen> 1 <JSON>`, as a room that is over is: an answer has no end of its own that could be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import msgspec
from redis.exceptions import ResponseError

from gateway.core.caching import Fence
from gateway.core.cursors import LogPosition
from gateway.core.rooms import AccountSid
from gateway.store.cache import PUT
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.store.routes import Command

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CacheEntry(Generic[T]):
    """`seen_n` is the log's n before the fetch began; watching from `as_of` misses nothing that the value does not show.
    `settled` is False when it was fetched so soon after an event that it may still be what was before it."""

    value: T
    fetched_at: float
    """Seconds since 1970."""
    seen_n: int
    as_of: LogPosition | None
    settled: bool


@dataclass(frozen=True, slots=True)
class CacheKey(Generic[T]):
    """Where an answer is kept: `digest` tells it from the others about the same. Only what is about a room is fenced here:
    what else an event makes old, the reader must know."""

    about: str
    digest: str
    fence: Fence
    decoder: "msgspec.json.Decoder[CacheEntry[T]]"


@dataclass(frozen=True, slots=True)
class CacheLookup(Generic[T]):
    """`is_outdated`: an event has made the value old since it was fetched. `head_n` is the `seen_n` of a fetch that begins
    now. `size` is the value's, in bytes as it is kept."""

    kept: CacheEntry[T] | None
    is_outdated: bool
    head_n: int
    size: int = 0


def encode_entry(kept: CacheEntry[Any]) -> bytes:
    return msgspec.json.encode(kept)


class ResponseCache:
    """One account's answers. Every method is one round trip and raises UpstreamUnavailable."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def get(self, slots: Sequence[CacheKey[T]]) -> list[CacheLookup[T]]:
        commands: list[Command] = []
        for slot in slots:
            # In this order no append in between can make an old value look current.
            commands.append(("GET", self._keys.answer(slot.about, slot.digest)))
            commands.append(("HGET", self._keys.versions(slot.about), slot.fence))
        *found, head = await self._connections.read(*commands, ("HGET", self._keys.meta, "n"))
        head_n = _number(head)
        pairs = zip(found[::2], found[1::2], strict=True)
        return [
            _found(slot, kept, _number(version), head_n)
            for slot, (kept, version) in zip(slots, pairs, strict=True)
        ]

    async def put(self, slot: CacheKey[T], value: bytes, seen_n: int, lifetime_s: float) -> None:
        """Keeps an encoded answer unless an event or a later fetch is known that it may not show."""
        keys = [
            self._keys.answer(slot.about, slot.digest),
            self._keys.versions(slot.about),
            self._keys.end(slot.about),
        ]
        args: list[str | bytes | int] = [value, seen_n, 1, round(lifetime_s * 1000), slot.fence]
        await self._connections.run(PUT, keys, args)


def _found(slot: CacheKey[T], kept: Any, version_n: int, head_n: int) -> CacheLookup[T]:
    """What cannot be read, because somebody or a newer release wrote it, counts as not there."""
    if not isinstance(kept, bytes):
        return CacheLookup(None, False, head_n)
    seen, _, rest = kept.partition(b" ")
    try:
        value = replace(slot.decoder.decode(rest[2:]), seen_n=int(seen))
    except (msgspec.MsgspecError, ValueError):
        return CacheLookup(None, False, head_n)
    return CacheLookup(value, value.seen_n < version_n, head_n, len(kept))


def _number(kept: Any) -> int:
    return 0 if isinstance(kept, ResponseError) or kept is None or not kept.isdigit() else int(kept)
