"""What can be read through the cache: kinds of resources, queries and lists."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec

from gateway.core.caching import (
    MISSING_NAME_LIFETIME,
    MISSING_SID_LIFETIME,
    Fence,
    Lifetime,
    while_settling,
)
from gateway.core.rooms import Ended
from gateway.store.cache import CacheEntry, CacheKey, CacheLookup
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import WirePage

T = TypeVar("T")

Merge = Callable[[T, Ended | None], T]
OnNotFound = Callable[[str, CacheLookup[T | None] | None, bool], Awaitable[T | None]]


class ResourceKind(Generic[T]):
    """One kind of resource, and how the read path treats it.

    `fence`: events that touch it make a value outdated. `lifetime`: how long a value
    may be used; a function when that depends on the value and on the time of its fetch.

    Rooms need two hooks more. `merge` puts the end of the room, where it is known, into
    the value. `on_not_found` decides what a 404 from Twilio means; without it, a 404
    means that there is no such resource. Its arguments are the query's `about`, what
    Redis knows of the resource (None when Redis does not answer), and whether an older
    answer may stand in. It returns None when there is no such resource, or a value to
    show, flagged as stale. When it raises UpstreamUnavailable, the older answer stands
    in, if there is one.
    """

    def __init__(
        self,
        type_: Any,
        fence: Fence,
        lifetime: Lifetime | Callable[[T, float], Lifetime],
        *,
        merge: Merge[T] | None = None,
        on_not_found: OnNotFound[T] | None = None,
    ) -> None:
        self.fence = fence
        self.merge = merge
        self.on_not_found = on_not_found
        self._lifetime = lifetime
        self.decoder: msgspec.json.Decoder[CacheEntry[T | None] | None] = msgspec.json.Decoder(
            CacheEntry[type_ | None] | None
        )

    def lifetime(self, value: T, fetched_at: float) -> Lifetime:
        """Returns the lifetime of a value that was not fetched right after an event."""
        if isinstance(self._lifetime, Lifetime):
            return self._lifetime
        return self._lifetime(value, fetched_at)


class CachedQuery(Generic[T]):
    """One read: the kind of the resource, what it is about, and the request to Twilio.

    `about` is the SID of the room or recording whose events make the answer outdated,
    or ACCOUNT. None: no event does. `name` is what the answer is looked up by in a list
    of Twilio's, where the request alone does not identify the query. `key` overrides
    the key that is made of these.
    """

    __slots__ = ("about", "key", "kind", "name", "request")

    def __init__(
        self,
        kind: ResourceKind[T],
        about: str | None,
        request: WireRequest[T] | WireRequest[T | None],
        name: str | None = None,
        *,
        key: str | None = None,
    ) -> None:
        self.kind = kind
        self.about = about
        self.request: WireRequest[T | None] = cast("WireRequest[T | None]", request)
        self.name = name
        about_key = about or "-"
        self.key: CacheKey[T | None] = CacheKey(
            key or f"answer:{about_key}:{self._digest()}", about_key, kind.fence, kind.decoder
        )

    def lifetime(self, entry: CacheEntry[T | None]) -> Lifetime:
        """Returns how long the entry may be used."""
        if entry.value is None:
            return MISSING_SID_LIFETIME if self.name is None else MISSING_NAME_LIFETIME
        lifetime = self.kind.lifetime(entry.value, entry.fetched_at)
        return lifetime if entry.is_settled else while_settling(lifetime)

    def _digest(self) -> str:
        parts = (self.request.product, self.request.path, self.request.query, self.name)
        return hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of Twilio's. `filters` says which items it contains; `request` makes the
    request for one of its pages, by page size and query."""

    kind: ResourceKind[WirePage[T]]
    about: str | None
    filters: object
    request: Callable[[int, str | None], WireRequest[WirePage[T]]]

    def page_query(self, size: int, query: str | None) -> CachedQuery[WirePage[T]]:
        """Returns the query for one page; `query` is None for the first one."""
        return CachedQuery(self.kind, self.about, self.request(size, query))

    @property
    def identity(self) -> object:
        """Differs between any two lists, and between two filters of one list."""
        request = self.request(1, None)
        return request.product, request.path, self.filters
