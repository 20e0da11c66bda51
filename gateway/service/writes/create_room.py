"""Creates and completes rooms.

After a lost response, only the unique name can show whether a room was created: Twilio
lets one room in progress have a name. The callback URL then tells whether the room with
the name is the one that this attempt created:

- With an idempotency key, the URL ends in a digest of that key. Every replica
  recognizes the room by it, even if Redis has lost the record of the key.
- Without a key, all rooms have the same URL. The room is then taken for ours if it is
  not older than the attempt, and if the log has no other mutation that created it.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from gateway.core.callers import Caller
from gateway.core.errors import (
    AlreadyExists,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    Reason,
    TwilioFault,
    UpstreamUnavailable,
)
from gateway.core.events import Changed, EventSource
from gateway.core.outcomes import KEY_REUSED, NAME_TAKEN
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomSid, RoomStatus
from gateway.core.validation import check_text
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import FIRST_EVENTS, RoomReads
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.upstream.upstream import Upstream
from gateway.service.writes.mutations import Mutations, WriteTimings
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

# Rooms with the name that ended since the first attempt. More of them would all have to
# end within the few seconds of an attempt.
_ENDED_LIMIT: Final = 20
# Twilio dates rooms by its own clock and in whole seconds.
_CLOCK_SKEW: Final = timedelta(seconds=2)


def idempotency_key_of(caller: Caller, key: str | None, new: NewRoom) -> IdempotencyKey | None:
    """Returns the digests of the caller's key and of the room; None without a key.

    The keys of two callers never have the same digest. Raises InvalidArgument for a
    malformed key.
    """
    if key is None:
        return None
    check_text(key, "idempotency_key", give="one made for this room alone, such as a UUID")
    values = msgspec.to_builtins(new).items()
    body = sorted((name, value) for name, value in values if value is not None)
    return IdempotencyKey(_digest([caller.id, key]), _digest(body))


class RoomConflict(AlreadyExists):
    """A room in progress has the name, or the key belongs to another room: `reason`
    tells which. `sid` is that room, or None if it is not known."""

    def __init__(
        self, reason: Reason, sid: RoomSid | None, twilio: TwilioFault | None = None
    ) -> None:
        super().__init__(
            NAME_TAKEN if reason is Reason.NAME_TAKEN else KEY_REUSED, reason=reason, twilio=twilio
        )
        self.sid = sid


@dataclass(frozen=True, slots=True)
class Creation:
    """The outcome of a request to create a room. `is_new` is False when an earlier
    request made it."""

    found: Found[Room]
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to create a room.

    `has_own_callback`: no attempt with another idempotency key has this callback URL.
    `may_exist`: an earlier attempt may have created the room, not before `began_at`.
    """

    new: NewRoom
    status_callback: str
    began_at: datetime
    has_own_callback: bool = False
    may_exist: bool = False


class RoomMutations:
    """Creates and completes one account's rooms.

    Every change is in the log before it is returned, so that the caller reads its own
    writes.
    """

    def __init__(
        self,
        upstream: Upstream,
        mutations: Mutations,
        reads: RoomReads,
        records: IdempotencyRecords,
        events: EventLog,
        room_memory: RoomMemory,
        tail: Tail,
        status_callback: str,
        timings: WriteTimings,
    ) -> None:
        self._upstream = upstream
        self._mutations = mutations
        self._reads = reads
        self._records = records
        self._events = events
        self._room_memory = room_memory
        self._tail = tail
        self._status_callback = status_callback
        self._timings = timings

    async def create(self, new: NewRoom, key: IdempotencyKey | None) -> Creation:
        """Creates a room and returns it, or the room that was created with the same
        key.

        Waits for another attempt with the key, until the caller's deadline. Raises
        RoomConflict if a room in progress has the name or the key belongs to another
        room, NotFound if the room of the key is gone, and OutcomeUnknown if it cannot
        be found out whether the room was created.
        """
        if key is None:
            attempt = _Attempt(new, self._status_callback, datetime.now(UTC))
            return await self._mutations.run_to_end(lambda: self._attempt(attempt))
        pause_s = self._timings.first_poll_s
        while True:
            found = await self._mutations.run_to_end(lambda: self._create_with_key(new, key))
            if found is not None:
                return found
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._timings.last_poll_s)

    async def complete(self, sid: RoomSid) -> Found[Room]:
        """Ends a room and returns it. Raises what `Upstream.send` raises."""
        return await self._mutations.run_to_end(lambda: self._complete(sid))

    async def _complete(self, sid: RoomSid) -> Found[Room]:
        event = self._mutations.new_event(sid, Changed.ROOM)
        return await self._record(await self._mutations.send(complete_room(sid), event))

    async def _create_with_key(self, new: NewRoom, key: IdempotencyKey) -> Creation | None:
        """Returns the room of the key, or None while another attempt has the claim."""
        owner = secrets.token_hex(8)
        match await self._records.claim(key, owner):
            case InProgress():
                return None
            case OtherBody():
                raise RoomConflict(Reason.IDEMPOTENCY_KEY_REUSED, None)
            case Created(sid):
                found = await self._reads.by_sid(sid)
                if found is None:
                    raise NotFound(
                        f"the room of this `idempotency_key` ({sid}) no longer exists: "
                        "use a new key",
                        reason=Reason.ROOM_NOT_FOUND,
                    )
                return Creation(found, is_new=False)
            case Claimed(may_exist, began_at):
                callback = _callback_with_key(self._status_callback, key.digest)
                attempt = _Attempt(
                    new, callback, began_at, has_own_callback=True, may_exist=may_exist
                )
                return await self._attempt_with_claim(key, owner, attempt)

    async def _attempt_with_claim(
        self, key: IdempotencyKey, owner: str, attempt: _Attempt
    ) -> Creation:
        """Makes the attempt and records how it ended.

        If recording fails, the next attempt with the key finds that the room may exist,
        and looks for it first.
        """
        try:
            creation = await self._attempt(attempt)
        except GatewayError as failure:
            is_unknown = isinstance(failure, OutcomeUnknown) or isinstance(
                failure.__cause__, OutcomeUnknown
            )
            may_exist = attempt.may_exist or is_unknown
            await _try_to_record(self._records.release(key, owner, may_exist=may_exist))
            raise
        await _try_to_record(self._records.complete(key, owner, creation.found.value.sid))
        return creation

    async def _attempt(self, attempt: _Attempt) -> Creation:
        if attempt.may_exist:
            found = await self._find_earlier_room(attempt)
            if found is not None:
                return Creation(found, is_new=False)
        try:
            room = await self._upstream.send(create_room(attempt.new, attempt.status_callback))
        except OutcomeUnknown as error:
            return Creation(await self._resolve_lost_response(attempt, error), is_new=True)
        except AlreadyExists as error:
            return Creation(await self._resolve_name_conflict(attempt, error), is_new=False)
        return Creation(await self._record(room), is_new=True)

    async def _find_earlier_room(self, attempt: _Attempt) -> Found[Room] | None:
        """Returns the room that an earlier attempt with the key created.

        None means that the request may be sent again, because no room has the name. If
        the earlier request is still in flight, Twilio gives the name to one of the two
        and refuses the other.
        """
        name = attempt.new.unique_name
        if name is None:
            raise OutcomeUnknown(
                "an earlier call with this `idempotency_key` may have created the room, which has "
                "no name to look it up by: look for it in the list, or use another key"
            )
        listed = await self._reads.listed(name)
        if listed is not None and not await self._is_created_by(attempt, listed.value):
            raise RoomConflict(Reason.NAME_TAKEN, listed.value.sid)
        if listed is not None:
            return await self._adopt(listed)
        wanted = RoomFilter(
            status=RoomStatus.COMPLETED,
            unique_name=name,
            created_after=attempt.began_at - _CLOCK_SKEW,
        )
        ended = await self._upstream.send(list_rooms(wanted, _ENDED_LIMIT))
        own = [room for room in ended.items if await self._is_created_by(attempt, room)]
        return await self._reads.by_sid(own[0].sid) if own else None

    async def _resolve_lost_response(self, attempt: _Attempt, error: OutcomeUnknown) -> Found[Room]:
        """Looks up the room by its name after the response to its create was lost."""
        if attempt.new.unique_name is None:
            raise error
        try:
            listed = await self._reads.listed(attempt.new.unique_name)
            is_ours = listed is not None and await self._is_created_by(attempt, listed.value)
        except GatewayError:
            listed = None
        if listed is None and attempt.has_own_callback:
            raise OutcomeUnknown(
                "the request was sent to Twilio and no response arrived: "
                "try again with the same `idempotency_key`",
                twilio=error.twilio,
            ) from error
        if listed is None:
            raise error
        if not is_ours:
            raise RoomConflict(Reason.NAME_TAKEN, listed.value.sid) from error
        return await self._adopt(listed)

    async def _resolve_name_conflict(self, attempt: _Attempt, error: AlreadyExists) -> Found[Room]:
        """Looks up the room with the name: an earlier attempt may have created it."""
        listed = None
        # It is certain that the name is taken. That says more than the reason why the
        # room could not be looked up.
        with suppress(GatewayError):
            if attempt.new.unique_name is not None:
                listed = await self._reads.listed(attempt.new.unique_name)
        if (
            listed is not None
            and attempt.has_own_callback
            and await self._is_created_by(attempt, listed.value)
        ):
            return await self._adopt(listed)
        if listed is None and attempt.may_exist:
            raise OutcomeUnknown(
                "a room has this `unique_name`, and an earlier call with this `idempotency_key` "
                "may have created it: try again",
                twilio=error.twilio,
            ) from error
        raise RoomConflict(
            Reason.NAME_TAKEN, None if listed is None else listed.value.sid, error.twilio
        ) from error

    async def _is_created_by(self, attempt: _Attempt, room: Room) -> bool:
        if _without_fragment(room.status_callback) != _without_fragment(attempt.status_callback):
            return False
        if attempt.has_own_callback:
            return True
        if room.date_created is None or room.date_created < attempt.began_at - _CLOCK_SKEW:
            return False
        entries = readable(await self._events.read(0, FIRST_EVENTS, room.sid))
        return not any(entry.event.source is EventSource.MUTATION for entry in entries)

    async def _adopt(self, listed: Found[Room]) -> Found[Room]:
        """Takes the room for the one that was requested.

        It is logged as created, so that lists show it and no other attempt adopts it.
        """
        room = listed.value
        await self._mutations.record(
            self._mutations.new_event(
                room.sid, Changed.ROOM, room_name=room.unique_name, room_type=room.type
            )
        )
        return listed

    async def _record(self, room: Room) -> Found[Room]:
        """Logs and caches the room that Twilio responded with."""
        event = self._mutations.new_event(
            room.sid,
            Changed.ROOM,
            room_name=room.unique_name,
            room_status=room.status,
            room_type=room.type,
            room=room,
        )
        entry = CacheEntry(room, time.time(), 0, self._tail.as_of(), is_settled=True)
        appended = await self._mutations.record(event, entry)
        n = self._room_memory.newest_n(room.sid) if appended is None else appended.position.n
        return self._reads.remember(replace(entry, seen_n=n))


async def _try_to_record(outcome: Awaitable[None]) -> None:
    try:
        await outcome
    except UpstreamUnavailable as exc:
        log.error("create.unrecorded", reason=exc.message)


def _callback_with_key(status_callback: str, digest: str) -> str:
    """Returns the URL with the digest in its query.

    Twilio calls and signs the query too, and shows it with the room.
    """
    url, separator, overrides = status_callback.partition("#")
    return f"{url}?key={digest}{separator}{overrides}"


def _without_fragment(status_callback: str | None) -> str:
    return (status_callback or "").partition("#")[0]


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=16).hexdigest()
