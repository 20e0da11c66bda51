"""The points of an API key on two replicas that share one Redis.

Each test uses a new key with 400 points per minute.
"""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from redis.asyncio import Redis

from gateway.cli.keys import api_key_row
from gateway.core.rooms import AccountSid
from gateway.store.embedded import EmbeddedServer
from gateway.store.keys import Keys
from tests.rpc.client import Clients, clients_on
from tests.running import RESPONSE_TIMEOUT_S, Gateway, Reply, new_sid, running, take

SERVE = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
LIMIT = 400
DEFAULT_LIMIT = 1_500_000
CALL, FETCH, REFUSED = 10, 25, 100
ROOM = "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }"
RESPONSE = {"Accept": "application/graphql-response+json"}
KEYS = 20


@dataclass
class Served:
    """Two replicas and their Redis."""

    replicas: list[Gateway]
    redis: Redis
    keys: Keys
    used: int = 0

    def caller(self, key: str, replica: int = 0) -> Gateway:
        """Returns a replica with the credentials of the key."""
        served = self.replicas[replica]
        return Gateway({**served.ready, "api_key": f"rgk_{key}"}, served.process, served.http)

    def limited(self) -> tuple[Gateway, Gateway]:
        """Returns both replicas with the credentials of an unused key."""
        self.used += 1
        return self.caller(f"small-{self.used}", 0), self.caller(f"small-{self.used}", 1)

    async def wait_until_recorded(self) -> None:
        """Waits until Redis has recorded that the last key has few points left."""
        points_bucket = self.keys.points_bucket(f"small-{self.used}")
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while await self.redis.pttl(points_bucket) < 50_000:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # Redis sends no notification


@pytest.fixture(scope="module")
async def served(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("callers")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedServer())
        limited = [api_key_row(f"small-{number}", f"rgk_small-{number}") for number in range(KEYS)]
        keys = [
            *(row.model_copy(update={"limit": LIMIT}) for row in limited),
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
        keys_of_account = Keys(AccountSid(gateway.account_sid))
        yield Served(list(await asyncio.gather(*replicas)), redis, keys_of_account)


def cost_of(reply: Reply) -> dict[str, int]:
    cost: dict[str, int] = reply.body["extensions"]["cost"]
    return cost


def parse_rate_limit(headers: Any) -> tuple[int, int, int, int]:
    """Returns q, w, r and t of the headers RateLimit-Policy and RateLimit."""
    policy = re.fullmatch(r'"default";q=(\d+);w=(\d+)', headers["RateLimit-Policy"])
    state = re.fullmatch(r'"default";r=(\d+);t=(\d+)', headers["RateLimit"])
    assert policy
    assert state
    return int(policy[1]), int(policy[2]), int(state[1]), int(state[2])


async def test_cost_is_charged_up_front_and_unused_points_are_refunded(
    served: Served, gateway: Gateway
) -> None:
    room = (await gateway.create_room())["sid"]
    large = served.caller("large")
    cold, warm = [await large.post(ROOM, {"ref": room}) for _ in range(2)]
    assert (cost_of(cold)["requested"], cost_of(cold)["actual"]) == (CALL + FETCH, CALL + FETCH)
    assert (cost_of(warm)["requested"], cost_of(warm)["actual"]) == (CALL + FETCH, CALL)
    page = await large.post("{ rooms(first: 3) { nodes { sid } } }")
    count = len(page.body["data"]["rooms"]["nodes"])
    assert cost_of(page)["requested"] == CALL + FETCH + 3
    assert cost_of(page)["actual"] == CALL + FETCH + count
    created = await large.post("mutation { createRoom(input: {}) { room { sid } } }")
    assert (cost_of(created)["requested"], cost_of(created)["actual"]) == (
        CALL + FETCH,
        CALL + FETCH,
    )
    for reply in (cold, warm, page, created):
        cost = cost_of(reply)
        assert cost["limit"] == DEFAULT_LIMIT
        assert cost["remaining"] <= DEFAULT_LIMIT - cost["actual"]
        assert 0 < cost["resetAfterMs"] < 1_000
        assert parse_rate_limit(reply.headers) == (DEFAULT_LIMIT, 60, cost["remaining"], 1)


async def spend_all_points(caller: Gateway, document: str = ROOM) -> list[Reply]:
    """Calls until the call is rejected. The last reply is the rejection.

    The reads are of unknown rooms, so that each has its full cost.
    """
    replies: list[Reply] = []
    while not replies or "data" in replies[-1].body:
        variables = {"ref": new_sid()} if document == ROOM else {}
        replies.append(await caller.post(document, variables, **RESPONSE))
    return replies


async def test_caller_without_points_is_rate_limited_on_every_face_and_replica(
    served: Served,
) -> None:
    limited, on_other_replica = served.limited()
    started_at = time.monotonic()
    *accepted, rejected = await spend_all_points(limited)
    refilled = LIMIT / 60 * (time.monotonic() - started_at)
    assert LIMIT // (CALL + FETCH) <= len(accepted) <= (LIMIT + refilled) // (CALL + FETCH)
    error = rejected.body["errors"][0]["extensions"]
    assert (rejected.status, error["code"], error["retryable"]) == (429, "RATE_LIMITED", True)
    assert 0 < error["retryAfterMs"] <= 60_000 * (CALL + FETCH) / LIMIT
    assert int(rejected.headers["Retry-After"]) == -(-error["retryAfterMs"] // 1000)
    limit, window, remaining, _ = parse_rate_limit(rejected.headers)
    assert (limit, window) == (LIMIT, 60)
    assert remaining < CALL + FETCH
    assert cost_of(rejected)["actual"] == 0
    # Also with plain JSON, which has status 200 for everything that was executed.
    assert (await limited.post(ROOM, {"ref": new_sid()})).status == 429
    await served.wait_until_recorded()
    # The limit also applies on the other replica and on every face.
    await check_rate_limited(on_other_replica)
    async with limited.websocket() as socket:
        payload = {"query": ROOM, "variables": {"ref": new_sid()}}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        answer = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
        assert answer["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    watch = {"query": "subscription { roomEvents { cursor } }"}
    headers = {**limited.auth, "Accept": "text/event-stream"}
    async with limited.http.post(limited.ready["sse"], json=watch, headers=headers) as reply:
        assert reply.status == 429
    async with limited.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as throttled:
            await clients_on(channel, limited.metadata).rooms.GetRoom(room=new_sid())
    check_grpc_throttled(throttled.value)
    # Other keys and callbacks are not affected.
    assert (await served.limited()[0].post(ROOM, {"ref": new_sid()})).status == 200
    async with limited.http.post(
        limited.ready["callbacks"], data={"AccountSid": new_sid("AC")}
    ) as reply:
        assert reply.status == 403


async def check_rate_limited(caller: Gateway) -> None:
    """Checks that the replica rejects the caller before it has spent its points here.

    On a busy machine, a replica may treat Redis as unavailable for a second, so the
    check retries.
    """
    for _ in range(LIMIT // CALL // 2):
        if (await caller.post("{ __typename }", **RESPONSE)).status == 429:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("points spent on the other replica can be spent again")


def check_grpc_throttled(error: grpc.aio.AioRpcError) -> None:
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


async def test_grpc_has_the_same_costs_in_its_trailers(served: Served, gateway: Gateway) -> None:
    room = (await gateway.create_room())["sid"]
    large = served.caller("large")
    async with large.channel() as channel:
        rooms = clients_on(channel, large.metadata).rooms
        calls: list[tuple[Callable[[], Any], int, int]] = [
            (lambda: rooms.GetRoom(room=room), CALL + FETCH, CALL + FETCH),
            (lambda: rooms.GetRoom(room=room), CALL + FETCH, CALL),
            (lambda: rooms.BatchGetRooms(rooms=[room, room]), CALL + 2 * (FETCH + 1), CALL + 2),
        ]
        for start, requested, actual in calls:
            call = start()
            await call
            trailers = dict(await call.trailing_metadata())
            cost = dict(part.split("=") for part in trailers["cost"].split(", "))
            assert (int(cost["requested"]), int(cost["actual"]), int(cost["limit"])) == (
                requested,
                actual,
                DEFAULT_LIMIT,
            )
            assert trailers["ratelimit"].startswith(f'"default";r={cost["remaining"]};t=')
            assert int(cost["reset-after-ms"]) > 0


async def test_refunded_points_are_available_on_every_replica(
    served: Served, gateway: Gateway
) -> None:
    room = (await gateway.create_room())["sid"]
    first, second = served.limited()
    for _ in range(LIMIT // (CALL + FETCH) + 4):
        reply = await first.post(ROOM, {"ref": room})
        assert reply.status == 200, "all reads but the first must come from the cache"
    spent = LIMIT - cost_of(reply)["remaining"]
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            remaining = cost_of(await second.post("{ __typename }"))["remaining"]
            if remaining >= LIMIT - spent - 5 * CALL:
                break


async def test_starting_a_subscription_costs_points_and_its_events_do_not(served: Served) -> None:
    [limited, _], room = served.limited(), new_sid()
    watch = "subscription($room: ID!) { roomEvents(room: {sid: $room}) { cursor } }"
    before = cost_of(await limited.post("{ __typename }"))["remaining"]
    async with limited.subscribe_ws(watch, room=room) as messages:
        await take(messages, 1)
        started_at = cost_of(await limited.post("{ __typename }"))["remaining"]
        assert before - started_at >= 2 * CALL
        after = cost_of(await limited.post("{ __typename }"))["remaining"]
        assert started_at - after <= CALL


async def test_operation_over_the_whole_limit_is_not_retryable(served: Served) -> None:
    limited, _ = served.limited()
    reply = await limited.post(
        "{ rooms(first: 50) { nodes { recordings(first: 1) { nodes { sid } } } } }", **RESPONSE
    )
    error = reply.body["errors"][0]
    assert (reply.status, error["extensions"]["code"], error["extensions"]["retryable"]) == (
        400,
        "BAD_USER_INPUT",
        False,
    )
    assert f"this caller has {LIMIT} a minute" in error["message"]
    async with limited.channel() as channel:
        clients: Clients = clients_on(channel, limited.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as rejected:
            await clients.rooms.BatchGetRooms(rooms=[new_sid()] * 20)
    assert rejected.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_rejected_document_costs_points(served: Served) -> None:
    limited, _ = served.limited()
    replies = [await limited.post("{ nothing }", **RESPONSE) for _ in range(LIMIT // REFUSED + 1)]
    assert [reply.status for reply in replies] == [400] * (LIMIT // REFUSED) + [429]
    assert cost_of(replies[0])["actual"] == REFUSED


async def test_limits_hold_while_redis_hangs_and_are_recorded_afterwards(
    served: Served,
) -> None:
    limited, on_other_replica = served.limited()
    await limited.post("{ __typename }")
    pid = (await served.redis.info("server"))["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        started_at = time.monotonic()
        *accepted, rejected = await spend_all_points(limited, "{ __typename }")
        refilled = LIMIT / 60 * (time.monotonic() - started_at)
        assert (await served.caller("large").post("{ __typename }")).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    assert LIMIT // CALL - 1 <= len(accepted) <= (LIMIT + refilled) // CALL
    assert rejected.status == 429
    await served.wait_until_recorded()
    await check_rate_limited(on_other_replica)
