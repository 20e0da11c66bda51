from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.caching import (
    ENDED_ROOM_LIFETIME,
    LIVE_ROOM_LIFETIME,
    MEDIA_LIFETIME,
    PARTICIPANTS_LIFETIME,
    ROOM_LIST_LIFETIME,
    SETTLING,
    CacheState,
    Fence,
    Lifetime,
    cache_state,
    fences_of,
    is_early_refresh_due,
    room_lifetime,
    while_settling,
)
from gateway.core.events import RoomChangeKind, RoomEvent, RoomEventType
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from tests.event_sids import required_sids

AT = datetime(2026, 11, 20, 9, 18, 4, tzinfo=UTC)
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


def event(event_type: RoomEventType, changed: RoomChangeKind | None = None) -> RoomEvent:
    return RoomEvent(
        type=event_type,
        account_sid=ROOM.account_sid,
        room_sid=ROOM.sid,
        event_time=datetime(2026, 1, 2, tzinfo=UTC),
        change=changed,
        **required_sids(event_type),
    )


@pytest.mark.parametrize("event_type", set(RoomEventType) - {RoomEventType.ROOM_ENDED})
def test_an_event_touches_the_fence_of_its_subject(event_type: RoomEventType) -> None:
    fences = {
        "room": Fence.ROOM,
        "participant": Fence.PARTICIPANTS,
        "track": Fence.PARTICIPANTS,
        "recording": Fence.MEDIA,
    }

    assert fences_of(event(event_type)) == (fences[event_type.split("-")[0]],)


def test_the_end_of_a_room_touches_every_fence() -> None:
    assert set(fences_of(event(RoomEventType.ROOM_ENDED))) == set(Fence)


@pytest.mark.parametrize("changed", RoomChangeKind)
def test_a_mutation_touches_the_fences_of_what_it_changed(changed: RoomChangeKind) -> None:
    fences = fences_of(event(RoomEventType.ROOM_CHANGED, changed))
    assert (Fence.ROOM in fences) == (changed is RoomChangeKind.ROOM)
    assert fences


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, CacheState.FRESH),
        (4.999, CacheState.FRESH),
        (5, CacheState.REFRESHING),
        (34.999, CacheState.REFRESHING),
        (35, CacheState.STAND_IN),
        (899.999, CacheState.STAND_IN),
        (900, CacheState.EXPIRED),
    ],
)
def test_a_room_in_progress_is_fresh_then_stale_then_a_stand_in(
    age_s: float, expected: CacheState
) -> None:
    assert cache_state(LIVE_ROOM_LIFETIME, age_s) is expected


def test_a_value_without_a_stale_time_goes_from_fresh_to_gone() -> None:
    assert cache_state(ENDED_ROOM_LIFETIME, 86_399) is CacheState.FRESH
    assert cache_state(ENDED_ROOM_LIFETIME, 86_400) is CacheState.EXPIRED


@pytest.mark.parametrize(
    "lifetime",
    [
        LIVE_ROOM_LIFETIME,
        ENDED_ROOM_LIFETIME,
        ROOM_LIST_LIFETIME,
        PARTICIPANTS_LIFETIME,
        MEDIA_LIFETIME,
        SETTLING,
    ],
)
def test_the_times_of_a_lifetime_increase(lifetime: Lifetime) -> None:
    assert 0 < lifetime.fresh_until_s <= lifetime.refresh_until_s <= lifetime.stand_in_until_s


@pytest.mark.parametrize(
    ("status", "lifetime"),
    [
        (RoomStatus.IN_PROGRESS, LIVE_ROOM_LIFETIME),
        (RoomStatus.COMPLETED, ENDED_ROOM_LIFETIME),
        (RoomStatus.FAILED, ENDED_ROOM_LIFETIME),
    ],
)
def test_the_lifetime_of_a_room_depends_on_its_status(
    status: RoomStatus, lifetime: Lifetime
) -> None:
    assert room_lifetime(replace(ROOM, status=status), 0.0) is lifetime


@pytest.mark.parametrize("status", RoomStatus)
def test_a_room_that_was_fetched_right_after_an_event_is_fetched_again_soon(
    status: RoomStatus,
) -> None:
    assert while_settling(room_lifetime(replace(ROOM, status=status), 0.0)) == SETTLING


@pytest.mark.parametrize("lifetime", [LIVE_ROOM_LIFETIME, PARTICIPANTS_LIFETIME, MEDIA_LIFETIME])
def test_a_value_that_was_fetched_right_after_an_event_stands_in_no_longer_than_usual(
    lifetime: Lifetime,
) -> None:
    settling = while_settling(lifetime)
    assert settling.fresh_until_s == SETTLING.fresh_until_s
    assert settling.stand_in_until_s == lifetime.stand_in_until_s


@pytest.mark.parametrize(
    ("after_s", "fresh_s"), [(-2, 32), (0, 30), (29, 1), (30, 86_400), (600, 86_400)]
)
def test_an_ended_room_is_fetched_once_more_30_s_after_its_end(
    after_s: float, fresh_s: float
) -> None:
    ended = replace(ROOM, status=RoomStatus.COMPLETED, end_time=AT)
    lifetime = room_lifetime(ended, AT.timestamp() + after_s)
    assert (lifetime.fresh_until_s, lifetime.refresh_until_s) == (fresh_s, 86_400)


@pytest.mark.parametrize(
    ("age_s", "rand", "should_refresh"),
    [
        (4.99, 1.0, False),
        (5.0, 1.0, True),
        (4.81, 0.37, True),
        (4.79, 0.37, False),
        (4.0, 0.01, False),
        (0.0, 0.0, False),
    ],
)
def test_an_early_refresh_becomes_more_likely_towards_the_end_of_the_fresh_time(
    age_s: float, rand: float, should_refresh: bool
) -> None:
    assert is_early_refresh_due(LIVE_ROOM_LIFETIME, age_s, rand) is should_refresh
