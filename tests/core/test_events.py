from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.events import (
    NUMBER_LIMITS,
    REQUIRED_SIDS,
    RoomEvent,
    RoomEventSource,
    RoomEventType,
    TrackKind,
    end_of,
)
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid, RoomStatus, RoomType
from tests.event_sids import required_sids

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
SID = RoomSid("RM00112233445566778899aabbccddeeff")
ROOM = Room(
    sid=SID,
    account_sid=ACCOUNT,
    status=RoomStatus.COMPLETED,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
    end_time=AT - timedelta(seconds=1),
    duration=60,
)
ENDED = RoomEvent(
    type=RoomEventType.ROOM_ENDED,
    account_sid=ACCOUNT,
    room_sid=SID,
    event_time=AT,
    room_duration=61,
)
CHANGED = RoomEvent(
    type=RoomEventType.ROOM_CHANGED, account_sid=ACCOUNT, room_sid=SID, event_time=AT, room=ROOM
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (RoomStatus.COMPLETED, RoomStatus.COMPLETED),
        (RoomStatus.FAILED, RoomStatus.FAILED),
        (RoomStatus.IN_PROGRESS, RoomStatus.COMPLETED),
        (RoomStatus.UNKNOWN, RoomStatus.COMPLETED),
        (None, RoomStatus.COMPLETED),
    ],
)
def test_room_ended_ends_its_room_whatever_its_status(
    status: RoomStatus | None, expected: RoomStatus
) -> None:
    assert end_of(replace(ENDED, room_status=status)) == Ended(expected, AT, 61)


def test_a_late_room_ended_ends_its_room() -> None:
    assert end_of(replace(ENDED, late=True)) == Ended(RoomStatus.COMPLETED, AT, 61)


def test_our_own_completion_ends_the_room_as_in_twilios_answer() -> None:
    assert end_of(CHANGED) == Ended(RoomStatus.COMPLETED, AT - timedelta(seconds=1), 60)


def test_an_answer_without_end_time_ends_the_room_at_the_events_time() -> None:
    assert end_of(replace(CHANGED, room=replace(ROOM, end_time=None))) == Ended(
        RoomStatus.COMPLETED, AT, 60
    )


def test_a_created_room_has_not_ended() -> None:
    assert end_of(replace(CHANGED, room=replace(ROOM, status=RoomStatus.IN_PROGRESS))) is None


@pytest.mark.parametrize(
    "type_", set(RoomEventType) - {RoomEventType.ROOM_ENDED, RoomEventType.ROOM_CHANGED}
)
def test_no_other_event_ends_a_room(type_: RoomEventType) -> None:
    sids = required_sids(type_)
    assert end_of(replace(ENDED, type=type_, room_status=RoomStatus.COMPLETED, **sids)) is None


@pytest.mark.parametrize(
    ("type_", "missing"),
    [(type_, name) for type_, names in REQUIRED_SIDS.items() for name in names],
)
def test_an_event_has_the_sid_of_what_it_is_about(type_: RoomEventType, missing: str) -> None:
    sids = required_sids(type_) | {missing: None}
    with pytest.raises(ValueError, match=f"a {type_} event has no {missing}"):
        replace(ENDED, type=type_, **sids)


@pytest.mark.parametrize(("name", "limit"), NUMBER_LIMITS.items())
def test_a_number_that_no_face_can_show_is_refused(name: str, limit: int) -> None:
    def with_number(number: int | None) -> RoomEvent:
        changed: dict[str, Any] = {name: number}
        return replace(ENDED, **changed)

    for number in (0, limit, None):
        assert getattr(with_number(number), name) == number
    for number in (-1, limit + 1):
        with pytest.raises(ValueError, match=name):
            with_number(number)


def test_every_number_of_an_event_has_a_limit() -> None:
    numbers = {field.name for field in fields(RoomEvent) if field.type == int | None}
    assert numbers == NUMBER_LIMITS.keys()


def test_an_event_is_a_callback_and_in_time_by_default() -> None:
    assert (ENDED.source, ENDED.late) == (RoomEventSource.CALLBACK, False)


def test_a_new_kind_of_track_is_unknown() -> None:
    assert TrackKind("hologram") is TrackKind.UNKNOWN
