"""Insights: Twilio's summaries of rooms and participants, some minutes after their end."""

from functools import partial
from typing import Final

from gateway.core.caching import SUMMARY, SUMMARY_IN_PROGRESS, Fence, Lifetime, ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import NotFound
from gateway.core.insights import (
    InsightsParticipant,
    InsightsRoom,
    InsightsRoomFilter,
    ProcessingState,
)
from gateway.core.paging import Page
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.twilio.wire import insights
from gateway.twilio.wire.resource import Listed

_DONE: Final = (ProcessingState.COMPLETE, ProcessingState.TIMEOUT)


def _of_room(room: InsightsRoom, _: float) -> Lifetime:
    return SUMMARY if room.processing_state in _DONE else SUMMARY_IN_PROGRESS


# A list grows, and a participant's summary does not say whether Twilio still works on it.
_ROOM: Final = ResourceKind[InsightsRoom](InsightsRoom, Fence.MEDIA, _of_room)
_ROOMS: Final = ResourceKind[Listed[InsightsRoom]](
    Listed[InsightsRoom], Fence.MEDIA, SUMMARY_IN_PROGRESS
)
_PARTICIPANT: Final = ResourceKind[InsightsParticipant](
    InsightsParticipant, Fence.MEDIA, SUMMARY_IN_PROGRESS
)
_PARTICIPANTS: Final = ResourceKind[Listed[InsightsParticipant]](
    Listed[InsightsParticipant], Fence.MEDIA, SUMMARY_IN_PROGRESS
)


class Insights:
    """No event tells of a summary, so none makes one old: each question is about None. What a key for some rooms may see
    follows from the SID or the name that the summary itself tells."""

    def __init__(self, reads: ReadThrough) -> None:
        self._reads = reads

    async def rooms(
        self, caller: Caller, wanted: InsightsRoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[InsightsRoom]]:
        """Without dates only rooms that ended within 24 hours, as with Twilio. A page is shorter than asked when some of its
        rooms are not the caller's."""
        caller.require(Scope.ROOMS_READ)
        listing = Listing(_ROOMS, None, wanted, partial(insights.list_insights_rooms, wanted))
        seen = await self._reads.page(listing, first, after)
        page = seen.value
        shown = tuple((cursor, room) for cursor, room in page.items if _is_for(caller, room))
        return ReadResult(
            Page(shown, page.end_cursor, page.has_next_page), seen.freshness, seen.as_of
        )

    async def room(self, caller: Caller, sid: RoomSid) -> ReadResult[InsightsRoom] | None:
        caller.require(Scope.ROOMS_READ)
        found = await self._reads.one_or_none(
            CachedQuery(_ROOM, None, insights.fetch_insights_room(sid))
        )
        return found if found is not None and _is_for(caller, found.value) else None

    async def participants(
        self, caller: Caller, sid: RoomSid, first: int, after: str | None
    ) -> ReadResult[Page[InsightsParticipant]]:
        """Raises NotFound for a room that Insights does not have (yet), or that is not the caller's."""
        if not await self._may_see(caller, sid):
            raise NotFound(
                "Insights has no such room, or not yet; check the SID, or ask some minutes after its end"
            )
        listing = Listing(
            _PARTICIPANTS, None, None, partial(insights.list_insights_participants, sid)
        )
        return await self._reads.page(listing, first, after)

    async def participant(
        self, caller: Caller, sid: RoomSid, participant: ParticipantSid
    ) -> ReadResult[InsightsParticipant] | None:
        if not await self._may_see(caller, sid):
            return None
        request = insights.fetch_insights_participant(sid, participant)
        return await self._reads.one_or_none(CachedQuery(_PARTICIPANT, None, request))

    async def _may_see(self, caller: Caller, sid: RoomSid) -> bool:
        """Before anything of the room is asked: how an answer is refused, and how late, must not tell whether there is one."""
        caller.require(Scope.ROOMS_READ)
        return caller.grants is None or await self.room(caller, sid) is not None


def _is_for(caller: Caller, room: InsightsRoom) -> bool:
    return caller.may_name(room.room_sid, room.room_name)
