"""P9: a client that is gone without a word, on each transport. Packets are really lost: the kernel of the other side drops
them before TCP sees them."""

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

from gateway.core.rooms import AccountSid
from gateway.gql.transport.http import GraphQLHttp
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from gateway.rpc.server import RpcServer
from gateway.service.accounts import Account
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.conftest import Figure
from tests.faults.nemesis import Proxy
from tests.service.conftest import ADMIN, Site, gated, running_sandbox, site, wait_until  # noqa: F401 - fixtures

KEY = "rgk_of_the_half_open"
HEADERS = {"Authorization": f"Bearer {KEY}"}
GONE_S = 45.0
WATCH = "subscription { roomEvents { cursor } }"
NO_FAREWELL = aiohttp.ClientWSTimeout(ws_close=0.1)
Leave = Callable[[], Awaitable[object]]
"""Gives up the client's half."""


@dataclass
class Faces:
    """In this process, so that what they leave behind can be counted; `ports` by transport."""

    ports: Mapping[str, int]


@asynccontextmanager
async def faces(account: Account) -> AsyncIterator[Faces]:
    authenticator = Authenticator([ApiKey(hashlib.sha256(KEY.encode()).hexdigest(), ADMIN)])
    accounts: dict[AccountSid, Account] = {account.sid: account}
    face, rpc, app = (
        GraphQLHttp(authenticator, accounts),
        RpcServer(authenticator, accounts, CallerLimiter(), "127.0.0.1:0"),
        web.Application(),
    )
    face.mount(app)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await rpc.start()
    http = runner.addresses[0][1]
    try:
        yield Faces({"ws": http, "sse": http, "grpc": rpc.port})
    finally:
        await face.aclose()
        await rpc.stop(0)
        await runner.cleanup()


async def open_ws(port: int, http: aiohttp.ClientSession) -> Leave:
    socket = await http.ws_connect(
        f"http://127.0.0.1:{port}/graphql",
        protocols=("graphql-transport-ws",),
        headers=HEADERS,
        timeout=NO_FAREWELL,
    )
    await socket.send_json({"type": "connection_init"})
    await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
    assert [(await socket.receive_json())["type"] for _ in range(2)] == ["connection_ack", "next"]
    return socket.close


async def open_sse(port: int, http: aiohttp.ClientSession) -> Leave:
    reply = await http.post(
        f"http://127.0.0.1:{port}/graphql",
        json={"query": WATCH},
        headers={**HEADERS, "Accept": "text/event-stream"},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    while not (await reply.content.readline()).startswith(b"data:"):
        pass

    async def leave() -> None:
        reply.close()

    return leave


async def open_grpc(port: int, http: aiohttp.ClientSession) -> Leave:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    metadata = tuple((name.lower(), value) for name, value in HEADERS.items())
    call = stubs.RoomServiceStub(channel).WatchRoomEvents(
        pb.WatchRoomEventsRequest(), metadata=metadata
    )
    assert (await call.read()).HasField("started")

    async def leave() -> None:
        call.cancel()
        await channel.close()

    return leave


OPEN: dict[str, Callable[[int, aiohttp.ClientSession], Awaitable[Leave]]] = {
    "ws": open_ws,
    "sse": open_sse,
    "grpc": open_grpc,
}


def tasks() -> int:
    """All of this process but the proxy's, which stay."""
    return sum("Proxy." not in repr(task.get_coro()) for task in asyncio.all_tasks())


@pytest.mark.long
@pytest.mark.parametrize("transport", OPEN)
async def test_p9_stream_of_a_vanished_client_is_closed(
    site: Site,  # noqa: F811
    figure: Figure,
    transport: str,
) -> None:
    account = await site.replica()
    open_streams = site.stream_limit
    async with faces(account) as served, aiohttp.ClientSession() as http:
        proxy = Proxy(served.ports[transport])
        await proxy.start()
        before = tasks()
        leave = await OPEN[transport](proxy.port, http)
        assert open_streams._count == 1
        proxy.vanish()
        gone_at = time.monotonic()
        async with asyncio.timeout(GONE_S + 10):
            while open_streams._count:  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(0.1)  # the count rings no bell
        took_s = time.monotonic() - gone_at
        figure(
            f"P9: a client behind a cut cable, by {transport}", f"gone after {took_s:.1f} s", None
        )
        # The client's own tasks are here as well. What it says at its end is lost like all the rest.
        await leave()
        await wait_until(lambda: tasks() <= before)
        assert took_s <= GONE_S
        await proxy.aclose()
