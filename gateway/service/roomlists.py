"""Lists of rooms: Twilio's pages, shared for a moment, with our own cursors over them.

Twilio pages by a token that stands for a whole page; Relay wants a cursor after each room. Ours says which of Twilio's
pages, and how far into it. It is sealed, so that nobody steers Twilio's paging by hand.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

import msgspec

from gateway.core.caching import LIST, Freshness, freshness
from gateway.core.cursors import Sealer
from gateway.core.errors import InvalidArgument, UpstreamUnavailable
from gateway.core.paging import checked_first
from gateway.core.rooms import RoomFilter, RoomStatus, merge_end
from gateway.service.memory import Memory
from gateway.service.singleflight import SingleFlight
from gateway.service.tail import Tail
from gateway.service.upstream import NO_ANSWER, Upstream
from gateway.store.cache import CachedRoom, RoomCache

# Of up to 100 rooms each: 20,000 rooms take some 40 MB.
PAGES_LIMIT = 200


class _Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: `skip` rooms into Twilio's page of `size` rooms that `query` stands for (None: the first one)."""

    filter_digest: str
    size: int
    query: str | None
    skip: int


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One of Twilio's pages. `version`: what the log had told of lists before the fetch began."""

    rooms: tuple[CachedRoom, ...]
    next_query: str | None
    fetched_at: float
    version: int


@dataclass(frozen=True, slots=True)
class ListPage:
    items: tuple[tuple[str, CachedRoom], ...]
    end_cursor: str | None
    has_next_page: bool
    is_stale: bool


class RoomLists:
    def __init__(self, upstream: Upstream, cache: RoomCache, memory: Memory, tail: Tail, sealer: Sealer) -> None:
        self._upstream = upstream
        self._cache = cache
        self._memory = memory
        self._tail = tail
        self._sealer = sealer
        self._pages: OrderedDict[tuple[RoomFilter, int, str | None], _Fetched] = OrderedDict()
        self._flights = SingleFlight[_Fetched]()

    async def page(self, wanted: RoomFilter, first: int, after: str | None) -> ListPage:
        position = self._position(wanted, checked_first(first), after)
        fetched, is_stale = await self._fetched(wanted, position)
        try:
            ends = await self._cache.ends([value.room.sid for value in fetched.rooms])
        except UpstreamUnavailable:
            # Nobody can tell now which of them have ended meanwhile.
            ends, is_stale = {}, True
        items: list[tuple[str, CachedRoom]] = []
        taken = fetched.rooms[position.skip : position.skip + first]
        for offset, value in enumerate(taken, position.skip + 1):
            room = merge_end(value.room, ends.get(value.room.sid))
            if wanted.status is not RoomStatus.IN_PROGRESS or room.status is RoomStatus.IN_PROGRESS:
                items.append((self._cursor(position, fetched, offset), replace(value, room=room)))
        read_to = position.skip + len(taken)
        has_next = read_to < len(fetched.rooms) or fetched.next_query is not None
        # Also for a page that came out empty, so that the caller can go on behind rooms that have just ended.
        end = self._cursor(position, fetched, read_to) if taken else None
        return ListPage(tuple(items), end, has_next, is_stale)

    async def aclose(self) -> None:
        await self._flights.aclose()

    def _position(self, wanted: RoomFilter, first: int, after: str | None) -> _Position:
        digest = _digest(wanted)
        if after is None:
            return _Position(digest, first, None, 0)
        position = msgspec.json.decode(self._sealer.page_position(after), type=_Position)
        if position.filter_digest != digest:
            raise InvalidArgument("after belongs to a list with other filters; use it with the filters it came from")
        return position

    def _cursor(self, position: _Position, fetched: _Fetched, offset: int) -> str:
        at_end = offset >= len(fetched.rooms) and fetched.next_query is not None
        following = _moved(position, fetched.next_query, 0) if at_end else _moved(position, position.query, offset)
        return self._sealer.page_token(msgspec.json.encode(following))

    async def _fetched(self, wanted: RoomFilter, position: _Position) -> tuple[_Fetched, bool]:
        """Twilio's page, from memory if it is new enough; and whether it is stale for want of an answer."""
        key = (wanted, position.size, position.query)
        held = self._pages.get(key)
        age = Freshness.GONE if held is None else freshness(LIST, time.time() - held.fetched_at)
        is_known = held is not None and self._memory.is_current and held.version >= self._memory.list_version
        version = self._memory.list_version
        if held is not None and is_known and age is Freshness.FRESH:
            return held, False
        if held is not None and is_known and age is Freshness.STALE:
            self._flights.begin((*key, version, False), lambda: self._fetch(wanted, position, is_urgent=False))
            return held, False
        try:
            return await self._flights.share(
                (*key, version, True), lambda: self._fetch(wanted, position, is_urgent=True)
            ), False
        except NO_ANSWER:
            if held is None or age is Freshness.GONE:
                raise
            return held, True

    async def _fetch(self, wanted: RoomFilter, position: _Position, *, is_urgent: bool) -> _Fetched:
        version = self._memory.list_version
        seen_n = self._tail.place.n
        as_of = self._tail.as_of()
        fetched_at = time.time()
        page = await self._upstream.read(
            lambda twilio, limit_s: twilio.list_rooms(wanted, position.size, position.query, deadline_s=limit_s),
            is_urgent=is_urgent,
        )
        rooms = tuple(CachedRoom(room, fetched_at, seen_n, as_of, settled=False) for room in page.rooms)
        fetched = _Fetched(rooms, page.next_query, fetched_at, version)
        key = (wanted, position.size, position.query)
        self._pages[key] = fetched
        self._pages.move_to_end(key)
        if len(self._pages) > PAGES_LIMIT:
            self._pages.popitem(last=False)
        return fetched


def _moved(position: _Position, query: str | None, skip: int) -> _Position:
    return _Position(position.filter_digest, position.size, query, skip)


def _digest(wanted: RoomFilter) -> str:
    return hashlib.blake2b(msgspec.json.encode(wanted), digest_size=8).hexdigest()
