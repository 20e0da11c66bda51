"""Making and ending rooms: to the end whoever leaves, logged before the caller hears of it, and made once.

Whether a lost answer stood for a room can only be found out by its name: Twilio lets one room in progress have it. That the
room under the name is the one we asked for, and nobody else's, is told by its callback address: with an idempotency key
the address ends in a mark that no other key has, so a try is known again by any replica, also after Redis has lost the
record. Without a key the address is everybody's; the room is then ours if it is no older than the try, and if the log does
not say that somebody else was told of having made it.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from gateway.core.callers import Caller
from gateway.core.errors import (
    AlreadyExists,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    UpstreamUnavailable,
)
from gateway.core.events import Changed, EventSource
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomSid, RoomStatus
from gateway.core.validation import check_text
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import FIRST_EVENTS, RoomReads
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import Upstream
from gateway.service.writes.mutations import Mutations
from gateway.store.cache import CacheEntry
from gateway.store.eventlog import EventLog, readable
from gateway.store.idempotency import (
    Claimed,
    Created,
    IdempotencyKey,
    IdempotencyRecords,
    InProgress,
    OtherBody,
)
from gateway.twilio.wire.rooms import complete_room, create_room, list_rooms

log = structlog.get_logger()

# How often one who waits for another's create looks for its outcome.
FIRST_LOOK_S, LAST_LOOK_S = 0.02, 0.25
# Rooms that had the name since the first try: more of them would have to end within its few seconds.
ENDED_LIMIT = 20
# Twilio dates rooms by its own clock, in whole seconds.
CLOCKS_DIFFER_BY = timedelta(seconds=2)


def once_of(caller: Caller, key: str | None, new: NewRoom) -> IdempotencyKey | None:
    """What the key stands for. Two API keys' never meet. Raises InvalidArgument for what can be no key."""
    if key is None:
        return None
    check_text(key, "idempotencyKey", give="one made for this room alone, such as a UUID")
    said = {name: part for name, part in msgspec.to_builtins(new).items() if part is not None}
    return IdempotencyKey(_digest([caller.id, key]), _digest(sorted(said.items())))


class RoomWrites:
    def __init__(
        self,
        upstream: Upstream,
        mutations: Mutations,
        reads: RoomReads,
        records: IdempotencyRecords,
        events: EventLog,
        memory: RoomMemory,
        tail: Tail,
        status_callback: str,
    ) -> None:
        self._upstream = upstream
        self._mutations = mutations
        self._reads = reads
        self._records = records
        self._events = events
        self._memory = memory
        self._tail = tail
        self._status_callback = status_callback

    async def create(self, new: NewRoom, once: IdempotencyKey | None) -> Found[Room]:
        if once is None:
            return await self._mutations.finish(
                lambda: self._try(_Try(new, self._status_callback, datetime.now(UTC)))
            )
        pause_s = FIRST_LOOK_S
        while True:
            found = await self._mutations.finish(lambda: self._create_once(new, once))
            if found is not None:
                return found
            # The caller's deadline ends this.
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_LOOK_S)

    async def complete(self, sid: RoomSid) -> Found[Room]:
        return await self._mutations.finish(lambda: self._complete(sid))

    async def _complete(self, sid: RoomSid) -> Found[Room]:
        return await self._record(
            await self._mutations.send(complete_room(sid), self._mutations.event(sid, Changed.ROOM))
        )

    async def _create_once(self, new: NewRoom, once: IdempotencyKey) -> Found[Room] | None:
        """None while another caller with the key is at it."""
        owner = secrets.token_hex(8)
        match await self._records.claim(once, owner):
            case InProgress():
                return None
            case OtherBody():
                raise AlreadyExists(
                    "this idempotencyKey was given before for a room with other parameters; give each room a key of its own"
                )
            case Created(sid):
                found = await self._reads.by_sid(sid)
                if found is None:
                    raise NotFound(
                        f"the room that was made for this idempotencyKey ({sid}) is not there any more"
                    )
                return found
            case Claimed(is_doubtful, began_at):
                marked = _marked(self._status_callback, once.digest)
                return await self._settled(
                    once,
                    owner,
                    _Try(new, marked, began_at, is_marked=True, is_doubtful=is_doubtful),
                )

    async def _settled(self, once: IdempotencyKey, owner: str, attempt: "_Try") -> Found[Room]:
        """Writes down what becomes of the try. If that fails, the next one with the key is in doubt, and looks."""
        try:
            found = await self._try(attempt)
        except GatewayError as failure:
            is_lost = isinstance(failure, OutcomeUnknown) or isinstance(
                failure.__cause__, OutcomeUnknown
            )
            is_doubtful = attempt.is_doubtful or is_lost
            await _write_down(self._records.release(once, owner, may_exist=is_doubtful))
            raise
        await _write_down(self._records.complete(once, owner, found.value.sid))
        return found

    async def _try(self, attempt: "_Try") -> Found[Room]:
        if attempt.is_doubtful:
            found = await self._made_earlier(attempt)
            if found is not None:
                return found
        try:
            room = await self._upstream.send(create_room(attempt.new, attempt.status_callback))
        except OutcomeUnknown as lost:
            return await self._after_silence(attempt, lost)
        except AlreadyExists as taken:
            return await self._after_conflict(attempt, taken)
        return await self._record(room)

    async def _made_earlier(self, attempt: "_Try") -> Found[Room] | None:
        """What an earlier try with the key made; None when it may be sent again: nobody has the name, and if the earlier one
        is still on its way, Twilio gives the name to one of the two and refuses the other."""
        name = attempt.new.unique_name
        if name is None:
            raise OutcomeUnknown(
                "an earlier call with this idempotencyKey may have made the room, which has no name to look it up by; "
                "look for it in the list, or take another key"
            )
        listed = await self._reads.listed(name)
        if listed is not None and not await self._is_ours(attempt, listed.value):
            raise _taken(listed.value.sid)
        if listed is not None:
            return await self._adopt(listed)
        wanted = RoomFilter(
            status=RoomStatus.COMPLETED,
            unique_name=name,
            created_after=attempt.began_at - CLOCKS_DIFFER_BY,
        )
        ended = await self._upstream.send(list_rooms(wanted, ENDED_LIMIT))
        mine = [room for room in ended.items if await self._is_ours(attempt, room)]
        return await self._reads.by_sid(mine[0].sid) if mine else None

    async def _after_silence(self, attempt: "_Try", lost: OutcomeUnknown) -> Found[Room]:
        if attempt.new.unique_name is None:
            raise lost
        try:
            listed = await self._reads.listed(attempt.new.unique_name)
            is_ours = listed is not None and await self._is_ours(attempt, listed.value)
        except GatewayError:
            listed = None
        if listed is None and attempt.is_marked:
            raise OutcomeUnknown(
                "the request was sent to Twilio and its answer lost; ask again with the same idempotencyKey",
                twilio=lost.twilio,
            ) from lost
        if listed is None:
            raise lost
        if not is_ours:
            raise _taken(listed.value.sid) from lost
        return await self._adopt(listed)

    async def _after_conflict(self, attempt: "_Try", taken: AlreadyExists) -> Found[Room]:
        """The room that has the name may be ours: of an earlier try whose answer was lost."""
        listed = None
        # That the name is taken is known for sure, and says more than why nobody can tell by whom.
        with suppress(GatewayError):
            if attempt.new.unique_name is not None:
                listed = await self._reads.listed(attempt.new.unique_name)
        if listed is not None and attempt.is_marked and await self._is_ours(attempt, listed.value):
            return await self._adopt(listed)
        if listed is None and attempt.is_doubtful:
            raise OutcomeUnknown(
                "a room has this uniqueName, perhaps made by an earlier call with this idempotencyKey; ask again",
                twilio=taken.twilio,
            ) from taken
        raise _taken(None if listed is None else listed.value.sid, taken) from taken

    async def _is_ours(self, attempt: "_Try", room: Room) -> bool:
        if _sent_to(room.status_callback) != _sent_to(attempt.status_callback):
            return False
        if attempt.is_marked:
            return True
        if room.date_created is None or room.date_created < attempt.began_at - CLOCKS_DIFFER_BY:
            return False
        told = readable(await self._events.read(0, FIRST_EVENTS, room.sid))
        return not any(logged.event.source is EventSource.MUTATION for logged in told)

    async def _adopt(self, listed: Found[Room]) -> Found[Room]:
        """Takes a room for the one that was asked for. Logged as made, so that lists show it and nobody else adopts it."""
        room = listed.value
        await self._mutations.record(
            self._mutations.event(
                room.sid, Changed.ROOM, room_name=room.unique_name, room_type=room.type
            )
        )
        return listed

    async def _record(self, room: Room) -> Found[Room]:
        """Logs our own change with Twilio's answer before the caller hears of it, so that he reads what he wrote."""
        event = self._mutations.event(
            room.sid,
            Changed.ROOM,
            room_name=room.unique_name,
            room_status=room.status,
            room_type=room.type,
            room=room,
        )
        entry = CacheEntry(room, time.time(), 0, self._tail.as_of(), is_settled=True)
        appended = await self._mutations.record(event, entry)
        n = self._memory.newest_n(room.sid) if appended is None else appended.position.n
        return self._reads.remember(replace(entry, seen_n=n))


@dataclass(frozen=True, slots=True)
class _Try:
    """`is_marked`: the callback address tells it from all others. `is_doubtful`: one before it, at `began_at` or later, may
    have made the room."""

    new: NewRoom
    status_callback: str
    began_at: datetime
    is_marked: bool = False
    is_doubtful: bool = False


async def _write_down(outcome: Awaitable[None]) -> None:
    try:
        await outcome
    except UpstreamUnavailable as exc:
        log.error("create.unrecorded", reason=exc.message)


def _taken(sid: RoomSid | None, exc: AlreadyExists | None = None) -> AlreadyExists:
    which = "" if sid is None else f" ({sid})"
    return AlreadyExists(
        f"a room in progress{which} has this uniqueName; use it, or choose another",
        twilio=None if exc is None else exc.twilio,
    )


def _marked(status_callback: str, mark: str) -> str:
    """Twilio calls and signs the query too, and shows it with the room."""
    address, sharp, overrides = status_callback.partition("#")
    return f"{address}?key={mark}{sharp}{overrides}"


def _sent_to(status_callback: str | None) -> str:
    return (status_callback or "").partition("#")[0]


def _digest(said: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).hexdigest()
