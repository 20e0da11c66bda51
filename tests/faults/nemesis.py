"""Faults on real processes, in an order that a seed chooses: a valkey-server that is killed, stopped and rolled back,
gateways that are killed and stopped, and a TCP proxy of ours between the two."""

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
# SO_LINGER with no time: closing sends RST at once, as a machine does that knows nothing of the connection any more.
RESET = struct.pack("ii", 1, 0)
# A socket filter of one instruction, which keeps nothing of any packet: BPF_RET | BPF_K, 0. See socket(7) and bpf(2).
KEEP_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
SO_ATTACH_FILTER = 26


class Valkey:
    """A server whose data outlives it. With `always`, every answered write is on the disk. With `disk`, power cuts are."""

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
            self._disk.begin()
        self._process = await asyncio.create_subprocess_exec(
            str(server_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", self._fsync, "--maxmemory-policy", "noeviction",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env=None if self._disk is None else {**os.environ, **self._disk.environment},
        )  # fmt: skip
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while not await self._answers():  # noqa: ASYNC110
                await asyncio.sleep(
                    0.005
                )  # the port opens before the data is loaded, and nothing else tells

    async def kill(self) -> None:
        """As `kill -9`: returns when it is gone."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self.client.connection_pool.disconnect()

    async def cut_power(self, rng: random.Random) -> int:
        """Dies, and comes again with what was on the disk for sure, and perhaps some more. How many bytes were lost.

        Not before it has synced once: a server that is linked statically would never be seen to.
        """
        disk = self._disk
        assert disk is not None
        async with asyncio.timeout(SYNC_LIMIT_S):
            while not disk.has_synced:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the file is the only sign there is
        await self.kill()
        lost = disk.cut(rng)
        await self.start()
        return lost

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def keep_copy(self) -> None:
        """Of the data as they lie on the disk now."""
        shutil.copytree(self.folder, self._copy, dirs_exist_ok=True)

    async def roll_back(self) -> None:
        """Dies, and comes again with what it had at the last copy. Returns when it answers."""
        await self.kill()
        shutil.rmtree(self.folder)
        shutil.copytree(self._copy, self.folder)
        await self.start()

    async def aclose(self) -> None:
        # One that is stopped dies of SIGKILL too.
        await self.kill()
        await self.client.aclose()

    @property
    def _copy(self) -> Path:
        return self.folder.with_name(self.folder.name + "-copy")

    async def _answers(self) -> bool:
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False


class Proxy:
    """Passes bytes on, in both directions, until it is told to do worse. Connections made afterwards are good again."""

    def __init__(self, port_behind: int) -> None:
        self._port_behind = port_behind
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.delay_s = 0.0
        self.port = 0
        self.is_deaf = False
        """New connections are half-open from the beginning."""
        self.muted = b""
        """A connection over which this is said is half-open from then on."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Every connection ends at once, both ways."""
        for pair in self._pairs:
            for writer in pair:
                _reset(writer)

    def go_silent(self) -> None:
        """Half-open: every connection stays, and nothing comes through any more."""
        for pair in self._pairs:
            self._silent.update(pair)

    def vanish(self) -> None:
        """As when a cable is pulled: what comes from behind is lost before anybody has acknowledged it, and nothing is said
        any more. (In silence alone, the kernel would go on acknowledging.)"""
        self.go_silent()
        for _, behind in self._pairs:
            _deafen(behind)

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reader_behind, writer_behind = await asyncio.open_connection(
                "127.0.0.1", self._port_behind
            )
        except OSError:
            _reset(writer)
            return
        pair = (writer, writer_behind)
        self._pairs.add(pair)
        if self.is_deaf:
            self._silent.update(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, writer_behind, pair))
                tasks.create_task(self._pump(reader_behind, writer, pair))
        finally:
            self._pairs.discard(pair)
            self._silent.difference_update(pair)
            for each in pair:
                each.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                if self.muted and self.muted in chunk:
                    self._silent.update(pair)
                if writer in self._silent:
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()
            if writer not in self._silent and writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # One side was reset, so the other one is: a proxy that kept it open would be a half-open line.
            if writer not in self._silent:
                for each in pair:
                    _reset(each)


def _deafen(writer: asyncio.StreamWriter) -> None:
    handle: socket.socket = writer.get_extra_info("socket")
    program = ctypes.create_string_buffer(KEEP_NOTHING, len(KEEP_NOTHING))
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
    """One of the gateways, in all its lives; `name` tells them apart."""

    letter: str
    folder: Path
    environment: dict[str, str]
    auth: dict[str, str]
    proxy: Proxy
    options: tuple[str, ...] = ()
    """Of `serve`."""
    lives: int = 0
    gateway: Gateway | None = None
    is_out: bool = False
    """Nobody is sent here, as a balancer does that has noticed."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def name(self) -> str:
        return f"{self.letter}{self.lives}"

    async def aclose(self) -> None:
        # Not before the end: aiohttp lets readers of a session that is closed under them wait for ever.
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
        self.lives += 1
        self.gateway = gateway

    def stop(self) -> None:
        """As SIGSTOP, with time for the balancer to notice."""
        self.is_out = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.is_out = False
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.gateway is not None
        self.gateway.process.send_signal(number)

    async def drain(self) -> int:
        """As a deployment does it, by SIGTERM: clients come until it is gone. Its exit code."""
        assert self.gateway is not None
        process = self.gateway.process
        process.terminate()
        code = await process.wait()
        self.gateway = None
        return code

    async def kill(self) -> None:
        """As `kill -9`. Nobody is told: who still knows its address finds nobody there."""
        if self.gateway is not None:
            process, self.gateway = self.gateway.process, None
            process.kill()
            await process.wait()


@dataclass
class Cluster:
    """A few gateways on one Redis, each behind a proxy of its own, in front of one simulated Twilio."""

    seed: int
    valkey: Valkey
    replicas: list[Replica]
    sandbox: Gateway
    callbacks: str
    note: Callable[[Fault], None]

    @property
    def log_key(self) -> str:
        return Keys(AccountSid(self.sandbox.account_sid)).log

    def up(self) -> list[Replica]:
        return [
            replica
            for replica in self.replicas
            if replica.gateway is not None and not replica.is_out
        ]

    # Each fault is over when it returns.

    async def kill_valkey(self) -> None:
        self._note("kill -9 of valkey")
        await self.valkey.kill()
        await self.valkey.start()
        self._note("valkey is back")

    async def cut_power(self, rng: random.Random) -> int:
        """Of valkey's machine. How many bytes were lost."""
        self._note("valkey's power is cut")
        lost = await self.valkey.cut_power(rng)
        self._note(f"valkey is back without {lost} bytes")
        return lost

    async def stop_valkey(self, for_s: float) -> None:
        self._note(f"valkey stopped for {for_s:.2f} s")
        self.valkey.stop()
        await asyncio.sleep(for_s)
        self.valkey.go_on()

    async def kill_replica(self, replica: Replica) -> None:
        self._note(f"kill -9 of {replica.name}")
        await replica.kill()
        await replica.start()
        self._note(f"{replica.name} is there")

    async def stop_replica(self, replica: Replica, for_s: float) -> None:
        self._note(f"{replica.name} stopped for {for_s:.2f} s")
        replica.stop()
        replica.is_out = False
        await asyncio.sleep(for_s)
        replica.go_on()

    async def reset(self, replica: Replica) -> None:
        self._note(f"{replica.name} and valkey: reset")
        replica.proxy.reset()

    async def go_silent(self, replica: Replica) -> None:
        self._note(f"{replica.name} and valkey: half-open")
        replica.proxy.go_silent()

    async def slow_down(self, replica: Replica, for_s: float) -> None:
        self._note(f"{replica.name} and valkey: slow for {for_s:.2f} s")
        replica.proxy.delay_s = 0.1
        await asyncio.sleep(for_s)
        replica.proxy.delay_s = 0.0

    def faults(self, rng: random.Random) -> list[Callable[[], Awaitable[None]]]:
        """One of each kind, in any order, on any replica."""

        def one() -> Replica:
            return rng.choice(self.up())

        for_s = rng.uniform(0.1, 0.6)
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.kill_valkey,
            lambda: self.stop_valkey(for_s),
            lambda: self.kill_replica(one()),
            lambda: self.stop_replica(one(), for_s),
            lambda: self.reset(one()),
            lambda: self.go_silent(one()),
            lambda: self.slow_down(one(), for_s),
        ]
        rng.shuffle(kinds)
        return kinds

    def _note(self, what: str) -> None:
        self.note(Fault(what, time.monotonic()))


@asynccontextmanager
async def cluster(
    folder: Path,
    seed: int,
    note: Callable[[Fault], Any],
    replicas: int = 3,
    valkey: Valkey | None = None,
    options: tuple[str, ...] = (),
) -> AsyncIterator[Cluster]:
    """`options`: of each replica's `serve`."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            running(folder, ("sandbox", "--sandbox-port", "0"))
        )
        valkey = valkey or Valkey(folder / "valkey")
        stack.push_async_callback(valkey.aclose)
        await valkey.start()
        key = await new_api_key()
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            "GATEWAY_API_KEYS": json.dumps([key["row"]]),
        }
        auth = {"Authorization": f"Bearer {key['api_key']}"}
        made = []
        for number in range(replicas):
            proxy = Proxy(valkey.port)
            await proxy.start()
            stack.push_async_callback(proxy.aclose)
            made.append(Replica("abcdefgh"[number], folder, environment, auth, proxy, options))
            stack.push_async_callback(made[-1].aclose)
        async with asyncio.TaskGroup() as tasks:
            for replica in made:
                tasks.create_task(replica.start())
        yield Cluster(seed, valkey, made, sandbox, "https://rooms.example/callbacks/twilio", note)


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
