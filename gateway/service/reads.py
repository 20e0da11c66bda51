"""Reading what hangs below a room, and what an account has beside rooms: one way for every kind of answer.

Memory, then Redis, then Twilio under its quota; each answer is fenced by the log, shared by all who ask for it at the same
time, refreshed behind the caller's back when it is stale, and shown flagged when Twilio gives no answer.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from gateway.core.caching import (
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
from gateway.core.errors import GatewayError, NotFound
from gateway.core.paging import Page
from gateway.core.rooms import RoomSid
from gateway.service.memory import Memory
from gateway.service.pages import Pages
from gateway.service.singleflight import SingleFlight
from gateway.service.tail import Tail
from gateway.service.upstream import NO_ANSWER, Upstream
from gateway.store.answers import Answers, Kept, Slot
from gateway.twilio.wire.exchange import Request
from gateway.twilio.wire.resource import Listed

T = TypeVar("T")

# As many answers as rooms may be in progress; a page of 100 participants takes about 60 kB.
REMEMBERED = 10_000


class Kind(Generic[T]):
    """One kind of answer: of what type, what makes it old, and how long it lives."""

    def __init__(self, type_: Any, fence: Fence, lifetime: Callable[[T], Lifetime]) -> None:
        self.fence = fence
        self.lifetime = lifetime
        self.decoder: msgspec.json.Decoder[Kept[T]] = msgspec.json.Decoder(Kept[type_])


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A question: the kind of its answer, the room it is about (None: the account), and how Twilio is asked. Two questions
    with the same request have the same answer."""

    kind: Kind[T]
    room_sid: RoomSid | None
    request: Request[T]

    @property
    def slot(self) -> Slot[T]:
        text = f"{self.request.product} {self.request.path}?{self.request.query}"
        digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        return Slot(self.room_sid, digest, self.kind.fence, self.kind.decoder)


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    kept: Kept[T]
    is_stale: bool = False


class Reads:
    def __init__(self, upstream: Upstream, answers: Answers, memory: Memory, tail: Tail, sealer: Sealer) -> None:
        self._upstream = upstream
        self._answers = answers
        self._memory = memory
        self._tail = tail
        self._sealer = sealer
        self._pages = Pages(sealer)
        self._kept: OrderedDict[str, Kept[Any]] = OrderedDict()
        self._flights = SingleFlight[_Answer[Any]]()

    async def one(self, ask: Ask[T]) -> Seen[T]:
        """The answer. Raises what Twilio's answer stands for, NotFound among it."""
        return self._seen(ask, await self._answer(ask))

    async def one_or_none(self, ask: Ask[T]) -> Seen[T] | None:
        try:
            return await self.one(ask)
        except NotFound:
            return None

    async def page(
        self,
        kind: Kind[Listed[T]],
        room_sid: RoomSid | None,
        which: object,
        first: int,
        after: str | None,
        request: Callable[[int, str | None], Request[Listed[T]]],
    ) -> Seen[Page[T]]:
        """A page of a list. `which` tells the list and its filters from all others; `request` asks for one of Twilio's pages
        by size and query. Raises InvalidArgument for a cursor of another list."""
        position = self._pages.position((room_sid, which), first, after)
        ask = Ask(kind, room_sid, request(position.size, position.query))
        answer = await self._answer(ask)
        seen = self._seen(ask, answer)
        return Seen(self._pages.page(position, seen.value, first), seen.freshness, seen.as_of)

    async def warm(self, asks: Sequence[Ask[T]]) -> None:
        """Brings what Redis has of these answers into memory, in one round trip, for the reads that follow."""
        cold = [ask for ask in asks if not self._is_fresh(ask)]
        if not cold:
            return
        for ask, found in zip(cold, await self._answers.get([ask.slot for ask in cold]), strict=True):
            if found.kept is not None and not found.is_outdated:
                self._remember(ask.slot, found.kept)

    async def forget(self, ask: Ask[Any]) -> None:
        """Drops an answer that no event makes old, because it is about no room."""
        slot = ask.slot
        self._kept.pop(_key(slot), None)
        await self._answers.drop(slot)

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _is_fresh(self, ask: Ask[T]) -> bool:
        held = self._held(ask.slot)
        return held is not None and self._memory.is_current and _freshness(ask.kind, held) is Freshness.FRESH

    def _held(self, slot: Slot[T]) -> Kept[T] | None:
        """What memory has, if no event has made it old."""
        held = self._kept.get(_key(slot))
        if held is None or (slot.room_sid and held.seen_n < self._memory.touched(slot.room_sid, slot.fence)):
            return None
        return held

    async def _answer(self, ask: Ask[T]) -> _Answer[T]:
        slot = ask.slot
        version = self._memory.touched(slot.room_sid, slot.fence) if slot.room_sid else 0
        held = self._held(slot)
        if held is not None and self._memory.is_current:
            match _freshness(ask.kind, held):
                case Freshness.FRESH:
                    return _Answer(held)
                case Freshness.STALE:
                    self._flights.begin((_key(slot), version, False), lambda: self._read(ask, is_urgent=False))
                    return _Answer(held)
                case Freshness.ON_ERROR | Freshness.GONE:
                    pass
        try:
            # Not the refresh behind a stale answer, which gives up where a caller would wait for his turn.
            return await self._flights.share((_key(slot), version, True), lambda: self._read(ask, is_urgent=True))
        except NO_ANSWER:
            last = self._kept.get(_key(slot))
            if last is None or _freshness(ask.kind, last) is Freshness.GONE:
                raise
            return _Answer(last, is_stale=True)

    async def _read(self, ask: Ask[T], *, is_urgent: bool) -> _Answer[T]:
        slot = ask.slot
        [found] = await self._answers.get([slot])
        held = found.kept
        if held is not None and not found.is_outdated and _freshness(ask.kind, held) is Freshness.FRESH:
            self._remember(slot, held)
            return _Answer(held)
        as_of, fetched_at = self._tail.as_of(), time.time()
        try:
            value = await self._upstream.send(ask.request, is_urgent=is_urgent)
        except NO_ANSWER:
            if held is None or _freshness(ask.kind, held) is Freshness.GONE:
                raise
            return _Answer(held, is_stale=True)
        settled = slot.room_sid is None or self._memory.is_settled(slot.room_sid, slot.fence)
        kept = Kept(value, fetched_at, found.head_n, as_of, settled)
        await self._answers.put(slot, kept, _lifetime(ask.kind, kept).error_s)
        self._remember(slot, kept)
        return _Answer(kept)

    def _remember(self, slot: Slot[T], kept: Kept[T]) -> None:
        key = _key(slot)
        known = self._kept.get(key)
        is_old = slot.room_sid is not None and kept.seen_n < self._memory.touched(slot.room_sid, slot.fence)
        if is_old or (known is not None and known.fetched_at > kept.fetched_at):
            return
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def _seen(self, ask: Ask[T], answer: _Answer[T]) -> Seen[T]:
        kept = answer.kept
        moment = datetime.fromtimestamp(kept.fetched_at, UTC)
        reports = ask.room_sid is not None and self._memory.has_heard_of(ask.room_sid)
        provenance = Provenance(moment, answer.is_stale, FollowedBy.CALLBACKS if reports else FollowedBy.POLLED)
        return Seen(kept.value, provenance, None if kept.as_of is None else self._sealer.cursor(kept.as_of))


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
    return f"{slot.room_sid}:{slot.digest}"


def _lifetime(kind: Kind[T], kept: Kept[T]) -> Lifetime:
    return kind.lifetime(kept.value) if kept.settled else SETTLING


def _freshness(kind: Kind[T], kept: Kept[T]) -> Freshness:
    return freshness(_lifetime(kind, kept), time.time() - kept.fetched_at)


def some(seen: Seen[T | None]) -> Seen[T] | None:
    """None for the answer that there is none."""
    return None if seen.value is None else Seen(seen.value, seen.freshness, seen.as_of)
