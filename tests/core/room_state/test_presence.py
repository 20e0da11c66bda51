"""Presence by the log alone, against a live room folded over the whole log."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import RoomEvent
from gateway.core.participants import ParticipantStatus
from gateway.core.room_state.live import RoomState, Stay
from gateway.core.room_state.presence import (
    ENDED_STAYS_KEPT,
    PresenceSnapshot,
    PresenceState,
    SnapshotStay,
    is_final,
)
from tests.core.room_state.samples import (
    ACCOUNT,
    ADDED,
    CHOICES,
    COMPLETED_BY_US,
    CREATED,
    DISABLED,
    ENDED,
    JOINED,
    LEFT,
    NOON,
    REMOVED,
    ROOM,
    World,
    ada,
    mic,
    room,
    world,
)

EMPTY = PresenceState.empty(ROOM, ACCOUNT)
BEGUN = EMPTY.begun()
SNAPSHOT = PresenceSnapshot("0" * 16, 7, None, (SnapshotStay(ada(), (mic(),)),))


def after(state: PresenceState, events: Sequence[RoomEvent]) -> PresenceState:
    for event in events:
        state = state.after(event)
    return state


def identities(state: PresenceState) -> list[str | None] | None:
    stays = state.present
    return None if stays is None else [stay.participant.identity for stay in stays]


def test_without_the_rooms_beginning_nothing_is_known() -> None:
    assert EMPTY.present is None
    assert after(EMPTY, [CREATED, JOINED]).present is None
    assert identities(after(EMPTY, [CREATED, JOINED]).begun()) == ["Ada"]
    assert identities(after(BEGUN, [CREATED, JOINED, LEFT])) == []


@pytest.mark.parametrize("end", [ENDED, replace(ENDED, late=True), COMPLETED_BY_US])
def test_nobody_is_in_a_room_that_ended_whatever_is_missing(end: RoomEvent) -> None:
    assert EMPTY.after(JOINED).after(end).present == ()
    assert BEGUN.after(CREATED).after(end).after(JOINED).present == ()


def test_nothing_is_known_while_a_sequence_number_is_missing() -> None:
    state = BEGUN.after(replace(CREATED, sequence_number=0))
    hole = state.after(replace(JOINED, sequence_number=2))
    assert hole.present is None
    assert identities(hole.after(replace(ADDED, sequence_number=1))) == ["Ada"]


def test_a_snapshot_stands_in_for_everything_before_it() -> None:
    state = PresenceState.from_snapshot(ROOM, ACCOUNT, SNAPSHOT)
    [stay] = state.present or ()
    assert (stay.participant.identity, [track.sid for track in stay.tracks]) == (
        "Ada",
        [mic().sid],
    )
    assert identities(state.after(LEFT)) == []


def test_numbers_up_to_that_of_the_snapshot_are_not_missing() -> None:
    snapshot = replace(SNAPSHOT, highest_number=8)
    state = PresenceState.from_snapshot(ROOM, ACCOUNT, snapshot)
    assert state.after(replace(DISABLED, sequence_number=9)).present is not None
    assert state.after(replace(DISABLED, sequence_number=3)).present is not None
    assert state.after(replace(DISABLED, sequence_number=10)).present is None


@pytest.mark.parametrize(
    ("events", "is_muted"),
    [
        ([], True),
        ([ADDED], True),  # of an unknown kind
        ([replace(ADDED, track_kind=mic().kind)], False),
        ([replace(ADDED, track_kind=mic().kind), DISABLED], True),
    ],
)
def test_a_participant_without_an_enabled_audio_track_is_muted(
    events: list[RoomEvent], is_muted: bool
) -> None:
    [stay] = after(BEGUN, [CREATED, JOINED, *events]).present or ()
    assert stay.muted is is_muted


def test_i16_stays_that_ended_long_ago_are_dropped() -> None:
    joins = [
        replace(event, participant_sid=f"PA{number:032x}")
        for number in range(3 * ENDED_STAYS_KEPT)
        for event in (JOINED, LEFT)
    ]
    later = replace(JOINED, event_time=NOON.replace(hour=13))
    state = after(BEGUN, [CREATED, *joins, later])
    assert state.size == ENDED_STAYS_KEPT + 1
    assert identities(state) == ["Ada"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (LEFT, True),
        (REMOVED, True),
        (ENDED, True),
        (COMPLETED_BY_US, True),
        (
            replace(COMPLETED_BY_US, room=None, participant=ada(ParticipantStatus.DISCONNECTED)),
            True,
        ),
        (replace(COMPLETED_BY_US, room=None, participant=ada()), False),
        (JOINED, False),
        (DISABLED, False),
    ],
)
def test_an_end_is_final(event: RoomEvent, expected: bool) -> None:
    assert is_final(event) is expected


def _snapshot(model: World, as_of_n: int) -> PresenceSnapshot:
    stays = tuple(
        SnapshotStay(participant, tuple(model.tracks[sid].values()))
        for sid, participant in model.participants.items()
        if model.rest(0).tracks.get(sid) is not None
    )
    return PresenceSnapshot("0" * 16, as_of_n, as_of_n - 1, stays)


@given(CHOICES, st.integers(0, 2**32 - 1))
def test_presence_equals_a_live_room_over_the_whole_log(choices: list[int], seed: int) -> None:
    """Whatever the order, the repeats, and how much was read before memory held it."""
    model, random = world(choices), Random(seed)
    log = model.history + random.choices(model.history, k=len(model.history) // 3)
    log = sorted(log, key=lambda event: (event.sequence_number or 0) + 4 * random.random())
    expected = RoomState.from_snapshot(room(), []).after(*log).view.present
    state = after(BEGUN, log)
    assert [stay.participant.sid for stay in state.present or ()] == [
        stay.participant.sid for stay in expected
    ]
    assert state.present == expected
    # What the process had read when it began, and what it read again, changes nothing.
    read = random.randrange(len(log) + 1)
    again = random.randrange(read + 1)
    assert after(after(BEGUN, log[:read]), log[again:]).present == expected


@given(CHOICES, CHOICES, st.integers(0, 2**32 - 1))
def test_presence_after_a_snapshot_equals_presence_from_the_beginning(
    choices: list[int], later: list[int], seed: int
) -> None:
    model, random = world(choices), Random(seed)
    snapshot = _snapshot(model, len(model.history))
    read = len(model.history)
    for choice in later:
        model.act(choice)
    # The log has some events from before the snapshot again, and none of the others.
    log = model.history[random.randrange(read) : read] + model.history[read:]
    begun = after(BEGUN, model.history).present
    state = after(PresenceState.from_snapshot(ROOM, ACCOUNT, snapshot), log)
    assert _who(state.present) == _who(begun)


def _who(stays: Sequence[Stay] | None) -> list[object]:
    assert stays is not None
    return [
        (stay.participant.sid, [(track.sid, track.muted) for track in stay.tracks])
        for stay in stays
    ]
