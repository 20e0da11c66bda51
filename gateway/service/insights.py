"""Use cases of Insights: Twilio's summaries of rooms and participants, some minutes
after their end."""

from functools import partial
from typing import Final

from gateway.core.caching import (
    SUMMARY_LIFETIME,
    UNFINISHED_SUMMARY_LIFETIME,
    Fence,
    Lifetime,
    ReadResult,
)
from gateway.core.callers import Caller, Scope
from gateway.core.errors import Reason
from gateway.core.insights import (
    InsightsParticipant,
    InsightsProcessingState,
    InsightsRoom,
    InsightsRoomFilter,
)
from gateway.core.outcomes import not_found
from gateway.core.paging import Page
from gateway.core.rooms import RoomSid
from gateway.core.sids import ParticipantSid
from gateway.service.cache.read_through import ReadThrough
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.twilio.wire import insights
from gateway.twilio.wire.resource import WirePage

_DONE: Final = (InsightsProcessingState.COMPLETE, InsightsProcessingState.TIMEOUT)


def _room_lifetime(room: InsightsRoom, _fetched_at: float) -> Lifetime:
    return SUMMARY_LIFETIME if room.processing_state in _DONE else UNFINISHED_SUMMARY_LIFETIME


# A list grows, and the summary of a participant does not say whether it is complete.
_ROOM: Final = ResourceKind[InsightsRoom](InsightsRoom, Fence.MEDIA, _room_lifetime)
_ROOMS: Final = ResourceKind[WirePage[InsightsRoom]](
    WirePage[InsightsRoom], Fence.MEDIA, UNFINISHED_SUMMARY_LIFETIME
)
_PARTICIPANT: Final = ResourceKind[InsightsParticipant](
    InsightsParticipant, Fence.MEDIA, UNFINISHED_SUMMARY_LIFETIME
)
_PARTICIPANTS: Final = ResourceKind[WirePage[InsightsParticipant]](
    WirePage[InsightsParticipant], Fence.MEDIA, UNFINISHED_SUMMARY_LIFETIME
)


class Insights:
    """Reads Insights of one account.

    No event reports a summary, so no event makes one outdated: `about` of every query
    is None. Whether a caller with grants may see a summary follows from the SID and the
    name in it. All methods raise PermissionDenied without the scope, and what
    `ReadThrough.read` raises.
    """

    def __init__(self, reads: ReadThrough) -> None:
        self._reads = reads

    async def rooms(
        self, caller: Caller, filters: InsightsRoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[InsightsRoom]]:
        """Returns a page of the rooms that match the filter and that the caller may
        see.

        Without dates, these are rooms that ended in the last 24 hours. A page is
        shorter than `first` when the caller may not see some of its rooms. Raises
        InvalidArgument or CursorExpired for a cursor that is not valid.
        """
        caller.require(Scope.ROOMS_READ)
        listing = Listing(_ROOMS, None, filters, partial(insights.list_insights_rooms, filters))
        result = await self._reads.page(listing, first, after)
        page = result.value
        visible = tuple((cursor, room) for cursor, room in page.items if _may_see(caller, room))
        return ReadResult(
            Page(visible, page.end_cursor, page.has_next_page), result.freshness, result.as_of
        )

    async def room(self, caller: Caller, sid: RoomSid) -> ReadResult[InsightsRoom] | None:
        """Returns the summary of a room, or None when there is none (yet) or the caller
        may not see it."""
        caller.require(Scope.ROOMS_READ)
        found = await self._reads.one_or_none(
            CachedQuery(_ROOM, None, insights.fetch_insights_room(sid))
        )
        return found if found is not None and _may_see(caller, found.value) else None

    async def participants(
        self, caller: Caller, sid: RoomSid, first: int, after: str | None
    ) -> ReadResult[Page[InsightsParticipant]]:
        """Returns a page of the participants of a room.

        Raises NotFound for a room that Insights does not have (yet) or that the caller
        may not see, and InvalidArgument or CursorExpired for a cursor that is not
        valid.
        """
        if not await self._may_see_room(caller, sid):
            raise not_found(Reason.INSIGHTS_NOT_FOUND)
        request = partial(insights.list_insights_participants, sid)
        return await self._reads.page(
            Listing(_PARTICIPANTS, None, None, request),
            first,
            after,
            missing=Reason.INSIGHTS_NOT_FOUND,
        )

    async def participant(
        self, caller: Caller, sid: RoomSid, participant: ParticipantSid
    ) -> ReadResult[InsightsParticipant] | None:
        """Returns the summary of a participant, or None when there is none (yet) or the
        caller may not see the room."""
        if not await self._may_see_room(caller, sid):
            return None
        request = insights.fetch_insights_participant(sid, participant)
        return await self._reads.one_or_none(CachedQuery(_PARTICIPANT, None, request))

    async def _may_see_room(self, caller: Caller, sid: RoomSid) -> bool:
        """Checked before anything about the room is requested: neither the kind nor the
        time of a refusal may reveal whether the room exists."""
        caller.require(Scope.ROOMS_READ)
        return caller.grants is None or await self.room(caller, sid) is not None


def _may_see(caller: Caller, room: InsightsRoom) -> bool:
    return caller.may_name(room.room_sid, room.room_name)
