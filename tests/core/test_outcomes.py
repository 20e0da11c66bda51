"""The errors that a caller should expect, and the data that they carry."""

from datetime import UTC, datetime

import pytest

from gateway.core.caching import Freshness, FreshnessSource, ReadResult
from gateway.core.errors import FailedPrecondition, NotFound, Reason, TwilioFault
from gateway.core.outcomes import (
    NOT_FOUND,
    IdempotencyKeyReused,
    NameTaken,
    ParticipantAlreadyLeft,
    RoomAlreadyEnded,
    not_found,
)
from gateway.core.participants import Participant, ParticipantStatus
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.sids import ParticipantSid

FRESHNESS = Freshness(datetime(2026, 1, 2, tzinfo=UTC), False, FreshnessSource.CALLBACKS)
ACCOUNT, SID = AccountSid("AC" + "0" * 32), RoomSid("RM" + "1" * 32)
ROOM = ReadResult(
    Room(
        sid=SID,
        account_sid=ACCOUNT,
        status=RoomStatus.COMPLETED,
        type=RoomType.GROUP,
        max_participants=50,
        max_participant_duration=14400,
        empty_room_timeout=5,
        unused_room_timeout=5,
    ),
    FRESHNESS,
    None,
)
PARTICIPANT = ReadResult(
    Participant(
        sid=ParticipantSid("PA" + "2" * 32),
        room_sid=SID,
        account_sid=ACCOUNT,
        status=ParticipantStatus.DISCONNECTED,
    ),
    FRESHNESS,
    None,
)
FAULT = TwilioFault(53112, 400)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NameTaken(ROOM, twilio=FAULT), Reason.NAME_TAKEN),
        (IdempotencyKeyReused(ROOM), Reason.IDEMPOTENCY_KEY_REUSED),
        (RoomAlreadyEnded(ROOM, twilio=FAULT), Reason.ROOM_ALREADY_ENDED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_about_a_room_tells_its_sid(
    error: NameTaken | IdempotencyKeyReused | RoomAlreadyEnded, reason: Reason
) -> None:
    assert (error.reason, error.metadata()) == (reason, {"room_sid": SID})
    assert error.twilio in (None, FAULT)


@pytest.mark.parametrize(
    "error", [NameTaken(), IdempotencyKeyReused(), RoomAlreadyEnded(), ParticipantAlreadyLeft()]
)
def test_an_unknown_room_or_participant_is_left_out(
    error: NameTaken | FailedPrecondition,
) -> None:
    assert error.metadata() == {}


def test_an_error_about_a_participant_tells_both_sids() -> None:
    error = ParticipantAlreadyLeft(PARTICIPANT)

    assert error.reason is Reason.PARTICIPANT_ALREADY_LEFT
    assert error.metadata() == {"room_sid": SID, "participant_sid": PARTICIPANT.value.sid}


@pytest.mark.parametrize("reason", [each for each in Reason if each.endswith("NOT_FOUND")])
def test_every_missing_thing_has_a_message_that_says_what_to_do(reason: Reason) -> None:
    error = not_found(reason)

    assert isinstance(error, NotFound)
    assert error.reason is reason
    assert ": " in NOT_FOUND[reason]
