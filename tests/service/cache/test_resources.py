import pytest

from gateway.core.caching import (
    LIVE_ROOM_LIFETIME,
    MISSING_NAME_LIFETIME,
    MISSING_SID_LIFETIME,
    PARTICIPANTS_LIFETIME,
    ROOM_LIST_LIFETIME,
    SETTLING,
    Fence,
)
from gateway.core.participants import Participant, ParticipantFilter
from gateway.core.rooms import Room, RoomFilter
from gateway.core.sids import ParticipantSid
from gateway.service.cache.resources import CachedQuery, Listing, ResourceKind
from gateway.service.cache.rooms import room_kind, room_query
from gateway.store.cache import CacheEntry
from gateway.twilio.wire import participants
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import WirePage
from gateway.twilio.wire.rooms import list_rooms
from tests.service.conftest import sid, some_room

ROOM = sid(1)
PERSON = ParticipantSid("PA" + "0" * 32)
KIND = ResourceKind[Participant](Participant, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME)
LIST = ResourceKind[WirePage[Participant]](
    WirePage[Participant], Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME
)
ROOMS = ResourceKind[WirePage[Room]](WirePage[Room], Fence.ROOM, ROOM_LIST_LIFETIME)


def by_sid(participant: ParticipantSid = PERSON) -> CachedQuery[Participant]:
    return CachedQuery(KIND, ROOM, participants.fetch_participant(ROOM, participant))


def by_identity(identity: str) -> CachedQuery[Participant]:
    return CachedQuery(KIND, ROOM, participants.find_participant(ROOM, identity), identity)


def test_queries_have_one_key_only_if_they_have_one_answer() -> None:
    assert by_sid().key.name == by_sid().key.name
    queries = [by_sid(), by_sid(ParticipantSid("PA" + "1" * 32)), by_identity("ada")]
    # One request finds both: only the name tells the two queries apart.
    queries.append(CachedQuery(KIND, ROOM, queries[-1].request, "bob"))
    queries.append(CachedQuery(KIND, None, queries[0].request))
    assert len({query.key.name for query in queries}) == len(queries)


def test_a_room_has_the_key_under_which_mutations_are_cached() -> None:
    query = room_query(room_kind(), ROOM)
    assert (query.key.name, query.key.about, query.key.fence) == (f"room:{ROOM}", ROOM, Fence.ROOM)


def entry(value: object, *, is_settled: bool = True) -> CacheEntry[object]:
    return CacheEntry(value, 0.0, 1, None, is_settled)


def test_the_lifetime_of_a_value_is_that_of_its_kind() -> None:
    participants_page: WirePage[Participant] = WirePage((), None)
    query = Listing(LIST, ROOM, None, list_request)
    assert query.page_query(50, None).lifetime(entry(participants_page)) is PARTICIPANTS_LIFETIME  # type: ignore[arg-type]
    assert room_query(room_kind(), ROOM).lifetime(entry(some_room())) is LIVE_ROOM_LIFETIME  # type: ignore[arg-type]


def list_request(size: int, page: str | None) -> WireRequest[WirePage[Participant]]:
    return participants.list_participants(ROOM, ParticipantFilter(), size, page)


def by_list(size: int, page: str | None) -> CachedQuery[WirePage[Participant]]:
    return CachedQuery(LIST, ROOM, list_request(size, page))


@pytest.mark.parametrize(
    ("query", "lifetime"),
    [(by_sid(), MISSING_SID_LIFETIME), (by_identity("ada"), MISSING_NAME_LIFETIME)],
)
def test_not_found_has_a_short_lifetime(query: CachedQuery[Participant], lifetime: object) -> None:
    assert query.lifetime(entry(None)) is lifetime  # type: ignore[arg-type]


def test_a_value_that_was_fetched_right_after_an_event_is_fetched_again_soon() -> None:
    page: WirePage[Participant] = WirePage((), None)
    assert by_list(50, None).lifetime(entry(page, is_settled=False)) == SETTLING  # type: ignore[arg-type]
    # A list of rooms is fresh for no longer anyway, and may be served stale.
    rooms = CachedQuery(ROOMS, "", list_rooms(RoomFilter(), 50))
    assert rooms.lifetime(entry(page, is_settled=False)) is ROOM_LIST_LIFETIME  # type: ignore[arg-type]


def test_lists_and_filters_of_lists_have_different_identities() -> None:
    def listing(room: str, wanted: ParticipantFilter) -> Listing[Participant]:
        return Listing(
            LIST,
            room,
            wanted,
            lambda size, page: participants.list_participants(sid(int(room)), wanted, size, page),
        )

    ada = ParticipantFilter(identity="ada")
    lists = [listing("1", ParticipantFilter()), listing("1", ada), listing("2", ada)]
    assert len({str(each.identity) for each in lists}) == 3
    assert listing("1", ada).identity == lists[1].identity
