"""The ways to a Redis: to one server, to the master that Sentinels name, to a cluster. redis-py finds the servers; here, what
it leaves open is closed: that a server which is the master no more is left, and soon."""

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

CONNECT_S: Final = 0.4
# Answers that speak of the server and not of the command: it should be asked again, or somewhere else.
_NOT_HERE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one client: how many connections it may have, how long a connection waits for an answer before it is closed, and
    how often a command is sent again on a new connection when the server closed the old one."""

    connections: int
    answer_s: float
    retries: int

    def retry(self) -> Retry:
        # All our commands may be repeated. redis-py's own default is ten tries with pauses: longer than any caller waits.
        return Retry(NoBackoff(), self.retries, supported_errors=(RedisConnectionError,))

    def options(self) -> dict[str, Any]:
        return {
            "max_connections": self.connections,
            "socket_connect_timeout": CONNECT_S,
            "socket_timeout": self.answer_s,
            "retry": self.retry(),
            "protocol": 2,
            "driver_info": None,
        }


class ServerRoute:
    """To one server, wherever its address leads."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in this order, in one round trip; a ResponseError for a command that failed. Raises RedisError, OSError.

        A server that takes no writes was the master once: then the connections to it are closed, and all is sent again.
        """
        answers = await _pipelined(self.client, commands)
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            await self.renew()
            answers = await _pipelined(self.client, commands)
        return answers

    async def execute(self, key: str, command: Command) -> Any:
        """The answer to one command about this key. Raises RedisError, OSError."""
        return await _execute(self.client, command)

    async def renew(self) -> None:
        """Closes the connections that lie idle: whoever connects next finds the master anew."""
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def look_round(self) -> None:
        """Leaves a server that is not the master any more, as far as anybody else knows of it."""

    async def memory(self) -> list[dict[str, Any]]:
        """INFO memory of the master and, where it is known and answers, of one that may follow it."""
        return [await self.client.info("memory")]

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)


class SentinelRoute(ServerRoute):
    """To the master that Sentinels name. A connection asks them when it is made."""

    def __init__(self, sentinel: Sentinel, pool: Any, replicas: Redis) -> None:
        super().__init__(Redis(connection_pool=pool))
        self._sentinel = sentinel
        self._pool = pool
        self._replicas = replicas

    async def look_round(self) -> None:
        """Asks the sentinels: an old master that they cannot reach, and we can, takes writes that will be lost."""
        known = self._pool.master_address
        if await self._pool.get_master_address() != known and known is not None:
            await self.renew()

    async def memory(self) -> list[dict[str, Any]]:
        try:
            found = await super().memory()
        except MasterNotFoundError as exc:
            raise UpstreamUnavailable(
                "no sentinel of GATEWAY_REDIS_URL names a master; look at the name of the service, and whether they run"
            ) from exc
        with suppress(RedisError, OSError):
            found.append(await self._replicas.info("memory"))
        return found

    async def aclose(self) -> None:
        await super().aclose()
        await self._replicas.aclose(close_connection_pool=True)
        await self._sentinel.aclose()


class ClusterRoute:
    """To the masters of a cluster. Keys of one `send` share a slot."""

    def __init__(self, client: RedisCluster) -> None:
        self.client = client

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """As ServerRoute's. A slot that moved is followed by redis-py; a server that is gone or is no master any more is
        looked for again, once: redis-py's pipeline does not."""
        try:
            return await self._send(commands)
        except _NOT_HERE:
            await self.renew()
            return await self._send(commands)

    async def execute(self, key: str, command: Command) -> Any:
        with _as_redis_errors():
            await self.client.initialize()
            # Named, for else redis-py asks a server each time which of the command's words are keys.
            node = self.client.get_node_from_key(key)
            return await _execute(self.client, command, target_nodes=node)

    async def renew(self) -> None:
        """Asks the cluster who has which slots. Connections in use stay open for whoever uses them."""
        with _as_redis_errors():
            await self.client.initialize()
            await self.client.nodes_manager.initialize()

    async def look_round(self) -> None:
        """A master that is cut off from the others refuses its clients by itself."""

    async def memory(self) -> list[dict[str, Any]]:
        """INFO memory of every node that answers, for a replica may become a master any moment."""
        try:
            await self.client.initialize()
        except RedisClusterException as exc:
            raise UpstreamUnavailable(
                "no node of GATEWAY_REDIS_URL answers as one of a whole cluster; look at them, or give redis:// for one server"
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

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        with _as_redis_errors():
            answers = await _pipelined(self.client, commands)
        for answer in answers:
            if isinstance(answer, _NOT_HERE):
                raise answer
        return answers


Route = ServerRoute | ClusterRoute


@contextmanager
def _as_redis_errors() -> Iterator[None]:
    """A cluster that cannot be reached is none of redis-py's RedisErrors; and while one task looks for its nodes anew, another
    may find the lists of them empty."""
    try:
        yield
    except (RedisClusterException, LookupError, AttributeError) as exc:
        raise RedisConnectionError("the cluster cannot be reached") from exc


async def _pipelined(client: Redis | RedisCluster, commands: Sequence[Command]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return list(await pipeline.execute(raise_on_error=False))


async def _execute(client: Any, command: Command, **options: Any) -> Any:
    """As redis-py has it, without types."""
    return await client.execute_command(*command, **options)
