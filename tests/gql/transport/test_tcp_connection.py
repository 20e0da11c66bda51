import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.gql.transport.sse import HEARTBEAT_S, LOOK_S
from gateway.gql.transport.tcp_connection import PIECE_BYTES, SEND_BYTES, SILENCE_MS, TcpConnection

TIMEOUT_S = 20


@asynccontextmanager
async def accepted() -> AsyncIterator[tuple[web.Request, TcpConnection]]:
    """A request whose client reads nothing of the answer, and the connection under it."""
    taken: asyncio.Future[web.Request] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        taken.set_result(request)
        await done.wait()
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], limit=1)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    try:
        request = await asyncio.wait_for(taken, TIMEOUT_S)
        yield request, TcpConnection(request)
    finally:
        done.set()
        writer.transport.abort()
        await runner.cleanup()


async def test_a_stream_bounds_what_the_kernel_keeps_and_how_long_it_waits_for_an_answer() -> None:
    async with accepted() as (request, connection):
        connection.limit()
        assert request.transport is not None
        handle: socket.socket = request.transport.get_extra_info("socket")
        # Linux says twice of what it was told: it counts its own book-keeping. socket(7)
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BYTES
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENCE_MS


def test_p9_a_quiet_stream_is_found_to_be_dead_in_time() -> None:
    assert HEARTBEAT_S + 2 * LOOK_S + SILENCE_MS / 1000 <= 45


async def test_a_connection_that_is_behind_is_not_written_past_its_queue() -> None:
    async with accepted() as (request, connection):
        connection.limit()
        assert connection.write_at_once(b"x" * PIECE_BYTES)
        while connection.is_clear:
            connection.write_at_once(b"x" * PIECE_BYTES)
        assert request.transport is not None
        queued = request.transport.get_write_buffer_size()
        assert not connection.write_at_once(b"x")
        assert request.transport.get_write_buffer_size() == queued <= PIECE_BYTES
        connection.abort()
        assert connection.is_gone
        assert not connection.write_at_once(b"x")


async def test_what_is_much_waits_for_its_turn() -> None:
    async with accepted() as (_, connection):
        assert connection.is_clear
        assert not connection.write_at_once(b"x" * (PIECE_BYTES + 1))


async def test_a_connection_without_tcp_is_limited_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Behind a proxy on the same machine, which talks to us over a Unix socket."""

    async def handle(request: web.Request) -> web.StreamResponse:
        TcpConnection(request).limit()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    path = str(tmp_path / "socket")
    await web.UnixSite(runner, path).start()
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http,
            http.get("http://here/") as reply,
        ):
            assert reply.status == 200
    finally:
        await runner.cleanup()
