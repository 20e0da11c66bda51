"""The keys of an issuer, read over HTTP: from one that works, and from one that does
not."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import aiohttp
import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.service.callers.jwks import BODY_LIMIT, KEYS_LIMIT, Jwks, open_session
from gateway.service.callers.timings import CallerTimings
from gateway.service.flights.deadlines import ANSWER_S, until
from tests.issuer import ALGORITHM, TokenIssuer, rsa_key, running_issuer
from tests.service.conftest import LIMIT_S

# Every unknown key id is looked up.
ALWAYS = CallerTimings(jwks_lookup_s=0.0)


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


async def test_concurrent_calls_share_one_request(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    found = await asyncio.gather(*(keys.key("first") for _ in range(20)))
    assert {key.jwk.key_id for key in found if key is not None} == {"first"}
    assert issuer.request_count == 1


async def test_invented_key_ids_cause_one_request_in_a_while(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    assert [await keys.key(f"invented {number}") for number in range(20)] == [None] * 20
    assert issuer.request_count == 1


async def test_a_new_key_is_looked_up_and_a_withdrawn_one_is_rejected(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    first = await keys.key("first")
    assert first is not None
    issuer.add("second")
    issuer.published = ["second"]
    assert keys.has(first.digest)
    assert await keys.key("second") is not None
    assert not keys.has(first.digest)
    assert await keys.key("first") is None


async def test_an_id_given_to_another_key_does_not_keep_the_old_key(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    before = await keys.key("first")
    assert before is not None
    issuer.add("first")
    await keys.key("unknown")
    after = await keys.key("first")
    assert after is not None
    assert (keys.has(before.digest), keys.has(after.digest)) == (False, True)


async def test_an_issuer_may_withdraw_all_keys(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    first = await keys.key("first")
    assert first is not None
    issuer.published = []
    assert await keys.key("second") is None
    assert await keys.key("first") is None
    assert not keys.has(first.digest)


async def test_a_cancelled_call_does_not_cancel_the_request_of_the_others(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    leaving = asyncio.get_running_loop().create_task(keys.key("invented"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert await keys.key("first") is not None
    assert issuer.request_count == 1


async def test_run_reads_the_keys_again_and_again(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    timings = CallerTimings(jwks_refresh_s=0.001, jwks_retry_s=0.001)
    keys = Jwks(session, issuer.url, ALGORITHM, timings)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keys.run())
        first = await keys.key("first")
        assert first is not None
        issuer.published = []
        await eventually(lambda: not keys.has(first.digest))
        issuer.published = ["first"]
        await eventually(lambda: keys.has(first.digest))
        issuer.status, before = 500, issuer.request_count
        await eventually(lambda: issuer.request_count > before + 2)
        assert keys.has(first.digest)
        running.cancel()


async def test_keys_expire_while_their_issuer_cannot_be_reached(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, replace(ALWAYS, jwks_max_age_s=0.5))
    first = await keys.key("first")
    assert first is not None
    issuer.status = 503
    await eventually(lambda: not keys.has(first.digest))
    with pytest.raises(UpstreamUnavailable, match="cannot be read: retry"):
        await keys.key("first")


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - a read has no event
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
async def test_a_response_that_is_no_key_set_changes_nothing(
    issuer: TokenIssuer, session: aiohttp.ClientSession, status: int, body: bytes
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    issuer.status, issuer.body = status, body
    with pytest.raises(UpstreamUnavailable):
        await keys.key("first")
    issuer.status, issuer.body = 200, None
    assert await keys.key("first") is not None
    issuer.status, issuer.body = status, body
    with pytest.raises(UpstreamUnavailable):
        await keys.key("second")
    assert await keys.key("first") is not None


async def test_i15_a_call_waits_for_a_slow_issuer_until_its_deadline_and_later_calls_join(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM)
    issuer.gate.clear()
    with (
        until(time.monotonic() + ANSWER_S + 0.02),
        pytest.raises(UpstreamUnavailable, match="cannot be read: retry"),
    ):
        await keys.key("first")
    staying = asyncio.get_running_loop().create_task(keys.key("first"))
    await eventually(lambda: issuer.request_count == 1)
    issuer.gate.set()
    assert await staying is not None
    assert issuer.request_count == 1
    await keys.aclose()


async def test_aclose_cancels_the_request(
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


async def test_while_an_issuer_fails_an_unknown_key_is_not_rejected_for_good(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    assert await keys.key("first") is not None
    issuer.status = 500
    with pytest.raises(UpstreamUnavailable):
        await keys.key("second")
    assert await keys.key("first") is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://a..b/"])
async def test_an_unreachable_issuer_is_an_error(session: aiohttp.ClientSession, url: str) -> None:
    keys = Jwks(session, url, ALGORITHM)
    with pytest.raises(UpstreamUnavailable):
        await keys.key("first")


async def test_redirects_are_not_followed(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    async with running_issuer() as elsewhere:
        issuer.redirect_url = elsewhere.url
        keys = Jwks(session, issuer.url, ALGORITHM)
        with pytest.raises(UpstreamUnavailable):
            await keys.key("first")
        assert (issuer.request_count, elsewhere.request_count) == (1, 0)


async def test_only_keys_that_fit_the_algorithm_are_used(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    (_, long), (_, short) = rsa_key(2_048), rsa_key(1_024)
    shared = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "shared"}
    issuer.extra_keys = [
        long,
        short,
        shared,
        {**long, "kid": "for encryption", "use": "enc"},
        {**long, "kid": 5},
    ]
    issuer.extra_keys += [
        {**long, "kid": "other algorithm", "alg": "PS256"},
        {**long, "kid": "private", "d": "AQAB"},
    ]
    issuer.extra_keys += [1, {}, {"kty": "RSA", "n": "x", "e": []}, {"kty": 5}, {"kty": "RSA"}]
    keys = Jwks(session, issuer.url, "RS256", ALWAYS)
    assert await keys.key("rsa-2048") is not None
    key_ids = ["first", "rsa-1024", "shared", "for encryption", "other algorithm", "private"]
    assert [await keys.key(key_id) for key_id in key_ids] == [None] * len(key_ids)


async def test_without_a_key_id_the_only_key_is_used(
    issuer: TokenIssuer, session: aiohttp.ClientSession
) -> None:
    keys = Jwks(session, issuer.url, ALGORITHM, ALWAYS)
    key = await keys.key(None)
    assert key is not None
    issuer.add("second")
    issuer.published.append("second")
    assert await keys.key("second") is not None
    assert await keys.key(None) is None
