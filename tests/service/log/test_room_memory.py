import time
from dataclasses import replace

import pytest

from gateway.core.caching import Fence
from gateway.core.events import Changed, EventSource, RoomEventType
from gateway.core.rooms import Ended, RoomStatus
from gateway.service.log import room_memory as memory
from gateway.service.log.room_memory import ACCOUNT, EventMark, EventMarks, RoomMemory
from gateway.store.cache import CachedRoom
from tests.service.conftest import event, sid, some_room

ENDED = RoomEventType.ROOM_ENDED


def value(
    seen_n: int, status: RoomStatus = RoomStatus.IN_PROGRESS, *, number: int = 1, at: float = 0.0
) -> CachedRoom:
    return CachedRoom(some_room(number, status), at, seen_n, None, settled=True)


def test_a_room_is_remembered() -> None:
    rooms = RoomMemory()
    rooms.put(value(1))
    assert rooms.get(sid(1)) == value(1)
    assert rooms.get(sid(2)) is None


@pytest.mark.parametrize("is_event_first", [True, False])
def test_what_was_fetched_before_an_event_is_refused_in_whichever_order_they_come(
    is_event_first: bool,
) -> None:
    rooms = RoomMemory()
    steps = [lambda: rooms.apply(event(ENDED), 5), lambda: rooms.put(value(4))]
    for step in steps if is_event_first else reversed(steps):
        step()
    assert rooms.get(sid(1)) is None


def test_a_room_reports_when_something_was_heard_of_it_that_nobody_asked_for() -> None:
    rooms = RoomMemory()
    rooms.apply(event(source=EventSource.RECONCILED), 5)
    assert not rooms.has_heard_of(sid(1))
    rooms.apply(event(), 6)
    assert rooms.has_heard_of(sid(1))


def test_what_was_fetched_after_an_event_outlives_it() -> None:
    rooms = RoomMemory()
    rooms.put(value(5))
    rooms.apply(event(ENDED), 5)
    assert rooms.get(sid(1)) == value(5)


def test_an_event_applied_again_or_out_of_order_changes_nothing() -> None:
    rooms = RoomMemory()
    for n in (7, 5, 7):
        rooms.apply(event(ENDED), n)
    assert rooms.touched(sid(1)) == 7


def test_of_two_fetches_the_one_that_began_later_stays() -> None:
    rooms = RoomMemory()
    rooms.put(value(5))
    rooms.put(value(4))
    assert rooms.get(sid(1)) == value(5)
    # Nothing was logged between these two: the clock tells which began first.
    rooms.put(value(5, at=2.0))
    rooms.put(value(5, at=1.0))
    assert rooms.get(sid(1)) == value(5, at=2.0)


@pytest.mark.parametrize("seen_n", [4, 5, 6])
def test_i10_a_room_that_is_over_stays_over(seen_n: int) -> None:
    """No event tells the end of a room that does not report here, and Twilio's REST may show its past once more."""
    rooms = RoomMemory()
    rooms.put(value(5, RoomStatus.COMPLETED))
    rooms.put(value(seen_n, at=1.0))
    assert rooms.get(sid(1)) == value(5, RoomStatus.COMPLETED)


def test_i10_what_is_shown_is_the_newer_of_what_came_and_what_is_known() -> None:
    rooms = RoomMemory()
    assert rooms.put(value(5, at=2.0)) == value(5, at=2.0)
    assert rooms.put(value(5, at=1.0)) == value(5, at=2.0)
    # By another replica, which had not heard yet of some other room's event.
    assert rooms.put(value(4, at=3.0)) == value(4, at=3.0)
    assert rooms.put(value(5, at=2.0)) == value(4, at=3.0)
    assert rooms.put(value(5, RoomStatus.COMPLETED, at=1.0)) == value(
        5, RoomStatus.COMPLETED, at=1.0
    )
    # Refused for an event, and nothing better is known: those who asked before it may see it.
    rooms.apply(event(ENDED), 6)
    assert rooms.put(value(5)) == value(5)
    assert rooms.get(sid(1)) is None


def test_events_of_people_do_not_touch_the_room() -> None:
    rooms = RoomMemory()
    rooms.put(value(1))
    rooms.apply(event(RoomEventType.PARTICIPANT_CONNECTED), 2)
    assert rooms.get(sid(1)) == value(1)
    assert rooms.touched(sid(1)) == 0


def test_a_late_event_changes_nothing_unless_it_tells_the_end() -> None:
    rooms = RoomMemory()
    rooms.put(value(1))
    rooms.apply(event(RoomEventType.ROOM_CREATED, late=True), 2)
    assert rooms.get(sid(1)) == value(1)
    rooms.apply(event(ENDED, late=True), 3)
    assert rooms.get(sid(1)) is None


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


def test_a_new_log_makes_all_that_was_fetched_before_it_old() -> None:
    rooms = RoomMemory()
    rooms.confirm_caught_up()
    rooms.put(value(3))
    rooms.put(value(3, number=2))
    rooms.begin_anew(10)
    assert rooms.get(sid(1)) is None
    assert not rooms.is_current
    # A fetch that was under way meanwhile may have missed an event that nobody knows any more.
    rooms.put(value(9))
    assert rooms.get(sid(1)) is None
    assert not rooms.is_settled(sid(1))
    assert (rooms.touched(sid(1)), rooms.name_touched("room 1"), rooms.touched(ACCOUNT)) == (
        10,
        10,
        10,
    )
    rooms.put(value(10))
    assert rooms.get(sid(1)) == value(10)


def test_only_so_many_rooms_are_kept_the_ones_put_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROOMS_LIMIT", 2)
    rooms = RoomMemory()
    for number in (1, 2, 1, 3):
        rooms.put(value(1, number=number))
    assert [rooms.get(sid(number)) is not None for number in (1, 2, 3)] == [True, False, True]


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


def test_a_room_in_progress_is_found_under_its_name() -> None:
    rooms = RoomMemory()
    rooms.put(value(1))
    assert rooms.named("room 1") == value(1)
    rooms.put(replace(value(2), room=some_room(1, RoomStatus.COMPLETED)))
    assert rooms.named("room 1") is None


def test_a_name_that_was_taken_again_is_the_new_rooms() -> None:
    rooms = RoomMemory()
    rooms.put(value(1))
    again = replace(value(2, number=2), room=some_room(2, unique_name="room 1"))
    rooms.put(again)
    for old in (value(1, at=1.0), value(1, RoomStatus.COMPLETED)):
        rooms.put(old)
        assert rooms.named("room 1") == again
    rooms.apply(event(ENDED, sid(2), room_name="room 1"), 3)
    assert rooms.named("room 1") is None


def test_names_are_forgotten_with_their_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROOMS_LIMIT", 1)
    rooms = RoomMemory()
    rooms.put(value(1))
    rooms.put(value(1, number=2))
    assert rooms.named("room 1") is None
    assert rooms.named("room 2") == value(1, number=2)
    rooms.begin_anew(5)
    assert rooms.named("room 2") is None


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


def test_a_change_that_could_not_be_logged_refuses_what_was_fetched_until_the_next_event() -> None:
    rooms = RoomMemory()
    rooms.put(value(7))
    rooms.observe_head(8)
    rooms.apply_unlogged(event(ENDED))
    rooms.put(value(8))
    assert rooms.get(sid(1)) is None
    rooms.apply(event(room_sid=sid(2)), 9)
    rooms.put(value(9))
    assert rooms.get(sid(1)) == value(9)


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
