"""Ends rooms."""

from gateway.core.errors import FailedPrecondition, Reason
from gateway.core.events import RoomChangeKind
from gateway.core.outcomes import not_found
from gateway.core.rooms import Room, RoomSid
from gateway.service.cache.read_through import Found
from gateway.service.cache.rooms import RoomReads
from gateway.service.writes.mutations import Mutations
from gateway.service.writes.record_room import RoomRecorder
from gateway.twilio.wire.rooms import complete_room


class RoomCompletion:
    """Ends one account's rooms."""

    def __init__(self, mutations: Mutations, reads: RoomReads, recorder: RoomRecorder) -> None:
        self._mutations = mutations
        self._reads = reads
        self._recorder = recorder

    async def complete(self, sid: RoomSid, *, may_be_done: bool) -> Found[Room]:
        """Ends the room and returns it. Call it within `Mutations.run_to_end`.

        `may_be_done`: an earlier attempt may have ended it. Raises FailedPrecondition
        if the room had ended otherwise, and what `Upstream.send` raises.
        """
        event = self._mutations.new_event(sid, RoomChangeKind.ROOM)
        try:
            room = await self._mutations.send(complete_room(sid), event)
        except FailedPrecondition:
            if not may_be_done:
                raise
            # The next read must not be answered from the cache.
            await self._mutations.record(event)
            return await self.read(sid)
        return await self._recorder.record(self._mutations.room_event(room), room)

    async def read(self, sid: RoomSid) -> Found[Room]:
        """Returns a room that has been ended. Raises NotFound if it is gone."""
        found = await self._reads.by_sid(sid)
        if found is None:
            raise not_found(Reason.ROOM_NOT_FOUND)
        return found
