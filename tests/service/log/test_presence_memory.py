from dataclasses import replace

import pytest

from gateway.core.events import RoomEventType
from gateway.core.room_state.presence import PresenceState
from gateway.service.log.presence_memory import PresenceMemory
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.timings import LogTimings
from tests.service.conftest import ACCOUNT, event, sid

CREATED, ENDED = RoomEventType.ROOM_CREATED, RoomEventType.ROOM_ENDED
JOINED = event(participant_sid="PA" + "1" * 32)


def begun(number: int = 1) -> PresenceState:
    return PresenceState.empty(sid(number), ACCOUNT).after(event(CREATED, sid(number))).begun()


def count(memory: PresenceMemory, number: int = 1) -> int | None:
    state = memory.state(sid(number))
    return None if state is None or state.present is None else len(state.present)


def test_events_of_held_rooms_are_applied() -> None:
    memory = PresenceMemory()
    memory.hold(sid(1), begun())
    for _ in range(2):  # a repeat changes nothing
        memory.apply(JOINED)
        memory.apply(replace(JOINED, room_sid=sid(2)))
    assert (count(memory), count(memory, 2)) == (1, None)
    memory.apply(event(ENDED))
    assert count(memory) == 0


def test_a_room_whose_event_is_missing_is_dropped() -> None:
    memory = PresenceMemory()
    memory.hold(sid(1), begun().after(replace(JOINED, sequence_number=3)))
    memory.apply(replace(JOINED, sequence_number=5))
    assert count(memory) is None


@pytest.mark.parametrize(
    ("timings", "held"),
    [
        (LogTimings(presence_rooms=2), 2),
        (LogTimings(presence_stays=6), 3),  # a room counts as one stay more
    ],
)
def test_i16_rooms_and_stays_are_bounded(timings: LogTimings, held: int) -> None:
    memory = PresenceMemory(timings)
    for number in range(1, 6):
        memory.hold(sid(number), begun(number))
        memory.apply(replace(JOINED, room_sid=sid(number)))
    assert [number for number in range(1, 6) if memory.state(sid(number))] == list(
        range(6 - held, 6)
    )


def test_room_memory_forgets_presence_when_events_may_be_lost() -> None:
    for lose in (RoomMemory.reset, RoomMemory.invalidate_all):
        memory = RoomMemory()
        memory.presence.hold(sid(1), begun())
        memory.apply(JOINED, 1)
        assert count(memory.presence) == 1
        lose(memory, 9)
        assert count(memory.presence) is None


def test_a_change_that_could_not_be_logged_shows_at_once() -> None:
    memory = RoomMemory()
    memory.presence.hold(sid(1), begun())
    memory.apply_unlogged(event(ENDED))
    assert count(memory.presence) == 0
