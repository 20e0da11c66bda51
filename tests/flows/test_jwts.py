"""Callers that authenticate with a JSON Web Token.

`serve` has two accounts with one issuer, and an issuer that is unreachable.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from redis.asyncio import Redis

from gateway.service.callers.jwt_verifier import LEEWAY_S
from tests.flows.test_accounts import account_row, serving
from tests.issuer import ALGORITHM, AUDIENCE, ISSUER, TokenIssuer, running_issuer
from tests.rpc.client import clients_on, refusal
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_name, room_ref, running, take

OTHER_AUDIENCE = "rooms-of-the-other"
LIMIT = 400
ROOM = "query($ref: RoomRef!) { room(ref: $ref) { sid accountSid } }"
WATCH = "subscription($room: RoomRef) { roomEvents(room: $room) { __typename cursor } }"
EVERYTHING = "rooms:read rooms:write events:subscribe"


@dataclass
class Site:
    served: Gateway
    issuer: TokenIssuer
    rows: list[dict[str, Any]]
    log: Path

    def bearer(self, token: str) -> Gateway:
        """Returns the gateway with the credentials of the token."""
        return Gateway(
            {**self.served.ready, "api_key": token}, self.served.process, self.served.http
        )

    def caller(self, **claims: Any) -> Gateway:
        return self.bearer(self.issuer.token(**{"scope": EVERYTHING, **claims}))


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("jwts")
    arguments = ("sandbox", "--sandbox-port", "0", "--accounts", "2")
    async with running(folder, arguments) as sandbox, running_issuer() as issuer:
        issuer_row = {
            "issuer": ISSUER,
            "jwks_url": issuer.url,
            "algorithm": ALGORITHM,
            "limit": LIMIT,
        }
        issuer_row["scopes"] = ("rooms:read", "rooms:write", "events:subscribe")
        unreachable_row = {
            "issuer": "https://away.example.com/",
            "audience": AUDIENCE,
            "jwks_url": "http://127.0.0.1:1/",
        }
        rows = sandbox.ready["accounts"]
        accounts = [
            account_row(
                rows[0], jwt_issuers=[{**issuer_row, "audience": AUDIENCE}, unreachable_row]
            ),
            account_row(rows[1], jwt_issuers=[{**issuer_row, "audience": OTHER_AUDIENCE}]),
        ]
        async with serving(folder, sandbox.ready["sandbox"], accounts) as served:
            yield Site(served, issuer, rows, folder / "log")


async def test_audience_of_a_token_selects_the_account_on_every_transport(site: Site) -> None:
    name, rooms = new_name(), list[str]()
    for row, audience in zip(site.rows, (AUDIENCE, OTHER_AUDIENCE), strict=True):
        caller = site.caller(aud=audience, sub="grace")
        rooms.append((await caller.create_room(name))["sid"])
        assert (await caller.execute(ROOM, ref=room_ref(name)))["room"] == {
            "sid": rooms[-1],
            "accountSid": row["sid"],
        }
        async with caller.channel() as channel:
            found = await clients_on(channel, caller.metadata).rooms.GetRoom(room=name)
            assert found.room.sid == rooms[-1]
        async with caller.subscribe_ws(WATCH) as by_ws, caller.subscribe_sse(WATCH) as by_sse:
            [started], [(_, also)] = await take(by_ws, 1), await take(by_sse, 1)
            assert started["__typename"] == also["__typename"] == "StreamStarted"
    assert len(set(rooms)) == 2


async def test_dev_accepts_tokens_of_a_configured_issuer(tmp_path: Path) -> None:
    async with running_issuer() as issuer:
        row = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks_url": issuer.url,
            "algorithm": ALGORITHM,
        }
        environment = {**os.environ, "GATEWAY_JWT_ISSUERS": json.dumps([row])}
        async with running(tmp_path, environment=environment) as dev:
            caller = Gateway({**dev.ready, "api_key": issuer.token()}, dev.process, dev.http)
            assert (await caller.execute("{ rooms { nodes { sid } } }"))["rooms"]["nodes"] == []


async def test_token_has_the_scopes_that_its_issuer_may_grant(site: Site) -> None:
    reader = site.caller(sub="reader", scope="openid rooms:read tokens:mint admin")
    assert (await reader.execute("{ rooms { nodes { sid } } }"))["rooms"] is not None
    writer = site.caller(sub="writer", scope="rooms:read rooms:write")
    created = (
        await writer.execute(
            """mutation { createRoom(input: {}) { room { twilio {
                url statusCallback statusCallbackMethod } } } }"""
        )
    )["createRoom"]["room"]
    assert created["twilio"]["url"] is not None
    assert created["twilio"] | {"url": None} == {
        "url": None,
        "statusCallback": None,
        "statusCallbackMethod": "POST",
    }
    for document in (
        "mutation { createRoom(input: {}) { room { sid } } }",
        """mutation { mintAccessToken(input: {identity: "eve", room: {uniqueName: "hers"}}) {
            accessToken { jwt } } }""",
    ):
        error = await reader.execute_error(document)
        assert error["code"] == "FORBIDDEN"
        assert "lacks the scope" in error["message"]


async def test_token_for_some_rooms_finds_no_others(site: Site) -> None:
    owner = site.caller(sub="owner")
    allowed, other = [(await owner.create_room())["sid"] for _ in range(2)]
    guest = site.caller(sub="guest", rooms=[allowed])
    assert (await guest.execute(ROOM, ref=room_ref(allowed)))["room"]["sid"] == allowed
    assert (await guest.execute(ROOM, ref=room_ref(other)))["room"] is None
    async with guest.channel() as channel:
        rooms = clients_on(channel, guest.metadata).rooms
        assert (await refusal(rooms.GetRoom(room=other)))[0] == "NOT_FOUND"
    async with guest.subscribe_ws(WATCH, room=room_ref(allowed)) as messages:
        assert (await take(messages, 1))[0]["__typename"] == "StreamStarted"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"exp": timedelta(minutes=-1)}, "has expired: get a new one"),
        ({"exp": timedelta(days=2)}, "more than a day"),
        ({"aud": "others"}, "no configured issuer has the token's iss and aud"),
        ({"aud": [AUDIENCE, OTHER_AUDIENCE]}, "aud names several accounts"),
        ({"iss": "https://eve.example.com/"}, "no configured issuer has the token's iss and aud"),
        ({"sub": None}, "lacks one of the claims exp, iat and sub"),
        ({"key_id": "unpublished"}, "a key that its issuer does not publish"),
    ],
)
async def test_invalid_token_is_unauthenticated_on_every_face(
    site: Site, claims: dict[str, Any], sentence: str
) -> None:
    site.issuer.add("unpublished")
    caller = site.caller(**claims)
    reply = await caller.post("{ __typename }", Accept="application/graphql-response+json")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert sentence in reply.body["errors"][0]["message"]
    assert reply.body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    async with caller.channel() as channel:
        code, _, message = await refusal(clients_on(channel, caller.metadata).rooms.ListRooms())
        assert code == "UNAUTHENTICATED"
        assert sentence in message
    assert await close_code(caller) == 4401


async def test_unreachable_issuer_makes_calls_retryable(
    site: Site,
) -> None:
    caller = site.caller(iss="https://away.example.com/")
    reply = await caller.post("{ __typename }", Accept="application/graphql-response+json")
    [error] = reply.body["errors"]
    assert (reply.status, error["extensions"]["code"]) == (503, "UPSTREAM_UNAVAILABLE")
    assert error["extensions"]["retryable"]
    async with caller.channel() as channel:
        code, *_ = await refusal(clients_on(channel, caller.metadata).rooms.ListRooms())
        assert code == "UNAVAILABLE"
    assert await close_code(caller) == 1013


async def close_code(caller: Gateway) -> int | None:
    """Returns the close code of a WebSocket that authenticates in `connection_init`.

    Browsers can only authenticate in this way.
    """
    http, url = caller.http, caller.ready["ws"]
    async with http.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
        await socket.send_json(
            {"type": "connection_init", "payload": {"authorization": caller.auth["Authorization"]}}
        )
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        return socket.close_code


async def test_each_subject_has_its_own_points_across_tokens(site: Site) -> None:
    expensive = "{ rooms(first: 100) { nodes { sid } } }"

    async def outcomes(caller: Gateway, count: int) -> list[str]:
        replies = [await caller.post(expensive) for _ in range(count)]
        return [
            reply.body["errors"][0]["extensions"]["code"] if "errors" in reply.body else ""
            for reply in replies
        ]

    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while "RATE_LIMITED" not in await outcomes(site.caller(sub="spender"), 5):
            pass
    another_token = site.caller(sub="spender", iat=timedelta(minutes=-1))
    assert (await another_token.execute_error(expensive))["code"] == "RATE_LIMITED"
    assert await outcomes(site.caller(sub="saver"), 1) == [""]
    assert await outcomes(site.caller(sub="spender", aud=OTHER_AUDIENCE), 1) == [""]


async def test_stream_ends_when_its_token_expires_on_every_transport(site: Site) -> None:
    caller = site.caller(sub="leaver", exp=timedelta(seconds=4 - LEEWAY_S))
    async with (
        caller.websocket() as socket,
        caller.subscribe_sse(WATCH) as by_sse,
        caller.channel() as channel,
    ):
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        by_grpc = clients_on(channel, caller.metadata).rooms.WatchRoomEvents()
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                assert json.loads(frame.data)["type"] == "next"
            assert socket.close_code == 4403
            with pytest.raises(grpc.aio.AioRpcError) as error:
                async for _ in by_grpc:
                    pass
            assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert [payload["__typename"] async for _, payload in by_sse] == ["StreamStarted"]


async def test_logs_and_redis_contain_no_subjects_and_no_tokens(site: Site) -> None:
    subject = "Ada Lovelace <ada@example.com>"
    caller, name = site.caller(sub=subject), new_name()
    await caller.create_room(name)
    assert (
        await site.bearer(site.issuer.token(sub=subject, aud="others")).post("{ __typename }")
    ).status == 401
    async with Redis.from_url(site.served.ready["redis"]) as redis:
        await redis.config_set("rdbcompression", "no")  # dumped values must be readable
        stored = [key async for key in redis.scan_iter(count=1_000)]
        stored += [value for key in stored if (value := await redis.dump(key)) is not None]
    assert any(name.encode() in item for item in stored)
    for word in ("Lovelace", "ada@example", caller.auth["Authorization"].split(".")[1]):
        assert word not in site.log.read_text()
        assert not [item for item in stored if word.encode() in item]
