import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Unauthenticated
from gateway.core.rooms import AccountSid, RoomSid
from gateway.service.callers.authenticator import ApiKey, Authenticator
from gateway.service.callers.jwks import Jwks, open_session
from gateway.service.callers.jwt_verifier import Issuer, JwtVerifier
from tests.issuer import ALGORITHM, AUDIENCE, ISSUER, running_issuer

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
SID = RoomSid("RM00112233445566778899aabbccddeeff")
READER = Caller(ACCOUNT, "reader", frozenset({Scope.ROOMS_READ}))
WRITER = Caller(ACCOUNT, "writer", frozenset({Scope.ROOMS_WRITE}))
ACCESS = Authenticator(
    [
        ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER),
        ApiKey(hashlib.sha256(b"rgk_writer").hexdigest(), WRITER),
    ]
)


@pytest.mark.parametrize(
    "authorization", ["Bearer rgk_writer", "bearer rgk_writer", "BEARER  rgk_writer "]
)
async def test_a_bearer_key_names_its_caller(authorization: str) -> None:
    assert await ACCESS.caller(authorization=authorization, api_key=None) == WRITER


async def test_a_key_in_its_own_header_names_its_caller() -> None:
    assert await ACCESS.caller(authorization=None, api_key="rgk_reader") == READER


async def test_authorization_counts_before_the_keys_own_header() -> None:
    assert await ACCESS.caller(authorization="Bearer rgk_writer", api_key="rgk_reader") == WRITER
    with pytest.raises(Unauthenticated):
        await ACCESS.caller(authorization="Bearer x", api_key="rgk_reader")


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
async def test_any_other_credential_is_refused_with_advice(
    authorization: str | None, api_key: str | None, complaint: str
) -> None:
    with pytest.raises(Unauthenticated, match=complaint):
        await ACCESS.caller(authorization=authorization, api_key=api_key)


async def test_a_refusal_does_not_repeat_the_credential() -> None:
    for authorization in ("Bearer s3cret", "Basic s3cret", "s3cret"):
        with pytest.raises(Unauthenticated) as caught:
            await ACCESS.caller(authorization=authorization, api_key=None)
        assert "s3cret" not in str(caught.value)


@given(st.text(), st.text())
async def test_no_credential_makes_the_check_fail_in_another_way(
    authorization: str, api_key: str
) -> None:
    with pytest.raises(Unauthenticated):
        await ACCESS.caller(authorization=authorization, api_key=api_key)


async def test_without_keys_nobody_is_known() -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator([]).caller(authorization=None, api_key="rgk_reader")


def test_a_caller_holds_while_its_key_has_the_same_rights() -> None:
    assert ACCESS.still_holds(READER)
    assert not ACCESS.still_holds(replace(READER, grants=frozenset({SID})))
    assert not Authenticator([]).still_holds(READER)


async def test_a_token_or_a_key_is_told_by_how_it_begins() -> None:
    async with running_issuer() as issuer, open_session() as session:
        keys = Jwks(session, issuer.url, ALGORITHM)
        believed = Issuer(ISSUER, AUDIENCE, ACCOUNT, ALGORITHM, frozenset(Scope), 1_000, keys)
        authenticator = Authenticator(
            [ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER)], JwtVerifier([believed])
        )
        assert await authenticator.caller(authorization="Bearer rgk_reader", api_key=None) == READER
        caller = await authenticator.caller(authorization=f"Bearer {issuer.token()}", api_key=None)
        assert (caller.account_sid, caller.limit, caller.scopes) == (
            ACCOUNT,
            1_000,
            {Scope.ROOMS_READ},
        )
        for authorization, api_key, complaint in (
            ("Bearer rgk_other", None, "API key is not known"),
            ("Bearer reader", None, "neither an API key"),
            ("Bearer", None, "no credential"),
            (None, issuer.token(), "API key is not known"),
        ):
            with pytest.raises(Unauthenticated, match=complaint):
                await authenticator.caller(authorization=authorization, api_key=api_key)
        assert authenticator.still_holds(caller)
        assert not Authenticator([]).still_holds(caller)
