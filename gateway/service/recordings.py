"""Use cases of recordings and of recording rules."""

from functools import partial
from typing import Final

from gateway.core.caching import MEDIA_LIFETIME, Fence, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import NotFound, PermissionDenied, Reason, UpstreamUnavailable
from gateway.core.events import RoomChangeKind
from gateway.core.outcomes import not_found
from gateway.core.paging import Page, per_status
from gateway.core.recordings import (
    NewRecordingRules,
    Recording,
    RecordingFilter,
    RecordingMedia,
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
from gateway.twilio.wire.resource import WirePage

_RECORDING: Final = ResourceKind[Recording](Recording, Fence.MEDIA, MEDIA_LIFETIME)
_RECORDINGS: Final = ResourceKind[WirePage[Recording]](
    WirePage[Recording], Fence.MEDIA, MEDIA_LIFETIME
)
_RULES: Final = ResourceKind[RecordingRules](RecordingRules, Fence.MEDIA, MEDIA_LIFETIME)


class Recordings:
    """Reads and changes recordings of one account.

    All methods raise PermissionDenied without the scope. Methods that take a room raise
    NotFound for one that the caller may not see, and for a name without a room in
    progress. When Twilio does not find a SID, the result is None, or NotFound where the
    result cannot be None. A caller with grants for some rooms reaches recordings
    through these rooms or by SID, but not the account's list.

    The events of a recording make it outdated, however it was read. Only our own
    deletions make the account's list outdated.

    Reads raise what `ReadThrough.read` raises, and changes what `Mutations.make`
    raises.
    """

    def __init__(
        self, rooms: Rooms, reads: ReadThrough, mutations: Mutations, upstream: Upstream
    ) -> None:
        self._rooms = rooms
        self._reads = reads
        self._mutations = mutations
        self._upstream = upstream

    async def room_page(
        self,
        caller: Caller,
        room: RoomRef,
        filters: RoomRecordingFilter,
        first: int,
        after: str | None,
    ) -> ReadResult[Page[Recording]]:
        """Returns a page of the room's recordings that match the filter. Raises
        InvalidArgument or CursorExpired for a cursor that is not valid."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        lists = [
            Listing(_RECORDINGS, sid, single, partial(recordings.list_room_recordings, sid, single))
            for single in per_status(filters)
        ]
        return await self._reads.merged_page(lists, first, after)

    async def room_recording(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> ReadResult[Recording] | None:
        """Returns a recording of the room."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one_or_none(
            CachedQuery(_RECORDING, sid, recordings.fetch_room_recording(sid, recording))
        )

    async def delete_room_recording(
        self, caller: Caller, room: RoomRef, recording: RecordingSid
    ) -> None:
        """Deletes the media of a recording of the room. Its metadata stays, with the
        status deleted."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = recordings.delete_room_recording(sid, recording)
        async with self._rooms.expected_outcomes(caller, sid, Reason.RECORDING_NOT_FOUND):
            await self._mutations.execute(
                request, sid, RoomChangeKind.RECORDING, recording_sid=recording
            )

    async def page(
        self, caller: Caller, filters: RecordingFilter, first: int, after: str | None
    ) -> ReadResult[Page[Recording]]:
        """Returns a page of the account's recordings that match the filter.

        Raises PermissionDenied for a caller with grants for some rooms only, and
        InvalidArgument or CursorExpired for a cursor that is not valid.
        """
        caller.require(Scope.ROOMS_READ)
        if caller.grants is not None:
            raise PermissionDenied(
                "this credential is valid for some rooms only: ask for the recordings of one of "
                "them"
            )
        lists = [
            Listing(_RECORDINGS, ACCOUNT, single, partial(recordings.list_recordings, single))
            for single in per_status(filters)
        ]
        return await self._reads.merged_page(lists, first, after)

    async def recording(self, caller: Caller, sid: RecordingSid) -> ReadResult[Recording] | None:
        """Returns a recording, or None when there is none or the caller may not see its
        room."""
        caller.require(Scope.ROOMS_READ)
        return await self._visible(caller, sid)

    async def delete(self, caller: Caller, sid: RecordingSid) -> None:
        """Deletes the media of a recording. Its metadata stays, with the status
        deleted.

        Raises NotFound when there is no such recording, or the caller may not see its
        room, and UpstreamUnavailable when Twilio does not name its room.
        """
        caller.require(Scope.ROOMS_WRITE)
        room_sid = await self._room_of(caller, sid)
        request = recordings.delete_recording(sid)
        async with self._rooms.expected_outcomes(caller, room_sid, Reason.RECORDING_NOT_FOUND):
            await self._mutations.execute(
                request, room_sid, RoomChangeKind.RECORDING, recording_sid=sid
            )

    async def media(self, caller: Caller, sid: RecordingSid) -> RecordingMedia | None:
        """Returns a URL of the media, or None when there is none or the caller may not
        see its room. The URL is valid for minutes, for everybody who has it, so it is
        not cached."""
        caller.require(Scope.ROOMS_READ)
        if await self._visible(caller, sid) is None:
            return None
        try:
            return await self._upstream.send(recordings.fetch_media_link(sid))
        except NotFound:
            return None

    async def rules(self, caller: Caller, room: RoomRef) -> ReadResult[RecordingRules]:
        """Returns the rules that decide which tracks of the room are recorded."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_READ)
        return await self._reads.one(CachedQuery(_RULES, sid, rules.fetch_recording_rules(sid)))

    async def update_rules(
        self, caller: Caller, room: RoomRef, new: NewRecordingRules
    ) -> RecordingRules:
        """Replaces all recording rules of the room, and returns the new ones."""
        sid = await self._rooms.locate(caller, room, Scope.ROOMS_WRITE)
        request = rules.update_recording_rules(sid, new)
        async with self._rooms.expected_outcomes(caller, sid):
            return await self._mutations.execute(request, sid, RoomChangeKind.RECORDING_RULES)

    async def _visible(self, caller: Caller, sid: RecordingSid) -> ReadResult[Recording] | None:
        # The room of the recording is not known before it is read.
        query = CachedQuery(_RECORDING, sid, recordings.fetch_recording(sid))
        found = await self._reads.one_or_none(query)
        if found is None or caller.grants is None:
            return found
        room_sid = found.value.room_sid
        if room_sid is None or not await self._rooms.may_see(caller, room_sid):
            return None
        return found

    async def _room_of(self, caller: Caller, sid: RecordingSid) -> RoomSid:
        found = await self._visible(caller, sid)
        if found is None:
            raise not_found(Reason.RECORDING_NOT_FOUND)
        if found.value.room_sid is None:
            raise UpstreamUnavailable(
                "Twilio does not say which room this recording belongs to: give the room too"
            )
        return found.value.room_sid
