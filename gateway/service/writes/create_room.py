"""Creates rooms.

After a lost response, only the unique name can show whether a room was created: Twilio
lets one room in progress have a name. The callback URL then tells whether the room with
the name is the one that was requested. It ends in a mark, the digest of the idempotency
key: the caller's, or one that was made for this request alone. Every replica recognizes
the room by it, even if Redis has lost the record of the key.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.core.errors import AlreadyExists, GatewayError, NotFound, OutcomeUnknown, Reason
from gateway.core.events import creation_key
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomSid, RoomStatus
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import RoomReads
from gateway.service.upstream.upstream import Upstream
from gateway.service.writes.mutations import Mutations
from gateway.service.writes.once import CLOCK_SKEW, Change, Claim, Conflict, Once
from gateway.service.writes.record_room import RoomRecorder
from gateway.store.idempotency import IdempotencyKey
from gateway.twilio.callbacks import marked_url
from gateway.twilio.wire.rooms import create_room, list_rooms

# Rooms with the name that ended since the first attempt. More of them would all have to
# end within the few seconds of an attempt.
_ENDED_LIMIT: Final = 20


@dataclass(frozen=True, slots=True)
class Creation:
    """A room that was created, or found. `is_new` is False for a room that an earlier
    call has returned already, or that was in progress before."""

    found: Found[Room]
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to create a room with this callback URL.

    `may_exist`: an earlier attempt may have created the room, not before `began_at`.
    """

    new: NewRoom
    status_callback: str
    began_at: datetime
    may_exist: bool


class RoomCreation:
    """Creates one account's rooms.

    A room is in the log before it is returned, so that the caller reads its own writes.
    """

    def __init__(
        self,
        upstream: Upstream,
        mutations: Mutations,
        reads: RoomReads,
        once: Once,
        recorder: RoomRecorder,
        status_callback: str,
    ) -> None:
        self._upstream = upstream
        self._mutations = mutations
        self._reads = reads
        self._once = once
        self._recorder = recorder
        self._status_callback = status_callback

    async def create(self, new: NewRoom, key: IdempotencyKey) -> Creation:
        """Creates a room and returns it, or the room that was created with the same
        key.

        Waits for another attempt with the key, until the caller's deadline. Raises
        Conflict if a room in progress has the name or the key belongs to another
        request, NotFound if the room of the key is gone, and OutcomeUnknown if it
        cannot be found out whether the room was created.
        """

        async def attempt(claim: Claim) -> Creation:
            attempt = _Attempt(
                new,
                marked_url(self._status_callback, key.digest),
                claim.began_at,
                claim.may_be_done,
            )
            return Creation(await self._attempt(attempt), is_new=True)

        change = Change(
            attempt,
            lambda creation: creation.found.value.sid,
            self._repeat,
            # Without a name, the room cannot be looked up.
            is_retry_safe=new.unique_name is not None,
        )
        return await self._once.run(key, change)

    def new_status_callback(self) -> str:
        """Returns a callback URL that no other create has."""
        return marked_url(self._status_callback, secrets.token_hex(16))

    async def send(self, new: NewRoom, status_callback: str) -> Found[Room]:
        """Sends the create once, logs the room and returns it. Call it within
        `Mutations.run_to_end`. Raises what `Upstream.send` raises."""
        return await self.record(await self._upstream.send(create_room(new, status_callback)))

    async def record(self, room: Room) -> Found[Room]:
        """Logs and caches a room that Twilio created for this gateway."""
        event = self._mutations.room_event(room, is_creation=True)
        return await self._recorder.record(event, room, dedupe=creation_key(room.sid))

    async def _repeat(self, sid: str) -> Creation:
        found = await self._reads.by_sid(RoomSid(sid))
        if found is None:
            raise NotFound(
                f"the room of this `idempotency_key` ({sid}) no longer exists: use a new one",
                reason=Reason.ROOM_NOT_FOUND,
            )
        return Creation(found, is_new=False)

    async def _attempt(self, attempt: _Attempt) -> Found[Room]:
        if attempt.may_exist:
            found = await self._find_earlier_room(attempt)
            if found is not None:
                return found
        try:
            return await self.send(attempt.new, attempt.status_callback)
        except OutcomeUnknown as error:
            return await self._resolve_lost_response(attempt, error)
        except AlreadyExists as error:
            return await self._resolve_name_conflict(attempt, error)

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
                "no name to look it up by: look for it in the list, or use another one"
            )
        listed = await self._reads.listed(name)
        if listed is not None and not has_mark(listed.value, attempt.status_callback):
            raise Conflict(Reason.NAME_TAKEN, listed.value.sid)
        if listed is not None:
            return await self._adopt(listed)
        wanted = RoomFilter(
            statuses=(RoomStatus.COMPLETED,),
            unique_name=name,
            created_after=attempt.began_at - CLOCK_SKEW,
        )
        ended = await self._upstream.send(list_rooms(wanted, _ENDED_LIMIT))
        own = [room for room in ended.items if has_mark(room, attempt.status_callback)]
        return await self._reads.by_sid(own[0].sid) if own else None

    async def _resolve_lost_response(self, attempt: _Attempt, error: OutcomeUnknown) -> Found[Room]:
        """Looks up the room by its name after the response to its create was lost."""
        if attempt.new.unique_name is None:
            raise error
        try:
            listed = await self._reads.listed(attempt.new.unique_name)
        except GatewayError:
            listed = None
        if listed is None:
            raise error
        if not has_mark(listed.value, attempt.status_callback):
            raise Conflict(Reason.NAME_TAKEN, listed.value.sid) from error
        return await self._adopt(listed)

    async def _resolve_name_conflict(self, attempt: _Attempt, error: AlreadyExists) -> Found[Room]:
        """Looks up the room with the name: an earlier attempt may have created it."""
        listed = None
        # It is certain that the name is taken. That says more than the reason why the
        # room could not be looked up.
        with suppress(GatewayError):
            if attempt.new.unique_name is not None:
                listed = await self._reads.listed(attempt.new.unique_name)
        if listed is not None and has_mark(listed.value, attempt.status_callback):
            return await self._adopt(listed)
        if listed is None and attempt.may_exist:
            raise OutcomeUnknown(
                "a room has this `unique_name`, and an earlier call with this `idempotency_key` "
                "may have created it: try again",
                twilio=error.twilio,
            ) from error
        sid = None if listed is None else listed.value.sid
        raise Conflict(Reason.NAME_TAKEN, sid, error.twilio) from error

    async def _adopt(self, listed: Found[Room]) -> Found[Room]:
        """Logs a room that was created without this gateway seeing the response. The
        log has its end already if it has ended."""
        return listed if listed.value.status.is_final else await self.record(listed.value)


def has_mark(room: Room, status_callback: str) -> bool:
    """Whether the room was created with this callback URL."""
    return _without_fragment(room.status_callback) == _without_fragment(status_callback)


def _without_fragment(status_callback: str | None) -> str:
    return (status_callback or "").partition("#")[0]
