import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import HttpUrl, SecretStr

from gateway.app.server import Addresses, Listen, Timings, bind, bind_shared, run, serve
from gateway.app.wiring import Gateway, Mode, build_account
from gateway.core.errors import FailedPrecondition, GatewayError, UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.rpc.http.bodies import envelope
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.points import CallerLimiter
from gateway.service.log.tail import Tail
from gateway.service.reconcile.leader import LEASE
from gateway.settings.accounts import ApiKeySettings
from gateway.settings.environment import Settings
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from gateway.twilio.client import open_session
from tests.service.conftest import ADMIN, in_time, wait_until, wait_until_async

KEY = "rgk_test"
KEY_DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
LOOPBACK = "127.0.0.1"
UNREACHABLE_REDIS = "redis://127.0.0.1:1"


def settings(redis_url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "twilio_account_sid": ADMIN.account_sid,
        "twilio_auth_token": SecretStr("token"),
        "twilio_video_base_url": HttpUrl("http://127.0.0.1:1"),
        "gateway_public_url": HttpUrl("http://127.0.0.1:1"),
        "gateway_redis_url": redis_url,
        "gateway_api_keys": (ApiKeySettings(id="test", sha256=KEY_DIGEST),),
    }
    return Settings(**values | changes)


@asynccontextmanager
async def running(
    settings: Settings, host: str = LOOPBACK, timings: Timings = Timings()
) -> AsyncIterator[Addresses]:
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    listen = Listen(bind(host, 0), host, 0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(settings, listen, Mode(), ready.set_result, stop, timings))
        yield await in_time(ready)
        stop.set()


async def start_error(
    settings: Settings, grpc_port: int = 0, timings: Timings = Timings()
) -> GatewayError:
    listen = Listen(bind(LOOPBACK, 0), LOOPBACK, grpc_port)
    with pytest.raises(GatewayError) as failed:
        await in_time(run(settings, listen, Mode(), lambda _: None, asyncio.Event(), timings))
    assert listen.http.fileno() == -1, "the port is released"
    return failed.value


async def test_every_port_answers_once_it_is_ready(redis_url: str) -> None:
    async with (
        running(settings(redis_url)) as addresses,
        aiohttp.ClientSession() as http,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        async with http.get(addresses.console + "readyz") as reply:
            assert reply.status == 200
        async with http.post(
            addresses.graphql, json={"query": "{ __typename }"}, headers={"X-API-Key": KEY}
        ) as reply:
            assert (await reply.json(content_type=None))["data"] == {"__typename": "Query"}
        async with http.post(addresses.callbacks) as reply:
            assert reply.status == 400
        healthy = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert healthy.status == health_pb2.HealthCheckResponse.SERVING


async def test_i16_both_faces_refuse_a_stream_when_too_many_are_open(
    connections: Connections,
) -> None:
    config = settings(UNREACHABLE_REDIS)
    async with open_session() as session:
        no_streams = ConnectionLimit("event streams", 0, 0)
        account = build_account(config, config.accounts[0], connections, session, no_streams)
        gateway = Gateway(
            {AccountSid(account.sid): account},
            Authenticator([ApiKey(KEY_DIGEST, ADMIN)]),
            CallerLimiter(),
        )
        stop, grpc_port = asyncio.Event(), asyncio.get_running_loop().create_future()
        with bind(LOOPBACK, 0) as http_socket:
            listen = Listen(http_socket, LOOPBACK, 0)
            base = f"http://{LOOPBACK}:{http_socket.getsockname()[1]}"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    serve(gateway, config, listen, Mode(), grpc_port.set_result, stop)
                )
                channel = grpc.aio.insecure_channel(f"{LOOPBACK}:{await in_time(grpc_port)}")
                async with channel, aiohttp.ClientSession() as http:
                    headers = {"X-API-Key": KEY, "Accept": "text/event-stream"}
                    watch = {"query": "subscription { roomEvents { cursor } }"}
                    async with http.post(f"{base}/graphql", json=watch, headers=headers) as reply:
                        text = await reply.text()
                    stub: Any = stubs.RoomServiceStub(channel)
                    stream = stub.WatchRoomEvents(
                        pb.WatchRoomEventsRequest(), metadata=(("x-api-key", KEY),)
                    )
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await anext(aiter(stream))
                stop.set()
        await account.aclose()
    assert "RATE_LIMITED" in text
    assert "0 event streams" in text
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "0 event streams" in (refused.value.details() or "")


@pytest.mark.parametrize(
    ("media_type", "end"),
    [
        ("application/connect+json", b'"code":"unavailable"'),
        ("application/grpc-web+proto", b"grpc-status: 14"),
    ],
)
async def test_stop_ends_streams_over_http_so_that_their_clients_resume(
    redis_url: str, media_type: str, end: bytes
) -> None:
    async with aiohttp.ClientSession() as http:
        async with running(settings(redis_url)) as addresses:
            reply = await http.post(
                f"{addresses.console}rooms_gateway.v1.RoomService/WatchRoomEvents",
                data=envelope(b"{}" if "json" in media_type else b""),
                headers={"X-API-Key": KEY, "Content-Type": media_type},
            )
            assert await in_time(reply.content.readexactly(1)) == b"\0"
        assert end in await in_time(reply.read())


async def test_stop_leaves_no_task(redis_url: str) -> None:
    tasks = asyncio.all_tasks()
    async with running(settings(redis_url)):
        pass
    await wait_until(
        lambda: not [task for task in asyncio.all_tasks() - tasks if "gateway" in str(task)]
    )


async def test_ipv6_addresses_have_brackets(redis_url: str) -> None:
    async with running(settings(redis_url), "::1") as addresses:
        assert addresses.graphql.startswith("http://[::1]:")
        assert addresses.grpc.startswith("[::1]:")


async def test_p3_start_without_redis_fails_with_a_message() -> None:
    assert isinstance(await start_error(settings(UNREACHABLE_REDIS)), UpstreamUnavailable)


async def test_p3_start_fails_when_no_log_can_be_read() -> None:
    unchecked = settings(UNREACHABLE_REDIS, gateway_allow_eviction=True)
    failed = await start_error(unchecked, timings=Timings(log_s=0.05))
    assert "GATEWAY_REDIS_URL" in failed.message


async def test_start_fails_when_redis_may_evict_keys(
    redis_url: str, connections: Connections
) -> None:
    await connections.commands.config_set("maxmemory-policy", "allkeys-lru")
    try:
        failed = await start_error(settings(redis_url))
        assert isinstance(failed, FailedPrecondition)
        assert "GATEWAY_ALLOW_EVICTION" in failed.message
        async with running(settings(redis_url, gateway_allow_eviction=True)):
            pass
    finally:
        await connections.commands.config_set("maxmemory-policy", "noeviction")


async def test_a_log_that_cannot_be_read_does_not_hold_up_another_account(
    redis_url: str, connections: Connections, tmp_path: Path
) -> None:
    digests = {name: hashlib.sha256(f"rgk_{name}".encode()).hexdigest() for name in "ab"}
    rows = [
        {"sid": f"AC{name * 32}", "auth_token": name, "api_keys": [{"id": "web", "sha256": digest}]}
        for name, digest in digests.items()
    ]
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": rows}))
    execute = connections.commands.execute_command
    only_account_a = f"~rg:{{{rows[0]['sid']}}}:*"
    await execute("ACL", "SETUSER", "of-a", "reset", "on", ">secret", "+@all", only_account_a)
    limited = redis_url.replace("://", "://of-a:secret@", 1)
    two_accounts = Settings(
        gateway_accounts_file=file,
        gateway_public_url=HttpUrl("http://127.0.0.1:1"),
        gateway_redis_url=limited,
    )
    watch = {"query": "subscription { roomEvents { __typename } }"}
    try:
        async with (
            running(two_accounts, timings=Timings(log_s=0.3)) as addresses,
            aiohttp.ClientSession() as http,
        ):
            for name, answer in (("a", "StreamStarted"), ("b", "UPSTREAM_UNAVAILABLE")):
                headers = {"X-API-Key": f"rgk_{name}", "Accept": "text/event-stream"}
                async with http.post(addresses.sse, json=watch, headers=headers) as reply:
                    lines = [(await in_time(reply.content.readline())).decode() for _ in range(5)]
                assert answer in "".join(lines)
            async with http.get(addresses.console + "readyz") as reply:
                assert (reply.status, await reply.json()) == (
                    200,
                    {"status": "ok", "degraded": ["log"]},
                )
    finally:
        await execute("ACL", "DELUSER", "of-a")


async def test_a_grpc_port_in_use_is_named_in_the_error(redis_url: str) -> None:
    with bind(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        assert str(port) in (await start_error(settings(redis_url), grpc_port=port)).message


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
async def test_a_shared_port_takes_several_sockets_and_refuses_an_unshared_one(host: str) -> None:
    with bind_shared(host, 0) as first:
        port = first.getsockname()[1]
        with bind_shared(host, port) as second:
            second.listen()
            with pytest.raises(OSError, match="in use"):
                bind(host, port)
            with socket.create_connection((host, port)):
                second.accept()[0].close()


async def test_a_bug_in_a_background_task_stops_the_gateway(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tail = Tail.run

    async def fail_once_ready(self: Tail) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_tail(self))
            await self.ready()
            raise ZeroDivisionError

    monkeypatch.setattr(Tail, "run", fail_once_ready)
    listen = Listen(bind(LOOPBACK, 0), LOOPBACK, 0)
    with pytest.raises(ZeroDivisionError):
        await in_time(run(settings(redis_url), listen, Mode(), lambda _: None, asyncio.Event()))


async def test_the_reconciler_leads_while_the_gateway_runs_and_releases_its_lease(
    redis_url: str, connections: Connections
) -> None:
    lease = Keys(ADMIN.account_sid).lease(LEASE)

    async def is_held() -> bool:
        return bool(await connections.commands.exists(lease))

    async with running(settings(redis_url)):
        await wait_until_async(is_held)
    assert not await is_held()
    async with running(settings(redis_url, gateway_reconcile=False)):
        pass
    assert not await is_held()
