"""The gateway with Redis Sentinel and with a Redis cluster.

It works as with one server, and continues through a failover.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.core.limits.quota import Concurrency
from gateway.core.limits.rate_limit import Rate
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys
from gateway.store.limiter import Limiter
from tests.flows.test_command_line import run
from tests.running import RESPONSE_TIMEOUT_S, Gateway, first_matching, new_sid, running, take
from tests.topologies import (
    SentinelGroup,
    Server,
    ValkeyCluster,
    eventually,
    sentinel_group,
    valkey_cluster,
)

WATCH = """subscription($room: ID!, $after: String) { roomEvents(room: {sid: $room}, after:
    $after) {
    __typename cursor prev
    ... on StreamStarted { mode }
    ... on ResyncRequired { reason }
    ... on ParticipantConnected { participant { sid } }
} }"""
JOINED = "ParticipantConnected"
TRIM = Script("head.lua", "trim.lua")


@asynccontextmanager
async def on_redis(folder: Path, url: str) -> AsyncIterator[Gateway]:
    async with running(
        folder, environment={"PATH": os.environ["PATH"], "GATEWAY_REDIS_URL": url}
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def group(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SentinelGroup]:
    async with sentinel_group(tmp_path_factory.mktemp("sentinel")) as group:
        yield group


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyCluster]:
    async with valkey_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


async def join(gateway: Gateway, room: str) -> str:
    """Sends the callback of a join, and returns the participant's SID.

    The callback is repeated until it is accepted, as Twilio does.
    """
    person = new_sid("PA")
    fields = gateway.callback_fields("participant-connected", room, ParticipantSid=person)

    async def is_taken() -> bool:
        return await gateway.send_callback(fields) == 204

    await eventually(is_taken)
    return person


async def ready(gateway: Gateway) -> bool:
    async with gateway.http.get(gateway.ready["graphql"].replace("/graphql", "/readyz")) as reply:
        return bool(reply.status == 200 and await reply.json() == {"status": "ok"})


async def check_operations(gateway: Gateway) -> None:
    """Checks rooms, callbacks, subscriptions and resumption."""
    room = await gateway.create_room()
    result = await gateway.execute(
        "query($ref: ID!) { room(ref: {sid: $ref}) { sid status } rooms { nodes { sid } } }",
        ref=room["sid"],
    )
    assert result["room"]["sid"] == room["sid"]
    async with gateway.subscribe_ws(WATCH, room=room["sid"]) as messages:
        await take(messages, 1)
        people = [await join(gateway, room["sid"]) for _ in range(3)]
        before_event = [await first_matching(messages, is_joined) for _ in people]
    assert [event["participant"]["sid"] for event in before_event] == people
    async with gateway.subscribe_ws(
        WATCH, room=room["sid"], after=before_event[0]["cursor"]
    ) as resumed:
        [started, *rest] = await take(resumed, 3)
    assert started["mode"] == "RESUMED"
    assert [event["participant"]["sid"] for event in rest] == people[1:]
    ended = await gateway.execute(
        "mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { room { status } } }",
        ref=room["sid"],
    )
    assert ended["completeRoom"]["room"]["status"] == "COMPLETED"
    assert await ready(gateway)


def is_joined(message: dict[str, Any]) -> bool:
    return bool(message["__typename"] == JOINED)


async def test_replicas_that_may_be_promoted_must_not_evict_keys(
    group: SentinelGroup, cluster: ValkeyCluster
) -> None:
    await refuses_eviction(group.url, group.replica)
    await refuses_eviction(cluster.url, cluster.nodes[1])


async def refuses_eviction(url: str, server: Server) -> None:
    connections = Connections(url)
    await connections.check_eviction_policy()
    await server.client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(FailedPrecondition, match="set it to noeviction"):
        await connections.check_eviction_policy()
    await server.client.config_set("maxmemory-policy", "noeviction")
    await connections.aclose()


async def test_gateway_continues_after_a_sentinel_failover(
    group: SentinelGroup, tmp_path: Path
) -> None:
    """An open stream continues without a gap after the last replicated event."""
    async with on_redis(tmp_path, group.url) as gateway:
        await check_operations(gateway)
        room = new_sid()
        async with gateway.subscribe_ws(WATCH, room=room) as messages:
            await take(messages, 1)
            before = await join(gateway, room)
            [before_event] = await take(messages, 1)
            await group.wait_for_replication()
            await group.master.kill()
            after = await join(gateway, room)
            [after_event] = await take(messages, 1)
        assert [event["participant"]["sid"] for event in (before_event, after_event)] == [
            before,
            after,
        ]
        assert after_event["prev"] == before_event["cursor"]
        await eventually(lambda: ready(gateway))
        await check_operations(gateway)


async def test_hanging_master_delays_only_its_own_keys(cluster: ValkeyCluster) -> None:
    connections = Connections(cluster.url)
    keys = [f"{{{number}}}" for number in range(30)]
    await asyncio.gather(*(connections.pipeline(("SET", key, "v")) for key in keys))
    owners = {key: await cluster.master_of(key) for key in keys}
    hanging = owners[keys[0]]
    hanging.suspend()
    try:
        results = await asyncio.gather(
            *(connections.pipeline(("GET", key)) for key in keys), return_exceptions=True
        )
    finally:
        hanging.resume()
    for key, result in zip(keys, results, strict=True):
        assert (
            isinstance(result, UpstreamUnavailable) if owners[key] is hanging else result == [b"v"]
        )
    await eventually(lambda: _is_answered(connections, keys[0]))
    await connections.aclose()


async def test_pause_after_a_429_applies_on_a_cluster(cluster: ValkeyCluster) -> None:
    connections, account, rate = (
        Connections(cluster.url),
        AccountSid("AC" + "0" * 32),
        Rate(per_s=10, burst=1),
    )
    limiter = Limiter(connections, account, Concurrency(100, 4), timeout_s=RESPONSE_TIMEOUT_S)
    assert (await limiter.take("read", rate, ["one"])).granted
    await limiter.back_off("write", 60_000)
    assert not (await limiter.take("write", rate, ["other"])).granted
    await limiter.release(["one"])
    await connections.aclose()


async def test_unreachable_cluster_is_unavailable_and_recovers(
    cluster: ValkeyCluster,
) -> None:
    connections, unreachable = (
        Connections(cluster.url),
        Connections("redis+cluster://127.0.0.1:1,127.0.0.1:2"),
    )
    await connections.pipeline(("SET", "k", "v"))
    with pytest.raises(UpstreamUnavailable):
        await unreachable.check_eviction_policy()
    for node in cluster.nodes:
        node.suspend()
    try:
        for clients in (connections, unreachable):
            outcomes = await asyncio.gather(
                clients.pipeline(("GET", "k")),
                clients.execute("k", "GET", "k"),
                clients.run(TRIM, ["k"], [1]),
                clients.reconnect(),
                clients.execute_blocking("k", "XREAD", "STREAMS", "k", "0", timeout_s=0.5),
                return_exceptions=True,
            )
            assert [type(outcome) for outcome in outcomes] == [UpstreamUnavailable] * 5
    finally:
        for node in cluster.nodes:
            node.resume()
    await eventually(lambda: _is_answered(connections, "k"))
    # The nodes have missed each other's pings, and later tests use the cluster too.
    await eventually(lambda: _is_up(cluster))
    for clients in (connections, unreachable):
        await clients.aclose()


async def _is_up(cluster: ValkeyCluster) -> bool:
    """Whether every node says that the cluster serves all keys."""
    infos = [await node.client.execute_command("CLUSTER", "INFO") for node in cluster.nodes]
    return all("cluster_state:ok" in text_of(info) for info in infos)


def text_of(info: Any) -> str:
    return info.decode() if isinstance(info, bytes) else str(info)


async def _is_answered(connections: Connections, key: str) -> bool:
    with suppress(UpstreamUnavailable):
        return await connections.pipeline(("GET", key)) == [b"v"]
    return False


async def test_gateway_follows_keys_that_move_in_a_cluster(
    cluster: ValkeyCluster, tmp_path: Path
) -> None:
    async with on_redis(tmp_path, cluster.url) as gateway:
        await check_operations(gateway)
        log_key = Keys(AccountSid(gateway.account_sid)).log
        owner, room = await cluster.master_of(log_key), new_sid()
        async with gateway.subscribe_ws(WATCH, room=room) as messages:
            await take(messages, 1)
            before = await join(gateway, room)
            [before_event] = await take(messages, 1)
            await cluster.move_slot(
                log_key, next(node for node in cluster.nodes if node is not owner)
            )
            after = await join(gateway, room)
            [after_event] = await take(messages, 1)
        assert await cluster.master_of(log_key) is not owner
        assert [event["participant"]["sid"] for event in (before_event, after_event)] == [
            before,
            after,
        ]
        assert after_event["prev"] == before_event["cursor"]
        await check_operations(gateway)


async def test_invalid_redis_url_is_rejected_with_a_message() -> None:
    ports = ("--http-port", "0", "--grpc-port", "0", "--sandbox-port", "0")
    code, _, err = await run("dev", *ports, GATEWAY_REDIS_URL="redis+sentinel://127.0.0.1:1")
    assert (code, "names no service" in err, "Traceback" in err) == (2, True, False), err
