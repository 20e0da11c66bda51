"""Reading what hangs below a room, and what an account has beside rooms: one way for every kind of answer.

Memory, then Redis, then Twilio under its quota; each answer is fenced by the log, shared by all who ask for it at the same
time, refreshed behind the caller's back when it is stale, and shown flagged when Twilio gives no answer.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from gateway.core.caching import (
    MISSING_NAME_S,
    MISSING_SID_S,
    SETTLING,
    CacheState,
    Fence,
    Freshness,
    FreshnessSource,
    Lifetime,
    ReadResult,
    cache_state,
)
from gateway.core.cursors import CursorCodec
from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.core.lru import LruCache
from gateway.core.paging import Page
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.fetch_lease import NOT_YET, FetchLease, NotYet
from gateway.service.cache.page_cursors import Pages
from gateway.service.call_context import limit_max_age
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.answers import CacheEntry, CacheKey, CacheLookup, ResponseCache, encode_entry
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import Listed

T = TypeVar("T")

# Of answers in this process' memory: as JSON, and ENTRY_BYTES for each. Decoded they take up to 1.4 times as much.
BYTES_LIMIT = 32_000_000
# What an answer takes beside its JSON, measured with tracemalloc. An empty list is 165 bytes of JSON and 558 in memory.
ENTRY_BYTES = 400

_MISSING_SID: Final = Lifetime(MISSING_SID_S, MISSING_SID_S, MISSING_SID_S)
_MISSING_NAME: Final = Lifetime(MISSING_NAME_S, MISSING_NAME_S, MISSING_NAME_S)


class ResourceKind(Generic[T]):
    """One kind of answer: of what type, what makes it old, and how long it lives."""

    def __init__(
        self, type_: Any, fence: Fence, lifetime: Lifetime | Callable[[T], Lifetime]
    ) -> None:
        self.fence = fence
        self._lifetime = lifetime
        self.decoder: msgspec.json.Decoder[CacheEntry[T | None]] = msgspec.json.Decoder(
            CacheEntry[type_ | None]
        )

    def lifetime(self, value: T) -> Lifetime:
        return self._lifetime if isinstance(self._lifetime, Lifetime) else self._lifetime(value)


@dataclass(frozen=True, slots=True)
class CachedQuery(Generic[T]):
    """A question: the kind of its answer, what it is about, and how Twilio is asked.

    `about` is the SID of a room or a recording, or ACCOUNT: events about that make the answer old. None: no event does.
    `name` is what the answer is looked up by in one of Twilio's lists: there the request alone does not tell two questions
    apart. Two questions that agree in all this have the same answer.
    """

    kind: ResourceKind[T]
    about: str | None
    request: WireRequest[T] | WireRequest[T | None]
    name: str | None = None

    @property
    def slot(self) -> CacheKey[T | None]:
        parts = (self.request.product, self.request.path, self.request.query, self.name)
        digest = hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()
        return CacheKey(self.about or "-", digest, self.kind.fence, self.kind.decoder)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of Twilio's: `request` asks for one of its pages by size and query. `wanted`: its filters."""

    kind: ResourceKind[Listed[T]]
    about: str | None
    wanted: object
    request: Callable[[int, str | None], WireRequest[Listed[T]]]

    def ask(self, size: int, query: str | None) -> CachedQuery[Listed[T]]:
        return CachedQuery(self.kind, self.about, self.request(size, query))

    @property
    def identity(self) -> object:
        """What tells this list with its filters from all others."""
        request = self.request(1, None)
        return request.product, request.path, self.wanted


@dataclass(frozen=True, slots=True)
class _Response(Generic[T]):
    """Twilio's, None when there is no such thing."""

    kept: CacheEntry[T | None]
    is_stale: bool = False


class ReadThrough:
    def __init__(
        self,
        upstream: Upstream,
        answers: ResponseCache,
        memory: RoomMemory,
        tail: Tail,
        fetch_lease: FetchLease,
        cursor_codec: CursorCodec,
    ) -> None:
        self._upstream = upstream
        self._answers = answers
        self._memory = memory
        self._tail = tail
        self._fetch_lease = fetch_lease
        self._cursor_codec = cursor_codec
        self._pages = Pages(cursor_codec)
        self._shelf = LruCache[str, CacheEntry[Any]](max_bytes=BYTES_LIMIT)
        self._early_refresh = EarlyRefresh()
        self._flights = SingleFlight[_Response[Any]]()

    async def one(self, ask: CachedQuery[T]) -> ReadResult[T]:
        """The answer. Raises what Twilio's answer stands for, NotFound among it."""
        found = await self.one_or_none(ask)
        if found is None:
            raise NotFound(
                "Twilio knows no such room, or nothing under this SID in it; check the SIDs"
            )
        return found

    async def one_or_none(self, ask: CachedQuery[T]) -> ReadResult[T] | None:
        return self._seen(ask, await self._answer(ask))

    async def anew(self, ask: CachedQuery[T]) -> ReadResult[T] | None:
        """The answer straight from Twilio: for what a change is to be aimed at."""
        key = (_key(ask.slot), self._touched(ask), "anew")
        return self._seen(ask, await self._flights.share(key, lambda: self._read_anew(ask)))

    async def page(self, listing: Listing[T], first: int, after: str | None) -> ReadResult[Page[T]]:
        """A page of a list. Raises InvalidArgument for a cursor of another list."""
        position = self._pages.position(listing.identity, first, after)
        seen = await self.one(listing.ask(position.size, position.query))
        return ReadResult(self._pages.page(position, seen.value, first), seen.freshness, seen.as_of)

    async def warm(self, listings: Sequence[Listing[T]], first: int) -> None:
        """Brings what Redis has of these lists' first pages into memory, in one round trip, for the reads that follow."""
        asks = [listing.ask(first, None) for listing in listings]
        cold = [ask for ask in asks if not self._is_warm(ask)]
        if not cold:
            return
        # Without Redis, each read finds for itself what may still be shown.
        with suppress(UpstreamUnavailable):
            for ask, found in zip(cold, await self._get(cold), strict=True):
                if found.kept is not None and not found.is_outdated:
                    self._remember(ask, found.kept, found.size)

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _is_warm(self, ask: CachedQuery[T]) -> bool:
        held = self._shelf.get(_key(ask.slot))
        return (
            held is not None
            and not self._is_old(ask, held)
            and _freshness(ask, held) is CacheState.FRESH
        )

    def _touched(self, ask: CachedQuery[Any]) -> int:
        return 0 if ask.about is None else self._memory.touched(ask.about, ask.kind.fence)

    def _is_old(self, ask: CachedQuery[T], kept: CacheEntry[T | None]) -> bool:
        """Whether this process has heard of an event that the answer may not show."""
        return kept.seen_n < self._touched(ask)

    async def _answer(self, ask: CachedQuery[T]) -> _Response[T]:
        key, version = _key(ask.slot), self._touched(ask)
        held: CacheEntry[T | None] | None = self._shelf.get(key)
        if held is not None and self._memory.is_current and not self._is_old(ask, held):
            match _freshness(ask, held):
                case CacheState.FRESH:
                    if self._early_refresh.should_refresh(
                        key, held.fetched_at, _lifetime(ask, held), _age_s(held)
                    ):
                        self._refresh(ask, held.fetched_at)
                    return _Response(held)
                case CacheState.STALE:
                    self._refresh(ask, held.fetched_at)
                    return _Response(held)
                case CacheState.ON_ERROR | CacheState.GONE:
                    pass
        try:
            # Not the refresh behind a stale answer, which gives up where a caller would wait for his turn.
            is_held = held is not None and _freshness(ask, held) is not CacheState.GONE
            return await self._flights.share(
                (key, version, "read"),
                lambda: self._read(ask, is_urgent=True),
                has_fallback=is_held,
            )
        except NO_ANSWER:
            last: CacheEntry[T | None] | None = self._shelf.get(key)
            if last is None or _freshness(ask, last) is CacheState.GONE:
                raise
            return _Response(last, is_stale=True)

    def _refresh(self, ask: CachedQuery[T], after: float) -> None:
        """Behind the caller's back, unless somebody has fetched it after that moment."""
        key = (_key(ask.slot), self._touched(ask), "refresh")
        self._flights.begin(key, lambda: self._read(ask, is_urgent=False, after=after))

    async def _read(
        self, ask: CachedQuery[T], *, is_urgent: bool, after: float = 0.0
    ) -> _Response[T]:
        try:
            [found] = await self._get([ask])
        except UpstreamUnavailable:
            return await self._unshared(ask, is_urgent=is_urgent)
        if (answer := self._kept(ask, found, after)) is not NOT_YET:
            return answer

        async def look() -> _Response[T] | NotYet:
            nonlocal found
            [found] = await self._get([ask])
            return self._kept(ask, found, after)

        # Who was woken by an event waits for no fetch that began before it.
        key = f"{_key(ask.slot)}:{self._touched(ask)}"
        return await self._fetch_lease.once(
            key, look, lambda: self._fetched(ask, found, is_urgent=is_urgent), is_urgent=is_urgent
        )

    def _kept(
        self, ask: CachedQuery[T], found: CacheLookup[T | None], after: float
    ) -> _Response[T] | NotYet:
        """What Redis has, if it may be shown as it is."""
        held = found.kept
        is_old = (
            held is None or found.is_outdated or self._is_old(ask, held) or held.fetched_at <= after
        )
        if held is None or is_old or _freshness(ask, held) is not CacheState.FRESH:
            return NOT_YET
        return _Response(self._remember(ask, held, found.size))

    async def _fetched(
        self, ask: CachedQuery[T], found: CacheLookup[T | None], *, is_urgent: bool
    ) -> _Response[T]:
        """Twilio's answer; when it gives none, what Redis has, flagged."""
        held = found.kept
        try:
            return await self._fetch(ask, found.head_n, is_urgent=is_urgent)
        except NO_ANSWER:
            if held is None or _freshness(ask, held) is CacheState.GONE:
                raise
            return _Response(self._remember(ask, held, found.size), is_stale=True)

    async def _unshared(self, ask: CachedQuery[T], *, is_urgent: bool) -> _Response[T]:
        """Without Redis: what this process remembers, or else Twilio's answer; flagged, for another replica may have heard of
        an event that was not heard here. Remembered, so that nothing older is shown when Redis is back."""
        last: CacheEntry[T | None] | None = self._shelf.get(_key(ask.slot))
        if last is not None and _freshness(ask, last) is not CacheState.GONE:
            return _Response(last, is_stale=True)
        asked = await self._asked(ask, self._tail.position.n, is_urgent=is_urgent)
        return _Response(self._remember(ask, asked, len(encode_entry(asked))), is_stale=True)

    async def _get(self, asks: Sequence[CachedQuery[T]]) -> list[CacheLookup[T | None]]:
        found = await self._answers.get([ask.slot for ask in asks])
        self._memory.observe_head(found[-1].head_n)
        return found

    async def _read_anew(self, ask: CachedQuery[T]) -> _Response[T]:
        [found] = await self._get([ask])
        return await self._fetch(ask, found.head_n, is_urgent=True)

    async def _fetch(self, ask: CachedQuery[T], seen_n: int, *, is_urgent: bool) -> _Response[T]:
        """`seen_n`: the log's last number, read before the fetch begins. What Twilio answers is refused by every cache if
        an event has made it old since."""
        kept = await self._asked(ask, seen_n, is_urgent=is_urgent)
        if kept.value is None and not kept.settled:
            # Twilio itself may have told us of it a moment ago. https://github.com/twilio/twilio-node/issues/593
            return _Response(kept)
        encoded = encode_entry(kept)
        shown = self._remember(ask, kept, len(encoded))
        with suppress(UpstreamUnavailable):
            await self._answers.put(ask.slot, encoded, seen_n, _shared_s(ask, kept))
        return _Response(shown)

    async def _asked(
        self, ask: CachedQuery[T], seen_n: int, *, is_urgent: bool
    ) -> CacheEntry[T | None]:
        as_of, fetched_at = self._tail.as_of(), time.time()
        request: WireRequest[Any] = ask.request
        try:
            value: T | None = await self._upstream.send(request, is_urgent=is_urgent)
        except NotFound:
            value = None
        is_settled = ask.about is None or self._memory.is_settled(ask.about, ask.kind.fence)
        return CacheEntry(value, fetched_at, seen_n, as_of, is_settled)

    def _remember(
        self, ask: CachedQuery[T], kept: CacheEntry[T | None], size: int
    ) -> CacheEntry[T | None]:
        """What may be shown now: the answer, or a later one that is known, for what was shown never goes back. Also what an
        event has made old since is kept: it may still stand in for Twilio's silence."""
        key = _key(ask.slot)
        known: CacheEntry[T | None] | None = self._shelf.get(key)
        if known is not None and known.fetched_at > kept.fetched_at:
            return known
        self._shelf.put(key, kept, size + ENTRY_BYTES)
        return kept

    def _seen(self, ask: CachedQuery[T], answer: _Response[T]) -> ReadResult[T] | None:
        kept = answer.kept
        limit_max_age(0 if answer.is_stale else _lifetime(ask, kept).fresh_s - _age_s(kept))
        if kept.value is None:
            return None
        moment = datetime.fromtimestamp(kept.fetched_at, UTC)
        reports = ask.about is not None and self._memory.has_heard_of(ask.about)
        provenance = Freshness(
            moment,
            answer.is_stale,
            FreshnessSource.CALLBACKS if reports else FreshnessSource.POLLED,
        )
        return ReadResult(
            kept.value,
            provenance,
            None if kept.as_of is None else self._cursor_codec.log_cursor(kept.as_of),
        )


def _key(slot: CacheKey[Any]) -> str:
    return f"{slot.about}:{slot.digest}"


def _lifetime(ask: CachedQuery[T], kept: CacheEntry[T | None]) -> Lifetime:
    if kept.value is None:
        return _MISSING_SID if ask.name is None else _MISSING_NAME
    lifetime = ask.kind.lifetime(kept.value)
    # What is fresh for no longer anyway may go on being shown while it is fetched anew.
    return lifetime if kept.settled or lifetime.fresh_s <= SETTLING.fresh_s else SETTLING


def _shared_s(ask: CachedQuery[T], kept: CacheEntry[T | None]) -> float:
    """How long Redis keeps it. Of lists there are as many as filters can be thought of: a caller who asks for all that was
    created after now, again and again, must not fill the server that holds the log."""
    lifetime = _lifetime(ask, kept)
    return lifetime.stale_s if isinstance(kept.value, Listed) else lifetime.error_s


def _freshness(ask: CachedQuery[T], kept: CacheEntry[T | None]) -> CacheState:
    return cache_state(_lifetime(ask, kept), _age_s(kept))


def _age_s(kept: CacheEntry[Any]) -> float:
    return time.time() - kept.fetched_at
