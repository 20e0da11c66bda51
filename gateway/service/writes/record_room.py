"""Logs and caches the rooms that Twilio responds with to mutations of this gateway."""

import time
from dataclasses import replace

from gateway.core.events import RoomEvent
from gateway.core.rooms import Room
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import RoomReads
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.writes.mutations import Mutations
from gateway.store.cache import CacheEntry


class RoomRecorder:
    """Records one account's rooms, so that callers read their own writes."""

    def __init__(
        self, mutations: Mutations, reads: RoomReads, room_memory: RoomMemory, tail: Tail
    ) -> None:
        self._mutations = mutations
        self._reads = reads
        self._room_memory = room_memory
        self._tail = tail

    async def record(
        self, event: RoomEvent, room: Room, *, dedupe: str | None = None
    ) -> Found[Room]:
        """Logs the event with the room, caches the room and returns it.

        `dedupe` is the same for all events that report the same change.
        """
        entry = CacheEntry(room, time.time(), 0, self._tail.as_of(), is_settled=True)
        appended = await self._mutations.record(event, entry, dedupe=dedupe)
        if appended is None:
            n = self._room_memory.newest_n(room.sid)
            return self._reads.remember(replace(entry, seen_n=n))
        entry = replace(entry, seen_n=appended.position.n)
        if appended.is_new:
            return self._reads.remember(entry)
        # Twilio's callback was first. It says less than the response, which is not
        # cached yet.
        return await self._reads.store(entry)
