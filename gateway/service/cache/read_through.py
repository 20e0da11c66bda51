"""The one path by which resources are read: memory, then Redis, then Twilio.

A fresh value in memory is returned at once. A somewhat older one is returned too, and
fetched again in the background. Otherwise the value comes from Redis, or else from
Twilio, under its quota. One replica at a time fetches a value (see `FetchLease`), and
the event log fences it: a value that was fetched before an event that changed it is
never cached. When Twilio or Redis does not answer, the newest known value is returned,
flagged as stale.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar, cast

from gateway.core.caching import (
    CacheState,
    Freshness,
    FreshnessSource,
    Lifetime,
    ReadResult,
    cache_state,
)
from gateway.core.cursors import CursorCodec, LogPosition
from gateway.core.errors import NotFound, Reason, UpstreamUnavailable
from gateway.core.outcomes import not_found
from gateway.core.paging import Page
from gateway.core.rooms import Ended, RoomSid
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.fetch_lease import MISS, FetchLease, Miss
from gateway.service.cache.memory import ResponseMemory, age_rank
from gateway.service.cache.merged_lists import Listed, MergedLists
from gateway.service.cache.page_cursors import PageCursors
from gateway.service.cache.resources import CachedQuery, Listing
from gateway.service.cache.timings import CacheTimings
from gateway.service.call_context import limit_max_age
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.cache import CacheEntry, CacheLookup, ResponseCache
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import WirePage

T = TypeVar("T")
L = TypeVar("L", bound=Listed)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The outcome of a read. `entry.value` is None when Twilio has no such resource.

    `is_stale`: a newer value was wanted and could not be had.
    """

    entry: CacheEntry[T]
    lifetime: Lifetime
    is_stale: bool = False

    @property
    def value(self) -> T:
        return self.entry.value

    @property
    def fresh_s(self) -> float:
        """For how many seconds the value stays fresh: 0 or less for a stale one."""
        return 0 if self.is_stale else self.lifetime.fresh_until_s - _age_s(self.entry)

    def result(self, source: FreshnessSource, cursor_codec: CursorCodec) -> ReadResult[T]:
        """Returns the value as callers get it, and limits the max-age of the call's
        answer."""
        limit_max_age(self.fresh_s)
        fetch_time = datetime.fromtimestamp(self.entry.fetched_at, UTC)
        as_of = self.entry.as_of
        return ReadResult(
            self.entry.value,
            Freshness(fetch_time, self.is_stale, source),
            None if as_of is None else cursor_codec.log_cursor(as_of),
        )


class ReadThrough:
    """Reads one account's resources. See the module for how."""

    def __init__(
        self,
        upstream: Upstream,
        cache: ResponseCache,
        room_memory: RoomMemory,
        tail: Tail,
        fetch_lease: FetchLease,
        cursor_codec: CursorCodec,
        timings: CacheTimings,
    ) -> None:
        self._upstream = upstream
        self._cache = cache
        self._memory = ResponseMemory(room_memory, timings)
        self._room_memory = room_memory
        self._tail = tail
        self._fetch_lease = fetch_lease
        self._early_refresh = EarlyRefresh(timings)
        self._cursor_codec = cursor_codec
        self._timings = timings
        self._page_cursors = PageCursors(cursor_codec)
        self.merged = MergedLists(cursor_codec)
        """Reads several lists as one."""
        self._flights = SingleFlight[Found[Any]]()

    async def one(
        self, query: CachedQuery[T], *, missing: Reason = Reason.ROOM_NOT_FOUND
    ) -> ReadResult[T]:
        """Returns the resource. Raises NotFound with the reason `missing`, and what
        `read` raises."""
        result = await self.one_or_none(query)
        if result is None:
            raise not_found(missing)
        return result

    async def one_or_none(self, query: CachedQuery[T]) -> ReadResult[T] | None:
        """Returns the resource, or None when there is none. Raises what `read`
        raises."""
        return self._result(query, await self.read(query))

    async def from_twilio(self, query: CachedQuery[T]) -> ReadResult[T] | None:
        """Returns the resource as Twilio shows it now, for a change that is aimed at
        it."""
        return self._result(query, await self.fetch_now(query))

    async def fetch_now(self, query: CachedQuery[T]) -> Found[T | None]:
        """Returns the value as Twilio shows it now, past the cache."""
        key = (query.key.name, self._memory.version(query), "now")
        return await self._flights.share(key, lambda: self._fetch_now(query))

    async def page(
        self,
        listing: Listing[T],
        first: int,
        after: str | None,
        *,
        missing: Reason = Reason.ROOM_NOT_FOUND,
    ) -> ReadResult[Page[T]]:
        """Returns a page of a list.

        Raises InvalidArgument for a cursor of another list, CursorExpired for one that
        is no longer valid, NotFound with the reason `missing` for a list that Twilio
        does not have, and what `read` raises.
        """
        position = self._page_cursors.position(listing.identity, first, after)
        result = await self.one(listing.page_query(position.size, position.query), missing=missing)
        page = self._page_cursors.page(position, result.value, first)
        return ReadResult(page, result.freshness, result.as_of)

    async def merged_page(
        self, listings: Sequence[Listing[L]], first: int, after: str | None
    ) -> ReadResult[Page[L]]:
        """Returns a page of several lists as one, the newest item first. Raises what
        `page` raises."""
        reads = [partial(self.page, listing) for listing in listings]
        identity = [listing.identity for listing in listings]
        return await self.merged.page(reads, identity, first, after)

    async def warm(self, listings: Sequence[Listing[T]], first: int) -> None:
        """Copies the first pages that Redis has into memory, in one round trip, for the
        reads that follow."""
        queries = [listing.page_query(first, None) for listing in listings]
        cold = [query for query in queries if not self._is_fresh_in_memory(query)]
        if not cold:
            return
        # Without Redis, each read decides by itself what it may return.
        with suppress(UpstreamUnavailable):
            for query, lookup in zip(cold, await self._look_up(cold), strict=True):
                if lookup.entry is not None and not lookup.is_outdated:
                    self._memory.put(query, lookup.entry, lookup.size)

    async def read(self, query: CachedQuery[T]) -> Found[T | None]:
        """Returns the value from memory, Redis or Twilio.

        Raises QuotaExceeded, UpstreamUnavailable or DeadlineExceeded when no value is
        known and none can be had, and the errors by which Twilio refuses the request.
        """
        held = self._memory.get(query) if self._room_memory.is_current else None
        if held is not None:
            lifetime, age_s = query.lifetime(held), _age_s(held)
            match cache_state(lifetime, age_s):
                case CacheState.FRESH:
                    if self._early_refresh.should_refresh(
                        query.key.name, held.fetched_at, lifetime, age_s
                    ):
                        self._refresh(query, held.fetched_at)
                    return Found(held, lifetime)
                case CacheState.REFRESHING:
                    self._refresh(query, held.fetched_at)
                    return Found(held, lifetime)
                case CacheState.STAND_IN | CacheState.EXPIRED:
                    pass
        try:
            has_fallback = self.stand_in(query) is not None
            # A caller does not join a refresh: that gives up where a caller waits for a
            # permit.
            return await self._flights.share(
                (query.key.name, self._memory.version(query), "read"),
                lambda: self._read_through(query, is_urgent=True),
                max_wait_s=self._timings.fallback_s if has_fallback else None,
            )
        except NO_ANSWER:
            stand_in = self.stand_in(query)
            if stand_in is None:
                raise
            return stand_in

    async def cached(self, query: CachedQuery[T]) -> Found[T | None] | Miss:
        """Returns the value from Redis if it is fresh there, and never asks Twilio.
        Raises UpstreamUnavailable when Redis does not answer."""
        [lookup] = await self._look_up([query])
        return self._fresh_in_redis(query, lookup, after=0.0)

    def stand_in(
        self, query: CachedQuery[T], lookup: CacheLookup[T | None] | None = None
    ) -> Found[T | None] | None:
        """Returns the newest known value that is not too old to replace an answer,
        flagged as stale, or None. An event may have made it outdated. `lookup` is what
        Redis knows."""
        in_redis, ended = (None, None) if lookup is None else (lookup.entry, lookup.ended)
        usable = []
        for known in (self._memory.last(query), in_redis):
            if known is not None:
                entry = self._with_end(query, known, ended)
                if cache_state(query.lifetime(entry), _age_s(entry)) is not CacheState.EXPIRED:
                    usable.append(entry)
        if not usable:
            return None
        newest = max(usable, key=age_rank)
        return Found(newest, query.lifetime(newest), is_stale=True)

    async def find(
        self, request: WireRequest[T | None], query_of: Callable[[T], CachedQuery[T]]
    ) -> Found[T] | None:
        """Sends a request past the cache, for a resource whose query depends on the
        answer, and caches the answer. Raises what `read` raises, and
        UpstreamUnavailable when Redis does not answer."""
        seen_n, as_of, fetched_at = self._tail.position.n, self._tail.as_of(), time.time()
        value = await self._upstream.send(request)
        if value is None:
            return None
        query = query_of(value)
        entry = self._entry(query, value, fetched_at, seen_n, as_of)
        return present(await self.store(query, entry))

    async def store(self, query: CachedQuery[T], entry: CacheEntry[T | None]) -> Found[T | None]:
        """Offers a value of Twilio's to Redis and to memory, and returns what may be
        shown now. Raises UpstreamUnavailable when Redis does not answer."""
        put = await self._cache.put(query.key, entry, _redis_lifetime_s(query, entry))
        return self.remember(query, self._with_end(query, entry, put.ended))

    def remember(
        self, query: CachedQuery[T], entry: CacheEntry[T | None], size: int | None = None
    ) -> Found[T | None]:
        """Offers a value to memory, and returns what may be shown now."""
        entry = self._memory.put(query, entry, size)
        return Found(entry, query.lifetime(entry))

    async def aclose(self) -> None:
        """Cancels all fetches."""
        await self._flights.aclose()

    def _is_fresh_in_memory(self, query: CachedQuery[Any]) -> bool:
        held = self._memory.get(query)
        return held is not None and _is_fresh(query, held)

    def _refresh(self, query: CachedQuery[T], fetched_at: float) -> None:
        """Reads the value again in the background, unless another replica has fetched
        it since."""
        key = (query.key.name, self._memory.version(query), "refresh")
        self._flights.begin(
            key, lambda: self._read_through(query, is_urgent=False, after=fetched_at)
        )

    async def _read_through(
        self, query: CachedQuery[T], *, is_urgent: bool, after: float = 0.0
    ) -> Found[T | None]:
        """Returns the value from Redis if it was fetched after `after`, or else from
        Twilio."""
        try:
            [lookup] = await self._look_up([query])
        except UpstreamUnavailable:
            return await self._fetch_without_redis(query, is_urgent=is_urgent)
        found = self._fresh_in_redis(query, lookup, after)
        if found is not MISS:
            return found

        async def look_up() -> Found[T | None] | Miss:
            nonlocal lookup
            [lookup] = await self._look_up([query])
            return self._fresh_in_redis(query, lookup, after)

        # A reader that an event woke up must not wait for a fetch that began before the
        # event.
        version = max(lookup.version_n, self._memory.version(query))
        return await self._fetch_lease.once(
            f"{query.key.name}:{version}",
            look_up,
            lambda: self._fetch_or_stand_in(query, lookup, is_urgent=is_urgent),
            is_urgent=is_urgent,
        )

    async def _look_up(self, queries: Sequence[CachedQuery[T]]) -> list[CacheLookup[T | None]]:
        lookups = await self._cache.get([query.key for query in queries])
        self._room_memory.observe_head(lookups[-1].head_n)
        return lookups

    def _fresh_in_redis(
        self, query: CachedQuery[T], lookup: CacheLookup[T | None], after: float
    ) -> Found[T | None] | Miss:
        if lookup.is_missing and not lookup.version_n:
            # A 404 that a replica has remembered: see `ResourceKind.on_not_found`.
            return _missing(query, time.time())
        if lookup.entry is None or lookup.is_outdated or lookup.entry.fetched_at <= after:
            return MISS
        entry = self._with_end(query, lookup.entry, lookup.ended)
        # This process may know of an event whose number Redis has lost.
        if self._memory.is_outdated(query, entry) or not _is_fresh(query, entry):
            return MISS
        return self.remember(query, entry, lookup.size)

    async def _fetch_or_stand_in(
        self, query: CachedQuery[T], lookup: CacheLookup[T | None], *, is_urgent: bool
    ) -> Found[T | None]:
        try:
            return await self._fetch_and_store(query, lookup, is_urgent=is_urgent)
        except NO_ANSWER:
            stand_in = self.stand_in(query, lookup)
            if stand_in is None:
                raise
            # Redis may be gone the next time.
            self._memory.put(query, stand_in.entry, lookup.size or None)
            return stand_in

    async def _fetch_now(self, query: CachedQuery[T]) -> Found[T | None]:
        [lookup] = await self._look_up([query])
        return await self._fetch_and_store(query, lookup, is_urgent=True)

    async def _fetch_without_redis(
        self, query: CachedQuery[T], *, is_urgent: bool
    ) -> Found[T | None]:
        """Returns what this process knows, or else Twilio's answer. Both are flagged as
        stale: an event may have arrived at another replica."""
        if self._memory.get(query) is not None and (known := self.stand_in(query)) is not None:
            return known
        return await self._fetch_and_store(query, None, is_urgent=is_urgent)

    async def _fetch_and_store(
        self, query: CachedQuery[T], lookup: CacheLookup[T | None] | None, *, is_urgent: bool
    ) -> Found[T | None]:
        """Fetches the value from Twilio and caches it. `lookup` is None without
        Redis."""
        seen_n = self._tail.position.n if lookup is None else lookup.head_n
        as_of, fetched_at = self._tail.as_of(), time.time()
        try:
            value = await self._upstream.send(query.request, is_urgent=is_urgent)
        except NotFound:
            value = None
        entry = self._entry(query, value, fetched_at, seen_n, as_of)
        if value is None and query.kind.on_not_found is not None:
            return await self._resolve_not_found(query, entry, lookup)
        if lookup is None:
            return self._remember_without_redis(query, entry, is_stale=True)
        if value is None and not entry.is_settled:
            # An event reported the resource a moment ago, and Twilio's REST API may lag
            # it.
            return Found(entry, query.lifetime(entry))
        try:
            return await self.store(query, entry)
        except UpstreamUnavailable:
            return self._remember_without_redis(query, entry, is_stale=query.kind.merge is not None)

    def _entry(
        self,
        query: CachedQuery[T],
        value: T | None,
        fetched_at: float,
        seen_n: int,
        as_of: LogPosition | None,
    ) -> CacheEntry[T | None]:
        """`seen_n` is the newest number in the log, read before the fetch: a cache
        refuses the value if it knows an event that has changed it since."""
        is_settled = query.about is None or self._room_memory.is_settled(
            query.about, query.kind.fence
        )
        return CacheEntry(value, fetched_at, seen_n, as_of, is_settled)

    async def _resolve_not_found(
        self,
        query: CachedQuery[T],
        missing: CacheEntry[T | None],
        lookup: CacheLookup[T | None] | None,
    ) -> Found[T | None]:
        assert query.kind.on_not_found is not None
        assert query.about is not None
        has_older_answer = self.stand_in(query, lookup) is not None
        value = await query.kind.on_not_found(query.about, lookup, has_older_answer)
        # Not cached: the next read asks Twilio again, which knows all of the resource.
        entry = replace(missing, value=value, is_settled=False)
        return Found(entry, query.lifetime(entry), is_stale=value is not None)

    def _remember_without_redis(
        self, query: CachedQuery[T], entry: CacheEntry[T | None], *, is_stale: bool
    ) -> Found[T | None]:
        """Remembers a value that Redis could not be offered, so that nothing older is
        shown when Redis is back."""
        if query.kind.merge is not None:
            # Another replica may know of the end.
            entry = replace(self._with_end(query, entry, None), is_settled=False)
        return replace(self.remember(query, entry), is_stale=is_stale)

    def _with_end(
        self, query: CachedQuery[T], entry: CacheEntry[T | None], ended: Ended | None
    ) -> CacheEntry[T | None]:
        """Merges the end of the room into the value: `ended`, or the one that is known
        here."""
        if query.kind.merge is None or query.about is None or entry.value is None:
            return entry
        sid = RoomSid(query.about)
        ended = ended or self._room_memory.ends([sid]).get(sid)
        return replace(entry, value=query.kind.merge(entry.value, ended))

    def _result(self, query: CachedQuery[T], found: Found[T | None]) -> ReadResult[T] | None:
        reports = query.about is not None and self._room_memory.is_reporting(query.about)
        source = FreshnessSource.CALLBACKS if reports else FreshnessSource.POLLED
        result = found.result(source, self._cursor_codec)
        return None if result.value is None else cast("ReadResult[T]", result)


def present(found: Found[T | None]) -> Found[T] | None:
    """Returns None for a resource that does not exist."""
    return None if found.value is None else cast("Found[T]", found)


def _missing(query: CachedQuery[T], fetched_at: float) -> Found[T | None]:
    entry: CacheEntry[T | None] = CacheEntry(None, fetched_at, 0, None, is_settled=True)
    return Found(entry, query.lifetime(entry))


def _is_fresh(query: CachedQuery[T], entry: CacheEntry[T | None]) -> bool:
    return cache_state(query.lifetime(entry), _age_s(entry)) is CacheState.FRESH


def _redis_lifetime_s(query: CachedQuery[T], entry: CacheEntry[T | None]) -> float:
    """Returns how long Redis keeps the entry.

    A list leaves Redis when it may only stand in. There are as many lists as filters,
    and a caller that invents new filters must not fill the server that holds the log.
    So lists stand in from the memory of a process alone.
    """
    lifetime = query.lifetime(entry)
    return (
        lifetime.refresh_until_s if isinstance(entry.value, WirePage) else lifetime.stand_in_until_s
    )


def _age_s(entry: CacheEntry[Any]) -> float:
    return time.time() - entry.fetched_at
