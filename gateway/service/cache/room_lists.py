"""Lists of rooms, without the rooms that have ended since Twilio listed them."""

from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.caching import ROOM_LIST_LIFETIME, Fence, ReadResult
from gateway.core.errors import UpstreamUnavailable
from gateway.core.paging import Page, per_status
from gateway.core.rooms import Room, RoomFilter, RoomStatus, merge_end
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import Listing, ResourceKind
from gateway.service.log.room_memory import ACCOUNT, RoomMemory
from gateway.store.cache import RoomIndex
from gateway.twilio.wire.resource import WirePage
from gateway.twilio.wire.rooms import list_rooms

_ROOMS: Final = ResourceKind[WirePage[Room]](WirePage[Room], Fence.ROOM, ROOM_LIST_LIFETIME)
_IN_PROGRESS: Final = (RoomStatus.IN_PROGRESS,)


class RoomLists:
    """Reads one account's lists of rooms."""

    def __init__(self, reads: ReadThrough, index: RoomIndex, room_memory: RoomMemory) -> None:
        self._reads = reads
        self._index = index
        self._room_memory = room_memory

    async def page(
        self, filters: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[Room]]:
        """Returns a page of the rooms that match the filter, the newest first.

        Rooms that have ended since are left out of a list of rooms in progress. A page
        may therefore be shorter than `first`, or empty; its `end_cursor` continues the
        list all the same. Without Redis, the page is flagged as stale. Raises what
        `ReadThrough.page` raises.
        """
        singles = per_status(filters)
        reads = [partial(self._page, single) for single in singles]
        identity = [_listing(single).identity for single in singles]
        return await self._reads.merged.page(reads, identity, first, after)

    async def _page(
        self, filters: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[Room]]:
        """A page of rooms of one status."""
        result = await self._reads.page(_listing(filters), first, after)
        rooms = result.value.items
        sids = [room.sid for _, room in rooms]
        # What this process knows to have ended stays so while Redis does not answer.
        ends, is_stale = self._room_memory.ends(sids), result.freshness.is_stale
        try:
            ends |= await self._index.ends(sids)
        except UpstreamUnavailable:
            is_stale = True
        merged = ((cursor, merge_end(room, ends.get(room.sid))) for cursor, room in rooms)
        matching = tuple(
            (cursor, room)
            for cursor, room in merged
            if filters.statuses != _IN_PROGRESS or room.status is RoomStatus.IN_PROGRESS
        )
        return ReadResult(
            replace(result.value, items=matching),
            replace(result.freshness, is_stale=is_stale),
            result.as_of,
        )


def _listing(filters: RoomFilter) -> Listing[Room]:
    return Listing(_ROOMS, ACCOUNT, filters, lambda size, query: list_rooms(filters, size, query))
