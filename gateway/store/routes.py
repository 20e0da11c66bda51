"""The ways to a Redis: one server, a master that Sentinels name, a cluster. redis-py finds the servers; here, what it leaves
open is closed: who is asked again when a server turns out not to be the master any more, and what a bad address says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, ReadOnlyError, RedisClusterException, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.core.errors import InvalidArgument

Command = tuple[str | bytes | int, ...]
"""A Redis command with its arguments."""

CONNECT_S: Final = 0.4
_WAIT_S: Final = 1.0
_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379
# Answers that speak of the server and not of the command: it should be asked again, or somewhere else.
_NOT_HERE: Final = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, ClusterDownError, TryAgainError)
_FORMS: Final = (
    "redis://host:port, rediss:// with TLS, unix:///path, redis+sentinel://host:port,host:port/service "
    "or redis+cluster://host:port,host:port (rediss+… with TLS)"
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
        answers = await self._send(commands)
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            await self.renew()
            answers = await self._send(commands)
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

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute(raise_on_error=False))


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
        found = await super().memory()
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
        with _as_redis_errors():
            await self.client.initialize()
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
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        with _as_redis_errors():
            answers = list(await pipeline.execute(raise_on_error=False))
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


async def _execute(client: Any, command: Command, **options: Any) -> Any:
    """As redis-py has it, without types."""
    return await client.execute_command(*command, **options)


def open_route(url: str, limits: Limits) -> Route:
    """Nothing is connected yet. Raises InvalidArgument for an address that cannot be used; its words show no password."""
    scheme = url.partition("://")[0]
    try:
        match scheme:
            case "redis" | "rediss" | "unix":
                return _server(url, limits)
            case "redis+sentinel" | "rediss+sentinel":
                return _sentinel(url, limits)
            case "redis+cluster" | "rediss+cluster":
                return _cluster(url, limits)
    except (RedisError, RedisClusterException, TypeError, ValueError) as exc:
        # An option that redis-py does not know is a TypeError of its connection.
        raise InvalidArgument(f"GATEWAY_REDIS_URL cannot be read; give {_FORMS}") from exc
    raise InvalidArgument(f"GATEWAY_REDIS_URL has an unknown scheme; give {_FORMS}")


def _server(url: str, limits: Limits) -> ServerRoute:
    pool = BlockingConnectionPool.from_url(url, timeout=_WAIT_S, **limits.options())
    _check_options(pool)
    return ServerRoute(Redis(connection_pool=pool))


def _untyped(callable_: Any) -> Any:
    """What redis-py gives no types for."""
    return callable_


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


def _check_options(pool: Any) -> None:
    """Raises TypeError for an option that no connection knows: else the first connection would."""
    pool.make_connection()


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Who finds no connection free waits for one, as without Sentinels."""


def _sentinel(url: str, limits: Limits) -> ServerRoute:
    address = _Address.of(url, _SENTINEL_PORT)
    service, _, db = address.path.partition("/")
    if not service:
        raise InvalidArgument(
            "GATEWAY_REDIS_URL names no service; give redis+sentinel://host:port,host:port/service, with the name that the "
            "sentinels monitor it by"
        )
    options = address.options
    own = {name.removeprefix("sentinel_"): options.pop(name) for name in tuple(options) if name.startswith("sentinel_")}
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    ask: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": CONNECT_S,
        "retry": _once(),
        **tls,
        **own,
    }
    sentinel: Sentinel = _untyped(Sentinel)(address.hosts, sentinel_kwargs=ask)
    given = {**limits.options(), "db": int(db or 0), **options}
    pool: _SentinelPool = _untyped(_SentinelPool)(service, sentinel, timeout=_WAIT_S, **given)
    replicas = _untyped(_SentinelPool)(service, sentinel, timeout=_WAIT_S, is_master=False, **given)
    _check_options(pool)
    return SentinelRoute(sentinel, pool, Redis(connection_pool=replicas))


def _cluster(url: str, limits: Limits) -> ClusterRoute:
    address = _Address.of(url, _PORT)
    if address.path not in ("", "0"):
        raise InvalidArgument("GATEWAY_REDIS_URL names a database, but a cluster has only 0; leave it out")
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    return ClusterRoute(RedisCluster(startup_nodes=nodes, **{**limits.options(), **address.options}))


@dataclass(frozen=True, slots=True)
class _Address:
    """`redis+kind://user:password@host:port,host:port/path?option=value`; with `rediss`, `ssl` is among the options."""

    hosts: list[tuple[str, int]]
    path: str
    options: dict[str, Any]

    @classmethod
    def of(cls, url: str, default_port: int) -> "_Address":
        """Raises ValueError."""
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        found = [urlsplit(f"//{host}") for host in hosts.split(",")]
        if not all(each.hostname for each in found):
            raise ValueError("a host is missing")
        # What stands before and behind the hosts is read as redis-py reads it in any other address.
        options: dict[str, Any] = dict(parse_url(f"redis://{login}@host?{parts.query}"))
        del options["host"]
        if parts.scheme.startswith("rediss"):
            options["ssl"] = True
        return cls(
            [(str(each.hostname), each.port or default_port) for each in found], unquote(parts.path).strip("/"), options
        )
