"""Faults on real processes, in an order that a seed determines.

A valkey-server is killed, suspended and rolled back; gateways are killed and suspended;
a TCP proxy between them resets, delays or drops.
"""

import asyncio
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.core.rooms import AccountSid
from gateway.store.embedded import server_binary
from gateway.store.keys import Keys
from tests.faults.history import Fault
from tests.faults.power import Disk
from tests.running import RESPONSE_TIMEOUT_S, Gateway, running

LOOPBACK = "127.0.0.1"
SYNC_LIMIT_S = 10.0
CHUNK = 65_536
# SO_LINGER with a time of 0: closing sends RST at once, as a host does that does not
# know the connection.
RESET = struct.pack("ii", 1, 0)
# A socket filter of one instruction that drops every packet: BPF_RET | BPF_K, 0. See
# socket(7) and bpf(2).
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
SO_ATTACH_FILTER = 26


class Valkey:
    """A valkey-server with persistent data.

    With the default `fsync`, "always", every acknowledged write is on the disk. `disk`
    is needed for power cuts.
    """

    def __init__(self, folder: Path, *, fsync: str = "always", disk: Disk | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._fsync = fsync
        self._disk = disk
        self._process: asyncio.subprocess.Process | None = None
        self.client = Redis(port=self.port, socket_timeout=RESPONSE_TIMEOUT_S)

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if self._disk is not None:
            self._disk.start_recording()
        self._process = await asyncio.create_subprocess_exec(
            *(str(server_binary()), "--port", str(self.port), "--bind", LOOPBACK),
            *("--dir", str(self.folder), "--save", "", "--appendonly", "yes"),
            *("--appendfsync", self._fsync, "--maxmemory-policy", "noeviction"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=None if self._disk is None else {**os.environ, **self._disk.environment},
        )
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while not await self._responds():  # noqa: ASYNC110
                # The port opens before the data is loaded, and there is no other
                # signal.
                await asyncio.sleep(0.005)

    async def kill(self) -> None:
        """Sends SIGKILL and returns when the process has exited."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self.client.connection_pool.disconnect()

    async def cut_power(self, rng: random.Random) -> int:
        """Kills the server, truncates its files and starts it. Returns the lost bytes.

        Waits for the first sync: a statically linked server would never show one.
        """
        disk = self._disk
        assert disk is not None
        async with asyncio.timeout(SYNC_LIMIT_S):
            while not disk.has_synced:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # only the file shows it
        await self.kill()
        lost_bytes = disk.cut(rng)
        await self.start()
        return lost_bytes

    def suspend(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def save_copy(self) -> None:
        """Copies the data that are on the disk now."""
        shutil.copytree(self.folder, self._copy_folder, dirs_exist_ok=True)

    async def roll_back(self) -> None:
        """Restarts the server with the data of the last copy.

        Returns when it responds.
        """
        await self.kill()
        shutil.rmtree(self.folder)
        shutil.copytree(self._copy_folder, self.folder)
        await self.start()

    async def aclose(self) -> None:
        # SIGKILL ends a suspended process too.
        await self.kill()
        await self.client.aclose()

    @property
    def _copy_folder(self) -> Path:
        return self.folder.with_name(self.folder.name + "-copy")

    async def _responds(self) -> bool:
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False


class Proxy:
    """A TCP proxy with faults.

    A fault applies to the connections that are open then.
    """

    def __init__(self, port_behind: int) -> None:
        self._target_port = port_behind
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._half_open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.delay_s = 0.0
        self.port = 0
        self.accepts_half_open = False
        """New connections are half-open from the start."""
        self.half_open_on = b""
        """A connection becomes half-open when these bytes pass. Empty: never."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Resets every connection, on both sides."""
        for pair in self._pairs:
            for writer in pair:
                _reset(writer)

    def make_half_open(self) -> None:
        """Keeps every connection open, and discards all further bytes."""
        for pair in self._pairs:
            self._half_open.update(pair)

    def drop_packets(self) -> None:
        """Acts like a pulled cable: packets from the server are lost.

        No acknowledgement is sent either. On connections that are only half-open, the
        kernel still acknowledges.
        """
        self.make_half_open()
        for _, behind in self._pairs:
            _drop_packets(behind)

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(
                "127.0.0.1", self._target_port
            )
        except OSError:
            _reset(writer)
            return
        pair = (writer, target_writer)
        self._pairs.add(pair)
        if self.accepts_half_open:
            self._half_open.update(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, target_writer, pair))
                tasks.create_task(self._pump(target_reader, writer, pair))
        finally:
            self._pairs.discard(pair)
            self._half_open.difference_update(pair)
            for writer in pair:
                writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                if self.half_open_on and self.half_open_on in chunk:
                    self._half_open.update(pair)
                if writer in self._half_open:
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()
            if writer not in self._half_open and writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # One side was reset, so the proxy resets the other: else it would be
            # half-open.
            if writer not in self._half_open:
                for writer in pair:
                    _reset(writer)


def _drop_packets(writer: asyncio.StreamWriter) -> None:
    handle: socket.socket = writer.get_extra_info("socket")
    program = ctypes.create_string_buffer(DROP_ALL, len(DROP_ALL))
    handle.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program))
    )


def _reset(writer: asyncio.StreamWriter) -> None:
    handle: socket.socket | None = writer.get_extra_info("socket")
    if handle is not None and handle.fileno() >= 0:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@dataclass
class Replica:
    """A gateway that can be restarted. `name` has the number of its starts."""

    letter: str
    folder: Path
    environment: dict[str, str]
    auth: dict[str, str]
    proxy: Proxy
    options: tuple[str, ...] = ()
    """Command-line options of `serve`."""
    starts: int = 0
    gateway: Gateway | None = None
    is_excluded: bool = False
    """Clients do not connect here, as if a load balancer had removed the replica."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def name(self) -> str:
        return f"{self.letter}{self.starts}"

    async def aclose(self) -> None:
        # Sessions stay open until here: when aiohttp closes a session, its readers wait
        # forever.
        await self.kill()
        await self.stack.aclose()

    async def start(self) -> None:
        environment = self.environment | {
            "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{self.proxy.port}"
        }
        arguments = (
            "serve",
            "--host",
            LOOPBACK,
            "--http-port",
            "0",
            "--grpc-port",
            "0",
            *self.options,
        )
        gateway = await self.stack.enter_async_context(running(self.folder, arguments, environment))
        gateway.auth, gateway.metadata = self.auth, (("authorization", self.auth["Authorization"]),)
        self.starts += 1
        self.gateway = gateway

    def suspend(self) -> None:
        """Sends SIGSTOP and excludes the replica, as a load balancer would."""
        self.is_excluded = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.is_excluded = False
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.gateway is not None
        self.gateway.process.send_signal(number)

    async def drain(self) -> int:
        """Sends SIGTERM, as a deployment does. Returns the exit code.

        Clients can connect until the process has exited.
        """
        assert self.gateway is not None
        process = self.gateway.process
        process.terminate()
        code = await process.wait()
        self.gateway = None
        return code

    async def kill(self) -> None:
        """Sends SIGKILL. The clients are not informed."""
        if self.gateway is not None:
            process, self.gateway = self.gateway.process, None
            process.kill()
            await process.wait()


@dataclass
class Cluster:
    """Gateways that share a Redis, each behind its own proxy, and a sandbox."""

    seed: int
    valkey: Valkey
    replicas: list[Replica]
    sandbox: Gateway
    callbacks: str
    record: Callable[[Fault], None]

    @property
    def log_key(self) -> str:
        return Keys(AccountSid(self.sandbox.account_sid)).log

    def running_replicas(self) -> list[Replica]:
        return [
            replica
            for replica in self.replicas
            if replica.gateway is not None and not replica.is_excluded
        ]

    # Each of these methods returns when its fault is over.

    async def kill_valkey(self) -> None:
        self._record("Valkey killed")
        await self.valkey.kill()
        await self.valkey.start()
        self._record("Valkey restarted")

    async def cut_power(self, rng: random.Random) -> int:
        """Cuts the power of Valkey's host. Returns how many bytes were lost."""
        self._record("power of Valkey cut")
        lost_bytes = await self.valkey.cut_power(rng)
        self._record(f"Valkey restarted without {lost_bytes} bytes")
        return lost_bytes

    async def suspend_valkey(self, for_s: float) -> None:
        self._record(f"Valkey suspended for {for_s:.2f} s")
        self.valkey.suspend()
        await asyncio.sleep(for_s)
        self.valkey.resume()

    async def kill_replica(self, replica: Replica) -> None:
        self._record(f"{replica.name} killed")
        await replica.kill()
        await replica.start()
        self._record(f"{replica.name} started")

    async def suspend_replica(self, replica: Replica, for_s: float) -> None:
        self._record(f"{replica.name} suspended for {for_s:.2f} s")
        replica.suspend()
        replica.is_excluded = False
        await asyncio.sleep(for_s)
        replica.resume()

    async def reset(self, replica: Replica) -> None:
        self._record(f"{replica.name} to Valkey: reset")
        replica.proxy.reset()

    async def make_half_open(self, replica: Replica) -> None:
        self._record(f"{replica.name} to Valkey: half-open")
        replica.proxy.make_half_open()

    async def slow_down(self, replica: Replica, for_s: float) -> None:
        self._record(f"{replica.name} to Valkey: slow for {for_s:.2f} s")
        replica.proxy.delay_s = 0.1
        await asyncio.sleep(for_s)
        replica.proxy.delay_s = 0.0

    def faults(self, rng: random.Random) -> list[Callable[[], Awaitable[None]]]:
        """Returns one fault of each kind, in random order, on random replicas."""

        def any_replica() -> Replica:
            return rng.choice(self.running_replicas())

        for_s = rng.uniform(0.1, 0.6)
        faults: list[Callable[[], Awaitable[None]]] = [
            self.kill_valkey,
            lambda: self.suspend_valkey(for_s),
            lambda: self.kill_replica(any_replica()),
            lambda: self.suspend_replica(any_replica(), for_s),
            lambda: self.reset(any_replica()),
            lambda: self.make_half_open(any_replica()),
            lambda: self.slow_down(any_replica(), for_s),
        ]
        rng.shuffle(faults)
        return faults

    def _record(self, description: str) -> None:
        self.record(Fault(description, time.monotonic()))


@asynccontextmanager
async def create_cluster(
    folder: Path,
    seed: int,
    record: Callable[[Fault], Any],
    replicas: int = 3,
    valkey: Valkey | None = None,
    options: tuple[str, ...] = (),
) -> AsyncIterator[Cluster]:
    """Starts a cluster.

    `options` are command-line options of each replica's `serve`.
    """
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            running(folder, ("sandbox", "--sandbox-port", "0"))
        )
        valkey = valkey or Valkey(folder / "valkey")
        stack.push_async_callback(valkey.aclose)
        await valkey.start()
        api_key = await new_api_key()
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            "GATEWAY_API_KEYS": json.dumps([api_key["row"]]),
        }
        auth = {"Authorization": f"Bearer {api_key['api_key']}"}
        cluster_replicas = []
        for number in range(replicas):
            proxy = Proxy(valkey.port)
            await proxy.start()
            stack.push_async_callback(proxy.aclose)
            cluster_replicas.append(
                Replica("abcdefgh"[number], folder, environment, auth, proxy, options)
            )
            stack.push_async_callback(cluster_replicas[-1].aclose)
        async with asyncio.TaskGroup() as tasks:
            for replica in cluster_replicas:
                tasks.create_task(replica.start())
        yield Cluster(
            seed,
            valkey,
            cluster_replicas,
            sandbox,
            "https://rooms.example/callbacks/twilio",
            record,
        )


async def new_api_key() -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "keys", "create", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
