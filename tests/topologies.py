"""Sentinel groups and clusters of real valkey-servers, started from the embedded binary."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, _binary, _free_port

LIMIT_S = 20
SERVICE = "rooms"
# How soon a dead master counts as dead, ms. A busy machine must not kill a live one.
DOWN_MS = 700


async def eventually(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Returns what is true, once it is: the servers agree among themselves and announce nothing to us."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(RedisError, OSError):
                if found := await holds():
                    return found
            await asyncio.sleep(0.01)


class Server:
    """A valkey-server on a port of its own, which it keeps in all its lives. Nothing is on the disk but its settings."""

    def __init__(self, folder: Path, *settings: str, is_sentinel: bool = False) -> None:
        self.port = _free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self._conf = self.folder / "conf"
        # A cluster's nodes talk to each other on a second port; by default that is `port + 10000`, which may not exist.
        self.bus_port = _free_port()
        common = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}"]
        if not is_sentinel:
            common += [
                f"cluster-port {self.bus_port}",
                'save ""',
                "maxmemory-policy noeviction",
                "repl-diskless-sync-delay 0",
            ]
        self._conf.write_text("\n".join((*common, *settings)) + "\n")
        self._mode = ("--sentinel",) if is_sentinel else ()
        self._process: asyncio.subprocess.Process | None = None
        self.client = Redis(port=self.port, socket_timeout=LIMIT_S)

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(_binary()), str(self._conf), *self._mode,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self.client.ping)

    async def kill(self) -> None:
        """As `kill -9`: returns when it is gone."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self.client.connection_pool.disconnect()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def aclose(self) -> None:
        await self.kill()
        await self.client.aclose()

    async def replication(self) -> dict[str, Any]:
        return await self.client.info("replication")

    async def follows(self) -> bool:
        """Whether it is a replica and has all that its master had when it was asked."""
        return (await self.replication()).get("master_link_status") == "up"


async def started(stack: AsyncExitStack, *servers: Server) -> None:
    for server in servers:
        stack.push_async_callback(server.aclose)
    await asyncio.gather(*(server.start() for server in servers))


@dataclass
class SentinelGroup:
    master: Server
    replica: Server
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    async def promoted(self) -> None:
        """Waits until the sentinels name the replica, and it is a master."""

        async def is_master() -> bool:
            for sentinel in self.sentinels:
                named = await sentinel.client.execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE
                )
                if int(named[1]) != self.replica.port:
                    return False
            return bool((await self.replica.replication())["role"] == "master")

        await eventually(is_master)

    async def caught_up(self) -> None:
        async def is_level() -> bool:
            there, here = await self.master.replication(), await self.replica.replication()
            return bool(there["master_repl_offset"] == here["slave_repl_offset"])

        await eventually(is_level)


@asynccontextmanager
async def sentinel_group(folder: Path, *, sentinels: int = 1) -> AsyncIterator[SentinelGroup]:
    async with AsyncExitStack() as stack:
        master = Server(folder)
        replica = Server(folder, f"replicaof 127.0.0.1 {master.port}")
        await started(stack, master, replica)
        # Sentinels ask their master for its replicas at once, and then every ten seconds only.
        await eventually(replica.follows)
        quorum = sentinels // 2 + 1
        rules = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
        )
        watching = [Server(folder, *rules, is_sentinel=True) for _ in range(sentinels)]
        await started(stack, *watching)
        for sentinel in watching:

            async def is_informed(sentinel: Server = sentinel) -> bool:
                state = await sentinel.client.sentinel_master(SERVICE)
                return state["num-slaves"] == 1 and state["num-other-sentinels"] == sentinels - 1

            await eventually(is_informed)
        yield SentinelGroup(master, replica, watching)


@dataclass
class ValkeyCluster:
    """`nodes`: the masters first, then a replica of each in the same order, if there are any."""

    nodes: list[Server]
    masters: int

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    async def owner(self, key: str) -> Server:
        """The master that has the key's slot, as the nodes say themselves."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            with suppress(RedisError, OSError):
                for first, last, main, *_ in await node.client.execute_command("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next(each for each in self.nodes if each.port == main[1])
        raise AssertionError(f"nobody has the slot of {key}")

    async def heir(self, owner: Server) -> Server:
        """Its replica."""
        its_id = await owner.client.execute_command("CLUSTER", "MYID")
        for node in self.nodes:
            with suppress(RedisError, OSError):
                line = await _myself(node)
                if "slave" in line and its_id.decode() in line:
                    return node
        raise AssertionError("it has no replica")

    async def took_over(self, heir: Server) -> None:
        async def is_master() -> bool:
            return "master" in await _myself(heir)

        await eventually(is_master)
        await eventually(lambda: _is_well(heir))

    async def move_slot(self, key: str, to: Server) -> None:
        """Moves the key's slot with all its keys, as `valkey-cli --cluster reshard` does, one step after the other."""
        slot, owner = key_slot(key.encode()), await self.owner(key)
        from_id, to_id = [
            await each.client.execute_command("CLUSTER", "MYID") for each in (owner, to)
        ]
        await to.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", from_id)
        await owner.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", to_id)
        while keys := await owner.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            await owner.client.execute_command(
                "MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "REPLACE", "KEYS", *keys
            )
        for each in (to, owner):
            await each.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", to_id)


@asynccontextmanager
async def valkey_cluster(
    folder: Path, *, masters: int = 3, has_replicas: bool = False
) -> AsyncIterator[ValkeyCluster]:
    settings = (
        "cluster-enabled yes",
        f"cluster-node-timeout {DOWN_MS}",
        "cluster-config-file nodes",
    )
    async with AsyncExitStack() as stack:
        nodes = [Server(folder, *settings) for _ in range(masters * (2 if has_replicas else 1))]
        await started(stack, *nodes)
        first, *others = nodes
        share = -(-16_384 // masters)
        for number, node in enumerate(nodes[:masters]):
            last = min(16_384, (number + 1) * share) - 1
            await node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        for number, node in enumerate(others, 2):
            await node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number)
            await node.client.execute_command(
                "CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port
            )
        for node in nodes:
            await eventually(lambda node=node: _knows(node, len(nodes)))  # type: ignore[misc]
        for master, replica in zip(nodes[:masters], nodes[masters:], strict=False):
            its_id = await master.client.execute_command("CLUSTER", "MYID")
            await replica.client.execute_command("CLUSTER", "REPLICATE", its_id)
        for node in nodes:
            await eventually(lambda node=node: _is_well(node))  # type: ignore[misc]
        for replica in nodes[masters:]:
            await eventually(replica.follows)
        yield ValkeyCluster(nodes, masters)


async def _knows(node: Server, count: int) -> bool:
    found = (await node.client.execute_command("CLUSTER", "NODES")).decode()
    return len(found.splitlines()) == count and "handshake" not in found


async def _is_well(node: Server) -> bool:
    return b"cluster_state:ok" in await node.client.execute_command("CLUSTER", "INFO")


async def _myself(node: Server) -> str:
    found = (await node.client.execute_command("CLUSTER", "NODES")).decode()
    [line] = re.findall(r".*myself.*", found)
    return str(line)


class Crossing:
    """Leads every new connection to the server of the moment; those that are open stay where they are."""

    def __init__(self, to: Connections) -> None:
        self.lead_to(to)

    def lead_to(self, to: Connections) -> None:
        self._path = to.commands.connection_pool.connection_kwargs["path"]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader_behind, writer_behind = await asyncio.open_unix_connection(self._path)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while chunk := await source.read(65_536):
                sink.write(chunk)
            sink.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, writer_behind))
            tasks.create_task(pump(reader_behind, writer))


@asynccontextmanager
async def master_and_heir() -> AsyncIterator[tuple[Connections, Connections, Crossing, str]]:
    """Two servers that know nothing of each other, a crossing that leads to the first one, and its address."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(EmbeddedServer()) for _ in range(2)]
        old, heir = (Connections(server.url) for server in servers)
        for each in (old, heir):
            stack.push_async_callback(each.aclose)
        crossing = Crossing(old)
        server = await asyncio.start_server(crossing.take, "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        crossing_port = server.sockets[0].getsockname()[1]
        yield old, heir, crossing, f"redis://127.0.0.1:{crossing_port}"
