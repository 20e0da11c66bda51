"""Recordings, of a room and of the account, and what a room is to record."""

from functools import partial
from typing import Final

from gateway.core.caching import MEDIA, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import NotFound, PermissionDenied, UpstreamUnavailable
from gateway.core.events import Changed
from gateway.core.paging import Page
from gateway.core.recordings import (
    MediaLink,
    NewRecordingRules,
    Recording,
    RecordingFilter,
    RecordingRules,
    RoomRecordingFilter,
)
from gateway.core.rooms import RoomRef, RoomSid
from gateway.core.sids import RecordingSid
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.log.room_memory import ACCOUNT
from gateway.service.rooms import Rooms
from gateway.service.upstream.upstream import Upstream
from gateway.service.writes.mutations import Mutations
from gateway.twilio.wire import recordings, rules
from gateway.twilio.wire.resource import Listed

_RECORDING: Final = ResourceKind[Recording](Recording, Fence.MEDIA, MEDIA)
_RECORDINGS: Final = ResourceKind[Listed[Recording]](Listed[Recording], Fence.MEDIA, MEDIA)
_RULES: Final = ResourceKind[RecordingRules](RecordingRules, Fence.MEDIA, MEDIA)


class Recordings:
    """Methods that take a room raise NotFound for one that is not the caller's, and for a name that no room in progress has;
    what Twilio does not find under a SID is None where the type says so, else NotFound. A key that is for some rooms only
    reaches recordings through these rooms, or one by one; never the account's list.

    A recording's own events make it old however it was asked for; the account's list is made old by our deletions only."""

    def __init__(
        self, rooms: Rooms, reads: ReadThrough, mutations: Mutations, upstream: Upstream
    ) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations
        self._upstream = upstream

    async def of_room(
        self,
        caller: Caller,
        room: RoomRef,
        wanted: RoomRecordingFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Recording]]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        listing = Listing(
            _RECORDINGS, sid, wanted, partial(recordings.list_room_recordings, sid, wanted)
        )
        return await self._reads.page(listing, first, after)

    async def in_room(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(
            CachedQuery(_RECORDING, sid, recordings.fetch_room_recording(sid, recording))
        )

    async def delete_in_room(self, caller: Caller, room: RoomRef, recording: RecordingSid) -> None:
        """Deletes the media; what is known of it stays, with the status deleted."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = recordings.delete_room_recording(sid, recording)
        await self._mutations.make(request, sid, Changed.RECORDING, recording)

    async def page(
        self, caller: Caller, wanted: RecordingFilter, first: int, after: str | None
    ) -> ReadResult[Page[Recording]]:
        caller.require(Scope.ROOMS_READ)
        if caller.grants is not None:
            raise PermissionDenied(
                "this credential is for some rooms only; ask for the recordings of one of them"
            )
        listing = Listing(_RECORDINGS, ACCOUNT, wanted, partial(recordings.list_recordings, wanted))
        return await self._reads.page(listing, first, after)

    async def recording(self, caller: Caller, sid: RecordingSid) -> ReadResult[Recording] | None:
        caller.require(Scope.ROOMS_READ)
        return await self._alone(caller, sid)

    async def delete(self, caller: Caller, sid: RecordingSid) -> None:
        """As `delete_in_room`. Raises NotFound."""
        caller.require(Scope.ROOMS_WRITE)
        room_sid = await self._room_of(caller, sid)
        await self._mutations.make(
            recordings.delete_recording(sid), room_sid, Changed.RECORDING, sid
        )

    async def media(self, caller: Caller, sid: RecordingSid) -> MediaLink | None:
        """Where the media can be loaded: an address that holds for minutes and lets in whoever has it, so it is kept
        nowhere."""
        caller.require(Scope.ROOMS_READ)
        if await self._alone(caller, sid) is None:
            return None
        try:
            return await self._upstream.send(recordings.fetch_media_link(sid))
        except NotFound:
            return None

    async def rules(self, caller: Caller, room: RoomRef) -> ReadResult[RecordingRules]:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one(CachedQuery(_RULES, sid, rules.fetch_recording_rules(sid)))

    async def update_rules(
        self, caller: Caller, room: RoomRef, new: NewRecordingRules
    ) -> RecordingRules:
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        return await self._mutations.make(
            rules.update_recording_rules(sid, new), sid, Changed.RECORDING_RULES
        )

    async def _alone(self, caller: Caller, sid: RecordingSid) -> ReadResult[Recording] | None:
        found = await self._reads.one_or_none(_alone(sid))
        if found is None or caller.grants is None:
            return found
        room_sid = found.value.room_sid
        return (
            found if room_sid is not None and await self._rooms.is_for(caller, room_sid) else None
        )

    async def _room_of(self, caller: Caller, sid: RecordingSid) -> RoomSid:
        found = await self._alone(caller, sid)
        if found is None:
            raise NotFound("no such recording; check the SID")
        if found.value.room_sid is None:
            raise UpstreamUnavailable(
                "Twilio does not say of which room this recording is; name the room yourself"
            )
        return found.value.room_sid


def _alone(sid: RecordingSid) -> CachedQuery[Recording]:
    """A recording whose room is not known before it is read."""
    return CachedQuery(_RECORDING, sid, recordings.fetch_recording(sid))
