"""Lists of rooms: Twilio's pages, read as all else below an account is, without the rooms that have ended since."""

from dataclasses import replace
from typing import Final

from gateway.core.caching import ROOM_LIST, Fence, ReadResult
from gateway.core.errors import UpstreamUnavailable
from gateway.core.paging import Page
from gateway.core.rooms import Room, RoomFilter, RoomStatus, merge_end
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import Listing, ResourceKind
from gateway.service.log.room_memory import ACCOUNT, RoomMemory
from gateway.store.cache import RoomIndex
from gateway.twilio.wire.resource import Listed
from gateway.twilio.wire.rooms import list_rooms

_ROOMS: Final = ResourceKind[Listed[Room]](Listed[Room], Fence.ROOM, ROOM_LIST)


class RoomLists:
    def __init__(self, reads: ReadThrough, index: RoomIndex, log: RoomMemory) -> None:
        self._reads = reads
        self._index = index
        self._log = log

    async def page(
        self, wanted: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[Room]]:
        """The page. Its end is told also when it came out empty, so that the caller can go on behind rooms that have just
        ended."""
        seen = await self._reads.page(_listing(wanted), first, after)
        sids = [room.sid for _, room in seen.value.items]
        # What this process has shown as ended stays so, also while nobody can tell which others have ended meanwhile.
        ends, is_stale = self._log.ends(sids), seen.freshness.is_stale
        try:
            ends |= await self._index.ends(sids)
        except UpstreamUnavailable:
            is_stale = True
        merged = (
            (cursor, merge_end(room, ends.get(room.sid))) for cursor, room in seen.value.items
        )
        shown = tuple(
            (cursor, room)
            for cursor, room in merged
            if wanted.status is not RoomStatus.IN_PROGRESS or room.status is RoomStatus.IN_PROGRESS
        )
        return ReadResult(
            replace(seen.value, items=shown), replace(seen.freshness, is_stale=is_stale), seen.as_of
        )


def _listing(wanted: RoomFilter) -> Listing[Room]:
    return Listing(_ROOMS, ACCOUNT, wanted, lambda size, query: list_rooms(wanted, size, query))
