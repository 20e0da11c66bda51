from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import RoomEvent, RoomEventSource
from gateway.core.room_state.history import (
    MISSING_NUMBERS_LIMIT,
    beginning_n,
    room_from_events,
)
from gateway.core.rooms import RoomStatus, RoomType
from tests.core.room_state.samples import (
    CHOICES,
    COMPLETED_BY_US,
    CREATED,
    EMPTY,
    ENDED,
    JOINED,
    NOON,
    Types,
    event,
    history_of,
    room,
    world,
)


def test_late_event_changes_nothing_unless_it_ends_the_room() -> None:
    assert not history_of(replace(JOINED, late=True)).stays
    assert history_of(replace(ENDED, late=True)).is_end_logged


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([], set()),
        ([0, 1, 2], set()),
        ([0, 3], {1, 2}),
        ([3, 0], {1, 2}),
        ([0, 3, 1], {2}),
        ([0, 3, 2, 1], set()),
        ([5, 5, 7, 5], {6}),
    ],
)
def test_missing_numbers_are_those_that_no_event_had(numbers: list[int], missing: set[int]) -> None:
    events = (event(Types.ROOM_CREATED, sequence_number=number) for number in numbers)
    assert history_of(*events).missing_numbers == missing


def test_missing_numbers_of_a_huge_jump_are_bounded() -> None:
    events = (event(Types.ROOM_CREATED, sequence_number=number) for number in (0, 2**31 - 1, 5))
    assert len(history_of(*events).missing_numbers) <= MISSING_NUMBERS_LIMIT


def test_room_from_events_prefers_twilios_response_to_callbacks() -> None:
    assert room_from_events([JOINED], "https://here") is None
    by_callback = room_from_events([replace(CREATED, room_type=RoomType.GO)], "https://here")
    assert by_callback is not None
    assert (by_callback.status, by_callback.max_participants, by_callback.create_time) == (
        RoomStatus.IN_PROGRESS,
        2,
        NOON,
    )
    assert by_callback.status_callback == "https://here"
    ours = replace(COMPLETED_BY_US, room=room(max_participants=7))
    events = [replace(CREATED, room_type=RoomType.GO), ours]
    assert room_from_events(events, "") == room(max_participants=7)
    ended = room_from_events([ours, ENDED], "")
    assert ended is not None
    assert ended.status is RoomStatus.COMPLETED


def test_own_create_has_the_first_number() -> None:
    """Twilio's room-created is a repeat then, so that the log does not have its
    number."""
    own = replace(CREATED, source=RoomEventSource.MUTATION)
    history = history_of(own, event(Types.PARTICIPANT_CONNECTED, sequence_number=2))
    assert history.missing_numbers == {1}
    assert history.is_created


@given(CHOICES, st.randoms(use_true_random=False))
def test_history_is_the_same_for_any_order_and_repeats(choices: list[int], random: Any) -> None:
    entries = list(enumerate(world(choices).history, 1))
    expected = history_of(*(logged for _, logged in entries))
    random.shuffle(entries)
    history = EMPTY
    for n, logged in [*entries, *entries[:3]]:
        history = history.after(logged, n)
    assert history == expected


def test_the_beginning_of_a_room_counts_by_its_number_or_its_earlier_time() -> None:
    noon_us = int(NOON.timestamp() * 1_000_000)
    assert beginning_n(CREATED, noon_us) == noon_us
    # Twilio's dates are whole seconds.
    assert beginning_n(CREATED, noon_us + 7_000_000) == noon_us + 1_000_000
    ours = replace(CREATED, source=RoomEventSource.MUTATION)
    assert history_of(JOINED, ours).begun_n == 2


@pytest.mark.parametrize(
    "event",
    [JOINED, replace(CREATED, source=RoomEventSource.RECONCILED), replace(CREATED, late=True)],
)
def test_an_event_that_proves_no_callbacks_is_no_beginning(event: RoomEvent) -> None:
    assert beginning_n(event, 1) == 0
    assert history_of(event).begun_n == 0
