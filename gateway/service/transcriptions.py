"""Use cases of transcriptions. Twilio allows one at a time in each room."""

from functools import partial
from typing import Final

from gateway.core.caching import MEDIA_LIFETIME, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import Reason
from gateway.core.events import Changed
from gateway.core.paging import Page
from gateway.core.rooms import RoomRef
from gateway.core.transcriptions import (
    Transcription,
    TranscriptionsConfiguration,
    TranscriptionUpdate,
    Ttid,
)
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.rooms import Rooms
from gateway.service.writes.mutations import Mutations
from gateway.twilio.wire import transcriptions
from gateway.twilio.wire.resource import WirePage

_TRANSCRIPTION: Final = ResourceKind[Transcription](Transcription, Fence.MEDIA, MEDIA_LIFETIME)
_TRANSCRIPTIONS: Final = ResourceKind[WirePage[Transcription]](
    WirePage[Transcription], Fence.MEDIA, MEDIA_LIFETIME
)


class Transcriptions:
    """Reads and changes transcriptions of one account.

    All methods raise PermissionDenied without the scope, and NotFound for a room that
    the caller may not see and for a name without a room in progress. When Twilio does
    not find a SID or ttid, the result is None, or NotFound where the result cannot be
    None.

    Reads raise what `ReadThrough.read` raises, and changes what `Mutations.make`
    raises.
    """

    def __init__(self, rooms: Rooms, reads: ReadThrough, mutations: Mutations) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations

    async def page(
        self, caller: Caller, room: RoomRef, first: int, after: str | None
    ) -> ReadResult[Page[Transcription]]:
        """Returns a page of the room's transcriptions. Raises InvalidArgument or
        CursorExpired for a cursor that is not valid."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        request = partial(transcriptions.list_transcriptions, sid)
        return await self._reads.page(Listing(_TRANSCRIPTIONS, sid, None, request), first, after)

    async def transcription(
        self, caller: Caller, room: RoomRef, ttid: Ttid
    ) -> ReadResult[Transcription] | None:
        """Returns a transcription of the room."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(
            CachedQuery(_TRANSCRIPTION, sid, transcriptions.fetch_transcription(sid, ttid))
        )

    async def create(
        self, caller: Caller, room: RoomRef, configuration: TranscriptionsConfiguration | None
    ) -> Transcription:
        """Starts a transcription, and returns it. Raises OutcomeUnknown when Twilio's
        answer was lost: read the transcriptions before another try."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = transcriptions.create_transcription(sid, configuration)
        async with self._rooms.expected_outcomes(caller, sid):
            return await self._mutations.execute(request, sid, Changed.TRANSCRIPTION)

    async def update(
        self, caller: Caller, room: RoomRef, ttid: Ttid, update: TranscriptionUpdate
    ) -> Transcription:
        """Starts, stops or reconfigures a transcription, and returns it."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = transcriptions.update_transcription(sid, ttid, update)
        async with self._rooms.expected_outcomes(caller, sid, Reason.TRANSCRIPTION_NOT_FOUND):
            return await self._mutations.execute(request, sid, Changed.TRANSCRIPTION)
