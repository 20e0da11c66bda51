"""Sentinel groups and clusters of real valkey-servers, from the embedded binary."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer, free_port, server_binary

LIMIT_S = 20
SERVICE = "rooms"
# How long a master must be unreachable before it counts as down, in ms. A live master
# on a busy machine must not count as down.
DOWN_MS = 700

T = TypeVar("T")


async def eventually(condition: Callable[[], Awaitable[T]]) -> T:
    """Polls until the condition returns a true value, and returns it.

    The servers agree with each other and send no notification about it.
    """
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(RedisError, OSError):
                if value := await condition():
                    return value
            await asyncio.sleep(0.01)


class Server:
    """A valkey-server that keeps its port across restarts.

    It stores nothing on disk except its configuration.
    """

    def __init__(self, folder: Path, *settings: str, is_sentinel: bool = False) -> None:
        self.port = free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self._conf = self.folder / "conf"
        # The nodes of a cluster talk to each other on a second port. Its default is
        # `port + 10000`, which may not exist.
        self.bus_port = free_port()
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
            str(server_binary()), str(self._conf), *self._mode,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self.client.ping)

    async def kill(self) -> None:
        """Kills the process with SIGKILL and waits until it has exited."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self.client.connection_pool.disconnect()

    def suspend(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def aclose(self) -> None:
        await self.kill()
        await self.client.aclose()

    async def replication(self) -> dict[str, Any]:
        return await self.client.info("replication")

    async def is_connected_replica(self) -> bool:
        """Whether it is a replica that has completed its synchronization."""
        return (await self.replication()).get("master_link_status") == "up"


async def wait_for_same_offset(master: Server, replica: Server) -> None:
    """Waits until the replica has received every write of the master."""

    async def have_same_offset() -> bool:
        of_master, of_replica = await master.replication(), await replica.replication()
        return bool(of_master["master_repl_offset"] == of_replica["slave_repl_offset"])

    await eventually(have_same_offset)


async def start_all(stack: AsyncExitStack, *servers: Server) -> None:
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

    async def wait_for_promotion(self) -> None:
        """Waits until the replica is a master and all sentinels name it."""

        async def is_promoted() -> bool:
            for sentinel in self.sentinels:
                address = await sentinel.client.execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE
                )
                if int(address[1]) != self.replica.port:
                    return False
            return bool((await self.replica.replication())["role"] == "master")

        await eventually(is_promoted)

    async def wait_for_replication(self) -> None:
        await wait_for_same_offset(self.master, self.replica)


@asynccontextmanager
async def sentinel_group(folder: Path, *, sentinels: int = 1) -> AsyncIterator[SentinelGroup]:
    async with AsyncExitStack() as stack:
        master = Server(folder)
        replica = Server(folder, f"replicaof 127.0.0.1 {master.port}")
        await start_all(stack, master, replica)
        # Sentinels ask their master for its replicas at the start, and then only every
        # ten seconds.
        await eventually(replica.is_connected_replica)
        quorum = sentinels // 2 + 1
        settings = (
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
        )
        sentinel_servers = [Server(folder, *settings, is_sentinel=True) for _ in range(sentinels)]
        await start_all(stack, *sentinel_servers)
        for sentinel in sentinel_servers:

            async def knows_all_servers(sentinel: Server = sentinel) -> bool:
                state: Any = await sentinel.client.sentinel_master(SERVICE)
                return bool(
                    state["num-slaves"] == 1 and state["num-other-sentinels"] == sentinels - 1
                )

            await eventually(knows_all_servers)
        yield SentinelGroup(master, replica, sentinel_servers)


@dataclass
class ValkeyCluster:
    """A cluster.

    `nodes` has the masters first, then their replicas in the same order.
    """

    nodes: list[Server]
    masters: int

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    async def master_of(self, key: str) -> Server:
        """Returns the master of the key's slot, according to the nodes."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            with suppress(RedisError, OSError):
                for low, high, master, *_ in await node.client.execute_command("CLUSTER", "SLOTS"):
                    if low <= slot <= high:
                        return next(other for other in self.nodes if other.port == master[1])
        raise AssertionError(f"no node has the slot of {key}")

    async def replica_of(self, master: Server) -> Server:
        master_id = (await master.client.execute_command("CLUSTER", "MYID")).decode()
        for node in self.nodes:
            with suppress(RedisError, OSError):
                line = await _own_line(node)
                if "slave" in line and master_id in line:
                    return node
        raise AssertionError("the master has no replica")

    async def wait_for_promotion(self, replica: Server) -> None:
        """Waits until the replica is a master and the cluster is available."""

        async def is_master() -> bool:
            return "master" in await _own_line(replica)

        await eventually(is_master)
        await eventually(partial(_is_available, replica))

    async def move_slot(self, key: str, target: Server) -> None:
        """Moves the key's slot with all its keys.

        It takes the same steps as `valkey-cli --cluster reshard`.
        """
        slot, source = key_slot(key.encode()), await self.master_of(key)
        source_id, target_id = [
            await node.client.execute_command("CLUSTER", "MYID") for node in (source, target)
        ]
        await target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := await source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            await source.client.execute_command(
                "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys
            )
        for node in (target, source):
            await node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)


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
        await start_all(stack, *nodes)
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
            await eventually(partial(_knows_nodes, node, len(nodes)))
        for master, replica in zip(nodes[:masters], nodes[masters:], strict=False):
            master_id = await master.client.execute_command("CLUSTER", "MYID")
            await replica.client.execute_command("CLUSTER", "REPLICATE", master_id)
        for node in nodes:
            await eventually(partial(_is_available, node))
        for replica in nodes[masters:]:
            await eventually(replica.is_connected_replica)
        yield ValkeyCluster(nodes, masters)


async def _knows_nodes(node: Server, count: int) -> bool:
    listed = (await node.client.execute_command("CLUSTER", "NODES")).decode()
    return len(listed.splitlines()) == count and "handshake" not in listed


async def _is_available(node: Server) -> bool:
    return b"cluster_state:ok" in await node.client.execute_command("CLUSTER", "INFO")


async def _own_line(node: Server) -> str:
    """Returns the line of CLUSTER NODES about the node itself."""
    listed = (await node.client.execute_command("CLUSTER", "NODES")).decode()
    [line] = re.findall(r".*myself.*", listed)
    return str(line)


class SwitchableProxy:
    """Connects each new connection to the current target. Open connections stay."""

    def __init__(self, target: Connections) -> None:
        self.switch_to(target)

    def switch_to(self, target: Connections) -> None:
        assert isinstance(target.commands, Redis)
        self._path = target.commands.connection_pool.connection_kwargs["path"]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_unix_connection(self._path)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while chunk := await source.read(65_536):
                sink.write(chunk)
            sink.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, target_writer))
            tasks.create_task(pump(target_reader, writer))


@asynccontextmanager
async def two_servers_behind_proxy() -> AsyncIterator[
    tuple[Connections, Connections, SwitchableProxy, str]
]:
    """Yields two servers, a proxy that leads to the first, and the proxy's URL."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(EmbeddedServer()) for _ in range(2)]
        first, second = (Connections(server.url) for server in servers)
        for connections in (first, second):
            stack.push_async_callback(connections.aclose)
        proxy = SwitchableProxy(first)
        listener = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
        stack.push_async_callback(listener.wait_closed)
        stack.callback(listener.close)
        port = listener.sockets[0].getsockname()[1]
        yield first, second, proxy, f"redis://127.0.0.1:{port}"
