"""What an address of a Redis says."""

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
from gateway.store.routes import CONNECT_S, ClusterRoute, Limits, Route, SentinelRoute, ServerRoute

_WAIT_S: Final = 1.0
"""For a connection, when all are in use."""
_SENTINEL_PORT: Final = 26379
_PORT: Final = 6379
_FORMS: Final = (
    "redis://host:port, rediss:// with TLS, unix:///path, redis+sentinel://host:port,host:port/service "
    "or redis+cluster://host:port,host:port (rediss+… with TLS)"
)


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
    own = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in tuple(options)
        if name.startswith("sentinel_")
    }
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
        raise InvalidArgument(
            "GATEWAY_REDIS_URL names a database, but a cluster has only 0; leave it out"
        )
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    return ClusterRoute(
        RedisCluster(startup_nodes=nodes, **{**limits.options(), **address.options})
    )


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
            [(str(each.hostname), each.port or default_port) for each in found],
            unquote(parts.path).strip("/"),
            options,
        )
