"""Resolves a SID or a name to a room, on top of `ReadThrough`.

Whatever is returned is merged with the room's tombstone: a room whose end is known is
never shown in progress again.
"""

import hashlib
from typing import Final, cast

from gateway.core.caching import Fence, room_lifetime
from gateway.core.errors import UpstreamUnavailable
from gateway.core.lru import LruCache
from gateway.core.room_state.history import room_from_events
from gateway.core.rooms import Room, RoomRef, RoomSid, RoomStatus, merge_end
from gateway.service.cache.fetch_lease import MISS, FetchLease, Miss
from gateway.service.cache.read_through import Found, ReadThrough, present
from gateway.service.cache.resources import CachedQuery, OnNotFound, ResourceKind
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.upstream.upstream import NO_ANSWER
from gateway.store.cache import CacheEntry, CacheLookup, RoomIndex
from gateway.store.eventlog import EventLog, readable
from gateway.twilio.wire.rooms import fetch_room, find_room

# The first events of a room say what it is. If its end is not among them, the tombstone
# has it.
FIRST_EVENTS: Final = 100
# As many rooms as an account may have in progress.
# https://www.twilio.com/docs/video/programmable-video-limits
_NAMES: Final = 10_000


def room_kind(on_not_found: OnNotFound[Room] | None = None) -> ResourceKind[Room]:
    """Returns how rooms are read."""
    return ResourceKind(Room, Fence.ROOM, room_lifetime, merge=merge_end, on_not_found=on_not_found)


def room_query(kind: ResourceKind[Room], sid: RoomSid) -> CachedQuery[Room]:
    """Returns the read of one room. Its key is the one under which mutations are cached
    too."""
    return CachedQuery(kind, sid, fetch_room(sid), key=f"room:{sid}")


class RoomReads:
    """Reads one account's rooms.

    None means that there is no such room; for a name, no such room in progress. All
    methods raise what `ReadThrough.read` raises.
    """

    def __init__(
        self,
        reads: ReadThrough,
        index: RoomIndex,
        events: EventLog,
        room_memory: RoomMemory,
        fetch_lease: FetchLease,
        status_callback: str,
    ) -> None:
        self._reads = reads
        self._index = index
        self._events = events
        self._room_memory = room_memory
        self._fetch_lease = fetch_lease
        self._status_callback = status_callback
        self._kind = room_kind(self._on_not_found)
        # The newest room in progress that was read under each name.
        self._sids = LruCache[str, RoomSid](max_entries=_NAMES)
        self._flights = SingleFlight[Found[Room] | None]()

    async def aclose(self) -> None:
        """Cancels all look-ups by name."""
        await self._flights.aclose()

    async def find(self, ref: RoomRef) -> Found[Room] | None:
        """Returns the room by its SID, in any status, or by its name while in
        progress."""
        if ref.sid is not None:
            return await self.by_sid(ref.sid)
        assert ref.name is not None
        return await self.by_name(ref.name)

    async def by_sid(self, sid: RoomSid) -> Found[Room] | None:
        """Returns the room, in any status."""
        found = present(await self._reads.read(self._query(sid)))
        if found is not None:
            self._note_name(found)
        return found

    async def now(self, sid: RoomSid) -> Found[Room] | None:
        """Returns the room as Twilio shows it now, past the cache."""
        found = present(await self._reads.fetch_now(self._query(sid)))
        if found is not None:
            self._note_name(found)
        return found

    async def by_name(self, name: str) -> Found[Room] | None:
        """Returns the room in progress that has this name."""
        try:
            return await self._resolve(name)
        except NO_ANSWER:
            stand_in = self._last_named(name)
            if stand_in is None:
                raise
            return stand_in

    async def listed(self, name: str) -> Found[Room] | None:
        """Returns the room that Twilio lists in progress under the name now, past the
        cache.

        A room whose end is known is returned as ended.
        """
        found = await self._reads.find(find_room(name), lambda room: self._query(room.sid))
        if found is not None:
            self._note_name(found)
        return found

    def remember(self, entry: CacheEntry[Room]) -> Found[Room]:
        """Remembers Twilio's answer to a mutation of ours, so that this process reads
        it."""
        query = self._query(entry.value.sid)
        found = present(self._reads.remember(query, cast("CacheEntry[Room | None]", entry)))
        assert found is not None
        self._note_name(found)
        return found

    async def store(self, entry: CacheEntry[Room]) -> Found[Room]:
        """Remembers Twilio's answer to a mutation of ours, and its name, so that every
        process reads them, unless an event has made them outdated."""
        room = entry.value
        query = self._query(room.sid)
        try:
            found = present(await self._reads.store(query, cast("CacheEntry[Room | None]", entry)))
            if room.unique_name is not None:
                await self._index.put_name(room.unique_name, room.sid)
        except UpstreamUnavailable:
            return self.remember(entry)
        assert found is not None
        self._note_name(found)
        return found

    async def _resolve(self, name: str) -> Found[Room] | None:
        found = await self.look_up_name(name)
        if found is not MISS:
            return found
        version = self._room_memory.newest_name_n(name)
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()

        async def fetch_once() -> Found[Room] | None:
            return await self._fetch_lease.once(
                f"name:{digest}:{version}",
                lambda: self.look_up_name(name),
                lambda: self.fetch_by_name(name),
                is_urgent=True,
            )

        return await self._flights.share((name, version), fetch_once)

    async def look_up_name(self, name: str) -> Found[Room] | Miss | None:
        """Returns the room in progress that Redis has under the name. It was created,
        or Twilio listed it, NAME_S ago at most."""
        pointer = await self._index.resolve(name)
        if pointer is None:
            return MISS
        if pointer.sid is None:
            return None
        found = await self.by_sid(pointer.sid)
        return found if found is not None and _is_in_progress(found) else MISS

    async def look_up_current(self, name: str, since: float) -> Found[Room] | Miss:
        """Returns the room in progress that Redis has under the name, if that is
        proved to be current.

        Either the room reports to this gateway, and the log has been read to its end.
        Or the room was fetched after `since`, in seconds since 1970. Raises
        UpstreamUnavailable when Redis does not answer.
        """
        pointer = await self._index.resolve(name)
        if pointer is None or pointer.sid is None:
            return MISS
        cached = await self._reads.cached(self._query(pointer.sid))
        found = None if cached is MISS else present(cached)
        if found is None or not _is_in_progress(found):
            return MISS
        reports = self._room_memory.is_current and self._room_memory.is_reporting(pointer.sid)
        return found if reports or found.entry.fetched_at >= since else MISS

    async def fetch_by_name(self, name: str) -> Found[Room] | None:
        """Returns the room in progress that Twilio lists under the name now, and
        remembers that for `look_up_name`."""
        found = await self.listed(name)
        if found is None:
            await self._index.put_name(name, None)
            return None
        if not _is_in_progress(found):
            # Twilio's list lags the room's end. The name is free, or belongs to a room
            # that the list does not show yet.
            return None
        await self._index.put_name(name, found.value.sid)
        return found

    async def _on_not_found(
        self, about: str, lookup: CacheLookup[Room | None] | None, has_older_answer: bool
    ) -> Room | None:
        """Decides what a 404 from Twilio for a room's SID means.

        Returns None (no such room) when no event has reported the room and Redis has no
        answer of Twilio's that shows it. Redis then remembers the 404 for all replicas
        for MISSING_SID_S, and `ReadThrough` answers from there without asking again.
        docs/concepts/architecture.md lists every place that decides.

        A room that an event has reported exists, though Twilio's REST API may not show
        it yet (https://github.com/twilio/twilio-node/issues/593). The result is then
        the room as its events describe it. Raises UpstreamUnavailable when they say too
        little, or when an older answer of Twilio's is known, which says more.

        `lookup` is None when Redis does not answer: then the events that this process
        has read decide.
        """
        sid = RoomSid(about)
        if lookup is None:
            if self._room_memory.may_exist(sid):
                raise _not_shown_yet()
            return None
        if lookup.version_n == 0 and await self._remember_missing(sid):
            return None
        if has_older_answer:
            raise _not_shown_yet()
        logged = readable(await self._events.read(0, FIRST_EVENTS, sid))
        room = room_from_events([entry.event for entry in logged], self._status_callback)
        if room is None:
            raise _not_shown_yet()
        ends = await self._index.ends([sid])
        return merge_end(room, ends.get(sid))

    async def _remember_missing(self, sid: RoomSid) -> bool:
        """Remembers the 404 in Redis.

        Returns False when Redis knows the room: an event has reported it meanwhile, or
        an answer of Twilio's is cached.
        """
        try:
            return await self._index.put_missing(sid)
        except UpstreamUnavailable:
            return not self._room_memory.may_exist(sid)

    def _query(self, sid: RoomSid) -> CachedQuery[Room]:
        return room_query(self._kind, sid)

    def _note_name(self, found: Found[Room]) -> None:
        name, sid = found.value.unique_name, found.value.sid
        if name is None or not _is_in_progress(found) or self._sids.peek(name) == sid:
            return
        known = self._last_named(name)
        if known is None or _log_rank(known) <= _log_rank(found):
            self._sids.put(name, sid)

    def _last_named(self, name: str) -> Found[Room] | None:
        """Returns the newest room in progress that was read under the name, flagged as
        stale. It may have ended since."""
        sid = self._sids.peek(name)
        stand_in = self._reads.stand_in(self._query(sid)) if sid is not None else None
        found = None if stand_in is None else present(stand_in)
        return found if found is not None and _is_in_progress(found) else None


def _is_in_progress(found: Found[Room]) -> bool:
    return found.value.status is RoomStatus.IN_PROGRESS


def _log_rank(found: Found[Room]) -> tuple[int, float]:
    """Of two rooms with one name, the one that was fetched later in the log has it."""
    return found.entry.seen_n, found.entry.fetched_at


def _not_shown_yet() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "Twilio does not show this room yet: try again in a second", retry_after_ms=1000
    )
