import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.core.errors import FailedPrecondition
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, Limits

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
            await connections.reply(connections.commands.set("key", value))
        return await connections.reply(connections.commands.get("key"))
    finally:
        await connections.aclose()


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "data") as server:
        assert await set_and_get(server.url, "kept") == b"kept"

    async with EmbeddedServer(tmp_path / "data") as server:
        assert await set_and_get(server.url) == b"kept"


async def test_server_evicts_no_keys_and_leaves_no_files() -> None:
    async with EmbeddedServer() as server:
        connections = Connections(server.url)
        await connections.check_eviction_policy()
        await connections.aclose()
        directory = Path(server.url.removeprefix("unix://")).parent
        assert directory.exists()

    assert not directory.exists()
    assert await server.wait() == 0


async def test_data_directory_has_one_owner_and_its_server_stops_with_it(
    tmp_path: Path,
) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    url = (await holder.stdout.readline()).decode().strip()
    with pytest.raises(FailedPrecondition, match="in use by another gateway"):
        await EmbeddedServer(tmp_path, Limits(lock_s=0.05)).__aenter__()

    os.kill(holder.pid, signal.SIGKILL)
    await holder.wait()

    # The old server holds the lock too: the new owner gets it when that server is gone.
    async with EmbeddedServer(tmp_path, Limits(lock_s=60)) as server:
        assert server.url != url
        assert await set_and_get(server.url, "mine") == b"mine"
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(url.removeprefix("unix://"))


async def test_server_listens_on_a_port_when_the_socket_path_is_too_long() -> None:
    async with EmbeddedServer(limits=Limits(socket_path=10)) as server:
        assert server.url.startswith("redis://:")
        assert await set_and_get(server.url, "kept") == b"kept"


async def test_missing_binary_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(FailedPrecondition, match="set GATEWAY_REDIS_URL"):
        await EmbeddedServer().__aenter__()


async def test_server_that_cannot_start_fails_at_once(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("not a directory")

    with pytest.raises(FailedPrecondition, match="valkey-server stopped at once"):
        await EmbeddedServer(tmp_path).__aenter__()
