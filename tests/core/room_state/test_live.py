from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import (
    Participant,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    PublishedTrack,
)
from gateway.core.room_state.live import ENDED_STAYS, SETTLED, LiveRoom, RoomState
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid, TrackSid
from tests.event_sids import required_sids

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCOUNT = AccountSid("AC" + "0" * 32)
ROOM = Room(
    sid=RoomSid("RM" + "0" * 32),
    account_sid=ACCOUNT,
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)
CONNECTED, DISCONNECTED = (
    RoomEventType.PARTICIPANT_CONNECTED,
    RoomEventType.PARTICIPANT_DISCONNECTED,
)

ADDED, REMOVED = RoomEventType.TRACK_ADDED, RoomEventType.TRACK_REMOVED
ENABLED, DISABLED = RoomEventType.TRACK_ENABLED, RoomEventType.TRACK_DISABLED
ENDED, CHANGED = RoomEventType.ROOM_ENDED, RoomEventType.ROOM_CHANGED
EMPTY = RoomState.from_snapshot(ROOM, [])


def pa(number: int) -> ParticipantSid:
    return ParticipantSid(f"PA{number:032x}")


def mt(number: int) -> TrackSid:
    return TrackSid(f"MT{number:032x}")


def event(
    type_: RoomEventType,
    at_s: float = 0,
    number: int | None = None,
    track: int | None = None,
    **more: Any,
) -> RoomEvent:
    values: dict[str, Any] = {
        "participant_sid": None if number is None else pa(number),
        "participant_identity": None if number is None else f"person {number}",
        "track_sid": None if track is None else mt(track),
        "track_kind": None if track is None else TrackKind.AUDIO,
    }
    return RoomEvent(
        type=type_,
        account_sid=ACCOUNT,
        room_sid=ROOM.sid,
        event_time=AT + timedelta(seconds=at_s),
        **required_sids(type_) | values | more,
    )


def participant(
    number: int, status: ParticipantStatus = ParticipantStatus.CONNECTED, **more: Any
) -> Participant:
    values: dict[str, Any] = {
        "sid": pa(number),
        "room_sid": ROOM.sid,
        "account_sid": ACCOUNT,
        "status": status,
    }
    return Participant(
        **values | {"identity": f"person {number}", "start_time": AT, "create_time": AT} | more
    )


def published(number: int, track: int, **more: Any) -> PublishedTrack:
    values: dict[str, Any] = {
        "sid": mt(track),
        "participant_sid": pa(number),
        "room_sid": ROOM.sid,
        "kind": TrackKind.AUDIO,
        "muted": False,
    }
    return PublishedTrack(**values | {"name": "mic", "create_time": AT, "update_time": AT} | more)


def shown(live: LiveRoom) -> dict[str, list[tuple[str, bool | None]]]:
    return {
        stay.participant.identity or "": [(track.sid[-1], not track.muted) for track in stay.tracks]
        for stay in live.present
    }


# Few participants and tracks, times that coincide, and any events about them. Real
# sequences of events are among these.
def _mutation(number: int, at_s: int, left: bool, anonymous: bool) -> RoomEvent:
    status = ParticipantStatus.DISCONNECTED if left else ParticipantStatus.CONNECTED
    answer = participant(
        number,
        status,
        identity=pa(number) if anonymous else f"person {number}",
        end_time=AT if left else None,
    )
    return event(
        CHANGED,
        at_s,
        change=RoomChangeKind.PARTICIPANT,
        participant=answer,
        source=RoomEventSource.MUTATION,
    )


def _completion(at_s: int) -> RoomEvent:
    room = replace(
        ROOM, status=RoomStatus.COMPLETED, end_time=AT + timedelta(seconds=at_s), duration=at_s
    )
    return event(
        CHANGED, at_s, change=RoomChangeKind.ROOM, room=room, source=RoomEventSource.MUTATION
    )


moments, people, tracks = st.integers(0, 6), st.integers(1, 3), st.integers(1, 3)
any_event = st.one_of(
    st.builds(
        event, st.sampled_from([CONNECTED, DISCONNECTED]), moments, people, late=st.booleans()
    ),
    st.builds(
        event,
        st.sampled_from([ADDED, REMOVED, ENABLED, DISABLED]),
        moments,
        people,
        tracks,
        late=st.booleans(),
        track_kind=st.sampled_from([None, *TrackKind]),
        track_name=st.sampled_from([None, "mic", "screen"]),
    ),
    st.builds(_mutation, people, moments, st.booleans(), st.booleans()),
    st.builds(_completion, moments),
    st.builds(
        event, st.just(ENDED), moments, late=st.booleans(), room_status=st.sampled_from(RoomStatus)
    ),
    st.builds(event, st.just(RoomEventType.RECORDING_STARTED), moments, people),
)
snapshots = st.builds(
    RoomState.from_snapshot,
    st.sampled_from([ROOM, replace(ROOM, status=RoomStatus.COMPLETED, end_time=AT)]),
    st.lists(
        st.builds(
            lambda number, status, kept: (
                participant(number, status),
                [published(number, track, muted=not on) for track, on in kept.items()],
            ),
            people,
            st.sampled_from(ParticipantStatus),
            st.dictionaries(tracks, st.sampled_from([None, True, False])),
        ),
        unique_by=lambda pair: pair[0].sid,
    ),
)


@settings(deadline=None)
@given(snapshots, st.lists(any_event, max_size=14), st.data())
def test_i8_the_same_events_in_any_order_with_any_repeats_give_the_same_state(
    snapshot: RoomState, events: list[RoomEvent], data: st.DataObject
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    shuffled = data.draw(st.permutations(events + repeats))
    assert snapshot.after(*shuffled) == snapshot.after(*events)


about_one_track = st.builds(
    event,
    st.sampled_from([CONNECTED, ADDED, REMOVED, ENABLED, DISABLED]),
    st.integers(0, 3),
    st.just(1),
    st.just(1),
)


@settings(deadline=None)
@given(snapshots, st.lists(about_one_track, max_size=6), st.data())
def test_i8_the_same_events_of_one_track_in_any_order_give_the_same_state(
    snapshot: RoomState, events: list[RoomEvent], data: st.DataObject
) -> None:
    assert snapshot.after(*data.draw(st.permutations(events))) == snapshot.after(*events)


@settings(deadline=None)
@given(snapshots, st.lists(any_event, max_size=14), st.integers(0, 14))
def test_overtaken_events_give_the_same_view(
    snapshot: RoomState, events: list[RoomEvent], which: int
) -> None:
    in_order = sorted(events, key=lambda one: one.event_time)
    overtaken = in_order[which:] + in_order[:which]
    assert snapshot.after(*overtaken).view == snapshot.after(*in_order).view


@settings(deadline=None)
@given(snapshots, st.lists(any_event, max_size=14))
def test_i10_an_ended_room_and_an_ended_stay_never_come_back(
    snapshot: RoomState, events: list[RoomEvent]
) -> None:
    state, ended, left = snapshot, snapshot.view.room.status.is_final, set[ParticipantSid]()
    for one in events:
        state = state.after(one)
        live = state.view
        assert live.room.status.is_final or not ended
        here = {stay.participant.sid for stay in live.present}
        assert not here & left
        assert not (here and live.room.status.is_final)
        ended = live.room.status.is_final
        left |= {stay.participant.sid for stay in live.stays if not stay.is_present}


@settings(deadline=None)
@given(st.lists(any_event, max_size=10), st.integers(0, 10))
def test_events_from_before_the_snapshot_may_be_applied_again(
    events: list[RoomEvent], known: int
) -> None:
    """The stream starts some seconds before the snapshot, which has some of its
    events."""
    snapshot = EMPTY.after(*events[:known])
    assert snapshot.after(*events) == EMPTY.after(*events)


def test_participants_join_with_tracks_and_leave() -> None:
    came = EMPTY.after(
        event(CONNECTED, 1, 1), event(ADDED, 2, 1, 1), event(ADDED, 3, 1, 2), event(CONNECTED, 4, 2)
    )
    assert shown(came.view) == {"person 1": [("1", True), ("2", True)], "person 2": []}
    later = came.after(event(DISABLED, 5, 1, 1), event(REMOVED, 6, 1, 2), event(DISCONNECTED, 7, 2))
    assert shown(later.view) == {"person 1": [("1", False)]}
    [first, second] = later.view.stays
    assert first.since == AT + timedelta(seconds=1)
    assert (second.is_present, second.participant.end_time) == (False, AT + timedelta(seconds=7))


def test_a_connect_after_its_disconnect_is_not_shown() -> None:
    left = EMPTY.after(event(DISCONNECTED, 9, 1))
    assert left.after(event(CONNECTED, 1, 1)).view.present == ()


def test_the_latest_flag_of_a_track_wins_and_off_wins_a_tie() -> None:
    here = EMPTY.after(event(CONNECTED, 0, 1), event(ADDED, 1, 1, 1))
    assert shown(here.after(event(DISABLED, 5, 1, 1), event(ENABLED, 3, 1, 1)).view) == {
        "person 1": [("1", False)]
    }
    assert shown(here.after(event(DISABLED, 3, 1, 1), event(ENABLED, 5, 1, 1)).view) == {
        "person 1": [("1", True)]
    }
    assert shown(here.after(event(DISABLED, 5, 1, 1), event(ENABLED, 5, 1, 1)).view) == {
        "person 1": [("1", False)]
    }


def test_a_flag_older_than_the_snapshot_loses() -> None:
    snapshot = RoomState.from_snapshot(
        ROOM,
        [
            (
                participant(1),
                [published(1, 1, muted=True, update_time=AT + timedelta(seconds=5))],
            )
        ],
    )
    assert shown(snapshot.after(event(ENABLED, 2, 1, 1)).view) == {"person 1": [("1", False)]}
    assert shown(snapshot.after(event(ENABLED, 6, 1, 1)).view) == {"person 1": [("1", True)]}


def test_a_late_event_changes_nothing_unless_it_ends_the_room() -> None:
    assert EMPTY.after(event(CONNECTED, 1, 1, late=True)) == EMPTY
    assert EMPTY.after(event(ENDED, 1, late=True)).view.room.status.is_final


def test_a_removed_track_does_not_prove_a_participant() -> None:
    """It may be the last event of a stay that ended before the snapshot."""
    assert EMPTY.after(event(REMOVED, 1, 1, 1)).view.stays == ()


def test_the_end_of_a_room_ends_every_stay() -> None:
    ended = EMPTY.after(
        event(CONNECTED, 1, 1), event(ADDED, 2, 1, 1), event(ENDED, 9, room_duration=9)
    ).view
    assert (ended.room.status, ended.room.end_time, ended.room.duration) == (
        RoomStatus.COMPLETED,
        AT + timedelta(seconds=9),
        9,
    )
    assert ended.present == ()
    [stay] = ended.stays
    assert (stay.participant.status, stay.participant.end_time) == (
        ParticipantStatus.DISCONNECTED,
        ended.room.end_time,
    )
    assert stay.tracks == ()


def test_a_reconnecting_participant_counts_as_connected() -> None:
    snapshot = RoomState.from_snapshot(ROOM, [(participant(1, ParticipantStatus.RECONNECTING), [])])
    assert [stay.participant.status for stay in snapshot.view.present] == [
        ParticipantStatus.CONNECTED
    ]


def test_an_anonymized_participant_stays_anonymized() -> None:
    anonymous = RoomState.from_snapshot(ROOM, [(participant(1), [])]).after(
        _mutation(1, 5, left=False, anonymous=True)
    )
    assert shown(anonymous.after(event(ADDED, 6, 1, 1)).view) == {pa(1): [("1", True)]}


def test_a_tracks_name_from_the_snapshot_is_kept() -> None:
    snapshot = RoomState.from_snapshot(ROOM, [(participant(1), [published(1, 1, name="camera")])])
    [stay] = snapshot.after(event(DISABLED, 1, 1, 1, track_name="other")).view.present
    assert (stay.tracks[0].name, stay.tracks[0].muted) == ("camera", True)


def test_events_of_other_rooms_change_nothing() -> None:
    assert EMPTY.after(replace(event(CONNECTED, 1, 1), room_sid=RoomSid("RM" + "1" * 32))) == EMPTY


def test_i10_a_newer_snapshot_that_lags_keeps_the_end_of_the_room() -> None:
    ended = EMPTY.after(event(ENDED, 9))
    renewed = RoomState.from_snapshot(ROOM, [(participant(1), [])]).keeping_end_of(ended)
    assert (renewed.view.room, renewed.view.present) == (ended.view.room, ())
    assert RoomState.from_snapshot(ROOM, []).keeping_end_of(EMPTY) == EMPTY


def test_i16_the_oldest_ended_stays_are_dropped_when_there_are_too_many() -> None:
    ended = [event(DISCONNECTED, number, number) for number in range(1, ENDED_STAYS + 4)]
    state = EMPTY.after(event(CONNECTED, 0, 0), *ended)
    assert state.bounded() == state, "events may still belong to any of these stays"
    later = state.after(event(CONNECTED, ENDED_STAYS + SETTLED.total_seconds() + 9, 9_999))
    bounded = later.bounded()
    assert later.stays.keys() - bounded.stays.keys() == {pa(1), pa(2), pa(3)}
    assert bounded.view.present == later.view.present


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(1, 5))
def test_pages_have_every_stay_once_in_the_order_in_which_they_began(
    numbers: list[int], first: int
) -> None:
    live = EMPTY.after(*(event(CONNECTED, number % 4, number) for number in numbers)).view
    seen, after = list[str](), None
    while True:
        page = live.page(ParticipantFilter(), first, after)
        seen += [stay.participant.sid for _, stay in page.items]
        after = page.end_cursor
        if not page.has_next_page:
            break
    assert seen == [
        pa(number) for number in sorted(numbers, key=lambda number: (number % 4, number))
    ]


def test_a_page_continues_after_a_stay_that_has_ended_meanwhile() -> None:
    state = EMPTY.after(*(event(CONNECTED, number, number) for number in (1, 2, 3)))
    page = state.view.page(ParticipantFilter(), 2, None)
    later = state.after(event(DISCONNECTED, 9, 2)).view
    assert [
        stay.participant.sid
        for _, stay in later.page(ParticipantFilter(), 2, page.end_cursor).items
    ] == [pa(3)]


def test_filters_mean_what_they_mean_to_twilio() -> None:
    state = EMPTY.after(event(CONNECTED, 1, 1), event(CONNECTED, 2, 2), event(DISCONNECTED, 3, 2))

    def found(live: LiveRoom, **wanted: Any) -> list[str | None]:
        page = live.page(ParticipantFilter(**wanted), 50, None)
        return [stay.participant.identity for _, stay in page.items]

    live, ended = state.view, state.after(event(ENDED, 9)).view
    left, here = ParticipantStatus.DISCONNECTED, ParticipantStatus.CONNECTED
    assert found(live) == found(live, statuses=(here,)) == ["person 1"]
    assert (found(live, statuses=(left,)), live.covers(ParticipantFilter(statuses=(left,)))) == (
        ["person 2"],
        False,
    )
    assert found(ended) == found(ended, statuses=(left,)) == ["person 1", "person 2"]
    assert ended.covers(ParticipantFilter(statuses=(left,)))
    assert live.covers(ParticipantFilter())
    assert (found(live, identity="person 1"), found(live, identity="person 2")) == (
        ["person 1"],
        [],
    )
    assert found(ended, created_after=AT + timedelta(seconds=2)) == ["person 2"]
    assert found(ended, created_before=AT + timedelta(seconds=2)) == ["person 1"]


def test_a_stay_is_found_by_sid_always_and_by_identity_while_present() -> None:
    live = EMPTY.after(
        event(CONNECTED, 1, 1), event(CONNECTED, 2, 2), event(DISCONNECTED, 3, 2)
    ).view
    assert live.find(ParticipantRef(pa(2), None)) == live.stays[1]
    assert live.find(ParticipantRef(None, "person 1")) == live.stays[0]
    assert live.find(ParticipantRef(None, "person 2")) is None
    assert live.find(ParticipantRef(pa(9), None)) is None


def test_tracks_are_paged_in_the_order_of_their_sids() -> None:
    live = EMPTY.after(event(CONNECTED, 1, 1), event(ADDED, 1, 1, 2), event(ADDED, 1, 1, 1)).view
    [stay] = live.stays
    first = stay.page(1, None)
    second = stay.page(1, first.end_cursor)
    assert [track.sid for _, track in (*first.items, *second.items)] == [mt(1), mt(2)]
    assert (first.has_next_page, second.has_next_page) == (True, False)
