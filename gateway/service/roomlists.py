"""Lists of rooms: Twilio's pages, shared for a moment, without the rooms that have ended since."""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from gateway.core.caching import LIST, Freshness, freshness
from gateway.core.cursors import Sealer
from gateway.core.errors import UpstreamUnavailable
from gateway.core.paging import Page
from gateway.core.rooms import RoomFilter, RoomStatus, merge_end
from gateway.service.memory import Memory
from gateway.service.pages import Pages, Position
from gateway.service.singleflight import SingleFlight
from gateway.service.tail import Tail
from gateway.service.upstream import NO_ANSWER, Upstream
from gateway.store.cache import CachedRoom, RoomCache
from gateway.twilio.wire.resource import Listed
from gateway.twilio.wire.rooms import list_rooms

# Of up to 100 rooms each: 20,000 rooms take some 40 MB.
PAGES_LIMIT = 200


# What is asked for, how many rooms a page, and where it begins, in Twilio's words.
_Key = tuple[RoomFilter, int, str | None]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One of Twilio's pages. `version`: what the log had told of lists before the fetch began."""

    listed: Listed[CachedRoom]
    fetched_at: float
    version: int


class RoomLists:
    def __init__(self, upstream: Upstream, cache: RoomCache, memory: Memory, tail: Tail, sealer: Sealer) -> None:
        self._upstream = upstream
        self._cache = cache
        self._memory = memory
        self._tail = tail
        self._cursors = Pages(sealer)
        self._pages: OrderedDict[_Key, _Fetched] = OrderedDict()
        self._flights = SingleFlight[_Fetched]()

    async def page(self, wanted: RoomFilter, first: int, after: str | None) -> tuple[Page[CachedRoom], bool]:
        """The page, and whether it is stale for want of an answer. Its end is told also when it came out empty, so that the
        caller can go on behind rooms that have just ended."""
        position = self._cursors.position(wanted, first, after)
        fetched, is_stale = await self._fetched(wanted, position)
        page = self._cursors.page(position, fetched.listed, first)
        sids = [value.room.sid for _, value in page.items]
        # What this process has shown as ended stays so, also while nobody can tell which others have ended meanwhile.
        ends = self._memory.ends(sids)
        try:
            ends |= await self._cache.ends(sids)
        except UpstreamUnavailable:
            is_stale = True
        merged = (
            (cursor, replace(value, room=merge_end(value.room, ends.get(value.room.sid))))
            for cursor, value in page.items
        )
        shown = tuple(
            (cursor, value)
            for cursor, value in merged
            if wanted.status is not RoomStatus.IN_PROGRESS or value.room.status is RoomStatus.IN_PROGRESS
        )
        return replace(page, items=shown), is_stale

    async def aclose(self) -> None:
        await self._flights.aclose()

    async def _fetched(self, wanted: RoomFilter, position: Position) -> tuple[_Fetched, bool]:
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

    async def _fetch(self, wanted: RoomFilter, position: Position, *, is_urgent: bool) -> _Fetched:
        version = self._memory.list_version
        seen_n = self._tail.place.n
        as_of = self._tail.as_of()
        fetched_at = time.time()
        page = await self._upstream.send(list_rooms(wanted, position.size, position.query), is_urgent=is_urgent)
        rooms = tuple(CachedRoom(room, fetched_at, seen_n, as_of, settled=False) for room in page.items)
        return self._keep(
            (wanted, position.size, position.query), _Fetched(Listed(rooms, page.next_query), fetched_at, version)
        )

    def _keep(self, key: _Key, fetched: _Fetched) -> _Fetched:
        """What may be shown now: the page, or one whose fetch began later and ended earlier."""
        held = self._pages.get(key)
        if held is not None and (held.version, held.fetched_at) > (fetched.version, fetched.fetched_at):
            return held
        self._pages[key] = fetched
        self._pages.move_to_end(key)
        if len(self._pages) > PAGES_LIMIT:
            self._pages.popitem(last=False)
        return fetched
