"""Use cases of transcriptions. Twilio allows one at a time in each room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Final

from gateway.core.caching import MEDIA_LIFETIME, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import FailedPrecondition, GatewayError, Reason, UpstreamRejected
from gateway.core.events import RoomChangeKind
from gateway.core.outcomes import TRANSCRIPTION_EXISTS, TRANSCRIPTION_FAILED
from gateway.core.paging import Page
from gateway.core.rooms import RoomRef, RoomSid
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionStatus,
    TranscriptionUpdate,
    Ttid,
)
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.rooms import Rooms
from gateway.service.writes.mutations import Mutations
from gateway.service.writes.once import CLOCK_SKEW, Change, Claim, Once, idempotency_key_of
from gateway.twilio.wire import transcriptions
from gateway.twilio.wire.resource import WirePage

_TRANSCRIPTION: Final = ResourceKind[Transcription](Transcription, Fence.MEDIA, MEDIA_LIFETIME)
_TRANSCRIPTIONS: Final = ResourceKind[WirePage[Transcription]](
    WirePage[Transcription], Fence.MEDIA, MEDIA_LIFETIME
)
# A room has at most one: the page is as short as Twilio allows.
_ONE: Final = 1
_BAD_CREDENTIALS: Final = (401, 403)


class Transcriptions:
    """Reads and changes transcriptions of one account.

    All methods raise PermissionDenied without the scope, and NotFound for a room that
    the caller may not see and for a name without a room in progress. When Twilio does
    not find a SID or ttid, the result is None, or NotFound where the result cannot be
    None.

    Reads raise what `ReadThrough.read` raises, and changes what `Mutations.make`
    raises.
    """

    def __init__(self, rooms: Rooms, reads: ReadThrough, mutations: Mutations, once: Once) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations
        self._once = once

    async def page(
        self, caller: Caller, room: RoomRef, first: int, after: str | None
    ) -> ReadResult[Page[Transcription]]:
        """Returns a page of the room's transcriptions. Raises InvalidArgument or
        CursorExpired for a cursor that is not valid."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.page(_listing(sid), first, after)

    async def transcription(
        self, caller: Caller, room: RoomRef, ttid: Ttid
    ) -> ReadResult[Transcription] | None:
        """Returns a transcription of the room."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(
            CachedQuery(_TRANSCRIPTION, sid, transcriptions.fetch_transcription(sid, ttid))
        )

    async def create(
        self,
        caller: Caller,
        room: RoomRef,
        configuration: TranscriptionsConfiguration | None,
        idempotency_key: str | None = None,
    ) -> Transcription:
        """Starts a transcription, and returns it.

        For a day, another call with the same idempotency key returns the same
        transcription, as it is by then. Raises FailedPrecondition when the room has a
        transcription, OutcomeUnknown when Twilio's answer was lost, and
        IdempotencyKeyReused when the key was used for another request.
        """
        caller.require(Scope.ROOMS_WRITE)
        key = idempotency_key_of(
            caller, idempotency_key, "start_transcription", room, configuration
        )

        async def attempt(claim: Claim) -> Transcription:
            sid = await self._rooms.pin(caller, room, claim)
            if claim.may_be_done:
                found = await self._started_since(sid, claim.began_at)
                if found is not None:
                    return found
            request = transcriptions.create_transcription(sid, configuration)
            async with self._rooms.expected_outcomes(caller, sid), self._state_that_refuses(sid):
                return await self._mutations.apply(request, sid, RoomChangeKind.TRANSCRIPTION)

        async def repeat(result: str) -> Transcription:
            room_sid, ttid = result.split()
            sid = await self._rooms.pinned(caller, room_sid)
            request = transcriptions.fetch_transcription(sid, Ttid(ttid))
            query = CachedQuery(_TRANSCRIPTION, sid, request)
            missing = Reason.TRANSCRIPTION_NOT_FOUND
            return (await self._reads.one(query, missing=missing)).value

        change = Change(attempt, lambda it: f"{it.room_sid} {it.ttid}", repeat)
        async with self._rooms.expected_conflicts(caller):
            return await self._once.run(key, change)

    async def update(
        self, caller: Caller, room: RoomRef, ttid: Ttid, update: TranscriptionUpdate
    ) -> Transcription:
        """Starts, stops or reconfigures a transcription, and returns it. Raises
        FailedPrecondition when it has failed, and its status is to change."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = transcriptions.update_transcription(sid, ttid, update)
        async with (
            self._rooms.expected_outcomes(
                caller, sid, Reason.TRANSCRIPTION_NOT_FOUND, needs_progress=True
            ),
            self._state_that_refuses(sid, update),
        ):
            return await self._mutations.execute(
                request, sid, RoomChangeKind.TRANSCRIPTION, changed_sid=ttid
            )

    @asynccontextmanager
    async def _state_that_refuses(
        self, sid: RoomSid, update: TranscriptionUpdate | None = None
    ) -> AsyncIterator[None]:
        """Turns a refusal into FailedPrecondition if the room's transcription is the
        reason.

        Twilio documents that a room has one transcription and that a failed one cannot
        be started, but no error code for either. So the present state decides.
        """
        try:
            yield
        except UpstreamRejected as error:
            if error.twilio is None or error.twilio.status in _BAD_CREDENTIALS:
                raise
            listed = None
            with suppress(GatewayError):
                listed = await self._reads.from_twilio(_listing(sid).page_query(_ONE, None))
            items = () if listed is None else listed.value.items
            if update is None and items:
                raise FailedPrecondition(TRANSCRIPTION_EXISTS, twilio=error.twilio) from error
            is_failed = any(item.status is TranscriptionStatus.FAILED for item in items)
            if update is not None and update.status is not None and is_failed:
                raise FailedPrecondition(TRANSCRIPTION_FAILED, twilio=error.twilio) from error
            raise

    async def _started_since(self, sid: RoomSid, began_at: datetime) -> Transcription | None:
        """Returns the transcription that an earlier attempt has started.

        A room has at most one, so it is the one of that attempt if it is not older.
        """
        listed = await self._reads.from_twilio(_listing(sid).page_query(_ONE, None))
        if listed is None:
            return None
        since = began_at - CLOCK_SKEW
        started = (item for item in listed.value.items if (item.create_time or since) >= since)
        return next(started, None)


def _listing(sid: RoomSid) -> Listing[Transcription]:
    request = partial(transcriptions.list_transcriptions, sid)
    return Listing(_TRANSCRIPTIONS, sid, None, request)
