"""Transcriptions of a room: Twilio allows one at a time."""

from functools import partial
from typing import Final

from gateway.core.caching import MEDIA, Fence, ReadResult
from gateway.core.callers import Caller, Scope
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
from gateway.twilio.wire.resource import Listed

_TRANSCRIPTION: Final = ResourceKind[Transcription](Transcription, Fence.MEDIA, MEDIA)
_TRANSCRIPTIONS: Final = ResourceKind[Listed[Transcription]](
    Listed[Transcription], Fence.MEDIA, MEDIA
)


class Transcriptions:
    """Every method raises NotFound for a room that is not the caller's, and for a name that no room in progress has; what
    Twilio does not find under a SID or a ttid is None where the type says so, else NotFound."""

    def __init__(self, rooms: Rooms, reads: ReadThrough, mutations: Mutations) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations

    async def page(
        self, caller: Caller, room: RoomRef, first: int, after: str | None
    ) -> ReadResult[Page[Transcription]]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        listing = Listing(
            _TRANSCRIPTIONS, sid, None, partial(transcriptions.list_transcriptions, sid)
        )
        return await self._reads.page(listing, first, after)

    async def transcription(
        self, caller: Caller, room: RoomRef, ttid: Ttid
    ) -> ReadResult[Transcription] | None:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(
            CachedQuery(_TRANSCRIPTION, sid, transcriptions.fetch_transcription(sid, ttid))
        )

    async def create(
        self, caller: Caller, room: RoomRef, configuration: TranscriptionsConfiguration | None
    ) -> Transcription:
        """Starts transcribing. Raises OutcomeUnknown when the answer was lost: read before trying again."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = transcriptions.create_transcription(sid, configuration)
        return await self._mutations.make(request, sid, Changed.TRANSCRIPTION)

    async def update(
        self, caller: Caller, room: RoomRef, ttid: Ttid, update: TranscriptionUpdate
    ) -> Transcription:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = transcriptions.update_transcription(sid, ttid, update)
        return await self._mutations.make(request, sid, Changed.TRANSCRIPTION)
