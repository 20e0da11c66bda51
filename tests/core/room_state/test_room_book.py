"""The book with values: a check is taken, and what it found is reported."""

from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest

from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import ParticipantStatus
from gateway.core.room_state.reconcile import NO_DIFFERENCE, REST_LAG, Difference
from gateway.core.room_state.room_book import (
    ROOM_LIST,
    SNAPSHOT_EVENTS,
    SNAPSHOT_S,
    SNAPSHOT_WAIT_S,
    Check,
    CheckIntervals,
    CheckKind,
    RoomBook,
)
from gateway.core.rooms import RoomStatus
from gateway.core.sids import ParticipantSid, RoomSid, TrackSid
from tests.core.room_state.samples import (
    ACCOUNT,
    ADA,
    ADDED,
    CREATED,
    ENDED,
    JOINED,
    LEFT,
    MIC,
    NOON,
    NOW,
    REMOVED,
    ROOM,
    Types,
    ada,
    event,
    history_of,
    mic,
    observed,
    room,
)

INTERVALS = CheckIntervals()
LAG_S = REST_LAG.total_seconds()
PARTICIPANTS = Check(CheckKind.PARTICIPANTS, ROOM)
THOROUGH = replace(PARTICIPANTS, is_thorough=True)
DEPARTURES = Check(CheckKind.DEPARTURES, ROOM)
TRACKS = Check(CheckKind.TRACKS, ROOM, ADA)
SNAPSHOT = Check(CheckKind.SNAPSHOT, ROOM)
GRACE = ParticipantSid("PA" + "2" * 32)


def book_of(*events: RoomEvent, now: float = 0) -> RoomBook:
    """Returns a book that has read these events and is started, with no check due."""
    book = RoomBook(ACCOUNT, INTERVALS)
    for n, logged in enumerate(events, 1):
        book.add_event(logged, n, now)
    book.start(now)
    taken(book, now)
    return book


def taken(book: RoomBook, now: float) -> list[Check]:
    """Takes all checks that are due, in order."""
    checks = []
    while (check := book.take_check(now)) is not None:
        checks.append(check)
    return checks


def numbered(number: int) -> RoomEvent:
    return replace(CREATED, sequence_number=number)


def test_start_checks_missing_numbers_then_the_list_then_each_room() -> None:
    book = RoomBook(ACCOUNT, INTERVALS)
    other = replace(CREATED, room_sid=RoomSid("RM" + "9" * 32))
    for n, logged in enumerate([other, numbered(0), numbered(2)], 1):
        book.add_event(logged, n, 0)
    book.start(0)
    checks = taken(book, 0)
    assert checks[:2] == [ROOM_LIST, THOROUGH]
    assert checks[2:] == [replace(PARTICIPANTS, room=other.room_sid)]


def test_new_room_is_checked_within_a_round_and_in_every_round() -> None:
    book = book_of()
    book.add_event(CREATED, 1, now=100)
    assert taken(book, 100 + INTERVALS.participants_s - 1) == []
    for number in (1, 2, 3):
        assert taken(book, 100 + number * INTERVALS.participants_s) == [PARTICIPANTS]


def test_recording_event_does_not_take_up_a_room() -> None:
    book = book_of(event(Types.RECORDING_STARTED, recording_sid="RT" + "1" * 32))
    assert ROOM not in book


def test_missing_number_leads_to_a_thorough_check_once() -> None:
    book = book_of(numbered(0))
    book.add_event(numbered(2), 2, now=100)
    # A routine check does not show a participant that joined and left in the meantime.
    assert taken(book, 100 + INTERVALS.hole_s - 1) == [PARTICIPANTS]
    assert taken(book, 100 + INTERVALS.hole_s) == [THOROUGH]
    book.add_event(numbered(3), 3, now=103)
    assert THOROUGH not in taken(book, 200), "REST does not show what had the number"


def test_missing_number_that_arrives_late_leads_to_no_check() -> None:
    book = book_of(numbered(0))
    book.add_event(numbered(2), 2, now=1)
    book.add_event(numbered(1), 3, now=1 + INTERVALS.hole_s)
    assert taken(book, 1 + INTERVALS.hole_s) == []


def test_recheck_leads_to_the_room_then_everything_in_it() -> None:
    book = book_of(CREATED, JOINED)
    book.recheck(ROOM, now=1)
    check = Check(CheckKind.ROOM, ROOM, is_thorough=True)
    assert taken(book, 1) == [check]
    book.finish(check, NO_DIFFERENCE, now=2)
    assert taken(book, 2) == [THOROUGH]
    book.finish(THOROUGH, Difference(present=(ADA,)), now=3)
    assert taken(book, 3) == [DEPARTURES, TRACKS]


def test_recheck_takes_up_a_room_that_ended() -> None:
    book = book_of(CREATED, ENDED)
    assert book.has_ended(ROOM)
    book.recheck(ROOM, now=1)
    assert not book.has_ended(ROOM)


def test_routine_check_leads_to_departures_only_if_a_participant_is_missing() -> None:
    book = book_of(CREATED, JOINED)
    book.finish(PARTICIPANTS, Difference(present=(ADA,)), now=1)
    assert taken(book, 2) == []
    everybody_left = observed(participants=(), has_all_present=True)
    difference = book.compare(ROOM, everybody_left, now=2)
    assert difference.missing == (ADA,)
    book.finish(PARTICIPANTS, difference, now=2)
    assert taken(book, 2) == [DEPARTURES]


def test_tracks_are_checked_in_spare_time_and_at_once_for_a_new_participant() -> None:
    book = book_of(CREATED, JOINED)
    book.finish(PARTICIPANTS, Difference(present=(ADA,)), now=1)
    assert taken(book, 1 + INTERVALS.tracks_s) == [PARTICIPANTS, TRACKS]
    book.add_repair(replace(JOINED, participant_sid=GRACE), 3, now=40)
    assert taken(book, 40) == [replace(TRACKS, participant=GRACE)]


def test_track_that_is_absent_twice_is_removed() -> None:
    book = book_of(CREATED, JOINED, ADDED)
    first = observed(tracks={ADA: ()})
    difference = book.compare(ROOM, first, now=1)
    assert (difference.events, difference.missing) == ((), (MIC,))
    assert book.tracks_absent_since(ROOM, ADA) == {MIC: NOW}
    book.finish(TRACKS, difference, now=1)
    assert taken(book, 1 + LAG_S) == [TRACKS]
    second = replace(first, at=NOW + REST_LAG, absent_since=book.tracks_absent_since(ROOM, ADA))
    [removed] = book.compare(ROOM, second, now=1 + LAG_S).events
    assert (removed.type, removed.track_sid, removed.event_time) == (Types.TRACK_REMOVED, MIC, NOW)
    book.add_repair(removed, 4, now=1 + LAG_S)
    assert book.compare(ROOM, second, now=8) == NO_DIFFERENCE
    assert book.tracks_absent_since(ROOM, ADA) == {}


def test_absent_track_that_is_shown_again_is_not_removed() -> None:
    book = book_of(CREATED, JOINED, ADDED)
    book.compare(ROOM, observed(tracks={ADA: ()}), now=1)
    absent = book.tracks_absent_since(ROOM, ADA)
    shown = observed(tracks={ADA: (mic(),)}, absent_since=absent)
    assert book.compare(ROOM, shown, now=7).events == ()
    assert book.tracks_absent_since(ROOM, ADA) == {}


def test_recent_change_is_compared_again_when_its_callback_had_time() -> None:
    book = book_of(CREATED)
    at = NOON + timedelta(seconds=1)
    joined = observed(at=at, participants=(ada(),), has_all_present=True)
    difference = book.compare(ROOM, joined, now=1)
    assert (difference.events, difference.has_recent) == ((), True)
    assert book.compare_again(at + REST_LAG, now=LAG_S) == []
    [again] = book.compare_again(at + REST_LAG, now=1 + LAG_S)
    assert [logged.type for logged in again.events] == [Types.PARTICIPANT_CONNECTED]
    assert book.compare_again(at + REST_LAG, now=20) == []


def test_observation_compared_again_does_not_change_which_tracks_are_absent() -> None:
    book = book_of(CREATED, JOINED, ADDED)
    added = replace(mic(create_time=NOW), sid=TrackSid("MT" + "7" * 32))
    book.compare(ROOM, observed(tracks={ADA: (mic(), added)}), now=1)
    book.compare(ROOM, observed(at=NOW + timedelta(seconds=3), tracks={ADA: (added,)}), now=4)
    absent = book.tracks_absent_since(ROOM, ADA)
    book.compare_again(NOW + REST_LAG, now=1 + LAG_S)
    assert book.tracks_absent_since(ROOM, ADA) == absent == {MIC: NOW + timedelta(seconds=3)}


def test_ended_room_gets_one_check_of_its_departures_and_is_forgotten() -> None:
    book = book_of(CREATED, JOINED, ADDED)
    book.compare(ROOM, observed(tracks={ADA: ()}), now=1)
    book.finish(TRACKS, NO_DIFFERENCE, now=1)
    book.add_event(numbered(7), 4, now=1)
    book.add_event(ENDED, 5, now=2)
    assert not book.is_in_progress(ROOM)
    assert taken(book, 2 + LAG_S + 1) == [DEPARTURES]
    left = ada(ParticipantStatus.DISCONNECTED, end_time=NOON)
    difference = book.compare(ROOM, observed(participants=(left,)), now=9)
    [disconnected] = difference.events
    book.add_repair(disconnected, 6, now=9)
    book.finish(DEPARTURES, difference, now=9)
    assert (book.has_ended(ROOM), ROOM in book) == (True, False)
    assert book.tracks_absent_since(ROOM, ADA) == {}
    assert taken(book, 1_000) == []
    book.add_event(REMOVED, 7, now=1_000)
    assert ROOM not in book, "a late event does not take the room up again"
    assert book.next_check_at() == inf


@pytest.mark.parametrize("has_ended", [False, True])
def test_leave_without_a_join_leads_to_a_check_of_departures(has_ended: bool) -> None:
    """REST shows the join no longer than those who left."""
    book = book_of(CREATED)
    book.add_event(LEFT, 2, now=1)
    if has_ended:
        book.add_event(ENDED, 3, now=2)
    assert DEPARTURES in taken(book, 2 + LAG_S + 1)
    left = ada(ParticipantStatus.DISCONNECTED, end_time=NOON)
    difference = book.compare(ROOM, observed(participants=(left,)), now=9)
    [joined] = difference.events
    assert (joined.type, joined.event_time) == (
        RoomEventType.PARTICIPANT_CONNECTED,
        left.start_time or left.create_time,
    )
    book.add_repair(joined, 4, now=9)
    book.finish(DEPARTURES, difference, now=9)
    assert book.has_ended(ROOM) is has_ended
    assert DEPARTURES not in taken(book, 1_000)


def test_departures_of_an_ended_room_are_checked_again_while_some_are_recent() -> None:
    book = book_of(CREATED, JOINED, ENDED)
    assert taken(book, LAG_S + 1) == [DEPARTURES]
    left = ada(ParticipantStatus.DISCONNECTED, end_time=NOW)
    difference = book.compare(ROOM, observed(participants=(left,)), now=7)
    assert difference.has_recent
    book.finish(DEPARTURES, difference, now=7)
    assert not book.has_ended(ROOM)
    assert DEPARTURES in taken(book, 7 + LAG_S)


def test_list_is_read_page_by_page_and_then_again_after_a_time_for_each_page() -> None:
    book = book_of()
    book.add_page([ROOM], "Page=1", as_of_n=0)
    book.finish(ROOM_LIST, NO_DIFFERENCE, now=1)
    assert (taken(book, 1), book.list_query) == ([ROOM_LIST], "Page=1")
    book.add_page([], None, as_of_n=0)
    book.finish(ROOM_LIST, NO_DIFFERENCE, now=2)
    assert book.list_query is None
    assert book.next_check_at() == 2 + 2 * INTERVALS.room_list_s


def test_list_that_failed_is_read_from_its_start() -> None:
    book = book_of()
    book.add_page([ROOM], "Page=1", as_of_n=0)
    book.retry(ROOM_LIST, at=5)
    assert (taken(book, 5), book.list_query) == ([ROOM_LIST], None)


def test_room_that_is_not_listed_is_checked_unless_the_list_may_be_older() -> None:
    for as_of_n, checks in ((0, []), (1, [Check(CheckKind.ROOM, ROOM)])):
        book = book_of(CREATED)
        book.add_page([], None, as_of_n)
        book.finish(ROOM_LIST, NO_DIFFERENCE, now=1)
        assert taken(book, 1) == checks


def test_listed_room_without_events_is_forgotten_when_it_is_not_listed_any_more() -> None:
    book = book_of()
    book.add_room(history_of(), now=1)
    assert taken(book, 1) == [PARTICIPANTS]
    book.compare(ROOM, observed(room=room()), now=1)
    book.add_page([], None, as_of_n=9)
    book.finish(ROOM_LIST, NO_DIFFERENCE, now=6)
    assert ROOM not in book


def test_known_room_keeps_its_history_when_it_is_listed() -> None:
    book = book_of(CREATED, JOINED)
    book.add_room(history_of(CREATED), now=1)
    history = book.history(ROOM)
    assert history is not None
    assert history.present == (ADA,)


def test_check_that_is_not_found_ends_an_ended_room_and_is_repeated_in_the_next_round() -> None:
    book = book_of(CREATED, JOINED)
    book.not_found(THOROUGH, now=1)
    assert THOROUGH in taken(book, 1 + INTERVALS.participants_s)
    book.add_event(replace(ENDED, room_status=RoomStatus.COMPLETED), 3, now=20)
    book.not_found(DEPARTURES, now=30)
    assert book.has_ended(ROOM)


def snapshots_due(book: RoomBook, now: float) -> bool:
    """Whether a routine check of the room at this time leads to a snapshot."""
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now)
    return SNAPSHOT in taken(book, now + LAG_S)


def take_snapshot(book: RoomBook, now: float) -> bool:
    numbers = book.snapshot_numbers(ROOM)
    if numbers is not None:
        book.add_snapshot(ROOM, numbers, now)
    book.finish(SNAPSHOT, NO_DIFFERENCE, now)
    return numbers is not None


def test_a_room_that_reports_from_its_beginning_needs_no_snapshot() -> None:
    book = book_of(CREATED, JOINED)
    assert not snapshots_due(book, now=20)
    assert book.snapshot_numbers(ROOM) is None


def test_a_room_made_elsewhere_needs_one_snapshot_once_the_log_has_settled() -> None:
    book = book_of(replace(CREATED, source=RoomEventSource.RECONCILED), JOINED)
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now=1)
    assert SNAPSHOT not in taken(book, LAG_S - 0.1)
    assert SNAPSHOT in taken(book, LAG_S)
    assert not snapshots_due(book, now=6), "one is due already"
    assert take_snapshot(book, now=20)
    assert not snapshots_due(book, now=40)
    assert snapshots_due(book, now=21 + SNAPSHOT_S), "the last one would expire"


def test_a_beginning_before_the_epoch_does_not_count() -> None:
    book = RoomBook(ACCOUNT, INTERVALS)
    for n, logged in enumerate([CREATED, JOINED], 1):
        book.add_event(logged, n, 0)
    book.start(0, base_n=1)
    taken(book, 0)
    assert snapshots_due(book, now=20)


def test_many_events_need_another_snapshot() -> None:
    book = book_of(CREATED, *[JOINED] * SNAPSHOT_EVENTS)
    assert snapshots_due(book, now=20)
    assert take_snapshot(book, now=25)
    assert not snapshots_due(book, now=40)
    for n in range(SNAPSHOT_EVENTS + 1):
        book.add_event(JOINED, 1_000 + n, now=50)
    assert snapshots_due(book, now=60)


def test_snapshots_are_made_one_at_a_time() -> None:
    elsewhere = replace(CREATED, source=RoomEventSource.RECONCILED)
    other = RoomSid("RM" + "9" * 32)
    book = book_of(elsewhere, replace(elsewhere, room_sid=other))
    for sid in (ROOM, other):
        book.finish(replace(PARTICIPANTS, room=sid), NO_DIFFERENCE, now=6)
    assert [check for check in taken(book, 7) if check.kind is CheckKind.SNAPSHOT] == [SNAPSHOT]
    assert take_snapshot(book, now=8)
    assert replace(SNAPSHOT, room=other) in taken(book, 8)


def test_a_snapshot_waits_for_other_checks_but_not_for_ever() -> None:
    book = book_of(replace(CREATED, source=RoomEventSource.RECONCILED))
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now=6)
    book.retry(PARTICIPANTS, at=8)
    assert book.take_check(now=8) == PARTICIPANTS
    book.retry(PARTICIPANTS, at=6 + SNAPSHOT_WAIT_S + 1)
    assert book.take_check(now=6 + SNAPSHOT_WAIT_S + 1) == SNAPSHOT


def test_a_missing_number_needs_a_snapshot_made_when_rest_has_caught_up() -> None:
    book = book_of(numbered(0), numbered(2))
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now=20)
    assert SNAPSHOT not in taken(book, 20 + LAG_S - 0.1)
    book.add_event(numbered(4), 3, now=24)
    assert SNAPSHOT in taken(book, 20 + LAG_S)
    assert not take_snapshot(book, now=25), "number 3 is missing since a second"
    assert snapshots_due(book, now=40)
    assert take_snapshot(book, now=45)
    assert not snapshots_due(book, now=60)
    book.add_event(numbered(1), 4, now=61)
    assert not snapshots_due(book, now=80)


def test_no_snapshot_is_due_when_the_number_arrives_or_the_room_ends() -> None:
    book = book_of(numbered(0), numbered(2))
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now=20)
    book.add_event(ENDED, 3, now=21)
    assert SNAPSHOT not in taken(book, 30)
    book = book_of(replace(CREATED, source=RoomEventSource.RECONCILED))
    book.finish(PARTICIPANTS, NO_DIFFERENCE, now=20)
    book.not_found(SNAPSHOT, now=25)
    assert book.snapshot_numbers(ROOM) is None


def test_nothing_is_compared_for_an_unknown_room() -> None:
    book = book_of()
    observation = observed(room=room(), tracks={ADA: (mic(),)})
    assert book.compare(ROOM, observation, now=1) == NO_DIFFERENCE
    assert book.compare_again(NOW, now=1_000) == []
    assert book.tracks_absent_since(ROOM, ADA) == {}
