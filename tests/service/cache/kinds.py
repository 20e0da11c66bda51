"""The kinds of resources that the tests of the read path run over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.core.caching import (
    LIVE_ROOM_LIFETIME,
    PARTICIPANTS_LIFETIME,
    Fence,
    Freshness,
    Lifetime,
    ReadResult,
)
from gateway.core.events import RoomEvent, RoomEventType
from gateway.core.participants import Participant, ParticipantFilter
from gateway.core.rooms import RoomSid, RoomStatus
from gateway.core.sids import ParticipantSid
from gateway.service.accounts import Account
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.store.cache import ResponseCache, RoomIndex
from gateway.store.connection import Connections
from gateway.twilio.wire import participants
from gateway.twilio.wire.resource import WirePage
from tests.service.conftest import ACCOUNT, ADMIN, Site, event, ref

PARTICIPANT = ResourceKind[Participant](Participant, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME)
PARTICIPANTS = ResourceKind[WirePage[Participant]](
    WirePage[Participant], Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)


@dataclass(frozen=True)
class Outcome:
    """What a read returned. `value` is one of `Kind.before` and `Kind.after`."""

    value: object
    freshness: Freshness


@dataclass(frozen=True)
class Kind:
    """A kind of resource of one room.

    `change` changes it at Twilio from the value `before` to `after`; no event reports
    that. `touch` makes an event that touches its fence. `key` is its name in the cache.
    """

    fetch: Callable[[Account, RoomSid], Awaitable[ReadResult[Any] | None]]
    value_of: Callable[[Any], object]
    before: object
    after: object
    change: Callable[[Site, RoomSid], object]
    touch: Callable[[RoomSid], RoomEvent]
    key: Callable[[RoomSid], str]
    lifetime: Lifetime

    async def read(self, account: Account, room: RoomSid) -> Outcome:
        result = await self.fetch(account, room)
        assert result is not None
        return Outcome(self.value_of(result.value), result.freshness)

    async def value(self, account: Account, room: RoomSid) -> object:
        return (await self.read(account, room)).value


def by_sid(room: RoomSid, participant: str) -> CachedQuery[Participant]:
    return CachedQuery(
        PARTICIPANT, room, participants.fetch_participant(room, ParticipantSid(participant))
    )


def by_identity(room: RoomSid, identity: str) -> CachedQuery[Participant]:
    request = participants.find_participant(room, identity)
    return CachedQuery(PARTICIPANT, room, request, identity)


def listing(room: RoomSid, **filters: Any) -> Listing[Participant]:
    chosen = ParticipantFilter(**filters)
    return Listing(
        PARTICIPANTS, room, chosen, partial(participants.list_participants, room, chosen)
    )


def without_redis(account: Account, dead: Connections) -> None:
    """The caches of this account use these connections from now on."""
    account.reads._cache = ResponseCache(dead, ACCOUNT)
    account.rooms._reads._index = RoomIndex(dead, ACCOUNT)


KINDS = {
    "a room": Kind(
        fetch=lambda account, room: account.rooms.room(ADMIN, ref(room)),
        value_of=lambda room: room.status,
        before=RoomStatus.IN_PROGRESS,
        after=RoomStatus.COMPLETED,
        change=lambda site, room: site.end_at_twilio(room),
        touch=lambda room: event(RoomEventType.ROOM_CREATED, room),
        key=lambda room: f"room:{room}",
        lifetime=LIVE_ROOM_LIFETIME,
    ),
    "a list": Kind(
        fetch=lambda account, room: account.reads.page(listing(room), 50, None),
        value_of=lambda page: [participant.identity for _, participant in page.items],
        before=[],
        after=["ada"],
        change=lambda site, room: site.join(room, "ada"),
        touch=lambda room: event(RoomEventType.PARTICIPANT_CONNECTED, room),
        key=lambda room: listing(room).page_query(50, None).key.name,
        lifetime=PARTICIPANTS_LIFETIME,
    ),
}
