from dataclasses import replace

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.errors import PermissionDenied
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
SID = RoomSid("RM00112233445566778899aabbccddeeff")
ROOM = Room(
    sid=SID,
    account_sid=ACCOUNT,
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    unique_name="Daily",
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)
READER = Caller(ACCOUNT, "reader", frozenset({Scope.ROOMS_READ}))
WRITER = Caller(ACCOUNT, "writer", frozenset({Scope.ROOMS_WRITE}))


def test_a_call_needs_its_scope() -> None:
    READER.require(Scope.ROOMS_READ)
    with pytest.raises(PermissionDenied, match="rooms:write"):
        READER.require(Scope.ROOMS_WRITE)


@pytest.mark.parametrize("scope", Scope)
def test_admin_has_every_scope(scope: Scope) -> None:
    Caller(ACCOUNT, "admin", frozenset({Scope.ADMIN})).require(scope)


def test_without_grants_every_room_may_be_seen() -> None:
    assert READER.may_see(ROOM)
    assert READER.may_name(SID, None)
    assert READER.may_name(None, "Daily")


@pytest.mark.parametrize("grant", [SID, "Daily"])
def test_a_granted_room_may_be_seen_by_sid_or_name(grant: str) -> None:
    caller = replace(READER, grants=frozenset({grant}))

    assert caller.may_see(ROOM)
    assert caller.may_name(SID, "Daily")


@pytest.mark.parametrize("grants", [frozenset[str](), frozenset({"Weekly"})])
def test_a_room_without_a_grant_may_not_be_seen(grants: frozenset[str]) -> None:
    caller = replace(READER, grants=grants)

    assert not caller.may_see(ROOM)
    assert not caller.may_see(replace(ROOM, unique_name=None))
    assert not caller.may_name(SID, "Daily")
    assert not caller.may_name(None, None)


def test_i12_keys_of_two_accounts_with_one_id_are_two_callers() -> None:
    other = replace(READER, account_sid=AccountSid("AC" + "9" * 32))
    assert READER.key != other.key
