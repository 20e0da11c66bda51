"""Tokens of an issuer whose keys are read over HTTP, and forged ones."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway.core.callers import Scope
from gateway.core.errors import Unauthenticated
from gateway.core.rooms import AccountSid
from gateway.service.callers.jwks import Jwks, open_session
from gateway.service.callers.jwt_verifier import (
    LEEWAY_S,
    LIFETIME_S,
    ROOM_LIMIT,
    ROOMS_LIMIT,
    SUBJECT_LIMIT,
    TOKEN_LIMIT,
    Issuer,
    JwtVerifier,
)
from gateway.service.callers.timings import CallerTimings
from tests.issuer import ALGORITHM, AUDIENCE, ISSUER, TokenIssuer, rsa_key, running_issuer
from tests.service.conftest import LIMIT_S

ACCOUNT = AccountSid("AC0123456789abcdef0123456789abcdef")
ALL_BUT_ADMIN = frozenset(Scope) - {Scope.ADMIN}


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture(scope="module")
def jwt_verifier(issuer: TokenIssuer, session: aiohttp.ClientSession) -> JwtVerifier:
    return trusting(issuer, session)


def trusting(
    issuer: TokenIssuer,
    session: aiohttp.ClientSession,
    algorithm: str = ALGORITHM,
    timings: CallerTimings = CallerTimings(jwks_lookup_s=0.0),
) -> JwtVerifier:
    keys = Jwks(session, issuer.url, algorithm, timings)
    trusted = Issuer(ISSUER, AUDIENCE, ACCOUNT, algorithm, ALL_BUT_ADMIN, 1_000, keys)
    return JwtVerifier([trusted], timings)


def encoded(part: Any) -> str:
    return (
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        .decode()
        .rstrip("=")
    )


async def test_a_token_determines_its_caller(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    caller = await jwt_verifier.caller(
        issuer.token(scope="openid rooms:read tokens:mint admin", rooms=["daily", "RM1"])
    )
    assert (caller.account_sid, caller.limit) == (ACCOUNT, 1_000)
    assert caller.scopes == {Scope.ROOMS_READ, Scope.TOKENS_MINT}
    assert caller.grants == frozenset({"daily", "RM1"})
    assert caller.token is not None
    assert jwt_verifier.is_valid(caller.token)


async def test_a_token_without_scope_and_rooms_has_no_scope_and_all_rooms(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    caller = await jwt_verifier.caller(issuer.token(scope=None))
    assert (caller.scopes, caller.grants) == (frozenset(), None)
    assert (await jwt_verifier.caller(issuer.token(rooms=[]))).grants == frozenset()


@pytest.mark.parametrize("name", ["aud", "sub", "exp", "iat", "nbf", "scope", "rooms"])
async def test_a_claim_that_is_null_does_not_count_as_absent(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer, name: str
) -> None:
    """A token without rooms is one for every room."""
    with pytest.raises(Unauthenticated):
        await jwt_verifier.caller(issuer.token(nulls=[name]))


async def test_all_tokens_of_a_subject_have_one_caller_id_that_does_not_reveal_it(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    first, again, other = [
        (await jwt_verifier.caller(issuer.token(sub=subject, iat=after(-number)))).id
        for number, subject in enumerate(("ada", "ada", "ad"))
    ]
    assert first == again != other
    assert re.fullmatch("sub-[0-9a-f]{32}", first)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": after(-LEEWAY_S - 5)}, "has expired"),
        ({"exp": None}, "lacks one of the claims exp, iat and sub"),
        ({"iat": None}, "lacks one of the claims exp, iat and sub"),
        ({"sub": None}, "lacks one of the claims exp, iat and sub"),
        ({"nbf": after(LEEWAY_S + 100)}, "is not valid yet"),
        ({"iat": after(LEEWAY_S + 100), "exp": after(1_000)}, "is not valid yet"),
        ({"exp": after(LIFETIME_S + 10), "iat": after(0)}, "more than a day"),
        ({"exp": after(10), "iat": after(9 - LIFETIME_S)}, "more than a day"),
        ({"exp": float("inf")}, "cannot be verified"),
        ({"iat": float("-inf")}, "cannot be verified"),
        ({"nbf": float("nan")}, "cannot be verified"),
        ({"exp": [1]}, "cannot be verified"),
        ({"exp": "soon"}, "cannot be verified"),
        ({"sub": ""}, f"must have 1 to {SUBJECT_LIMIT}"),
        ({"sub": "a" * (SUBJECT_LIMIT + 1)}, f"must have 1 to {SUBJECT_LIMIT}"),
        ({"sub": ["ada"]}, "cannot be verified"),
        ({"iss": ISSUER + "x"}, "no configured issuer has the token's iss and aud"),
        ({"iss": None}, "no configured issuer has the token's iss and aud"),
        ({"aud": AUDIENCE + "x"}, "no configured issuer has the token's iss and aud"),
        ({"aud": None}, "no configured issuer has the token's iss and aud"),
        ({"aud": [["rooms"], {}, 5]}, "no configured issuer has the token's iss and aud"),
        ({"scope": ["rooms:read"]}, "scope must be a string"),
        ({"rooms": {}}, "must be a list of SIDs and names"),
        ({"rooms": [None]}, "must be a list of SIDs and names"),
        ({"rooms": 0}, "must be a list of SIDs and names"),
        ({"rooms": "daily"}, "must be a list of SIDs and names"),
        ({"rooms": [5]}, "must be a list of SIDs and names"),
        ({"rooms": ["r" * (ROOM_LIMIT + 1)]}, "must be a list of SIDs and names"),
        ({"rooms": ["r"] * (ROOMS_LIMIT + 1)}, f"name at most {ROOMS_LIMIT}"),
    ],
)
async def test_invalid_claims_are_rejected(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer, claims: dict[str, Any], message: str
) -> None:
    with pytest.raises(Unauthenticated, match=message):
        await jwt_verifier.caller(issuer.token(**claims))


@pytest.mark.parametrize(
    "claims", [{"aud": ["others", AUDIENCE]}, {"exp": after(20 - LEEWAY_S)}, {"nbf": after(10)}]
)
async def test_unusual_claims_are_accepted(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer, claims: dict[str, Any]
) -> None:
    assert await jwt_verifier.caller(issuer.token(**claims))


async def test_a_token_does_not_choose_its_algorithm(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    """https://www.rfc-editor.org/rfc/rfc8725#section-2.1"""
    _, claims, signature = issuer.token().split(".")
    public = (
        issuer.keys["first"]
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for algorithm in ("none", "None", "HS256", "RS256", "ES384", None):
        head = f"{encoded({'alg': algorithm, 'kid': 'first'})}.{claims}"
        mac = encoded(hmac.digest(public, head.encode(), hashlib.sha256))
        for forged in (f"{head}.", f"{head}.{signature}", f"{head}.{mac}"):
            with pytest.raises(Unauthenticated):
                await jwt_verifier.caller(forged)


async def test_a_signature_by_another_key_is_rejected(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    issuer.add("unpublished")
    with pytest.raises(Unauthenticated, match="wrong signature"):
        await jwt_verifier.caller(issuer.token(signed_by=issuer.keys["unpublished"]))
    with pytest.raises(Unauthenticated, match="a key that its issuer does not publish"):
        await jwt_verifier.caller(issuer.token("unpublished"))
    with pytest.raises(Unauthenticated):
        await jwt_verifier.caller(
            issuer.token(signed_by=ec.generate_private_key(ec.SECP384R1()), algorithm="ES384")
        )


@pytest.mark.parametrize(
    "header",
    [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"kid": 5}, {"kid": ["first"]}, []],
)
async def test_a_header_with_extensions_is_rejected(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer, header: Any
) -> None:
    _, claims, signature = issuer.token().split(".")
    head = {"alg": ALGORITHM, "kid": "first", **header} if isinstance(header, dict) else header
    with pytest.raises(Unauthenticated):
        await jwt_verifier.caller(f"{encoded(head)}.{claims}.{signature}")


async def test_a_credential_that_is_no_token_is_rejected(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    token = issuer.token()
    for credential in (
        token + "=",
        token[:-3],
        token.replace(".", "", 1),
        "a.b.c",
        "..",
        "é.é.é",
        "\udcff",
        "x" * TOKEN_LIMIT * 2,
    ):
        with pytest.raises(Unauthenticated):
            await jwt_verifier.caller(credential)
    for part in (encoded(b"[" * 3_000), encoded(b"1" * 5_000)):
        with pytest.raises(Unauthenticated):
            await jwt_verifier.caller(f"{part}.{part}.{part}")


async def test_a_token_with_any_character_changed_is_rejected(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    token = issuer.token()
    for position in range(0, len(token), 7):
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(Unauthenticated):
            await jwt_verifier.caller(token[:position] + other + token[position + 1 :])


@given(st.text())
async def test_no_credential_causes_another_error(text: str) -> None:
    with pytest.raises(Unauthenticated) as error:
        await JwtVerifier(()).caller(text)
    assert len(text) < 8 or text not in str(error.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([ISSUER, AUDIENCE]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
CLAIMS = ("iss", "aud", "sub", "exp", "iat", "nbf", "jti", "scope", "rooms")


@given(
    st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(("kid", "crit", "typ", "b64", "jku", "jwk")), JSON, max_size=2),
    st.booleans(),
)
async def test_a_token_with_any_claims_is_accepted_or_rejected(
    jwt_verifier: JwtVerifier,
    issuer: TokenIssuer,
    claims: dict[str, Any],
    header: dict[str, Any],
    is_signed: bool,
) -> None:
    now = time.time()
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60, **claims}
    head = f"{encoded({'alg': ALGORITHM, 'kid': 'first', **header})}.{encoded(payload)}"
    key = ECAlgorithm(ECAlgorithm.SHA256)
    signature = key.sign(head.encode(), issuer.keys["first"]) if is_signed else b"x" * 64
    try:
        caller = await jwt_verifier.caller(f"{head}.{encoded(signature)}")
    except Unauthenticated:
        return
    assert is_signed
    assert (payload["iss"], caller.account_sid, caller.scopes <= ALL_BUT_ADMIN) == (
        ISSUER,
        ACCOUNT,
        True,
    )


async def test_rsa_algorithms_are_supported_and_not_mixed(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    key, published = rsa_key()
    issuer.extra_keys = [published]
    for algorithm in ("RS256", "PS512"):
        jwt_verifier = trusting(issuer, session, algorithm)
        assert await jwt_verifier.caller(
            issuer.token("rsa-2048", signed_by=key, algorithm=algorithm)
        )
        with pytest.raises(Unauthenticated):
            await jwt_verifier.caller(issuer.token("rsa-2048", signed_by=key, algorithm="RS384"))
    issuer.extra_keys = []


async def test_a_known_token_is_rejected_once_its_key_is_withdrawn(
    session: aiohttp.ClientSession,
) -> None:
    async with running_issuer() as issuer:
        jwt_verifier, token = trusting(issuer, session), issuer.token()
        caller = await jwt_verifier.caller(token)
        assert await jwt_verifier.caller(token) is caller
        assert caller.token is not None
        issuer.add("second")
        issuer.published = ["second"]
        await jwt_verifier.caller(issuer.token("second"))
        assert not jwt_verifier.is_valid(caller.token)
        with pytest.raises(Unauthenticated, match="does not publish"):
            await jwt_verifier.caller(token)


async def test_a_known_token_is_rejected_once_it_has_expired(
    jwt_verifier: JwtVerifier, issuer: TokenIssuer
) -> None:
    # Claims have whole seconds, so the token is valid for 1 to 2 seconds from now.
    token = issuer.token(exp=after(2 - LEEWAY_S))
    caller = await jwt_verifier.caller(token)
    assert caller.token is not None
    async with asyncio.timeout(LIMIT_S):
        while jwt_verifier.is_valid(caller.token):  # noqa: ASYNC110 - time passes without an event
            await asyncio.sleep(0.01)
    assert time.time() >= caller.token.expires_at
    with pytest.raises(Unauthenticated, match="has expired"):
        await jwt_verifier.caller(token)


async def test_i16_the_least_recently_used_tokens_are_forgotten(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    jwt_verifier = trusting(issuer, session, timings=CallerTimings(known_tokens=2))
    tokens = [issuer.token(sub=f"number {number}") for number in range(3)]
    first = await jwt_verifier.caller(tokens[0])
    second = await jwt_verifier.caller(tokens[1])
    assert await jwt_verifier.caller(tokens[0]) is first
    await jwt_verifier.caller(tokens[2])
    assert await jwt_verifier.caller(tokens[0]) is first
    assert await jwt_verifier.caller(tokens[1]) is not second
