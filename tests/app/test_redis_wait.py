import asyncio
import socket
from functools import partial

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway.app.redis_wait import WaitTimings, wait_for_redis
from gateway.app.server import bind
from gateway.core.errors import FailedPrecondition
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, free_port
from tests.service.conftest import ACCOUNT, in_time, wait_until

QUICK = WaitTimings(first_pause_s=0.005, longest_pause_s=0.01)


async def status(http: aiohttp.ClientSession, port: int, path: str) -> int:
    async with http.get(f"http://127.0.0.1:{port}{path}") as reply:
        return reply.status


async def waiting(url: str, listening: socket.socket, stop: asyncio.Event) -> bool:
    is_there: bool = await in_time(
        wait_for_redis(url, [ACCOUNT], listening, stop, check_eviction=True, timings=QUICK)
    )
    return is_there


async def relay(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connects a TCP connection with the Unix socket at `path`."""
    there, back = await asyncio.open_unix_connection(path)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    await asyncio.gather(copy(reader, back), copy(there, writer))


async def test_redis_that_comes_ends_the_wait() -> None:
    """Nothing listens at the address at first."""
    port, stop = free_port(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks, EmbeddedServer() as server:
        with bind("127.0.0.1", 0) as listening, capture_logs() as logs:
            wait = tasks.create_task(waiting(f"redis://127.0.0.1:{port}", listening, stop))
            await in_time(wait_until(lambda: bool(logs)))
            async with aiohttp.ClientSession() as http:
                own = listening.getsockname()[1]
                assert await status(http, own, "/healthz") == 200
                assert await status(http, own, "/readyz") == 503
                assert await status(http, own, "/graphql") == 503
            join = partial(relay, server.url.removeprefix("unix://"))
            async with await asyncio.start_server(join, "127.0.0.1", port):
                assert await wait
            assert listening.fileno() != -1
    assert [entry["event"] for entry in logs] == ["redis.away", "redis.found"]
    assert logs[0]["reason"].startswith("Redis did not reply: check the address")


async def test_stop_ends_the_wait() -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        with bind("127.0.0.1", 0) as listening, capture_logs() as logs:
            url = f"redis://127.0.0.1:{free_port()}"
            wait = tasks.create_task(waiting(url, listening, stop))
            await in_time(wait_until(lambda: bool(logs)))
            stop.set()
            assert not await wait


async def test_refusal_ends_the_wait(redis_url: str, connections: Connections) -> None:
    await connections.commands.replicaof("127.0.0.1", 1)
    try:
        with bind("127.0.0.1", 0) as listening, pytest.raises(FailedPrecondition, match="replica"):
            await waiting(redis_url, listening, asyncio.Event())
    finally:
        await connections.commands.replicaof("NO", "ONE")
