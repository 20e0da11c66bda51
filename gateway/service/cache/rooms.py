"""One room from memory, Redis, or Twilio under its quota, in that order; whatever comes out is merged with the room's
tombstone, so that a room whose end was told is never shown in progress again.
"""

import hashlib
import time
from dataclasses import dataclass, replace

from gateway.core.caching import CacheState, Lifetime, cache_state, lifetime_of
from gateway.core.cursors import LogPosition
from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.core.room_state.history import room_from_events
from gateway.core.rooms import Ended, RoomRef, RoomSid, RoomStatus, merge_end
from gateway.service.cache.early_refresh import EarlyRefresh
from gateway.service.cache.fetch_lease import NOT_YET, FetchLease, NotYet
from gateway.service.flights.singleflight import SingleFlight
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import NO_ANSWER, Upstream
from gateway.store.cache import MISSING, Cached, CachedRoom, RoomCache
from gateway.store.eventlog import EventLog, readable
from gateway.twilio.wire.rooms import fetch_room, find_room

# So many of a room's first events say what it is; its end, if it is not among them, is known from the tombstone.
TOLD = 100


@dataclass(frozen=True, slots=True)
class FoundRoom:
    """`is_stale`: shown for want of an answer."""

    value: CachedRoom
    is_stale: bool = False

    @property
    def fresh_s(self) -> float:
        """For how long it will be fresh; below 0 once it is stale."""
        return (
            float("-inf") if self.is_stale else _lifetime(self.value).fresh_s - _age_s(self.value)
        )


class RoomReads:
    """None stands for "there is none"; for a name: none in progress."""

    def __init__(
        self,
        upstream: Upstream,
        cache: RoomCache,
        events: EventLog,
        memory: RoomMemory,
        tail: Tail,
        fetch_lease: FetchLease,
        status_callback: str,
    ) -> None:
        self._upstream = upstream
        self._cache = cache
        self._events = events
        self._memory = memory
        self._tail = tail
        self._fetch_lease = fetch_lease
        self._status_callback = status_callback
        self._early_refresh = EarlyRefresh()
        self._flights = SingleFlight[FoundRoom | None]()

    async def aclose(self) -> None:
        await self._flights.aclose()

    async def find(self, ref: RoomRef) -> FoundRoom | None:
        if ref.sid is not None:
            return await self.by_sid(ref.sid)
        assert ref.name is not None
        return await self.by_name(ref.name)

    async def by_sid(self, sid: RoomSid) -> FoundRoom | None:
        if self._memory.is_current and (held := self._memory.get(sid)) is not None:
            match _freshness(held):
                case CacheState.FRESH:
                    if self._early_refresh.should_refresh(
                        sid, held.fetched_at, _lifetime(held), _age_s(held)
                    ):
                        self._refresh(sid, held.fetched_at)
                    return FoundRoom(held)
                case CacheState.STALE:
                    self._refresh(sid, held.fetched_at)
                    return FoundRoom(held)
                case CacheState.ON_ERROR | CacheState.GONE:
                    pass
        try:
            # Not the refresh behind a stale answer, which gives up where a caller would wait for his turn.
            key = (sid, self._memory.touched(sid), True)
            held = self._memory.get(sid)
            is_held = held is not None and _freshness(held) is not CacheState.GONE
            return await self._flights.share(
                key, lambda: self._read(sid, is_urgent=True), has_fallback=is_held
            )
        except NO_ANSWER:
            held = self._memory.get(sid)
            if held is None or _freshness(held) is CacheState.GONE:
                raise
            return FoundRoom(held, is_stale=True)

    def _refresh(self, sid: RoomSid, after: float) -> None:
        """Behind the caller's back, unless somebody has fetched it after that moment."""
        self._flights.begin(
            (sid, self._memory.touched(sid), False),
            lambda: self._read(sid, is_urgent=False, after=after),
        )

    async def _read(self, sid: RoomSid, *, is_urgent: bool, after: float = 0.0) -> FoundRoom | None:
        try:
            cached = await self._cache.get(sid)
        except UpstreamUnavailable:
            return await self._unshared(sid, is_urgent=is_urgent)
        if (found := self._kept(cached, after)) is not NOT_YET:
            return found

        async def look() -> FoundRoom | NotYet | None:
            nonlocal cached
            cached = await self._cache.get(sid)
            return self._kept(cached, after)

        # Who was woken by an event waits for no fetch that began before it.
        key = f"room:{sid}:{cached.version_n}"
        return await self._fetch_lease.once(
            key, look, lambda: self._fetched(sid, cached, is_urgent), is_urgent=is_urgent
        )

    def _kept(self, cached: Cached, after: float) -> FoundRoom | NotYet | None:
        """What Redis has, if it may be shown as it is."""
        if cached.is_missing and not cached.version_n:
            return None
        held = cached.value and _ended(cached.value, cached.ended)
        if (
            held is None
            or cached.is_outdated
            or held.fetched_at <= after
            or _freshness(held) is not CacheState.FRESH
        ):
            return NOT_YET
        return FoundRoom(self._memory.put(held))

    async def _fetched(self, sid: RoomSid, cached: Cached, is_urgent: bool) -> FoundRoom | None:
        """Twilio's answer; when it gives none, or 404 for a room that was told of, what Redis has, flagged."""
        held = cached.value and _ended(cached.value, cached.ended)
        if held is not None and _freshness(held) is CacheState.GONE:
            held = None
        as_of, fetched_at = self._tail.as_of(), time.time()
        try:
            room = await self._upstream.send(fetch_room(sid), is_urgent=is_urgent)
        except NotFound:
            if await self._is_missing(sid, was_told=cached.version_n > 0):
                return None
            # What Twilio showed before says more than what events tell.
            return (
                await self._as_told(sid, fetched_at, as_of) if held is None else self._flagged(held)
            )
        except NO_ANSWER:
            if held is None:
                raise
            return self._flagged(held)
        # The log's last number, read before the fetch began: if the room has changed since, every cache refuses it.
        value = CachedRoom(room, fetched_at, cached.head_n, as_of, self._memory.is_settled(sid))
        try:
            return FoundRoom(await self._keep(value))
        except UpstreamUnavailable:
            # Redis is gone by now: that costs nobody the answer.
            return self._known_here(replace(value, settled=False))

    async def _unshared(self, sid: RoomSid, *, is_urgent: bool) -> FoundRoom | None:
        """Without Redis: what this process remembers, or else Twilio's answer; flagged, for another replica may have told an
        end that was not heard here. Remembered, so that nothing older is shown when Redis is back."""
        held = self._memory.get(sid)
        if held is not None and _freshness(held) is not CacheState.GONE:
            return FoundRoom(held, is_stale=True)
        seen_n, as_of, fetched_at = self._tail.position.n, self._tail.as_of(), time.time()
        try:
            room = await self._upstream.send(fetch_room(sid), is_urgent=is_urgent)
        except NotFound:
            if self._memory.touched(
                sid
            ):  # Twilio does not show yet what this process has heard of.
                raise _not_yet() from None
            return None
        return self._known_here(CachedRoom(room, fetched_at, seen_n, as_of, settled=False))

    def _known_here(self, value: CachedRoom) -> FoundRoom:
        sid = value.room.sid
        return self._flagged(_ended(value, self._memory.ends([sid]).get(sid)))

    async def _is_missing(self, sid: RoomSid, *, was_told: bool) -> bool:
        """Whether a 404 is to be believed: Twilio itself may have told us of the room a moment ago.
        https://github.com/twilio/twilio-node/issues/593"""
        if was_told:
            return False
        try:
            return await self._cache.put_missing(sid)
        except UpstreamUnavailable:
            return not self._memory.touched(sid)

    async def _as_told(self, sid: RoomSid, asked_at: float, as_of: LogPosition | None) -> FoundRoom:
        """In place of a 404: the room as its events tell it, flagged. Raises UpstreamUnavailable when they tell too little."""
        room = room_from_events(
            [entry.event for entry in readable(await self._events.read(0, TOLD, sid))],
            self._status_callback,
        )
        if room is None:
            raise _not_yet()
        ends = await self._cache.ends([sid])
        # Kept in no cache: Twilio, which knows all of it, is asked again next time.
        told = CachedRoom(merge_end(room, ends.get(sid)), asked_at, 0, as_of, settled=False)
        return FoundRoom(told, is_stale=True)

    def _flagged(self, held: CachedRoom) -> FoundRoom:
        return FoundRoom(self._memory.put(held), is_stale=True)

    async def _keep(self, value: CachedRoom) -> CachedRoom:
        """Puts a fetched room into the caches that still want it. The room as it may be shown: with its end, if told."""
        kept = await self._cache.put(value.room.sid, value)
        return self._memory.put(_ended(value, kept.ended))

    async def by_name(self, name: str) -> FoundRoom | None:
        try:
            return await self._resolve(name)
        except NO_ANSWER:
            held = self._memory.named(name)
            if held is None or _freshness(held) is CacheState.GONE:
                raise
            return FoundRoom(held, is_stale=True)

    async def _resolve(self, name: str) -> FoundRoom | None:
        found = await self._pointed_at(name)
        if found is not NOT_YET:
            return found
        touched = self._memory.name_touched(name)
        digest = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()

        async def fetch() -> FoundRoom | None:
            return await self._fetch_lease.once(
                f"name:{digest}:{touched}",
                lambda: self._pointed_at(name),
                lambda: self._fetch_by_name(name),
                is_urgent=True,
            )

        return await self._flights.share((name, touched), fetch)

    async def _pointed_at(self, name: str) -> FoundRoom | NotYet | None:
        """What Redis knows of the name."""
        match await self._cache.resolve(name):
            case None:
                return NOT_YET
            case sid if sid is not MISSING:
                found = await self.by_sid(sid)
                is_there = found is not None and found.value.room.status is RoomStatus.IN_PROGRESS
                return found if is_there else NOT_YET
            case _:
                return None

    async def listed(self, name: str) -> CachedRoom | None:
        """The room that Twilio lists in progress under the name now, whatever is known of it; with its end, if that was
        told."""
        seen_n = self._tail.position.n
        as_of = self._tail.as_of()
        fetched_at = time.time()
        room = await self._upstream.send(find_room(name))
        if room is None:
            return None
        return await self._keep(
            CachedRoom(room, fetched_at, seen_n, as_of, self._memory.is_settled(room.sid))
        )

    async def _fetch_by_name(self, name: str) -> FoundRoom | None:
        value = await self.listed(name)
        if value is None:
            await self._cache.put_name(name, None)
            return None
        if value.room.status is not RoomStatus.IN_PROGRESS:
            # Twilio's list lags the end it told us of: the name belongs to nobody, or to a room the list does not show yet.
            return None
        await self._cache.put_name(name, value.room.sid)
        return FoundRoom(value)


def _not_yet() -> UpstreamUnavailable:
    return UpstreamUnavailable("Twilio does not show this room yet; ask again", retry_after_ms=1000)


def _ended(value: CachedRoom, ended: Ended | None) -> CachedRoom:
    return replace(value, room=merge_end(value.room, ended))


def _lifetime(value: CachedRoom) -> Lifetime:
    return lifetime_of(value.room, value.fetched_at, settled=value.settled)


def _age_s(value: CachedRoom) -> float:
    return time.time() - value.fetched_at


def _freshness(value: CachedRoom) -> CacheState:
    return cache_state(_lifetime(value), _age_s(value))
