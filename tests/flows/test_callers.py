"""What a key may spend, over two replicas that share one Redis. Each test has a key of its own with 400 points a minute."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from redis.asyncio import Redis

from gateway.cli.keys import api_key_row
from gateway.store.embedded import EmbeddedServer
from tests.rpc.client import Clients, clients_on
from tests.running import RESPONSE_TIMEOUT_S, Gateway, Reply, new_sid, running, take

SERVE = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
LIMIT = 400
USUAL = 1_500_000
CALL, FETCH, REFUSED = 10, 25, 100
ROOM = "query($ref: ID!) { room(ref: $ref) { sid } }"
RESPONSE = {"Accept": "application/graphql-response+json"}
KEYS = 20


@dataclass
class Served:
    """Two replicas, and their Redis."""

    replicas: list[Gateway]
    redis: Redis
    used: int = 0

    def caller(self, key: str, replica: int = 0) -> Gateway:
        """The replica as the key's owner has it."""
        served = self.replicas[replica]
        return Gateway({**served.ready, "api_key": f"rgk_{key}"}, served.process, served.http)

    def small(self) -> tuple[Gateway, Gateway]:
        """Both replicas, with a key that has spent nothing."""
        self.used += 1
        return self.caller(f"small-{self.used}", 0), self.caller(f"small-{self.used}", 1)

    async def told(self) -> None:
        """Returns once Redis knows that the last of these keys has spent nearly all."""
        [points_bucket] = [key async for key in self.redis.scan_iter(f"*:purse:small-{self.used}")]
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while await self.redis.pttl(points_bucket) < 50_000:  # noqa: ASYNC110 - Redis rings no bell here
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
async def served(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("callers")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer())
        small = [api_key_row(f"small-{number}", f"rgk_small-{number}") for number in range(KEYS)]
        keys = [
            *(row.model_copy(update={"limit": LIMIT}) for row in small),
            api_key_row("large", "rgk_large"),
        ]
        rows = [row.model_dump(exclude_none=True) for row in keys]
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": gateway.account_sid,
            "TWILIO_AUTH_TOKEN": gateway.auth_token,
            "TWILIO_VIDEO_BASE_URL": gateway.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            "GATEWAY_API_KEYS": json.dumps(rows),
            "GATEWAY_REDIS_URL": server.url,
            "GATEWAY_RECONCILE": "0",
        }
        replicas = [
            stack.enter_async_context(running(folder, SERVE, environment)) for _ in range(2)
        ]
        redis = await stack.enter_async_context(Redis.from_url(server.url))
        yield Served(list(await asyncio.gather(*replicas)), redis)


def cost_of(reply: Reply) -> dict[str, int]:
    cost: dict[str, int] = reply.body["extensions"]["cost"]
    return cost


def told(headers: Any) -> tuple[int, int, int, int]:
    """Of RateLimit-Policy and RateLimit: q, w, r, t."""
    policy = re.fullmatch(r'"default";q=(\d+);w=(\d+)', headers["RateLimit-Policy"])
    state = re.fullmatch(r'"default";r=(\d+);t=(\d+)', headers["RateLimit"])
    assert policy
    assert state
    return int(policy[1]), int(policy[2]), int(state[1]), int(state[2])


async def test_what_a_call_costs_is_held_and_what_it_did_not_take_given_back(
    served: Served, gateway: Gateway
) -> None:
    room = (await gateway.create_room())["sid"]
    large = served.caller("large")
    cold, warm = [await large.post(ROOM, {"ref": room}) for _ in range(2)]
    assert (cost_of(cold)["requested"], cost_of(cold)["actual"]) == (CALL + FETCH, CALL + FETCH)
    assert (cost_of(warm)["requested"], cost_of(warm)["actual"]) == (CALL + FETCH, CALL)
    page = await large.post("{ rooms(first: 3) { nodes { sid } } }")
    shown = len(page.body["data"]["rooms"]["nodes"])
    assert cost_of(page)["requested"] == CALL + FETCH + 3
    assert cost_of(page)["actual"] == CALL + FETCH + shown
    made = await large.post("mutation { createRoom { sid } }")
    assert (cost_of(made)["requested"], cost_of(made)["actual"]) == (CALL + FETCH, CALL + FETCH)
    for reply in (cold, warm, page, made):
        cost = cost_of(reply)
        assert cost["limit"] == USUAL
        assert cost["remaining"] <= USUAL - cost["actual"]
        assert 0 < cost["resetAfterMs"] < 1_000
        assert told(reply.headers) == (USUAL, 60, cost["remaining"], 1)


async def spend_all(caller: Gateway, document: str = ROOM) -> list[Reply]:
    """Asks until it is refused: for a room that is not there, and so each time at full price."""
    replies: list[Reply] = []
    while not replies or "data" in replies[-1].body:
        variables = {"ref": new_sid()} if document == ROOM else {}
        replies.append(await caller.post(document, variables, **RESPONSE))
    return replies


async def test_a_caller_that_has_spent_all_is_told_when_to_come_back(served: Served) -> None:
    small, elsewhere = served.small()
    begun = time.monotonic()
    *good, refused = await spend_all(small)
    back = LIMIT / 60 * (time.monotonic() - begun)
    assert LIMIT // (CALL + FETCH) <= len(good) <= (LIMIT + back) // (CALL + FETCH)
    error = refused.body["errors"][0]["extensions"]
    assert (refused.status, error["code"], error["retryable"]) == (429, "RATE_LIMITED", True)
    assert 0 < error["retryAfterMs"] <= 60_000 * (CALL + FETCH) / LIMIT
    assert int(refused.headers["Retry-After"]) == -(-error["retryAfterMs"] // 1000)
    limit, window, left, _ = told(refused.headers)
    assert (limit, window) == (LIMIT, 60)
    assert left < CALL + FETCH
    assert cost_of(refused)["actual"] == 0
    # By plain JSON, which has 200 for whatever was executed, as well.
    assert (await small.post(ROOM, {"ref": new_sid()})).status == 429
    await served.told()
    # The same limit on the other replica and on every face.
    await check_refused(elsewhere)
    async with small.websocket() as socket:
        payload = {"query": ROOM, "variables": {"ref": new_sid()}}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        answer = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
        assert answer["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    watch = {"query": "subscription { roomEvents { cursor } }"}
    headers = {**small.auth, "Accept": "text/event-stream"}
    async with small.http.post(small.ready["sse"], json=watch, headers=headers) as reply:
        assert reply.status == 429
    async with small.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as throttled:
            await clients_on(channel, small.metadata).rooms.GetRoom(room=new_sid())
    check_throttled(throttled.value)
    # Another key is not touched, and neither is the callback.
    assert (await served.small()[0].post(ROOM, {"ref": new_sid()})).status == 200
    async with small.http.post(
        small.ready["callbacks"], data={"AccountSid": new_sid("AC")}
    ) as reply:
        assert reply.status == 403


async def check_refused(caller: Gateway) -> None:
    """Long before it has spent as much itself. Not at once: on a busy machine a replica may take Redis for away, for a second."""
    for _ in range(LIMIT // CALL // 2):
        if (await caller.post("{ __typename }", **RESPONSE)).status == 429:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it may spend what was spent on another replica")


def check_throttled(error: grpc.aio.AioRpcError) -> None:
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(error)
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert [
        detail.Unpack(part) for detail, part in zip(status.details, (info, retry), strict=True)
    ] == [True, True]
    assert (info.reason, retry.retry_delay.ToMilliseconds() > 0) == ("THROTTLED", True)
    trailers = dict(error.trailing_metadata() or ())
    assert trailers["ratelimit-policy"] == f'"default";q={LIMIT};w=60'
    assert trailers["retry-after"]


async def test_grpc_costs_the_same_and_says_so_in_its_trailers(
    served: Served, gateway: Gateway
) -> None:
    room = (await gateway.create_room())["sid"]
    large = served.caller("large")
    async with large.channel() as channel:
        rooms = clients_on(channel, large.metadata).rooms
        for begin, requested, actual in (
            (lambda: rooms.GetRoom(room=room), CALL + FETCH, CALL + FETCH),
            (lambda: rooms.GetRoom(room=room), CALL + FETCH, CALL),
            (lambda: rooms.BatchGetRooms(rooms=[room, room]), CALL + 2 * (FETCH + 1), CALL + 2),
        ):
            call = begin()
            await call
            trailers = dict(await call.trailing_metadata())
            cost = dict(part.split("=") for part in trailers["cost"].split(", "))
            assert (int(cost["requested"]), int(cost["actual"]), int(cost["limit"])) == (
                requested,
                actual,
                USUAL,
            )
            assert trailers["ratelimit"].startswith(f'"default";r={cost["remaining"]};t=')
            assert int(cost["reset-after-ms"]) > 0


async def test_what_was_given_back_is_there_on_every_replica(
    served: Served, gateway: Gateway
) -> None:
    room = (await gateway.create_room())["sid"]
    first, second = served.small()
    for _ in range(LIMIT // (CALL + FETCH) + 4):
        reply = await first.post(ROOM, {"ref": room})
        assert reply.status == 200, "all but the first came from memory"
    spent = LIMIT - cost_of(reply)["remaining"]
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            left = cost_of(await second.post("{ __typename }"))["remaining"]
            if left >= LIMIT - spent - 5 * CALL:
                break


async def test_to_begin_a_subscription_costs_and_its_events_do_not(served: Served) -> None:
    [small, _], room = served.small(), new_sid()
    watch = "subscription($room: ID) { roomEvents(room: $room) { cursor } }"
    before = cost_of(await small.post("{ __typename }"))["remaining"]
    async with small.subscribe_ws(watch, room=room) as messages:
        await take(messages, 1)
        begun = cost_of(await small.post("{ __typename }"))["remaining"]
        assert before - begun >= 2 * CALL
        after = cost_of(await small.post("{ __typename }"))["remaining"]
        assert begun - after <= CALL


async def test_an_operation_beyond_the_whole_limit_is_refused_for_good(served: Served) -> None:
    small, _ = served.small()
    reply = await small.post(
        "{ rooms(first: 50) { nodes { recordings(first: 1) { nodes { sid } } } } }", **RESPONSE
    )
    error = reply.body["errors"][0]
    assert (reply.status, error["extensions"]["code"], error["extensions"]["retryable"]) == (
        400,
        "BAD_USER_INPUT",
        False,
    )
    assert f"this caller may spend {LIMIT} a minute" in error["message"]
    async with small.channel() as channel:
        clients: Clients = clients_on(channel, small.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await clients.rooms.BatchGetRooms(rooms=[new_sid()] * 20)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_document_that_is_refused_costs_too(served: Served) -> None:
    small, _ = served.small()
    replies = [await small.post("{ nothing }", **RESPONSE) for _ in range(LIMIT // REFUSED + 1)]
    assert [reply.status for reply in replies] == [400] * (LIMIT // REFUSED) + [429]
    assert cost_of(replies[0])["actual"] == REFUSED


async def test_a_redis_that_hangs_opens_no_limit_and_closes_none_and_is_told_afterwards(
    served: Served,
) -> None:
    small, elsewhere = served.small()
    await small.post("{ __typename }")
    pid = (await served.redis.info("server"))["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        *good, refused = await spend_all(small, "{ __typename }")
        back = LIMIT / 60 * (time.monotonic() - begun)
        assert (await served.caller("large").post("{ __typename }")).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    assert LIMIT // CALL - 1 <= len(good) <= (LIMIT + back) // CALL
    assert refused.status == 429
    await served.told()
    await check_refused(elsewhere)
