import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Unauthenticated
from gateway.core.rooms import AccountSid, RoomSid
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.jwks import Jwks, open_session
from gateway.service.callers.jwt_verifier import Issuer, JwtVerifier
from tests.issuer import ALGORITHM, AUDIENCE, ISSUER, running_issuer

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
SID = RoomSid("RM00112233445566778899aabbccddeeff")
READER = Caller(ACCOUNT, "reader", frozenset({Scope.ROOMS_READ}))
WRITER = Caller(ACCOUNT, "writer", frozenset({Scope.ROOMS_WRITE}))
AUTHENTICATOR = Authenticator(
    [
        ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER),
        ApiKey(hashlib.sha256(b"rgk_writer").hexdigest(), WRITER),
    ]
)


@pytest.mark.parametrize(
    "authorization", ["Bearer rgk_writer", "bearer rgk_writer", "BEARER  rgk_writer "]
)
async def test_a_bearer_key_identifies_its_caller(authorization: str) -> None:
    assert await AUTHENTICATOR.caller(authorization=authorization, api_key=None) == WRITER


async def test_a_key_in_its_own_header_identifies_its_caller() -> None:
    assert await AUTHENTICATOR.caller(authorization=None, api_key="rgk_reader") == READER


async def test_authorization_takes_precedence_over_the_header_of_the_key() -> None:
    assert (
        await AUTHENTICATOR.caller(authorization="Bearer rgk_writer", api_key="rgk_reader")
        == WRITER
    )
    with pytest.raises(Unauthenticated):
        await AUTHENTICATOR.caller(authorization="Bearer x", api_key="rgk_reader")


@pytest.mark.parametrize(
    ("authorization", "api_key", "message"),
    [
        (None, None, "no credential"),
        (None, "", "no credential"),
        ("Bearer", None, "no credential"),
        ("", None, "not a Bearer credential"),
        ("Basic cmdrX3JlYWRlcg==", None, "not a Bearer credential"),
        ("rgk_reader", None, "not a Bearer credential"),
        (None, "rgk_readers", "unknown API key"),
        (None, " ", "unknown API key"),
        ("Bearer rgk_reader rgk_reader", None, "unknown API key"),
        (None, hashlib.sha256(b"rgk_reader").hexdigest(), "unknown API key"),
        (None, "é", "unknown API key"),
        (None, "\udcff", "unknown API key"),
        ("Bearer \ud800", None, "unknown API key"),
        ("Bearer eyJ.eyJ.eyJ", None, "this gateway has no issuer of tokens"),
    ],
)
async def test_any_other_credential_is_rejected_with_advice(
    authorization: str | None, api_key: str | None, message: str
) -> None:
    with pytest.raises(Unauthenticated, match=message):
        await AUTHENTICATOR.caller(authorization=authorization, api_key=api_key)


async def test_an_error_does_not_quote_the_credential() -> None:
    for authorization in ("Bearer s3cret", "Basic s3cret", "s3cret"):
        with pytest.raises(Unauthenticated) as caught:
            await AUTHENTICATOR.caller(authorization=authorization, api_key=None)
        assert "s3cret" not in str(caught.value)


@given(st.text(), st.text())
async def test_no_credential_causes_another_error(authorization: str, api_key: str) -> None:
    with pytest.raises(Unauthenticated):
        await AUTHENTICATOR.caller(authorization=authorization, api_key=api_key)


async def test_without_keys_every_credential_is_rejected() -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator([]).caller(authorization=None, api_key="rgk_reader")


def test_a_caller_is_valid_while_its_key_gives_the_same_rights() -> None:
    assert AUTHENTICATOR.is_valid(READER)
    assert not AUTHENTICATOR.is_valid(replace(READER, grants=frozenset({SID})))
    assert not Authenticator([]).is_valid(READER)


async def test_a_key_is_recognised_by_its_prefix() -> None:
    async with running_issuer() as issuer, open_session() as session:
        keys = Jwks(session, issuer.url, ALGORITHM)
        trusted = Issuer(ISSUER, AUDIENCE, ACCOUNT, ALGORITHM, frozenset(Scope), 1_000, keys)
        authenticator = Authenticator(
            [ApiKey(hashlib.sha256(b"rgk_reader").hexdigest(), READER)], JwtVerifier([trusted])
        )
        assert await authenticator.caller(authorization="Bearer rgk_reader", api_key=None) == READER
        caller = await authenticator.caller(authorization=f"Bearer {issuer.token()}", api_key=None)
        assert (caller.account_sid, caller.limit, caller.scopes) == (
            ACCOUNT,
            1_000,
            frozenset({Scope.ROOMS_READ}),
        )
        for authorization, api_key, message in (
            ("Bearer rgk_other", None, "unknown API key"),
            ("Bearer reader", None, "neither an API key"),
            ("Bearer", None, "no credential"),
            (None, issuer.token(), "unknown API key"),
        ):
            with pytest.raises(Unauthenticated, match=message):
                await authenticator.caller(authorization=authorization, api_key=api_key)
        assert authenticator.is_valid(caller)
        assert not Authenticator([]).is_valid(caller)
