"""The routes to Redis: to one server, to the master that Sentinels name, to a cluster.

redis-py finds the servers. A route adds what redis-py lacks: it leaves a server soon
after that stopped being the master.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.core.errors import UpstreamUnavailable

Command = tuple[str | bytes | int, ...]
"""A Redis command with its arguments."""

CONNECT_TIMEOUT_S: Final = 0.4
RECONNECT_TIMEOUT_S: Final = 0.5
# Errors that are about the server and not about the command: another server, or the
# same one later, may execute it.
_WRONG_SERVER: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one client.

    `connections` is the size of its connection pool. A connection without a reply for
    `reply_timeout_s` is closed. A command whose connection the server closed is sent
    again up to `retries` times on a new one.
    """

    connections: int
    reply_timeout_s: float
    retries: int

    def retry(self) -> Retry:
        # All our commands may be repeated. redis-py's default of ten retries with
        # backoff takes longer than any caller waits.
        return Retry(NoBackoff(), self.retries, supported_errors=(RedisConnectionError,))

    def options(self) -> dict[str, Any]:
        """Returns these limits as arguments of redis-py's clients and pools."""
        return {
            "max_connections": self.connections,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": self.reply_timeout_s,
            "retry": self.retry(),
            "protocol": 2,
            "driver_info": None,
        }


class ServerRoute:
    """The route to one server."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Sends the commands in one round trip and returns the replies in this order.

        A failed command has a ResponseError as its reply. If the server turns out to be
        a replica, its connections are closed and everything is sent again. Raises
        RedisError and OSError.
        """
        replies = await _pipeline(self.client, commands)
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            await self.reconnect()
            replies = await _pipeline(self.client, commands)
        return replies

    async def execute(self, key: str, command: Command) -> Any:
        """Returns the reply to one command on `key`. Raises RedisError and OSError."""
        return await _execute(self.client, command)

    async def reconnect(self) -> None:
        """Closes the idle connections: new ones go to the current master."""
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def check_master(self) -> None:
        """Leaves a server that other sources say is no longer the master."""

    async def memory_info(self) -> list[dict[str, Any]]:
        """Returns INFO memory of the master, and of a replica if one is known and
        responds."""
        return [await self.client.info("memory")]

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)


class SentinelRoute(ServerRoute):
    """The route to the master that Sentinels name. Each new connection asks them."""

    def __init__(self, sentinel: Sentinel, pool: Any, replicas: Redis) -> None:
        super().__init__(Redis(connection_pool=pool))
        self._sentinel = sentinel
        self._pool = pool
        self._replicas = replicas

    async def check_master(self) -> None:
        """Asks the Sentinels for the master, and reconnects if it is another one.

        An old master that the Sentinels cannot reach, but this process can, accepts
        writes that will be lost.
        """
        known = self._pool.master_address
        if await self._pool.get_master_address() != known and known is not None:
            await self.reconnect()

    async def memory_info(self) -> list[dict[str, Any]]:
        try:
            found = await super().memory_info()
        except MasterNotFoundError as exc:
            raise UpstreamUnavailable(
                "no sentinel of GATEWAY_REDIS_URL names a master: "
                "check the service name, and that the sentinels run"
            ) from exc
        with suppress(RedisError, OSError):
            found.append(await self._replicas.info("memory"))
        return found

    async def aclose(self) -> None:
        await super().aclose()
        await self._replicas.aclose(close_connection_pool=True)
        await self._sentinel.aclose()


class ClusterRoute:
    """The route to the masters of a cluster."""

    def __init__(self, client: RedisCluster) -> None:
        self.client = client

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Sends the commands, whose keys share a slot, as `ServerRoute.pipeline` does.

        redis-py follows a slot that moved. Its pipeline does not look for the new
        master of a server that is gone or was demoted: this does so once.
        """
        try:
            return await self._pipeline(commands)
        except _WRONG_SERVER:
            await self.reconnect()
            return await self._pipeline(commands)

    async def execute(self, key: str, command: Command) -> Any:
        """Returns the reply to one command on `key`. Raises RedisError and OSError."""
        with _as_redis_errors():
            await self.client.initialize()
            # Without a node redis-py asks a server each time which arguments are keys.
            node = self.client.get_node_from_key(key)
            return await _execute(self.client, command, target_nodes=node)

    async def reconnect(self) -> None:
        """Asks the cluster for its slots. Connections in use stay open."""
        with _as_redis_errors():
            await self.client.initialize()
            await self.client.nodes_manager.initialize()

    async def check_master(self) -> None:
        """Does nothing: a master that is cut off from the cluster refuses its clients
        itself."""

    async def memory_info(self) -> list[dict[str, Any]]:
        """Returns INFO memory of every node that responds: any replica may become a
        master."""
        try:
            await self.client.initialize()
        except RedisClusterException as exc:
            raise UpstreamUnavailable(
                "no node of GATEWAY_REDIS_URL answers as a node of a complete cluster: "
                "check the nodes, or use redis:// for a single server"
            ) from exc
        found, failure = [], None
        for node in self.client.get_nodes():
            try:
                found.append(await _execute(node, ("INFO", "memory")))
            except (RedisError, OSError) as exc:
                failure = exc
        if not found and failure is not None:
            raise failure
        return found

    async def aclose(self) -> None:
        await self.client.aclose()

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        with _as_redis_errors():
            replies = await _pipeline(self.client, commands)
        for reply in replies:
            if isinstance(reply, _WRONG_SERVER):
                raise reply
        return replies


Route = ServerRoute | ClusterRoute


async def try_reconnect(route: Route) -> None:
    """Reconnects after a command without a reply, for at most `RECONNECT_TIMEOUT_S`.

    The other connections may have the same fault: a network that drops everything, or a
    server that is no longer the master. Failures are ignored.
    """
    with suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(RECONNECT_TIMEOUT_S):
            await route.reconnect()


@contextmanager
def _as_redis_errors() -> Iterator[None]:
    """Turns redis-py's other errors for an unreachable cluster into a RedisError.

    RedisClusterException is none. While one task initializes the client, another one
    can find its lists of nodes empty.
    """
    try:
        yield
    except (RedisClusterException, LookupError, AttributeError) as exc:
        raise RedisConnectionError("the cluster cannot be reached") from exc


async def _pipeline(client: Redis | RedisCluster, commands: Sequence[Command]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute(raise_on_error=False))


async def _execute(client: Any, command: Command, **options: Any) -> Any:
    """Calls redis-py's `execute_command`, which has no types."""
    return await client.execute_command(*command, **options)
