import time

import pytest

from gateway.core.caching import Fence
from gateway.core.events import RoomChangeKind, RoomEventSource, RoomEventType
from gateway.core.rooms import Ended, RoomStatus
from gateway.service.log.room_memory import ACCOUNT, EventMark, EventMarks, RoomMemory
from gateway.service.log.timings import LogTimings
from tests.service.conftest import event, sid, some_room

ENDED = RoomEventType.ROOM_ENDED


def test_a_room_reports_when_an_event_did_not_come_from_the_reconciler() -> None:
    memory = RoomMemory()
    memory.apply(event(source=RoomEventSource.RECONCILED), 5)
    assert not memory.is_reporting(sid(1))
    memory.apply(event(), 6)
    assert memory.is_reporting(sid(1))


def test_an_event_applied_again_or_out_of_order_changes_nothing() -> None:
    memory = RoomMemory()
    for n in (7, 5, 7):
        memory.apply(event(ENDED), n)
    assert memory.newest_n(sid(1)) == 7


def test_an_event_changes_the_name_too() -> None:
    memory = RoomMemory()
    memory.apply(event(ENDED, room_name="daily"), 4)
    assert (memory.newest_name_n("daily"), memory.newest_name_n("weekly")) == (4, 0)


def test_lists_are_outdated_by_events_that_may_add_to_them() -> None:
    memory = RoomMemory()
    memory.apply(event(RoomEventType.ROOM_CREATED), 1)
    assert memory.newest_n(ACCOUNT) == 1
    memory.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    memory.apply(event(ENDED), 3)
    assert memory.newest_n(ACCOUNT) == 1
    changed = event(RoomEventType.ROOM_CHANGED, source=RoomEventSource.MUTATION, room=some_room())
    memory.apply(changed, 4)
    assert memory.newest_n(ACCOUNT) == 4


def test_a_room_is_settled_three_seconds_after_its_newest_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    memory = RoomMemory()
    assert memory.is_settled(sid(1))
    memory.apply(event(ENDED), 1)
    now += 2.9
    assert not memory.is_settled(sid(1))
    now += 0.2
    assert memory.is_settled(sid(1))


def test_memory_is_current_for_a_moment_after_the_log_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    memory = RoomMemory()
    assert not memory.is_current
    memory.confirm_caught_up()
    now += LogTimings().caught_up_s - 0.01
    assert memory.is_current
    now += 0.02
    assert not memory.is_current


def test_an_evicted_mark_still_makes_older_values_outdated() -> None:
    marks = EventMarks(limit=2)
    for n, key in enumerate("abc", 1):
        marks.add(key, EventMark(n, 0.0))
    assert [marks.newest(key).n for key in "abcd"] == [1, 2, 3, 1]


def test_an_older_mark_does_not_replace_a_newer_one() -> None:
    marks = EventMarks(limit=10)
    marks.add("a", EventMark(2, 0.0))
    marks.add("a", EventMark(1, 0.0))
    assert marks.newest("a").n == 2


def test_events_of_a_recording_outdate_it_and_our_deletions_outdate_the_lists() -> None:
    memory = RoomMemory()
    memory.apply(event(RoomEventType.RECORDING_COMPLETED, recording_sid="RT1"), 5)
    assert [memory.newest_n(key, Fence.MEDIA) for key in (sid(1), "RT1", ACCOUNT)] == [5, 5, 0]
    own = event(
        RoomEventType.ROOM_CHANGED,
        source=RoomEventSource.MUTATION,
        change=RoomChangeKind.RECORDING,
        recording_sid="RT1",
    )
    memory.apply(own, 6)
    assert [memory.newest_n(key, Fence.MEDIA) for key in (sid(1), "RT1", ACCOUNT)] == [6, 6, 6]
    assert [memory.newest_n(key) for key in (sid(1), "RT1", ACCOUNT)] == [0, 0, 0]


def test_i10_the_first_end_is_kept_through_a_reset() -> None:
    memory = RoomMemory(LogTimings(marks=2))
    first = event(ENDED, room_duration=1)
    memory.apply(first, 5)
    memory.apply(event(ENDED, room_duration=2, late=True), 6)
    memory.reset(9)
    ended = memory.ends([sid(1), sid(2)])
    assert ended == {sid(1): Ended(RoomStatus.COMPLETED, first.event_time, 1)}
    for n in (2, 3):
        memory.apply(event(ENDED, room_sid=sid(n)), 10 + n)
    assert list(memory.ends([sid(1), sid(2), sid(3)])) == [sid(2), sid(3)]


def test_events_of_participants_do_not_outdate_the_room() -> None:
    memory = RoomMemory()
    memory.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    assert memory.newest_n(sid(1)) == 0
    assert memory.newest_n(sid(1), Fence.PARTICIPANTS) == 2


def test_a_late_event_outdates_nothing_unless_it_is_an_end() -> None:
    memory = RoomMemory()
    memory.apply(event(RoomEventType.ROOM_CREATED, late=True), 2)
    assert memory.newest_n(sid(1)) == 0
    memory.apply(event(ENDED, late=True), 3)
    assert memory.newest_n(sid(1)) == 3


def test_a_reset_outdates_every_room_and_name() -> None:
    memory = RoomMemory()
    memory.confirm_caught_up()
    memory.reset(10)
    assert not memory.is_current
    assert not memory.is_settled(sid(1))
    assert (memory.newest_n(sid(1)), memory.newest_name_n("room 1"), memory.newest_n(ACCOUNT)) == (
        10,
        10,
        10,
    )
    assert memory.generation == 1


def test_an_unlogged_event_is_newer_than_every_known_number() -> None:
    memory = RoomMemory()
    memory.observe_head(8)
    memory.apply_unlogged(event(ENDED))
    assert memory.newest_n(sid(1)) == 9
