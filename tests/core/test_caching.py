from dataclasses import replace

import pytest

from gateway.core.caching import (
    ENDED_ROOM,
    LIST,
    LIVE_ROOM,
    SETTLING,
    Fence,
    Freshness,
    Lifetime,
    fences_of,
    freshness,
    lifetime_of,
)
from gateway.core.events import RoomEventType
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType

ROOM = Room(
    sid=RoomSid("RM" + "0" * 32),
    account_sid=AccountSid("AC" + "0" * 32),
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)


@pytest.mark.parametrize("event_type", RoomEventType)
def test_every_event_changes_what_its_first_word_says(event_type: RoomEventType) -> None:
    fences = {"room": Fence.ROOM, "participant": Fence.PEOPLE, "track": Fence.PEOPLE, "recording": Fence.MEDIA}

    assert fence_of(event_type) is fences[event_type.split("-")[0]]


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, Freshness.FRESH),
        (4.999, Freshness.FRESH),
        (5, Freshness.STALE),
        (34.999, Freshness.STALE),
        (35, Freshness.ON_ERROR),
        (899.999, Freshness.ON_ERROR),
        (900, Freshness.GONE),
    ],
)
def test_a_live_room_is_fresh_then_stale_then_kept_for_errors(age_s: float, expected: Freshness) -> None:
    assert freshness(LIVE_ROOM, age_s) is expected


def test_an_answer_without_a_stale_time_goes_from_fresh_to_gone() -> None:
    assert freshness(ENDED_ROOM, 86_399) is Freshness.FRESH
    assert freshness(ENDED_ROOM, 86_400) is Freshness.GONE


@pytest.mark.parametrize("lifetime", [LIVE_ROOM, ENDED_ROOM, LIST, SETTLING])
def test_each_time_of_a_lifetime_includes_the_one_before(lifetime: Lifetime) -> None:
    assert 0 < lifetime.fresh_s <= lifetime.stale_s <= lifetime.error_s


@pytest.mark.parametrize(
    ("status", "lifetime"),
    [
        (RoomStatus.IN_PROGRESS, LIVE_ROOM),
        (RoomStatus.COMPLETED, ENDED_ROOM),
        (RoomStatus.FAILED, ENDED_ROOM),
    ],
)
def test_a_settled_room_lives_as_its_status_says(status: RoomStatus, lifetime: Lifetime) -> None:
    assert lifetime_of(replace(ROOM, status=status), settled=True) is lifetime


@pytest.mark.parametrize("status", RoomStatus)
def test_a_room_fetched_right_after_an_event_is_fetched_again_soon(status: RoomStatus) -> None:
    assert lifetime_of(replace(ROOM, status=status), settled=False) is SETTLING
