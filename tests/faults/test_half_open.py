"""P9: a client vanishes without closing its connection, on each transport.

The packets are really lost: the kernel on the client's side drops them before TCP.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import grpc
import pytest
from aiohttp import web

from gateway.core.errors import Throttled
from gateway.core.rooms import AccountSid
from gateway.gql.transport.http import GraphQLHttp
from gateway.http.origins import Origins
from gateway.rpc.http.bodies import envelope
from gateway.rpc.http.server import RpcHttp
from gateway.rpc.pipeline import Pipeline
from gateway.rpc.server import RpcServer
from gateway.rpc.servicers import SERVICE_NAMES, Servicers
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from gateway.service.accounts import Account
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.points import CallerLimiter
from tests.conftest import Figure
from tests.faults.nemesis import Proxy
from tests.service.conftest import ADMIN, Site, gated, running_sandbox, site, wait_until  # noqa: F401 - fixtures

KEY = "rgk_half_open"
HEADERS = {"Authorization": f"Bearer {KEY}"}
CLOSE_LIMIT_S = 45.0
WATCH = "subscription { roomEvents { cursor } }"
SHORT_CLOSE_TIMEOUT = aiohttp.ClientWSTimeout(ws_close=0.1)
Disconnect = Callable[[], Awaitable[object]]
"""Closes the client's end of the connection."""


@dataclass
class Faces:
    """The faces, in this process, so that its tasks can be counted.

    `ports` is by transport.
    """

    ports: Mapping[str, int]


@asynccontextmanager
async def run_faces(account: Account) -> AsyncIterator[Faces]:
    authenticator = Authenticator([ApiKey(hashlib.sha256(KEY.encode()).hexdigest(), ADMIN)])
    accounts: dict[AccountSid, Account] = {account.sid: account}
    pipeline, servicers = Pipeline(authenticator, CallerLimiter()), Servicers(accounts)
    face, rpc, app = (
        GraphQLHttp(authenticator, accounts, CallerLimiter()),
        RpcServer(pipeline, servicers, "127.0.0.1:0"),
        web.Application(),
    )
    face.mount(app)
    RpcHttp(pipeline, servicers.methods(), Origins((), allow_loopback=False)).mount(app)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await rpc.start()
    http = runner.addresses[0][1]
    try:
        yield Faces({"ws": http, "sse": http, "connect": http, "grpc": rpc.port})
    finally:
        await face.aclose()
        await rpc.stop(0)
        await runner.cleanup()


async def open_ws(port: int, http: aiohttp.ClientSession) -> Disconnect:
    socket = await http.ws_connect(
        f"http://127.0.0.1:{port}/graphql",
        protocols=("graphql-transport-ws",),
        headers=HEADERS,
        timeout=SHORT_CLOSE_TIMEOUT,
    )
    await socket.send_json({"type": "connection_init"})
    await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
    assert [(await socket.receive_json())["type"] for _ in range(2)] == ["connection_ack", "next"]
    return socket.close


async def open_sse(port: int, http: aiohttp.ClientSession) -> Disconnect:
    reply = await http.post(
        f"http://127.0.0.1:{port}/graphql",
        json={"query": WATCH},
        headers={**HEADERS, "Accept": "text/event-stream"},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    while not (await reply.content.readline()).startswith(b"data:"):
        pass

    async def disconnect() -> None:
        reply.close()

    return disconnect


async def open_connect(port: int, http: aiohttp.ClientSession) -> Disconnect:
    [service] = [name for name in SERVICE_NAMES if name.endswith(".RoomService")]
    reply = await http.post(
        f"http://127.0.0.1:{port}/{service}/WatchRoomEvents",
        data=envelope(b"{}"),
        headers={**HEADERS, "Content-Type": "application/connect+json"},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    assert await reply.content.readexactly(1) == b"\0"

    async def disconnect() -> None:
        reply.close()

    return disconnect


async def open_grpc(port: int, http: aiohttp.ClientSession) -> Disconnect:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    metadata = tuple((name.lower(), value) for name, value in HEADERS.items())
    call = stubs.RoomServiceStub(channel).WatchRoomEvents(
        pb.WatchRoomEventsRequest(), metadata=metadata
    )
    assert (await call.read()).HasField("started")

    async def disconnect() -> None:
        call.cancel()
        await channel.close()

    return disconnect


OPEN_STREAM: dict[str, Callable[[int, aiohttp.ClientSession], Awaitable[Disconnect]]] = {
    "ws": open_ws,
    "sse": open_sse,
    "connect": open_connect,
    "grpc": open_grpc,
}


def is_below(limit: ConnectionLimit) -> bool:
    try:
        with limit.enter(ADMIN):
            return True
    except Throttled:
        return False


def task_count() -> int:
    """Counts the tasks of this process, without those of the proxy."""
    return sum("Proxy." not in repr(task.get_coro()) for task in asyncio.all_tasks())


@pytest.mark.long
@pytest.mark.parametrize("transport", OPEN_STREAM)
async def test_p9_stream_of_a_vanished_client_is_closed(
    site: Site,  # noqa: F811
    figure: Figure,
    transport: str,
) -> None:
    site.stream_limit = limit = ConnectionLimit("event streams", 1, 1)
    account = await site.replica()
    async with run_faces(account) as served, aiohttp.ClientSession() as http:
        proxy = Proxy(served.ports[transport])
        await proxy.start()
        before = task_count()
        disconnect = await OPEN_STREAM[transport](proxy.port, http)
        assert not is_below(limit)
        proxy.drop_packets()
        vanished_at = time.monotonic()
        async with asyncio.timeout(CLOSE_LIMIT_S + 10):
            while not is_below(limit):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # the limit sends no notification
        took_s = time.monotonic() - vanished_at
        figure(
            f"P9: a client behind a cut cable, by {transport}",
            f"its stream closed after {took_s:.1f} s",
            None,
        )
        # The client's own tasks run in this process too. The packets that it sends now
        # are lost as well.
        await disconnect()
        await wait_until(lambda: task_count() <= before)
        assert took_s <= CLOSE_LIMIT_S
        await proxy.aclose()
