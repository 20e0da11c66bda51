"""`serve` says what Redis refuses, and waits for a Redis that is away."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.cli.keys import api_key_row
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, free_port
from tests.flows.test_command_line import run
from tests.running import running
from tests.topologies import Server, eventually

SERVE = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "canary",
    "GATEWAY_PUBLIC_URL": "https://rooms.example",
    "GATEWAY_API_KEYS": json.dumps([api_key_row("test", "rgk_test").model_dump(exclude_none=True)]),
}
PORTS = ("--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer() as server:
        yield server


async def refusal(url: str) -> str:
    code, out, err = await run("serve", *PORTS, **SERVE, GATEWAY_REDIS_URL=url)
    assert (code, out) == (2, "")
    assert "canary" not in err
    [line] = err.splitlines()
    return line


async def test_what_redis_refuses_is_named_at_the_start(server: EmbeddedServer) -> None:
    admin = Connections(server.url)
    execute = admin.commands.execute_command
    await execute("ACL", "SETUSER", "app", "on", ">secret", "~rg:*", "+@all", "-@dangerous")
    as_app = server.url.replace("unix://", "unix://app:secret@")
    assert "may not run INFO, which shows whether Redis may evict" in await refusal(as_app)
    wrong_password = as_app.replace("secret", "canary")
    assert "refused the user name or the password" in await refusal(wrong_password)
    await admin.commands.replicaof("127.0.0.1", 1)
    assert "names a read-only replica: name the master" in await refusal(server.url)
    await admin.aclose()


async def test_serve_waits_for_redis_and_is_not_ready_meanwhile(tmp_path: Path) -> None:
    server, port = Server(tmp_path), free_port()
    environment = {
        **SERVE,
        "PATH": os.environ["PATH"],
        "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{server.port}",
    }
    options = ("--host", "127.0.0.1", "--http-port", str(port), "--grpc-port", "0")

    async def status(http: aiohttp.ClientSession, path: str) -> int:
        try:
            async with http.get(f"http://127.0.0.1:{port}{path}") as reply:
                return reply.status
        except aiohttp.ClientError:
            return 0

    async def use_when_ready() -> None:
        async with (
            running(tmp_path, ("serve", *options), environment),
            aiohttp.ClientSession() as http,
        ):
            assert await status(http, "/readyz") == 200

    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
        used = tasks.create_task(use_when_ready())

        async def is_unready() -> bool:
            return await status(http, "/readyz") == 503

        await eventually(is_unready)
        assert await status(http, "/healthz") == 200
        await server.start()
        await used
    await server.kill()
