from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.core.caching import PARTICIPANTS_LIFETIME, Fence
from gateway.core.events import RoomEvent, RoomEventType
from gateway.core.participants import Participant
from gateway.core.rooms import Room, RoomStatus
from gateway.core.sids import ParticipantSid
from gateway.service.cache.memory import ENTRY_BYTES, ResponseMemory
from gateway.service.cache.resources import CachedQuery, ResourceKind
from gateway.service.cache.rooms import room_kind, room_query
from gateway.service.cache.timings import CacheTimings
from gateway.service.log.room_memory import RoomMemory
from gateway.store.cache import CacheEntry, encode_entry
from gateway.twilio.wire import participants
from tests.service.conftest import event, sid, some_room

ENDED = RoomEventType.ROOM_ENDED
ROOMS = room_kind()
PARTICIPANTS = ResourceKind[Participant](Participant, Fence.PARTICIPANTS, PARTICIPANTS_LIFETIME)


@dataclass
class Kind:
    """A kind of resource: its query for a room, and an event that makes its value
    outdated."""

    query: Callable[[int], CachedQuery[Any]]
    event: RoomEvent


def participant_query(number: int) -> CachedQuery[Participant]:
    participant = ParticipantSid("PA" + "0" * 32)
    return CachedQuery(
        PARTICIPANTS, sid(number), participants.fetch_participant(sid(number), participant)
    )


KINDS = {
    "room": Kind(lambda number: room_query(ROOMS, sid(number)), event(ENDED)),
    "participant": Kind(participant_query, event(RoomEventType.PARTICIPANT_CONNECTED)),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def log() -> RoomMemory:
    return RoomMemory()


@pytest.fixture
def memory(log: RoomMemory) -> ResponseMemory:
    return ResponseMemory(log)


def value(
    seen_n: int, status: RoomStatus = RoomStatus.IN_PROGRESS, *, number: int = 1, at: float = 0.0
) -> CacheEntry[Room | None]:
    return CacheEntry(some_room(number, status), at, seen_n, None, is_settled=True)


def nothing(seen_n: int, *, at: float = 0.0) -> CacheEntry[None]:
    return CacheEntry(None, at, seen_n, None, is_settled=True)


def test_a_value_is_remembered(memory: ResponseMemory, kind: Kind) -> None:
    memory.put(kind.query(1), nothing(1))
    assert memory.get(kind.query(1)) == nothing(1)
    assert memory.get(kind.query(2)) is None
    assert memory._entries.size == len(encode_entry(nothing(1))) + ENTRY_BYTES


@pytest.mark.parametrize("is_event_first", [True, False])
def test_a_value_that_was_fetched_before_an_event_is_outdated_in_whichever_order_they_arrive(
    memory: ResponseMemory, log: RoomMemory, kind: Kind, is_event_first: bool
) -> None:
    steps: list[Callable[[], object]] = [
        lambda: log.apply(kind.event, 5),
        lambda: memory.put(kind.query(1), nothing(4)),
    ]
    for step in steps if is_event_first else reversed(steps):
        step()
    assert memory.get(kind.query(1)) is None
    assert memory.last(kind.query(1)) == nothing(4)


def test_a_value_that_was_fetched_after_an_event_stays_current(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    memory.put(kind.query(1), nothing(5))
    log.apply(kind.event, 5)
    assert memory.get(kind.query(1)) == nothing(5)


def test_of_two_fetches_the_one_that_began_later_is_stored(
    memory: ResponseMemory, kind: Kind
) -> None:
    memory.put(kind.query(1), nothing(5))
    memory.put(kind.query(1), nothing(4))
    assert memory.get(kind.query(1)) == nothing(5)
    # The log has no entry between these two: the clock decides which began first.
    memory.put(kind.query(1), nothing(5, at=2.0))
    assert memory.put(kind.query(1), nothing(5, at=1.0)) == nothing(5, at=2.0)
    assert memory.get(kind.query(1)) == nothing(5, at=2.0)


def test_a_current_value_replaces_an_outdated_one_though_its_fetch_seems_older(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    """Clocks of replicas differ: the numbers of the log decide."""
    memory.put(kind.query(1), nothing(4, at=2.0))
    log.apply(kind.event, 5)
    assert memory.put(kind.query(1), nothing(5, at=1.0)) == nothing(5, at=1.0)
    assert memory.get(kind.query(1)) == nothing(5, at=1.0)


def test_an_outdated_value_replaces_no_current_one_and_no_newer_one(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    memory.put(kind.query(1), nothing(5, at=1.0))
    log.apply(kind.event, 5)
    assert memory.put(kind.query(1), nothing(4, at=2.0)) == nothing(4, at=2.0)
    assert memory.get(kind.query(1)) == nothing(5, at=1.0)
    log.apply(kind.event, 6)
    memory.put(kind.query(1), nothing(5, at=0.5))
    assert memory.last(kind.query(1)) == nothing(5, at=1.0)


def test_a_new_log_makes_every_value_outdated(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    memory.put(kind.query(1), nothing(3))
    memory.put(kind.query(2), nothing(99))
    log.reset(10)
    assert memory.get(kind.query(1)) is None
    assert memory.get(kind.query(2)) is None, "numbers of two logs cannot be compared"
    # A fetch that was in flight meanwhile may have missed an event that was lost.
    memory.put(kind.query(1), nothing(9))
    assert memory.get(kind.query(1)) is None
    memory.put(kind.query(1), nothing(10))
    assert memory.get(kind.query(1)) == nothing(10)


def test_a_change_that_could_not_be_logged_refuses_values_until_the_next_event(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    memory.put(kind.query(1), nothing(7))
    log.observe_head(8)
    log.apply_unlogged(kind.event)
    memory.put(kind.query(1), nothing(8))
    assert memory.get(kind.query(1)) is None
    log.apply(event(room_sid=sid(2)), 9)
    memory.put(kind.query(1), nothing(9))
    assert memory.get(kind.query(1)) == nothing(9)


def test_i16_memory_keeps_the_values_that_were_used_last(log: RoomMemory, kind: Kind) -> None:
    size = len(encode_entry(nothing(1))) + ENTRY_BYTES
    memory = ResponseMemory(log, CacheTimings(memory_bytes=2 * size))
    for number in (1, 2, 1, 3):
        memory.put(kind.query(number), nothing(1))
    assert [memory.get(kind.query(number)) is not None for number in (1, 2, 3)] == [
        True,
        False,
        True,
    ]


def test_no_event_makes_a_value_about_nothing_outdated(
    memory: ResponseMemory, log: RoomMemory
) -> None:
    query: CachedQuery[Any] = CachedQuery(PARTICIPANTS, None, participant_query(1).request)
    memory.put(query, nothing(1))
    log.apply(event(ENDED), 5)
    assert memory.get(query) == nothing(1)


@pytest.mark.parametrize("seen_n", [4, 5, 6])
def test_i10_a_room_that_has_ended_stays_ended(memory: ResponseMemory, seen_n: int) -> None:
    """No event reports the end of a room without callbacks, and Twilio's REST API may
    show its past once more."""
    query = room_query(ROOMS, sid(1))
    memory.put(query, value(5, RoomStatus.COMPLETED))
    memory.put(query, value(seen_n, at=1.0))
    assert memory.get(query) == value(5, RoomStatus.COMPLETED)


def test_i10_put_returns_the_newer_of_the_new_and_the_known_room(
    memory: ResponseMemory, log: RoomMemory
) -> None:
    query = room_query(ROOMS, sid(1))
    assert memory.put(query, value(5, at=2.0)) == value(5, at=2.0)
    assert memory.put(query, value(5, at=1.0)) == value(5, at=2.0)
    # From another replica, which had not yet received an event of some other room.
    assert memory.put(query, value(4, at=3.0)) == value(4, at=3.0)
    assert memory.put(query, value(5, at=2.0)) == value(4, at=3.0)
    assert memory.put(query, value(5, RoomStatus.COMPLETED, at=1.0)) == value(
        5, RoomStatus.COMPLETED, at=1.0
    )
    # An event refuses it, and nothing better is known: readers from before the event
    # may see it.
    log.apply(event(ENDED), 6)
    assert memory.put(query, value(5)) == value(5)
    assert memory.get(query) is None


def test_events_of_participants_leave_the_room_current(
    memory: ResponseMemory, log: RoomMemory
) -> None:
    query = room_query(ROOMS, sid(1))
    memory.put(query, value(1))
    log.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    assert memory.get(query) == value(1)


def test_a_late_event_leaves_the_room_current_unless_it_reports_the_end(
    memory: ResponseMemory, log: RoomMemory
) -> None:
    query = room_query(ROOMS, sid(1))
    memory.put(query, value(1))
    log.apply(event(RoomEventType.ROOM_CREATED, late=True), 2)
    assert memory.get(query) == value(1)
    log.apply(event(ENDED, late=True), 3)
    assert memory.get(query) is None


def test_the_version_of_a_query_is_the_newest_event_of_its_fence(
    memory: ResponseMemory, log: RoomMemory, kind: Kind
) -> None:
    assert memory.version(kind.query(1)) == 0
    log.apply(replace(kind.event), 5)
    assert memory.version(kind.query(1)) == 5
    assert memory.version(kind.query(2)) == 0
