"""The limits of a TCP connection under a stream."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.http.tcp_connection import (
    CHUNK_BYTES,
    PROBE_S,
    SEND_BUFFER_BYTES,
    USER_TIMEOUT_MS,
    TcpConnection,
)

TIMEOUT_S = 20


@asynccontextmanager
async def accept() -> AsyncIterator[tuple[web.Request, TcpConnection]]:
    """A request whose client does not read the response, and its connection."""
    accepted_request: asyncio.Future[web.Request] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        accepted_request.set_result(request)
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
        request = await asyncio.wait_for(accepted_request, TIMEOUT_S)
        yield request, TcpConnection(request)
    finally:
        done.set()
        writer.transport.abort()
        await runner.cleanup()


async def test_limit_buffers_sets_the_send_buffer_and_the_timeout_of_the_kernel() -> None:
    async with accept() as (request, connection):
        connection.limit_buffers()
        assert request.transport is not None
        handle: socket.socket = request.transport.get_extra_info("socket")
        # Linux doubles the value for its own bookkeeping. socket(7)
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == USER_TIMEOUT_MS


async def test_write_now_is_refused_while_data_are_buffered() -> None:
    async with accept() as (request, connection):
        connection.limit_buffers()
        assert connection.write_now(b"x" * CHUNK_BYTES)
        while connection.is_drained:
            connection.write_now(b"x" * CHUNK_BYTES)
        assert request.transport is not None
        buffered = request.transport.get_write_buffer_size()
        assert not connection.write_now(b"x")
        assert request.transport.get_write_buffer_size() == buffered <= CHUNK_BYTES
        connection.abort()
        assert connection.is_closing
        assert not connection.write_now(b"x")


async def test_write_now_is_refused_for_more_than_a_chunk() -> None:
    async with accept() as (_, connection):
        assert connection.is_drained
        assert not connection.write_now(b"x" * (CHUNK_BYTES + 1))


async def test_a_unix_socket_gets_the_limits_that_it_supports(tmp_path: Path) -> None:
    """A proxy on the same machine may connect over a Unix socket."""

    async def handle(request: web.Request) -> web.StreamResponse:
        TcpConnection(request).limit_buffers()
        TcpConnection(request).keep_alive()
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
            http.get("http://here/") as response,
        ):
            assert response.status == 200
    finally:
        await runner.cleanup()


async def test_keep_alive_lets_the_kernel_probe_a_quiet_client() -> None:
    async with accept() as (request, connection):
        connection.keep_alive()
        assert request.transport is not None
        handle: socket.socket = request.transport.get_extra_info("socket")
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == PROBE_S
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == PROBE_S
