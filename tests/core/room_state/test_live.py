from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.events import Changed, EventSource, RoomEvent, RoomEventType
from gateway.core.participants import (
    Participant,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    PublishedTrack,
)
from gateway.core.room_state import live as live_module
from gateway.core.room_state.live import LiveRoom, RoomState, presence
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid, TrackSid

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
EMPTY = RoomState.of(ROOM, [])


def pa(number: int) -> ParticipantSid:
    return ParticipantSid(f"PA{number:032x}")


def mt(number: int) -> TrackSid:
    return TrackSid(f"MT{number:032x}")


def event(
    type_: RoomEventType,
    at_s: float = 0,
    who: int | None = None,
    track: int | None = None,
    **more: Any,
) -> RoomEvent:
    values: dict[str, Any] = {
        "participant_sid": None if who is None else pa(who),
        "participant_identity": None if who is None else f"person {who}",
        "track_sid": None if track is None else mt(track),
        "track_kind": None if track is None else TrackKind.AUDIO,
    }
    return RoomEvent(
        type=type_,
        account_sid=ACCOUNT,
        room_sid=ROOM.sid,
        at=AT + timedelta(seconds=at_s),
        **values | more,
    )


def person(
    who: int, status: ParticipantStatus = ParticipantStatus.CONNECTED, **more: Any
) -> Participant:
    values: dict[str, Any] = {
        "sid": pa(who),
        "room_sid": ROOM.sid,
        "account_sid": ACCOUNT,
        "status": status,
    }
    return Participant(
        **values | {"identity": f"person {who}", "start_time": AT, "date_created": AT} | more
    )


def sends(who: int, track: int, **more: Any) -> PublishedTrack:
    values: dict[str, Any] = {
        "sid": mt(track),
        "participant_sid": pa(who),
        "room_sid": ROOM.sid,
        "kind": TrackKind.AUDIO,
        "enabled": True,
    }
    return PublishedTrack(**values | {"name": "mic", "date_created": AT, "date_updated": AT} | more)


def shown(live: LiveRoom) -> dict[str, list[tuple[str, bool | None]]]:
    return {
        stay.participant.identity or "": [(track.sid[-1], track.enabled) for track in stay.tracks]
        for stay in presence(live)
    }


# Few people and tracks, moments that coincide, and whatever may be told of them: what
# really happens is among it.
def _mutation(who: int, at_s: int, gone: bool, anonymous: bool) -> RoomEvent:
    status = ParticipantStatus.DISCONNECTED if gone else ParticipantStatus.CONNECTED
    answer = person(
        who,
        status,
        identity=pa(who) if anonymous else f"person {who}",
        end_time=AT if gone else None,
    )
    return event(
        CHANGED, at_s, changed=Changed.PARTICIPANT, participant=answer, source=EventSource.MUTATION
    )


def _completion(at_s: int) -> RoomEvent:
    room = replace(
        ROOM, status=RoomStatus.COMPLETED, end_time=AT + timedelta(seconds=at_s), duration=at_s
    )
    return event(CHANGED, at_s, changed=Changed.ROOM, room=room, source=EventSource.MUTATION)


moments, people, tracks = st.integers(0, 6), st.integers(1, 3), st.integers(1, 3)
told = st.one_of(
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
    RoomState.of,
    st.sampled_from([ROOM, replace(ROOM, status=RoomStatus.COMPLETED, end_time=AT)]),
    st.lists(
        st.builds(
            lambda who, status, kept: (
                person(who, status),
                [sends(who, track, enabled=on) for track, on in kept.items()],
            ),
            people,
            st.sampled_from(ParticipantStatus),
            st.dictionaries(tracks, st.sampled_from([None, True, False])),
        ),
        unique_by=lambda pair: pair[0].sid,
    ),
)


@settings(deadline=None)
@given(snapshots, st.lists(told, max_size=14), st.data())
def test_any_order_of_the_same_events_with_any_repeats_gives_the_same_room(
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
def test_any_order_of_what_is_said_of_one_track_gives_the_same_track(
    snapshot: RoomState, events: list[RoomEvent], data: st.DataObject
) -> None:
    assert snapshot.after(*data.draw(st.permutations(events))) == snapshot.after(*events)


@settings(deadline=None)
@given(snapshots, st.lists(told, max_size=14), st.integers(0, 14))
def test_an_event_that_comes_last_though_it_happened_earlier_changes_nothing_of_the_result(
    snapshot: RoomState, events: list[RoomEvent], which: int
) -> None:
    in_order = sorted(events, key=lambda each: each.at)
    overtaken = in_order[which:] + in_order[:which]
    assert snapshot.after(*overtaken).live == snapshot.after(*in_order).live


@settings(deadline=None)
@given(snapshots, st.lists(told, max_size=14))
def test_a_room_that_is_over_stays_over_and_who_has_left_stays_away(
    snapshot: RoomState, events: list[RoomEvent]
) -> None:
    folded, over, gone = snapshot, snapshot.live.room.status.is_final, set[ParticipantSid]()
    for each in events:
        folded = folded.after(each)
        live = folded.live
        assert live.room.status.is_final or not over
        here = {stay.participant.sid for stay in presence(live)}
        assert not here & gone
        assert not (here and live.room.status.is_final)
        over = live.room.status.is_final
        gone |= {stay.participant.sid for stay in live.stays if not stay.is_here}


@settings(deadline=None)
@given(st.lists(told, max_size=10), st.integers(0, 10))
def test_what_the_snapshot_has_already_may_be_told_again(
    events: list[RoomEvent], known: int
) -> None:
    """Watching begins some seconds before the snapshot: what it shows comes once more."""
    snapshot = EMPTY.after(*events[:known])
    assert snapshot.after(*events) == EMPTY.after(*events)


def test_people_come_with_tracks_and_leave() -> None:
    came = EMPTY.after(
        event(CONNECTED, 1, 1), event(ADDED, 2, 1, 1), event(ADDED, 3, 1, 2), event(CONNECTED, 4, 2)
    )
    assert shown(came.live) == {"person 1": [("1", True), ("2", True)], "person 2": []}
    later = came.after(event(DISABLED, 5, 1, 1), event(REMOVED, 6, 1, 2), event(DISCONNECTED, 7, 2))
    assert shown(later.live) == {"person 1": [("1", False)]}
    [first, second] = later.live.stays
    assert first.since == AT + timedelta(seconds=1)
    assert (second.is_here, second.participant.end_time) == (False, AT + timedelta(seconds=7))


def test_a_connect_that_was_overtaken_by_its_disconnect_brings_nobody_back() -> None:
    left = EMPTY.after(event(DISCONNECTED, 9, 1))
    assert presence(left.after(event(CONNECTED, 1, 1)).live) == ()


def test_the_later_word_about_a_track_counts_and_at_one_moment_the_one_that_says_off() -> None:
    here = EMPTY.after(event(CONNECTED, 0, 1), event(ADDED, 1, 1, 1))
    assert shown(here.after(event(DISABLED, 5, 1, 1), event(ENABLED, 3, 1, 1)).live) == {
        "person 1": [("1", False)]
    }
    assert shown(here.after(event(DISABLED, 3, 1, 1), event(ENABLED, 5, 1, 1)).live) == {
        "person 1": [("1", True)]
    }
    assert shown(here.after(event(DISABLED, 5, 1, 1), event(ENABLED, 5, 1, 1)).live) == {
        "person 1": [("1", False)]
    }


def test_a_word_older_than_the_snapshots_own_is_not_heeded() -> None:
    snapshot = RoomState.of(
        ROOM, [(person(1), [sends(1, 1, enabled=False, date_updated=AT + timedelta(seconds=5))])]
    )
    assert shown(snapshot.after(event(ENABLED, 2, 1, 1)).live) == {"person 1": [("1", False)]}
    assert shown(snapshot.after(event(ENABLED, 6, 1, 1)).live) == {"person 1": [("1", True)]}


def test_a_late_event_changes_nothing_but_a_late_end_does() -> None:
    assert EMPTY.after(event(CONNECTED, 1, 1, late=True)) == EMPTY
    assert EMPTY.after(event(ENDED, 1, late=True)).live.room.status.is_final


def test_a_track_that_is_removed_proves_nobody_there() -> None:
    """The last that is heard of somebody whose leave was logged before the snapshot."""
    assert EMPTY.after(event(REMOVED, 1, 1, 1)).live.stays == ()


def test_the_end_of_a_room_is_the_end_of_every_stay() -> None:
    over = EMPTY.after(
        event(CONNECTED, 1, 1), event(ADDED, 2, 1, 1), event(ENDED, 9, room_duration=9)
    ).live
    assert (over.room.status, over.room.end_time, over.room.duration) == (
        RoomStatus.COMPLETED,
        AT + timedelta(seconds=9),
        9,
    )
    assert presence(over) == ()
    [stay] = over.stays
    assert (stay.participant.status, stay.participant.end_time) == (
        ParticipantStatus.DISCONNECTED,
        over.room.end_time,
    )
    assert stay.tracks == ()


def test_who_is_reconnecting_is_still_there() -> None:
    snapshot = RoomState.of(ROOM, [(person(1, ParticipantStatus.RECONNECTING), [])])
    assert [stay.participant.status for stay in presence(snapshot.live)] == [
        ParticipantStatus.CONNECTED
    ]


def test_anonymized_once_is_anonymized_for_good() -> None:
    anonymous = RoomState.of(ROOM, [(person(1), [])]).after(
        _mutation(1, 5, gone=False, anonymous=True)
    )
    assert shown(anonymous.after(event(ADDED, 6, 1, 1)).live) == {pa(1): [("1", True)]}


def test_what_the_snapshot_tells_of_a_track_is_kept() -> None:
    snapshot = RoomState.of(ROOM, [(person(1), [sends(1, 1, name="camera")])])
    [stay] = snapshot.after(event(DISABLED, 1, 1, 1, track_name="other")).live.present
    assert (stay.tracks[0].name, stay.tracks[0].enabled) == ("camera", False)


def test_another_rooms_events_are_not_this_ones() -> None:
    assert EMPTY.after(replace(event(CONNECTED, 1, 1), room_sid=RoomSid("RM" + "1" * 32))) == EMPTY


def test_i10_a_newer_snapshot_that_lags_does_not_bring_a_room_back() -> None:
    over = EMPTY.after(event(ENDED, 9))
    renewed = RoomState.of(ROOM, [(person(1), [])]).ending_as(over)
    assert (renewed.live.room, presence(renewed.live)) == (over.live.room, ())
    assert RoomState.of(ROOM, []).ending_as(EMPTY) == EMPTY


def test_of_those_long_gone_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "GONE_LIMIT", 2)
    gone = [event(DISCONNECTED, number, number) for number in range(1, 6)]
    many = EMPTY.after(event(CONNECTED, 0, 9), *gone)
    assert many.bounded() == many, "they may still be told of as somebody who comes"
    later = many.after(event(CONNECTED, 3_600, 8)).bounded()
    assert sorted(later.known) == [pa(4), pa(5), pa(8), pa(9)]
    assert presence(later.live) == presence(many.after(event(CONNECTED, 3_600, 8)).live)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(1, 5))
def test_pages_follow_each_other_without_a_hole_in_the_order_in_which_the_stays_began(
    numbers: list[int], first: int
) -> None:
    live = EMPTY.after(*(event(CONNECTED, number % 4, number) for number in numbers)).live
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


def test_a_page_goes_on_after_somebody_who_has_left_meanwhile() -> None:
    folded = EMPTY.after(*(event(CONNECTED, number, number) for number in (1, 2, 3)))
    page = folded.live.page(ParticipantFilter(), 2, None)
    later = folded.after(event(DISCONNECTED, 9, 2)).live
    assert [
        stay.participant.sid
        for _, stay in later.page(ParticipantFilter(), 2, page.end_cursor).items
    ] == [pa(3)]


def test_a_filter_means_what_it_means_to_twilio() -> None:
    folded = EMPTY.after(event(CONNECTED, 1, 1), event(CONNECTED, 2, 2), event(DISCONNECTED, 3, 2))

    def found(live: LiveRoom, **wanted: Any) -> list[str | None]:
        page = live.page(ParticipantFilter(**wanted), 50, None)
        return [stay.participant.identity for _, stay in page.items]

    live, over = folded.live, folded.after(event(ENDED, 9)).live
    gone, here = ParticipantStatus.DISCONNECTED, ParticipantStatus.CONNECTED
    assert found(live) == found(live, status=here) == ["person 1"]
    assert (found(live, status=gone), live.knows(ParticipantFilter(status=gone))) == (
        ["person 2"],
        False,
    )
    assert found(over) == found(over, status=gone) == ["person 1", "person 2"]
    assert over.knows(ParticipantFilter(status=gone))
    assert live.knows(ParticipantFilter())
    assert (found(live, identity="person 1"), found(live, identity="person 2")) == (
        ["person 1"],
        [],
    )
    assert found(over, created_after=AT + timedelta(seconds=2)) == ["person 2"]
    assert found(over, created_before=AT + timedelta(seconds=2)) == ["person 1"]


def test_somebody_is_found_by_sid_in_any_state_and_by_identity_while_here() -> None:
    live = EMPTY.after(
        event(CONNECTED, 1, 1), event(CONNECTED, 2, 2), event(DISCONNECTED, 3, 2)
    ).live
    assert live.stay(ParticipantRef(pa(2), None)) == live.stays[1]
    assert live.stay(ParticipantRef(None, "person 1")) == live.stays[0]
    assert live.stay(ParticipantRef(None, "person 2")) is None
    assert live.stay(ParticipantRef(pa(9), None)) is None


def test_tracks_are_paged_in_the_order_of_their_sids() -> None:
    live = EMPTY.after(event(CONNECTED, 1, 1), event(ADDED, 1, 1, 2), event(ADDED, 1, 1, 1)).live
    [stay] = live.stays
    first = stay.page(1, None)
    second = stay.page(1, first.end_cursor)
    assert [track.sid for _, track in (*first.items, *second.items)] == [mt(1), mt(2)]
    assert (first.has_next_page, second.has_next_page) == (True, False)
