"""Reads the URL of a Redis and opens the route to it."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from gateway.core.errors import InvalidArgument
from gateway.store.routes import (
    CONNECT_TIMEOUT_S,
    ClusterRoute,
    Limits,
    Route,
    SentinelRoute,
    ServerRoute,
)

# How long a command waits for a connection when all of the pool are in use.
_POOL_TIMEOUT_S: Final = 1.0
_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379
_FORMS: Final = (
    "redis://host:port, rediss:// with TLS, unix:///path, "
    "redis+sentinel://host:port,host:port/service or redis+cluster://host:port,host:port "
    "(rediss+… with TLS)"
)


def open_route(url: str, limits: Limits) -> Route:
    """Returns the route to the Redis at `url`. It connects on first use.

    Raises InvalidArgument for a URL that cannot be used. The message contains no
    password.
    """
    scheme = url.partition("://")[0]
    try:
        match scheme:
            case "redis" | "rediss" | "unix":
                return _server_route(url, limits)
            case "redis+sentinel" | "rediss+sentinel":
                return _sentinel_route(url, limits)
            case "redis+cluster" | "rediss+cluster":
                return _cluster_route(url, limits)
    except (RedisError, RedisClusterException, TypeError, ValueError) as exc:
        # redis-py raises TypeError for an option that its connections do not have.
        raise InvalidArgument(f"GATEWAY_REDIS_URL cannot be read: use {_FORMS}") from exc
    raise InvalidArgument(f"GATEWAY_REDIS_URL has an unknown scheme: use {_FORMS}")


def _server_route(url: str, limits: Limits) -> ServerRoute:
    pool = BlockingConnectionPool.from_url(url, timeout=_POOL_TIMEOUT_S, **limits.options())
    _check_options(pool)
    return ServerRoute(Redis(connection_pool=pool))


def _untyped(callable_: Any) -> Any:
    """Hides a callable from mypy for which redis-py has no types."""
    return callable_


def _check_options(pool: Any) -> None:
    """Raises TypeError now for an option that the first connection would refuse."""
    pool.make_connection()


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """A Sentinel pool in which callers wait for a free connection."""


def _sentinel_route(url: str, limits: Limits) -> ServerRoute:
    address = _Address.of(url, _SENTINEL_PORT)
    service, _, db = address.path.partition("/")
    if not service:
        raise InvalidArgument(
            "GATEWAY_REDIS_URL names no service: use redis+sentinel://host:port,host:port/service "
            "with the name that the sentinels monitor"
        )
    options = address.options
    own = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in tuple(options)
        if name.startswith("sentinel_")
    }
    tls = {name: value for name, value in options.items() if name.startswith("ssl")}
    sentinel_options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        **tls,
        **own,
    }
    sentinel: Sentinel = _untyped(Sentinel)(address.hosts, sentinel_kwargs=sentinel_options)
    server_options = {**limits.options(), "db": int(db or 0), "timeout": _POOL_TIMEOUT_S, **options}
    pool: _SentinelPool = _untyped(_SentinelPool)(service, sentinel, **server_options)
    replicas = _untyped(_SentinelPool)(service, sentinel, is_master=False, **server_options)
    _check_options(pool)
    return SentinelRoute(sentinel, pool, Redis(connection_pool=replicas))


def _cluster_route(url: str, limits: Limits) -> ClusterRoute:
    address = _Address.of(url, _PORT)
    if address.path not in ("", "0"):
        raise InvalidArgument(
            "GATEWAY_REDIS_URL names a database, but a cluster has only 0: leave it out"
        )
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    return ClusterRoute(
        RedisCluster(startup_nodes=nodes, **{**limits.options(), **address.options})
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """A URL `redis+kind://user:password@host:port,host:port/path?option=value`.

    The user and the password are among the options, and so is `ssl` for `rediss`.
    """

    hosts: list[tuple[str, int]]
    path: str
    options: dict[str, Any]

    @classmethod
    def of(cls, url: str, default_port: int) -> "_Address":
        """Returns the parts of the URL. Raises ValueError."""
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        found = [urlsplit(f"//{host}") for host in hosts.split(",")]
        if not all(host.hostname for host in found):
            raise ValueError("a host is missing")
        # redis-py reads the user, the password and the options as in any other URL.
        options: dict[str, Any] = dict(parse_url(f"redis://{login}@host?{parts.query}"))
        del options["host"]
        if parts.scheme.startswith("rediss"):
            options["ssl"] = True
        return cls(
            [(str(host.hostname), host.port or default_port) for host in found],
            unquote(parts.path).strip("/"),
            options,
        )
