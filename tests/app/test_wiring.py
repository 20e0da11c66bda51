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

from gateway.app import wiring as app
from gateway.app.wiring import Addresses, Listen, Mode, bind, bind_shared, run
from gateway.core.errors import FailedPrecondition, GatewayError, UpstreamUnavailable
from gateway.core.rooms import NewRoom
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from gateway.service.log.tail import Tail
from gateway.service.reconcile.leader import LEASE
from gateway.settings.environment import ApiKeySettings, Settings
from gateway.store.connection import Connections
from gateway.store.keys import Keys
from tests.service.conftest import ANYBODY, Site, running_sandbox, site, soon, until

__all__ = ["running_sandbox", "site"]  # fixtures of the service's tests

KEY = "rgk_test"
LOOPBACK = "127.0.0.1"


def settings(redis_url: str, base_url: str = "http://127.0.0.1:1", **mutations: Any) -> Settings:
    values: dict[str, Any] = {
        "twilio_account_sid": ANYBODY.account_sid,
        "twilio_auth_token": SecretStr("token"),
        "twilio_video_base_url": HttpUrl(base_url),
        "gateway_public_url": HttpUrl("http://127.0.0.1:1"),
        "gateway_redis_url": redis_url,
        "gateway_api_keys": (
            ApiKeySettings(id="test", sha256=hashlib.sha256(KEY.encode()).hexdigest()),
        ),
    }
    return Settings(**values | mutations)


@asynccontextmanager
async def running(settings: Settings, host: str = LOOPBACK) -> AsyncIterator[Addresses]:
    ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            run(settings, Listen(bind(host, 0), host, 0), Mode(), ready.set_result, stop)
        )
        yield await soon(ready)
        stop.set()


async def failure(settings: Settings, grpc_port: int = 0) -> GatewayError:
    listen = Listen(bind(LOOPBACK, 0), LOOPBACK, grpc_port)
    with pytest.raises(GatewayError) as failed:
        await soon(run(settings, listen, Mode(), lambda _: None, asyncio.Event()))
    assert listen.http.fileno() == -1, "the port is given back"
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


async def test_i16_each_face_says_in_its_own_words_that_there_are_too_many_streams(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STREAMS", 0)
    async with (
        running(settings(redis_url)) as addresses,
        aiohttp.ClientSession() as http,
        grpc.aio.insecure_channel(addresses.grpc) as channel,
    ):
        headers = {"X-API-Key": KEY, "Accept": "text/event-stream"}
        watch = {"query": "subscription { roomEvents { cursor } }"}
        async with http.post(addresses.sse, json=watch, headers=headers) as reply:
            told = await reply.text()
        assert "RATE_LIMITED" in told
        assert "this gateway has its 0 event streams open; come back shortly" in told
        stream = stubs.RoomServiceStub(channel).WatchRoomEvents(
            pb.WatchRoomEventsRequest(), metadata=(("x-api-key", KEY),)
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(stream))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "event streams open" in (refused.value.details() or "")


async def test_it_stops_without_a_task_left(redis_url: str) -> None:
    tasks = asyncio.all_tasks()
    async with running(settings(redis_url)):
        pass
    await until(
        lambda: not [task for task in asyncio.all_tasks() - tasks if "gateway" in str(task)]
    )


async def test_addresses_of_ipv6_are_written_with_brackets(redis_url: str) -> None:
    async with running(settings(redis_url), "::1") as addresses:
        assert addresses.graphql.startswith("http://[::1]:")
        assert addresses.grpc.startswith("[::1]:")


async def test_p3_without_redis_it_does_not_start_and_says_so() -> None:
    assert isinstance(await failure(settings("redis://127.0.0.1:1")), UpstreamUnavailable)


async def test_p3_a_log_that_cannot_be_read_is_given_up_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "LOG_LIMIT_S", 0.05)
    failed = await failure(settings("redis://127.0.0.1:1", gateway_allow_eviction=True))
    assert "GATEWAY_REDIS_URL" in failed.message


async def test_a_server_that_throws_keys_away_is_refused(
    redis_url: str, connections: Connections
) -> None:
    await connections.commands.config_set("maxmemory-policy", "allkeys-lru")
    try:
        failed = await failure(settings(redis_url))
        assert isinstance(failed, FailedPrecondition)
        assert "GATEWAY_ALLOW_EVICTION" in failed.message
        async with running(settings(redis_url, gateway_allow_eviction=True)):
            pass
    finally:
        await connections.commands.config_set("maxmemory-policy", "noeviction")


async def test_a_log_that_cannot_be_read_holds_up_no_other_account(
    redis_url: str, connections: Connections, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "LOG_LIMIT_S", 0.3)
    digests = {name: hashlib.sha256(f"rgk_{name}".encode()).hexdigest() for name in "ab"}
    rows = [
        {"sid": f"AC{name * 32}", "auth_token": name, "api_keys": [{"id": "web", "sha256": digest}]}
        for name, digest in digests.items()
    ]
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({"accounts": rows}))
    acl = connections.commands.execute_command
    await acl(
        "ACL", "SETUSER", "of-a", "reset", "on", ">secret", "+@all", f"~rg:{{{rows[0]['sid']}}}:*"
    )
    limited = redis_url.replace("://", "://of-a:secret@", 1)
    several = Settings(
        gateway_accounts_file=file,
        gateway_public_url=HttpUrl("http://127.0.0.1:1"),
        gateway_redis_url=limited,
    )
    watch = {"query": "subscription { roomEvents { __typename } }"}
    try:
        async with running(several) as addresses, aiohttp.ClientSession() as http:
            for name, told in (("a", "StreamStarted"), ("b", "UPSTREAM_UNAVAILABLE")):
                headers = {"X-API-Key": f"rgk_{name}", "Accept": "text/event-stream"}
                async with http.post(addresses.sse, json=watch, headers=headers) as reply:
                    lines = [(await soon(reply.content.readline())).decode() for _ in range(5)]
                assert told in "".join(lines)
            async with http.get(addresses.console + "readyz") as reply:
                assert (reply.status, await reply.json()) == (
                    200,
                    {"status": "ok", "degraded": ["log"]},
                )
    finally:
        await acl("ACL", "DELUSER", "of-a")


async def test_a_grpc_port_that_is_taken_is_named(redis_url: str) -> None:
    with bind(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        assert str(port) in (await failure(settings(redis_url), grpc_port=port)).message


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
async def test_a_shared_port_has_several_owners_and_is_lost_to_others_once_one_listens(
    host: str,
) -> None:
    with bind_shared(host, 0) as first:
        port = first.getsockname()[1]
        with bind_shared(host, port) as second:
            second.listen()
            with pytest.raises(OSError, match="in use"):
                bind(host, port)
            with socket.create_connection((host, port)):
                second.accept()[0].close()


async def test_a_bug_in_the_tail_stops_everything(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no outage is not survived in silence."""

    async def fail(self: Tail) -> None:
        await self._take_up()
        raise ZeroDivisionError

    monkeypatch.setattr(Tail, "_follow", fail)
    with pytest.raises(ZeroDivisionError):
        await soon(
            run(
                settings(redis_url),
                Listen(bind(LOOPBACK, 0), LOOPBACK, 0),
                Mode(),
                lambda _: None,
                asyncio.Event(),
            )
        )


@pytest.mark.parametrize(("quota", "most"), [(80, 80), (20, 20), (2, 2)])
async def test_i13_the_budget_leaves_room_in_every_second(quota: int, most: int) -> None:
    both = settings("redis://x", gateway_read_quota=quota, gateway_write_quota=quota)
    budget = app._budget(both.accounts[0], both)
    for rate in (budget.read.together, budget.write.together):
        assert rate.burst + 1_000_000 / rate.interval_us <= most


async def test_the_reconciler_leads_while_the_gateway_runs_and_gives_its_lease_back(
    redis_url: str, connections: Connections
) -> None:
    lease = Keys(ANYBODY.account_sid).lease(LEASE)
    async with running(settings(redis_url)):
        async with asyncio.timeout(5):
            while not await connections.commands.exists(lease):
                pass
    assert not await connections.commands.exists(lease)
    async with running(settings(redis_url, gateway_reconcile=False)):
        pass
    assert not await connections.commands.exists(lease)


async def test_an_account_is_built_whole(site: Site) -> None:
    account = await site.replica()
    created = await account.rooms.create(ANYBODY, NewRoom())
    assert (
        created.value.status_callback
        == "http://127.0.0.1:1/callbacks/twilio#rc=5&rp=all&ct=1000&rt=2500"
    )
