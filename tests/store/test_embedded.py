import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.core.errors import FailedPrecondition
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer

HOLDER = """
import asyncio, sys
from pathlib import Path
from gateway.store.embedded import EmbeddedServer
async def main():
    async with EmbeddedServer(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def set_and_get(url: str, value: str | None = None) -> object:
    connections = Connections(url)
    try:
        if value is not None:
            await connections.ask(connections.commands.set("key", value))
        return await connections.ask(connections.commands.get("key"))
    finally:
        await connections.aclose()


async def test_a_durable_server_has_its_data_after_a_restart(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "data") as server:
        assert await set_and_get(server.url, "kept") == b"kept"

    async with EmbeddedServer(tmp_path / "data") as server:
        assert await set_and_get(server.url) == b"kept"


async def test_it_keeps_its_keys_and_leaves_nothing_behind() -> None:
    async with EmbeddedServer() as server:
        connections = Connections(server.url)
        await connections.check_policy()
        await connections.aclose()
        directory = Path(server.url.removeprefix("unix://")).parent
        assert directory.exists()

    assert not directory.exists()
    assert await server.wait() == 0


async def test_a_data_directory_has_one_owner_and_dies_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.embedded._LOCK_S", 0.05)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    url = (await holder.stdout.readline()).decode().strip()
    with pytest.raises(FailedPrecondition, match="another gateway that is running"):
        await EmbeddedServer(tmp_path).__aenter__()

    os.kill(holder.pid, signal.SIGKILL)
    await holder.wait()

    # The lock is the server's too: a new owner gets it only when no server of the old one is left.
    monkeypatch.setattr("gateway.store.embedded._LOCK_S", 5.0)
    async with EmbeddedServer(tmp_path) as server:
        assert server.url != url
        assert await set_and_get(server.url, "mine") == b"mine"
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(url.removeprefix("unix://"))


async def test_where_socket_paths_are_too_long_a_port_with_a_password_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.store.embedded._SOCKET_LIMIT", 10)

    async with EmbeddedServer() as server:
        assert server.url.startswith("redis://:")
        assert await set_and_get(server.url, "kept") == b"kept"


async def test_without_a_server_for_this_platform_a_sentence_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(FailedPrecondition, match="set GATEWAY_REDIS_URL"):
        await EmbeddedServer().__aenter__()


async def test_a_server_that_cannot_start_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("not a directory")

    with pytest.raises(FailedPrecondition, match="valkey-server stopped at once"):
        await EmbeddedServer(tmp_path).__aenter__()
