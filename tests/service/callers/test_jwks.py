"""The keys of an issuer, read over HTTP from one that behaves and one that does not."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.service.callers import jwks as module
from gateway.service.callers.jwks import BODY_LIMIT, KEYS_LIMIT, Jwks, open_session
from gateway.service.flights.deadlines import ANSWER_S, until
from tests.issuer import ALGORITHM, TokenIssuer, rsa_key, running_issuer
from tests.service.conftest import LIMIT_S


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


async def test_a_crowd_asks_once(issuer: TokenIssuer, session: aiohttp.ClientSession) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    found = await asyncio.gather(*(keys.key("first") for _ in range(20)))
    assert {key.jwk.key_id for key in found if key is not None} == {"first"}
    assert issuer.request_count == 1


async def test_invented_key_ids_have_the_issuer_asked_once_in_a_while(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    assert [await keys.key(f"invented {number}") for number in range(20)] == [None] * 20
    assert issuer.request_count == 1


async def test_a_new_key_is_looked_for_when_it_is_first_named_and_an_old_one_ends(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    first = await keys.key("first")
    assert first is not None
    issuer.add("second")
    issuer.published = ["second"]
    assert keys.has(first.digest)
    assert await keys.key("second") is not None
    assert not keys.has(first.digest)
    assert await keys.key("first") is None


async def test_an_id_that_is_given_to_another_key_is_another_key(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    before = await keys.key("first")
    assert before is not None
    issuer.add("first")
    await keys.key("whatever has it look again")
    after = await keys.key("first")
    assert after is not None
    assert (keys.has(before.digest), keys.has(after.digest)) == (False, True)


async def test_all_keys_may_be_taken_back(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    first = await keys.key("first")
    assert first is not None
    issuer.published = []
    assert await keys.key("second") is None
    assert await keys.key("first") is None
    assert not keys.has(first.digest)


async def test_who_hangs_up_takes_nobodys_look_along(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    leaving = asyncio.get_running_loop().create_task(keys.key("invented"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert await keys.key("first") is not None
    assert issuer.request_count == 1


async def test_it_reads_again_by_itself(
    issuer: TokenIssuer, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.001)
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    keys = Jwks(session, issuer.url, ALGORITHM)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keys.run())
        first = await keys.key("first")
        assert first is not None
        issuer.published = []
        await eventually(lambda: not keys.has(first.digest))
        issuer.published = ["first"]
        await eventually(lambda: keys.has(first.digest))
        issuer.status, asked = 500, issuer.request_count
        await eventually(lambda: issuer.request_count > asked + 2)
        assert keys.has(first.digest)
        running.cancel()


async def test_an_issuer_that_is_away_for_long_is_believed_no_more(
    issuer: TokenIssuer, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    first = await keys.key("first")
    assert first is not None
    monkeypatch.setattr(module, "KEPT_S", 0.0)
    issuer.status = 503
    assert not keys.has(first.digest)
    with pytest.raises(UpstreamUnavailable, match="ask again"):
        await keys.key("first")


async def eventually(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - nothing rings when it was read
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"{}"),
        (302, b""),
        (200, b""),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, b"[]"),
        (200, b'{"keys": 1}'),
        (200, json.dumps({"keys": [{}] * (KEYS_LIMIT + 1)}).encode()),
        (200, b" " * BODY_LIMIT + b'{"keys": []}'),
    ],
)
async def test_what_is_no_set_of_keys_is_as_if_nothing_had_come(
    issuer: TokenIssuer, session: aiohttp.ClientSession, status: int, body: bytes
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    issuer.status, issuer.body = status, body
    with pytest.raises(UpstreamUnavailable):
        await keys.key("first")
    issuer.status, issuer.body = 200, None
    assert await keys.key("first") is not None
    issuer.status, issuer.body = status, body
    with pytest.raises(UpstreamUnavailable):
        await keys.key("second")
    assert await keys.key("first") is not None


async def test_i15_nobody_waits_for_an_issuer_that_hangs_longer_than_he_has_and_those_after_him_gain_by_it(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    issuer.gate.clear()
    with (
        until(time.monotonic() + ANSWER_S + 0.02),
        pytest.raises(UpstreamUnavailable, match="ask again"),
    ):
        await keys.key("first")
    staying = asyncio.get_running_loop().create_task(keys.key("first"))
    await eventually(lambda: issuer.request_count == 1)
    issuer.gate.set()
    assert await staying is not None
    assert issuer.request_count == 1
    await keys.aclose()


async def test_what_is_asked_is_given_up_at_the_end(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    issuer.gate.clear()
    with until(time.monotonic()), pytest.raises(UpstreamUnavailable):
        await keys.key("first")
    await keys.aclose()
    issuer.gate.set()
    with pytest.raises(UpstreamUnavailable):
        await keys.key("first")
    assert issuer.request_count <= 1


async def test_while_an_issuer_fails_nobody_can_tell_that_a_key_is_not_its_own(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    assert await keys.key("first") is not None
    issuer.status = 500
    with pytest.raises(UpstreamUnavailable):
        await keys.key("second")
    assert await keys.key("first") is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://a..b/"])
async def test_nobody_there(session: aiohttp.ClientSession, url: str) -> None:
    keys = Jwks(session, url, ALGORITHM)
    with pytest.raises(UpstreamUnavailable):
        await keys.key("first")


async def test_no_redirect_is_followed(issuer: TokenIssuer, session: aiohttp.ClientSession) -> None:
    async with running_issuer() as elsewhere:
        issuer.redirect_url = elsewhere.url
        keys = Jwks(session, issuer.url, ALGORITHM)
        with pytest.raises(UpstreamUnavailable):
            await keys.key("first")
        assert (issuer.request_count, elsewhere.request_count) == (1, 0)


async def test_only_keys_that_are_safe_for_the_algorithm_are_used(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    (_, long), (_, short) = rsa_key(2_048), rsa_key(1_024)
    shared = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "shared"}
    issuer.extra_keys = [
        long,
        short,
        shared,
        {**long, "kid": "to encrypt", "use": "enc"},
        {**long, "kid": 5},
    ]
    issuer.extra_keys += [
        {**long, "kid": "of another algorithm", "alg": "PS256"},
        {**long, "kid": "private", "d": "AQAB"},
    ]
    issuer.extra_keys += [1, {}, {"kty": "RSA", "n": "x", "e": []}, {"kty": 5}, {"kty": "RSA"}]
    keys = Jwks(session, issuer.url, "RS256", again_s=0.0)
    assert await keys.key("rsa-2048") is not None
    named = ["first", "rsa-1024", "shared", "to encrypt", "of another algorithm", "private"]
    assert [await keys.key(each) for each in named] == [None] * len(named)


async def test_a_token_that_names_no_key_is_for_the_only_one(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, again_s=0.0)
    key = await keys.key(None)
    assert key is not None
    issuer.add("second")
    issuer.published.append("second")
    assert await keys.key("second") is not None
    assert await keys.key(None) is None
