"""Reading what hangs below a room, and what an account has beside rooms: one way for every kind of answer.

Memory, then Redis, then Twilio under its quota; each answer is fenced by the log, shared by all who ask for it at the same
time, refreshed behind the caller's back when it is stale, and shown flagged when Twilio gives no answer.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from gateway.core.caching import (
    MISSING_NAME_S,
    MISSING_SID_S,
    SETTLING,
    Fence,
    FollowedBy,
    Freshness,
    Lifetime,
    Provenance,
    Seen,
    freshness,
)
from gateway.core.cursors import Sealer
from gateway.core.errors import GatewayError, NotFound, UpstreamUnavailable
from gateway.core.paging import Page
from gateway.service.cache.early_refresh import Heat
from gateway.service.cache.fetch_lease import NOT_YET, Fetches, NotYet
from gateway.service.cache.max_age import fresh_for
from gateway.service.cache.page_cursors import Pages
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import Memory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.answers import Answers, Found, Kept, Slot, encode_answer
from gateway.twilio.wire.exchange import Request
from gateway.twilio.wire.resource import Listed

T = TypeVar("T")

# Of answers in this process' memory: as JSON, and ENTRY_BYTES for each. Decoded they take up to 1.4 times as much.
BYTES_LIMIT = 32_000_000
# What an answer takes beside its JSON, measured with tracemalloc. An empty list is 165 bytes of JSON and 558 in memory.
ENTRY_BYTES = 400

_MISSING_SID: Final = Lifetime(MISSING_SID_S, MISSING_SID_S, MISSING_SID_S)
_MISSING_NAME: Final = Lifetime(MISSING_NAME_S, MISSING_NAME_S, MISSING_NAME_S)


class Kind(Generic[T]):
    """One kind of answer: of what type, what makes it old, and how long it lives."""

    def __init__(self, type_: Any, fence: Fence, lifetime: Lifetime | Callable[[T], Lifetime]) -> None:
        self.fence = fence
        self._lifetime = lifetime
        self.decoder: msgspec.json.Decoder[Kept[T | None]] = msgspec.json.Decoder(Kept[type_ | None])

    def lifetime(self, value: T) -> Lifetime:
        return self._lifetime if isinstance(self._lifetime, Lifetime) else self._lifetime(value)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A question: the kind of its answer, what it is about, and how Twilio is asked.

    `about` is the SID of a room or a recording, or ACCOUNT: events about that make the answer old. None: no event does.
    `name` is what the answer is looked up by in one of Twilio's lists: there the request alone does not tell two questions
    apart. Two questions that agree in all this have the same answer.
    """

    kind: Kind[T]
    about: str | None
    request: Request[T] | Request[T | None]
    name: str | None = None

    @property
    def slot(self) -> Slot[T | None]:
        parts = (self.request.product, self.request.path, self.request.query, self.name)
        digest = hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()
        return Slot(self.about or "-", digest, self.kind.fence, self.kind.decoder)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of Twilio's: `request` asks for one of its pages by size and query. `wanted`: its filters."""

    kind: Kind[Listed[T]]
    about: str | None
    wanted: object
    request: Callable[[int, str | None], Request[Listed[T]]]

    def ask(self, size: int, query: str | None) -> Ask[Listed[T]]:
        return Ask(self.kind, self.about, self.request(size, query))

    @property
    def identity(self) -> object:
        """What tells this list with its filters from all others."""
        request = self.request(1, None)
        return request.product, request.path, self.wanted


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """Twilio's, None when there is no such thing."""

    kept: Kept[T | None]
    is_stale: bool = False


class Reads:
    def __init__(
        self, upstream: Upstream, answers: Answers, memory: Memory, tail: Tail, fetches: Fetches, sealer: Sealer
    ) -> None:
        self._upstream = upstream
        self._answers = answers
        self._memory = memory
        self._tail = tail
        self._fetches = fetches
        self._sealer = sealer
        self._pages = Pages(sealer)
        self._shelf = _Shelf()
        self._heat = Heat()
        self._flights = SingleFlight[_Answer[Any]]()

    async def one(self, ask: Ask[T]) -> Seen[T]:
        """The answer. Raises what Twilio's answer stands for, NotFound among it."""
        found = await self.one_or_none(ask)
        if found is None:
            raise NotFound("Twilio knows no such room, or nothing under this SID in it; check the SIDs")
        return found

    async def one_or_none(self, ask: Ask[T]) -> Seen[T] | None:
        return self._seen(ask, await self._answer(ask))

    async def anew(self, ask: Ask[T]) -> Seen[T] | None:
        """The answer straight from Twilio: for what a change is to be aimed at."""
        key = (_key(ask.slot), self._touched(ask), "anew")
        return self._seen(ask, await self._flights.share(key, lambda: self._read_anew(ask)))

    async def page(self, listing: Listing[T], first: int, after: str | None) -> Seen[Page[T]]:
        """A page of a list. Raises InvalidArgument for a cursor of another list."""
        position = self._pages.position(listing.identity, first, after)
        seen = await self.one(listing.ask(position.size, position.query))
        return Seen(self._pages.page(position, seen.value, first), seen.freshness, seen.as_of)

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

    def _is_warm(self, ask: Ask[T]) -> bool:
        held = self._shelf.get(_key(ask.slot))
        return held is not None and not self._is_old(ask, held) and _freshness(ask, held) is Freshness.FRESH

    def _touched(self, ask: Ask[Any]) -> int:
        return 0 if ask.about is None else self._memory.touched(ask.about, ask.kind.fence)

    def _is_old(self, ask: Ask[T], kept: Kept[T | None]) -> bool:
        """Whether this process has heard of an event that the answer may not show."""
        return kept.seen_n < self._touched(ask)

    async def _answer(self, ask: Ask[T]) -> _Answer[T]:
        key, version = _key(ask.slot), self._touched(ask)
        held: Kept[T | None] | None = self._shelf.get(key)
        if held is not None and self._memory.is_current and not self._is_old(ask, held):
            match _freshness(ask, held):
                case Freshness.FRESH:
                    if self._heat.is_due(key, held.fetched_at, _lifetime(ask, held), _age_s(held)):
                        self._refresh(ask, held.fetched_at)
                    return _Answer(held)
                case Freshness.STALE:
                    self._refresh(ask, held.fetched_at)
                    return _Answer(held)
                case Freshness.ON_ERROR | Freshness.GONE:
                    pass
        try:
            # Not the refresh behind a stale answer, which gives up where a caller would wait for his turn.
            is_held = held is not None and _freshness(ask, held) is not Freshness.GONE
            return await self._flights.share(
                (key, version, "read"), lambda: self._read(ask, is_urgent=True), has_fallback=is_held
            )
        except NO_ANSWER:
            last: Kept[T | None] | None = self._shelf.get(key)
            if last is None or _freshness(ask, last) is Freshness.GONE:
                raise
            return _Answer(last, is_stale=True)

    def _refresh(self, ask: Ask[T], after: float) -> None:
        """Behind the caller's back, unless somebody has fetched it after that moment."""
        key = (_key(ask.slot), self._touched(ask), "refresh")
        self._flights.begin(key, lambda: self._read(ask, is_urgent=False, after=after))

    async def _read(self, ask: Ask[T], *, is_urgent: bool, after: float = 0.0) -> _Answer[T]:
        try:
            [found] = await self._get([ask])
        except UpstreamUnavailable:
            return await self._unshared(ask, is_urgent=is_urgent)
        if (answer := self._kept(ask, found, after)) is not NOT_YET:
            return answer

        async def look() -> _Answer[T] | NotYet:
            nonlocal found
            [found] = await self._get([ask])
            return self._kept(ask, found, after)

        # Who was woken by an event waits for no fetch that began before it.
        key = f"{_key(ask.slot)}:{self._touched(ask)}"
        return await self._fetches.once(
            key, look, lambda: self._fetched(ask, found, is_urgent=is_urgent), is_urgent=is_urgent
        )

    def _kept(self, ask: Ask[T], found: Found[T | None], after: float) -> _Answer[T] | NotYet:
        """What Redis has, if it may be shown as it is."""
        held = found.kept
        is_old = held is None or found.is_outdated or self._is_old(ask, held) or held.fetched_at <= after
        if held is None or is_old or _freshness(ask, held) is not Freshness.FRESH:
            return NOT_YET
        return _Answer(self._remember(ask, held, found.size))

    async def _fetched(self, ask: Ask[T], found: Found[T | None], *, is_urgent: bool) -> _Answer[T]:
        """Twilio's answer; when it gives none, what Redis has, flagged."""
        held = found.kept
        try:
            return await self._fetch(ask, found.head_n, is_urgent=is_urgent)
        except NO_ANSWER:
            if held is None or _freshness(ask, held) is Freshness.GONE:
                raise
            return _Answer(self._remember(ask, held, found.size), is_stale=True)

    async def _unshared(self, ask: Ask[T], *, is_urgent: bool) -> _Answer[T]:
        """Without Redis: what this process remembers, or else Twilio's answer; flagged, for another replica may have heard of
        an event that was not heard here. Remembered, so that nothing older is shown when Redis is back."""
        last: Kept[T | None] | None = self._shelf.get(_key(ask.slot))
        if last is not None and _freshness(ask, last) is not Freshness.GONE:
            return _Answer(last, is_stale=True)
        asked = await self._asked(ask, self._tail.place.n, is_urgent=is_urgent)
        return _Answer(self._remember(ask, asked, len(encode_answer(asked))), is_stale=True)

    async def _get(self, asks: Sequence[Ask[T]]) -> list[Found[T | None]]:
        found = await self._answers.get([ask.slot for ask in asks])
        self._memory.meet(found[-1].head_n)
        return found

    async def _read_anew(self, ask: Ask[T]) -> _Answer[T]:
        [found] = await self._get([ask])
        return await self._fetch(ask, found.head_n, is_urgent=True)

    async def _fetch(self, ask: Ask[T], seen_n: int, *, is_urgent: bool) -> _Answer[T]:
        """`seen_n`: the log's last number, read before the fetch begins. What Twilio answers is refused by every cache if
        an event has made it old since."""
        kept = await self._asked(ask, seen_n, is_urgent=is_urgent)
        if kept.value is None and not kept.settled:
            # Twilio itself may have told us of it a moment ago. https://github.com/twilio/twilio-node/issues/593
            return _Answer(kept)
        encoded = encode_answer(kept)
        shown = self._remember(ask, kept, len(encoded))
        with suppress(UpstreamUnavailable):
            await self._answers.put(ask.slot, encoded, seen_n, _shared_s(ask, kept))
        return _Answer(shown)

    async def _asked(self, ask: Ask[T], seen_n: int, *, is_urgent: bool) -> Kept[T | None]:
        as_of, fetched_at = self._tail.as_of(), time.time()
        request: Request[Any] = ask.request
        try:
            value: T | None = await self._upstream.send(request, is_urgent=is_urgent)
        except NotFound:
            value = None
        is_settled = ask.about is None or self._memory.is_settled(ask.about, ask.kind.fence)
        return Kept(value, fetched_at, seen_n, as_of, is_settled)

    def _remember(self, ask: Ask[T], kept: Kept[T | None], size: int) -> Kept[T | None]:
        """What may be shown now: the answer, or a later one that is known, for what was shown never goes back. Also what an
        event has made old since is kept: it may still stand in for Twilio's silence."""
        key = _key(ask.slot)
        known: Kept[T | None] | None = self._shelf.get(key)
        if known is not None and known.fetched_at > kept.fetched_at:
            return known
        self._shelf.put(key, kept, size)
        return kept

    def _seen(self, ask: Ask[T], answer: _Answer[T]) -> Seen[T] | None:
        kept = answer.kept
        fresh_for(0 if answer.is_stale else _lifetime(ask, kept).fresh_s - _age_s(kept))
        if kept.value is None:
            return None
        moment = datetime.fromtimestamp(kept.fetched_at, UTC)
        reports = ask.about is not None and self._memory.has_heard_of(ask.about)
        provenance = Provenance(moment, answer.is_stale, FollowedBy.CALLBACKS if reports else FollowedBy.POLLED)
        return Seen(kept.value, provenance, None if kept.as_of is None else self._sealer.cursor(kept.as_of))


class _Shelf:
    """The answers that were asked for last, up to BYTES_LIMIT."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[Kept[Any], int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Kept[Any] | None:
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key][0]

    def put(self, key: str, kept: Kept[Any], size: int) -> None:
        size += ENTRY_BYTES
        _, size_before = self._answers.pop(key, (None, 0))
        self._answers[key] = kept, size
        self._bytes += size - size_before
        while self._bytes > BYTES_LIMIT:
            _, (_, dropped) = self._answers.popitem(last=False)
            self._bytes -= dropped


async def each(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | GatewayError]:
    """The outcome of each call, all made at the same time; a failure that callers may see is an outcome too."""

    async def guarded(call: Coroutine[Any, Any, T]) -> T | GatewayError:
        try:
            return await call
        except GatewayError as exc:
            return exc

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(guarded(call)) for call in calls]
    return [task.result() for task in tasks]


def _key(slot: Slot[Any]) -> str:
    return f"{slot.about}:{slot.digest}"


def _lifetime(ask: Ask[T], kept: Kept[T | None]) -> Lifetime:
    if kept.value is None:
        return _MISSING_SID if ask.name is None else _MISSING_NAME
    lifetime = ask.kind.lifetime(kept.value)
    # What is fresh for no longer anyway may go on being shown while it is fetched anew.
    return lifetime if kept.settled or lifetime.fresh_s <= SETTLING.fresh_s else SETTLING


def _shared_s(ask: Ask[T], kept: Kept[T | None]) -> float:
    """How long Redis keeps it. Of lists there are as many as filters can be thought of: a caller who asks for all that was
    created after now, again and again, must not fill the server that holds the log."""
    lifetime = _lifetime(ask, kept)
    return lifetime.stale_s if isinstance(kept.value, Listed) else lifetime.error_s


def _freshness(ask: Ask[T], kept: Kept[T | None]) -> Freshness:
    return freshness(_lifetime(ask, kept), _age_s(kept))


def _age_s(kept: Kept[Any]) -> float:
    return time.time() - kept.fetched_at
