"""Insights: Twilio's summaries of rooms and participants, some minutes after their end."""

from typing import Final

from gateway.core.caching import SUMMARY, SUMMARY_IN_PROGRESS, Fence, Lifetime, Seen
from gateway.core.insights import InsightsParticipant, InsightsRoom, InsightsRoomFilter, ProcessingState
from gateway.core.paging import Page
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid
from gateway.service.access import Caller, Scope
from gateway.service.reads import Ask, Kind, Reads
from gateway.twilio.wire import insights
from gateway.twilio.wire.resource import Listed

_DONE: Final = (ProcessingState.COMPLETE, ProcessingState.TIMEOUT)


def _of_room(room: InsightsRoom) -> Lifetime:
    return SUMMARY if room.processing_state in _DONE else SUMMARY_IN_PROGRESS


def _more_may_come(_: object) -> Lifetime:
    """A list grows, and a participant's summary does not say whether Twilio still works on it."""
    return SUMMARY_IN_PROGRESS


_ROOM: Final = Kind[InsightsRoom](InsightsRoom, Fence.MEDIA, _of_room)
_ROOMS: Final = Kind[Listed[InsightsRoom]](Listed[InsightsRoom], Fence.MEDIA, _more_may_come)
_PARTICIPANT: Final = Kind[InsightsParticipant](InsightsParticipant, Fence.MEDIA, _more_may_come)
_PARTICIPANTS: Final = Kind[Listed[InsightsParticipant]](Listed[InsightsParticipant], Fence.MEDIA, _more_may_come)


class Insights:
    """No events tell of summaries, so nothing here is fenced: `room_sid` is None for every question. What a key for some
    rooms may see follows from the SID or the name that the summary itself tells."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def rooms(
        self, caller: Caller, wanted: InsightsRoomFilter, first: int, after: str | None
    ) -> Seen[Page[InsightsRoom]]:
        """Without dates only rooms that ended within 24 hours, as with Twilio. A page is shorter than asked when some of its
        rooms are not the caller's."""
        caller.require(Scope.ROOMS_READ)
        seen = await self._reads.page(
            _ROOMS, None, wanted, first, after, lambda size, query: insights.list_insights_rooms(wanted, size, query)
        )
        page = seen.value
        shown = tuple((cursor, room) for cursor, room in page.items if _is_for(caller, room))
        return Seen(Page(shown, page.end_cursor, page.has_next_page), seen.freshness, seen.as_of)

    async def room(self, caller: Caller, sid: RoomSid) -> Seen[InsightsRoom] | None:
        caller.require(Scope.ROOMS_READ)
        found = await self._reads.one_or_none(Ask(_ROOM, None, insights.fetch_insights_room(sid)))
        return found if found is not None and _is_for(caller, found.value) else None

    async def participants(
        self, caller: Caller, sid: RoomSid, first: int, after: str | None
    ) -> Seen[Page[InsightsParticipant]]:
        """Empty for a room that Insights does not have, or that is not the caller's."""
        caller.require(Scope.ROOMS_READ)
        seen = await self._reads.page(
            _PARTICIPANTS,
            None,
            ("participants", sid),
            first,
            after,
            lambda size, query: insights.list_insights_participants(sid, size, query),
        )
        if caller.grants is not None and await self.room(caller, sid) is None:
            return Seen(Page((), None, False), seen.freshness, None)
        return seen

    async def participant(
        self, caller: Caller, sid: RoomSid, participant: ParticipantSid
    ) -> Seen[InsightsParticipant] | None:
        caller.require(Scope.ROOMS_READ)
        if caller.grants is not None and await self.room(caller, sid) is None:
            return None
        request = insights.fetch_insights_participant(sid, participant)
        return await self._reads.one_or_none(Ask(_PARTICIPANT, None, request))


def _is_for(caller: Caller, room: InsightsRoom) -> bool:
    return caller.may_name(room.room_sid, room.room_name)
