"""Reading, making and ending rooms.

A read goes through memory, Redis, and Twilio under its quota, in that order; whatever comes out is merged with the room's
tombstone, so that a room whose end was told is never shown in progress again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from gateway.core.caching import FollowedBy, Freshness, Provenance, Seen, freshness, lifetime_of
from gateway.core.cursors import Place, Sealer
from gateway.core.errors import (
    AlreadyExists,
    GatewayError,
    NotFound,
    PermissionDenied,
    UpstreamUnavailable,
)
from gateway.core.events import Changed
from gateway.core.paging import Page
from gateway.core.reconcile import room_told
from gateway.core.rooms import Ended, NewRoom, Room, RoomFilter, RoomRef, RoomSid, RoomStatus, merge_end
from gateway.service.access import Caller, Scope
from gateway.service.changes import Changes
from gateway.service.memory import Memory
from gateway.service.reads import each
from gateway.service.roomlists import RoomLists
from gateway.service.singleflight import SingleFlight
from gateway.service.tail import Tail
from gateway.service.upstream import NO_ANSWER, Upstream
from gateway.store.cache import MISSING, CachedRoom, RoomCache
from gateway.store.eventlog import EventLog
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, find_room

log = structlog.get_logger()

# So many of a room's first events say what it is; its end, if it is not among them, is known from the tombstone.
TOLD = 100


@dataclass(frozen=True, slots=True)
class _Found:
    value: CachedRoom
    is_stale: bool = False


class Rooms:
    def __init__(
        self,
        upstream: Upstream,
        cache: RoomCache,
        changes: Changes,
        events: EventLog,
        memory: Memory,
        tail: Tail,
        lists: RoomLists,
        sealer: Sealer,
        status_callback: str,
    ) -> None:
        self._upstream = upstream
        self._cache = cache
        self._changes = changes
        self._events = events
        self._memory = memory
        self._tail = tail
        self._lists = lists
        self._sealer = sealer
        self._status_callback = status_callback
        self._reads = SingleFlight[_Found | None]()

    async def room(self, caller: Caller, ref: RoomRef) -> Seen[Room] | None:
        """The room, or None when there is none (for a name: none in progress), or none that the caller may see."""
        caller.require(Scope.ROOMS_READ)
        found = await self._find(ref)
        if found is None or not caller.may_see(found.value.room):
            return None
        return self._seen(found.value, is_stale=found.is_stale)

    async def batch(self, caller: Caller, refs: Sequence[RoomRef]) -> list[Seen[Room] | None]:
        """The rooms in the order asked; None for the missing ones. Fails as a whole when one read fails."""
        caller.require(Scope.ROOMS_READ)
        outcomes = await each(self.room(caller, ref) for ref in refs)
        for outcome in outcomes:
            if isinstance(outcome, GatewayError):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, GatewayError)]

    async def rooms(self, caller: Caller, wanted: RoomFilter, first: int, after: str | None) -> Page[Seen[Room]]:
        """A page of rooms, newest first as Twilio gives them. Rooms that ended since are left out of a list of those in
        progress, so a page may be shorter than asked. Raises InvalidArgument for a foreign page cursor."""
        caller.require(Scope.ROOMS_READ)
        page, is_stale = await self._lists.page(wanted, first, after)
        shown = [
            (cursor, self._seen(value, is_stale=is_stale)) for cursor, value in page.items if caller.may_see(value.room)
        ]
        return Page(tuple(shown), page.end_cursor, page.has_next_page)

    async def create(self, caller: Caller, new: NewRoom) -> Seen[Room]:
        """Makes a room that reports to this gateway. Once begun it is finished and recorded, even if the caller leaves.

        Raises AlreadyExists (with the SID) when a room in progress has the name, OutcomeUnknown when the answer was lost.
        """
        caller.require(Scope.ROOMS_WRITE)
        if not caller.may_name(None, new.unique_name):
            raise PermissionDenied("this API key is for some rooms only; create one of those by its name")
        return await self._changes.finish(lambda: self._create(new))

    async def complete(self, caller: Caller, ref: RoomRef) -> Seen[Room]:
        """Ends a room for everybody in it. Raises NotFound, and FailedPrecondition when it is not in progress."""
        sid = await self.locate(caller, ref, Scope.ROOMS_WRITE)
        return await self._changes.finish(lambda: self._complete(sid))

    async def locate(self, caller: Caller, ref: RoomRef, scope: Scope) -> RoomSid:
        """The SID of a room that the caller may touch; not read when the caller gave it. Raises NotFound, PermissionDenied
        without the scope."""
        caller.require(scope)
        if ref.sid is not None and caller.may_name(ref.sid, None):
            return ref.sid
        found = await self._find(ref)
        if found is None or not caller.may_see(found.value.room):
            raise NotFound("no such room is in progress; check the SID or the name")
        return found.value.room.sid

    async def is_for(self, caller: Caller, sid: RoomSid) -> bool:
        """Whether the caller's grants reach the room, by its SID or by its name."""
        if caller.may_name(sid, None):
            return True
        found = await self._by_sid(sid)
        return found is not None and caller.may_see(found.value.room)

    async def aclose(self) -> None:
        await self._reads.aclose()
        await self._lists.aclose()

    def _seen(self, value: CachedRoom, *, is_stale: bool) -> Seen[Room]:
        ours = self._status_callback.partition("#")[0]
        follows = (value.room.status_callback or "").partition("#")[0] == ours
        return Seen(
            value.room,
            Provenance(
                datetime.fromtimestamp(value.fetched_at, UTC),
                is_stale,
                FollowedBy.CALLBACKS if follows else FollowedBy.POLLED,
            ),
            None if value.as_of is None else self._sealer.cursor(value.as_of),
        )

    async def _find(self, ref: RoomRef) -> _Found | None:
        if ref.sid is not None:
            return await self._by_sid(ref.sid)
        assert ref.name is not None
        return await self._by_name(ref.name)

    async def _by_sid(self, sid: RoomSid) -> _Found | None:
        if self._memory.is_current and (held := self._memory.get(sid)) is not None:
            match _freshness(held):
                case Freshness.FRESH:
                    return _Found(held)
                case Freshness.STALE:
                    self._reads.begin((sid, self._memory.touched(sid), False), lambda: self._read(sid, is_urgent=False))
                    return _Found(held)
                case Freshness.ON_ERROR | Freshness.GONE:
                    pass
        try:
            # Not the refresh behind a stale answer, which gives up where a caller would wait for his turn.
            key = (sid, self._memory.touched(sid), True)
            return await self._reads.share(key, lambda: self._read(sid, is_urgent=True))
        except NO_ANSWER:
            held = self._memory.get(sid)
            if held is None or _freshness(held) is Freshness.GONE:
                raise
            return _Found(held, is_stale=True)

    async def _read(self, sid: RoomSid, *, is_urgent: bool) -> _Found | None:
        cached = await self._cache.get(sid)
        held = cached.value and _ended(cached.value, cached.ended)
        if held is not None and not cached.is_outdated and _freshness(held) is Freshness.FRESH:
            return _Found(self._memory.put(held))
        if cached.is_missing and not cached.version_n:
            return None
        try:
            found = await self._fetch(sid, cached.head_n, was_told=cached.version_n > 0, is_urgent=is_urgent)
        except NO_ANSWER:
            if held is None or _freshness(held) is Freshness.GONE:
                raise
            return _Found(self._memory.put(held), is_stale=True)
        if found is not None and found.is_stale and held is not None and _freshness(held) is not Freshness.GONE:
            # In place of a 404: what Twilio showed before says more than what events tell.
            return _Found(self._memory.put(held), is_stale=True)
        return found

    async def _fetch(self, sid: RoomSid, seen_n: int, *, was_told: bool, is_urgent: bool) -> _Found | None:
        """`seen_n`: the log's last number, read before the fetch begins. What Twilio answers is refused by every cache if
        the room has changed since."""
        as_of = self._tail.as_of()
        fetched_at = time.time()
        try:
            room = await self._upstream.send(fetch_room(sid), is_urgent=is_urgent)
        except NotFound:
            if not was_told and await self._cache.put_missing(sid):
                return None
            return await self._as_told(sid, fetched_at, as_of, was_told=was_told)
        return _Found(await self._keep(CachedRoom(room, fetched_at, seen_n, as_of, self._memory.is_settled(sid))))

    async def _as_told(self, sid: RoomSid, asked_at: float, as_of: Place | None, *, was_told: bool) -> _Found | None:
        """In place of a 404: the room as its events tell it, flagged; None when nothing was told. Twilio itself may have told
        us of it a moment ago: https://github.com/twilio/twilio-node/issues/593

        Raises UpstreamUnavailable when they tell too little.
        """
        events = [logged.event for logged in await self._events.read(0, TOLD, sid)]
        if not events and not was_told:
            return None
        room = room_told(events, self._status_callback)
        if room is None:
            raise UpstreamUnavailable("Twilio does not show this room yet; ask again", retry_after_ms=1000)
        ends = await self._cache.ends([sid])
        # Kept in no cache: Twilio, which knows all of it, is asked again next time.
        told = CachedRoom(merge_end(room, ends.get(sid)), asked_at, 0, as_of, settled=False)
        return _Found(told, is_stale=True)

    async def _keep(self, value: CachedRoom) -> CachedRoom:
        """Puts a fetched room into the caches that still want it. The room as it may be shown: with its end, if told."""
        kept = await self._cache.put(value.room.sid, value)
        return self._memory.put(_ended(value, kept.ended))

    async def _by_name(self, name: str) -> _Found | None:
        try:
            return await self._resolve(name)
        except NO_ANSWER:
            held = self._memory.named(name)
            if held is None or _freshness(held) is Freshness.GONE:
                raise
            return _Found(held, is_stale=True)

    async def _resolve(self, name: str) -> _Found | None:
        match await self._cache.resolve(name):
            case None:
                pass
            case sid if sid is not MISSING:
                found = await self._by_sid(sid)
                if found is not None and found.value.room.status is RoomStatus.IN_PROGRESS:
                    return found
            case _:
                return None
        return await self._reads.share((name, self._memory.name_touched(name)), lambda: self._fetch_by_name(name))

    async def _fetch_by_name(self, name: str) -> _Found | None:
        seen_n = self._tail.place.n
        as_of = self._tail.as_of()
        fetched_at = time.time()
        room = await self._upstream.send(find_room(name))
        if room is None:
            await self._cache.put_name(name, None)
            return None
        is_settled = self._memory.is_settled(room.sid)
        value = await self._keep(CachedRoom(room, fetched_at, seen_n, as_of, is_settled))
        if value.room.status is not RoomStatus.IN_PROGRESS:
            # Twilio's list lags the end it told us of: the name belongs to nobody, or to a room the list does not show yet.
            return None
        await self._cache.put_name(name, room.sid)
        return _Found(value)

    async def _create(self, new: NewRoom) -> Seen[Room]:
        try:
            room = await self._upstream.send(create_room(new, self._status_callback))
        except AlreadyExists as exc:
            raise await self._name_taken(new, exc) from exc
        return await self._record(room)

    async def _name_taken(self, new: NewRoom, exc: AlreadyExists) -> AlreadyExists:
        """The refusal with the SID of the room that has the name, if it can be found."""
        try:
            found = await self._by_name(new.unique_name) if new.unique_name else None
        except GatewayError:
            # That the name is taken is known for sure, and says more than why nobody can tell by whom.
            found = None
        which = f" ({found.value.room.sid})" if found is not None else ""
        return AlreadyExists(
            f"a room in progress{which} has this uniqueName; use it, or choose another", twilio=exc.twilio
        )

    async def _complete(self, sid: RoomSid) -> Seen[Room]:
        room = await self._changes.send(complete_room(sid), self._changes.event(sid, Changed.ROOM))
        return await self._record(room)

    async def _record(self, room: Room) -> Seen[Room]:
        """Logs our own change with Twilio's answer before the caller hears of it, so that he reads what he wrote."""
        event = self._changes.event(
            room.sid,
            Changed.ROOM,
            room_name=room.unique_name,
            room_status=room.status,
            room_type=room.type,
            room=room,
        )
        value = CachedRoom(room, time.time(), 0, self._tail.as_of(), settled=True)
        appended = await self._changes.record(event, value)
        self._memory.put(
            replace(value, seen_n=self._memory.touched(room.sid) if appended is None else appended.place.n)
        )
        return self._seen(value, is_stale=False)


def _ended(value: CachedRoom, ended: Ended | None) -> CachedRoom:
    return replace(value, room=merge_end(value.room, ended))


def _freshness(value: CachedRoom) -> Freshness:
    return freshness(lifetime_of(value.room, value.settled), time.time() - value.fetched_at)
