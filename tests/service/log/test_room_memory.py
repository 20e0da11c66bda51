import time

import pytest

from gateway.core.caching import Fence
from gateway.core.events import Changed, EventSource, RoomEventType
from gateway.core.rooms import Ended, RoomStatus
from gateway.service.log import room_memory as memory
from gateway.service.log.room_memory import ACCOUNT, EventMark, EventMarks, RoomMemory
from tests.service.conftest import event, sid, some_room

ENDED = RoomEventType.ROOM_ENDED


def test_a_room_reports_when_something_was_heard_of_it_that_nobody_asked_for() -> None:
    rooms = RoomMemory()
    rooms.apply(event(source=EventSource.RECONCILED), 5)
    assert not rooms.has_heard_of(sid(1))
    rooms.apply(event(), 6)
    assert rooms.has_heard_of(sid(1))


def test_an_event_applied_again_or_out_of_order_changes_nothing() -> None:
    rooms = RoomMemory()
    for n in (7, 5, 7):
        rooms.apply(event(ENDED), n)
    assert rooms.touched(sid(1)) == 7


def test_an_event_touches_the_name_too() -> None:
    rooms = RoomMemory()
    rooms.apply(event(ENDED, room_name="daily"), 4)
    assert (rooms.name_touched("daily"), rooms.name_touched("weekly")) == (4, 0)


def test_lists_are_old_after_what_may_make_them_show_more() -> None:
    rooms = RoomMemory()
    rooms.apply(event(RoomEventType.ROOM_CREATED), 1)
    assert rooms.touched(ACCOUNT) == 1
    rooms.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    rooms.apply(event(ENDED), 3)
    assert rooms.touched(ACCOUNT) == 1
    changed = event(RoomEventType.ROOM_CHANGED, source=EventSource.MUTATION, room=some_room())
    rooms.apply(changed, 4)
    assert rooms.touched(ACCOUNT) == 4


def test_a_room_settles_some_seconds_after_its_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rooms = RoomMemory()
    assert rooms.is_settled(sid(1))
    rooms.apply(event(ENDED), 1)
    now += 2.9
    assert not rooms.is_settled(sid(1))
    now += 0.2
    assert rooms.is_settled(sid(1))


def test_memory_answers_only_while_the_log_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rooms = RoomMemory()
    assert not rooms.is_current
    rooms.confirm_caught_up()
    now += memory.PROOF_S - 0.01
    assert rooms.is_current
    now += 0.02
    assert not rooms.is_current


def test_a_mark_that_was_forgotten_still_refuses_what_is_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MARKS_LIMIT", 2)
    marks = EventMarks()
    for n, key in enumerate("abc", 1):
        marks.touch(key, EventMark(n, 0.0))
    assert [marks.of(key).n for key in "abcd"] == [1, 2, 3, 1]


def test_an_older_mark_does_not_replace_a_newer_one() -> None:
    marks = EventMarks()
    marks.touch("a", EventMark(2, 0.0))
    marks.touch("a", EventMark(1, 0.0))
    assert marks.of("a").n == 2


def test_a_recordings_events_touch_it_and_our_deletions_touch_the_account() -> None:
    rooms = RoomMemory()
    rooms.apply(event(RoomEventType.RECORDING_COMPLETED, recording_sid="RT1"), 5)
    assert [rooms.touched(about, Fence.MEDIA) for about in (sid(1), "RT1", ACCOUNT)] == [5, 5, 0]
    own = event(
        RoomEventType.ROOM_CHANGED,
        source=EventSource.MUTATION,
        changed=Changed.RECORDING,
        recording_sid="RT1",
    )
    rooms.apply(own, 6)
    assert [rooms.touched(about, Fence.MEDIA) for about in (sid(1), "RT1", ACCOUNT)] == [6, 6, 6]
    assert [rooms.touched(about) for about in (sid(1), "RT1", ACCOUNT)] == [0, 0, 0]


def test_an_end_is_known_for_good_and_the_first_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MARKS_LIMIT", 2)
    rooms = RoomMemory()
    first = event(ENDED, room_duration=1)
    rooms.apply(first, 5)
    rooms.apply(event(ENDED, room_duration=2, late=True), 6)
    rooms.begin_anew(9)
    ended = rooms.ends([sid(1), sid(2)])
    assert ended == {sid(1): Ended(RoomStatus.COMPLETED, first.at, 1)}
    for n in (2, 3):
        rooms.apply(event(ENDED, room_sid=sid(n)), 10 + n)
    assert list(rooms.ends([sid(1), sid(2), sid(3)])) == [sid(2), sid(3)], (
        "only so many are kept, the last ones"
    )


def test_events_of_participants_do_not_touch_the_room() -> None:
    rooms = RoomMemory()
    rooms.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    assert rooms.touched(sid(1)) == 0
    assert rooms.touched(sid(1), Fence.PEOPLE) == 2


def test_a_late_event_touches_nothing_unless_it_reports_the_end() -> None:
    rooms = RoomMemory()
    rooms.apply(event(RoomEventType.ROOM_CREATED, late=True), 2)
    assert rooms.touched(sid(1)) == 0
    rooms.apply(event(ENDED, late=True), 3)
    assert rooms.touched(sid(1)) == 3


def test_a_new_log_touches_every_room_and_name() -> None:
    rooms = RoomMemory()
    rooms.confirm_caught_up()
    rooms.begin_anew(10)
    assert not rooms.is_current
    assert not rooms.is_settled(sid(1))
    assert (rooms.touched(sid(1)), rooms.name_touched("room 1"), rooms.touched(ACCOUNT)) == (
        10,
        10,
        10,
    )
    assert rooms.generation == 1


def test_an_unlogged_change_is_newer_than_every_number_seen_so_far() -> None:
    rooms = RoomMemory()
    rooms.observe_head(8)
    rooms.apply_unlogged(event(ENDED))
    assert rooms.touched(sid(1)) == 9
