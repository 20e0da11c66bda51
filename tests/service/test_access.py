import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import PermissionDenied, Unauthenticated
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.service.access import Access, ApiKey, Caller, Scope

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
ACCESS = Access(
    [
        ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER),
        ApiKey(hashlib.sha256(b"rgk_writer").hexdigest(), WRITER),
    ]
)


@pytest.mark.parametrize("authorization", ["Bearer rgk_writer", "bearer rgk_writer", "BEARER  rgk_writer "])
def test_a_bearer_key_names_its_caller(authorization: str) -> None:
    assert ACCESS.caller(authorization=authorization, api_key=None) == WRITER


def test_a_key_in_its_own_header_names_its_caller() -> None:
    assert ACCESS.caller(authorization=None, api_key="rgk_reader") == READER


def test_authorization_counts_before_the_keys_own_header() -> None:
    assert ACCESS.caller(authorization="Bearer rgk_writer", api_key="rgk_reader") == WRITER
    with pytest.raises(Unauthenticated):
        ACCESS.caller(authorization="Bearer x", api_key="rgk_reader")


@pytest.mark.parametrize(
    ("authorization", "api_key", "complaint"),
    [
        (None, None, "no credential"),
        (None, "", "no credential"),
        ("Bearer", None, "no credential"),
        ("", None, "not a Bearer credential"),
        ("Basic cmdrX3JlYWRlcg==", None, "not a Bearer credential"),
        ("rgk_reader", None, "not a Bearer credential"),
        (None, "rgk_readers", "not known"),
        (None, " ", "not known"),
        ("Bearer rgk_reader rgk_reader", None, "not known"),
        (None, hashlib.sha256(b"rgk_reader").hexdigest(), "not known"),
        (None, "é", "not known"),
        (None, "\udcff", "not known"),
        ("Bearer \ud800", None, "not known"),
    ],
)
def test_any_other_credential_is_refused_with_advice(
    authorization: str | None, api_key: str | None, complaint: str
) -> None:
    with pytest.raises(Unauthenticated, match=complaint):
        ACCESS.caller(authorization=authorization, api_key=api_key)


def test_a_refusal_does_not_repeat_the_credential() -> None:
    for authorization in ("Bearer s3cret", "Basic s3cret", "s3cret"):
        with pytest.raises(Unauthenticated) as caught:
            ACCESS.caller(authorization=authorization, api_key=None)
        assert "s3cret" not in str(caught.value)


@given(st.text(), st.text())
def test_no_credential_makes_the_check_fail_in_another_way(authorization: str, api_key: str) -> None:
    with pytest.raises(Unauthenticated):
        ACCESS.caller(authorization=authorization, api_key=api_key)


def test_without_keys_nobody_is_known() -> None:
    with pytest.raises(Unauthenticated):
        Access([]).caller(authorization=None, api_key="rgk_reader")


def test_a_caller_needs_the_scope() -> None:
    READER.require(Scope.ROOMS_READ)
    with pytest.raises(PermissionDenied, match="rooms:write"):
        READER.require(Scope.ROOMS_WRITE)


@pytest.mark.parametrize("scope", Scope)
def test_admin_has_every_scope(scope: Scope) -> None:
    Caller(ACCOUNT, "admin", frozenset({Scope.ADMIN})).require(scope)


def test_without_grants_every_room_may_be_touched() -> None:
    assert READER.may_see(ROOM)
    assert READER.may_name(SID, None)
    assert READER.may_name(None, "Daily")


@pytest.mark.parametrize("grant", [SID, "Daily"])
def test_a_granted_room_may_be_seen_by_sid_or_name(grant: str) -> None:
    caller = replace(READER, grants=frozenset({grant}))

    assert caller.may_see(ROOM)
    assert caller.may_name(SID, "Daily")


@pytest.mark.parametrize("grants", [frozenset[str](), frozenset({"Weekly"})])
def test_any_other_room_may_not(grants: frozenset[str]) -> None:
    caller = replace(READER, grants=grants)

    assert not caller.may_see(ROOM)
    assert not caller.may_see(replace(ROOM, unique_name=None))
    assert not caller.may_name(SID, "Daily")
    assert not caller.may_name(None, None)


def test_a_caller_holds_while_its_key_has_the_same_rights() -> None:
    assert ACCESS.still_holds(READER)
    assert not ACCESS.still_holds(replace(READER, grants=frozenset({SID})))
    assert not Access([]).still_holds(READER)
