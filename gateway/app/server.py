"""Starts the gateway, keeps it running until it is asked to stop, and stops it.

The stop has an order: event streams first, then gRPC, then HTTP.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from aiohttp import web

from gateway.app.redis_wait import wait_for_redis
from gateway.app.wiring import (
    Gateway,
    Mode,
    build_gateway,
    build_graphql,
    build_origins,
    build_pipeline,
)
from gateway.core.errors import FailedPrecondition, UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.rpc.http.server import RpcHttp
from gateway.rpc.server import RpcServer
from gateway.rpc.servicers import Servicers
from gateway.service.accounts import Account
from gateway.service.log.tail import Tail
from gateway.settings.environment import Settings
from gateway.store.embedded import EmbeddedServer
from gateway.web.callbacks import PATH as CALLBACKS_PATH
from gateway.web.routes import build_http

log = structlog.get_logger()

# After a restart, all clients connect at once. The kernel may allow fewer.
BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the steps of a start and a stop may take, in seconds."""

    log_s: float = 10.0
    """After this long, the start goes on without an event log that cannot be read."""
    http_stop_s: float = 1.0
    """HTTP requests that run longer after the stop are cancelled."""


@dataclass(frozen=True, slots=True)
class Listen:
    """The ports to listen on.

    `http` is bound before anything is built: in `dev`, the callback URL holds its port.
    With `is_shared`, other processes listen on the same ports, and the kernel
    distributes the connections.
    """

    http: socket.socket
    grpc_host: str
    grpc_port: int
    is_shared: bool = False

    @property
    def grpc_address(self) -> str:
        return _authority(self.grpc_host, self.grpc_port)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the gateway answers. The ready file holds these fields."""

    graphql: str
    ws: str
    sse: str
    grpc: str
    callbacks: str
    console: str
    redis: str


def bind(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Port 0 picks a free port. Raises OSError."""
    return socket.create_server((host, port), family=_family(host))


def bind_shared(host: str, port: int) -> socket.socket:
    """Returns a socket on a port that other processes of this user can bind as well.

    Port 0 picks a free port. The socket does not listen yet: the kernel distributes
    connections to it from the moment it does. Raises OSError.
    """
    shared = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        if shared.family == socket.AF_INET6:
            shared.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # like `bind`
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind((host, port))
    except BaseException:
        shared.close()
        raise
    return shared


async def run(
    settings: Settings,
    listen: Listen,
    mode: Mode,
    on_ready: Callable[[Addresses], None],
    stop: asyncio.Event,
    timings: Timings = Timings(),
    *,
    exit_if_redis_away: bool = True,
) -> None:
    """Runs the gateway until `stop` is set.

    Without a Redis URL in the settings, runs an embedded server as well. Waits for a
    Redis that is away, unless `exit_if_redis_away`. Calls
    `on_ready` once every port answers. Closes `listen.http` at the end. Raises
    GatewayError when the gateway cannot start, and any bug of a background task.
    """
    async with AsyncExitStack() as stack:
        stack.callback(listen.http.close)
        redis_url = settings.gateway_redis_url
        if redis_url is None:
            embedded = EmbeddedServer(settings.gateway_data_dir)
            redis_url = (await stack.enter_async_context(embedded)).url
        if not exit_if_redis_away and not await wait_for_redis(
            redis_url,
            [AccountSid(row.sid) for row in settings.accounts],
            listen.http,
            stop,
            check_eviction=not settings.gateway_allow_eviction,
        ):
            return
        gateway = await stack.enter_async_context(build_gateway(settings, redis_url))
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(_run_account(account, settings.gateway_reconcile))
                    for account in gateway.accounts.values()
                ]
                background.append(tasks.create_task(gateway.limiter.run()))
                background += [tasks.create_task(keys.run()) for keys in gateway.issuer_keys]
                await _wait_for_logs(gateway.accounts.values(), timings.log_s)

                def announce(grpc_port: int) -> None:
                    on_ready(_addresses(listen, grpc_port, redis_url))

                await serve(gateway, settings, listen, mode, announce, stop, timings)
                for task in background:
                    task.cancel()
        except BaseExceptionGroup as failures:
            # The command line looks for single errors, and explains them.
            raise _first(failures) from failures


async def serve(
    gateway: Gateway,
    settings: Settings,
    listen: Listen,
    mode: Mode,
    on_ready: Callable[[int], None],
    stop: asyncio.Event,
    timings: Timings = Timings(),
) -> None:
    """Opens the ports, waits for `stop`, and closes them again.

    Calls `on_ready` with the port of gRPC once both ports answer. Raises
    FailedPrecondition when the port of gRPC is in use.
    """
    origins = build_origins(settings, mode)
    graphql = build_graphql(gateway, settings, mode, origins)
    pipeline, servicers = build_pipeline(gateway, settings), Servicers(gateway.accounts)
    rpc_http = RpcHttp(pipeline, servicers.methods(), origins)
    try:
        rpc = RpcServer(
            pipeline,
            servicers,
            listen.grpc_address,
            has_reflection=mode.introspection,
            is_port_shared=listen.is_shared,
        )
    except RuntimeError:
        raise FailedPrecondition(
            f"cannot listen on {listen.grpc_address} for gRPC: free the port or choose another"
        ) from None
    runner = web.AppRunner(
        build_http(graphql, rpc_http, gateway.accounts),
        access_log=None,
        shutdown_timeout=timings.http_stop_s,
        handler_cancellation=True,
    )
    await runner.setup()
    site = web.SockSite(runner, listen.http, backlog=BACKLOG)
    try:
        await site.start()
        await rpc.start()
        on_ready(rpc.port)
        await stop.wait()
    finally:
        await site.stop()
        for account in gateway.accounts.values():
            account.tail.close()
        rpc_http.close()
        await graphql.aclose()
        await rpc.stop()
        await runner.cleanup()


async def _run_account(account: Account, has_reconciler: bool) -> None:
    """Runs the background work of one account.

    It survives every outage, so trouble with one account does not reach the others.
    """
    with structlog.contextvars.bound_contextvars(account_sid=account.sid):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(account.tail.run())
            if has_reconciler:
                tasks.create_task(account.reconciler.run())


async def _wait_for_logs(accounts: Collection[Account], limit_s: float) -> None:
    """Waits until every event log was read once, or for `limit_s`.

    A log that cannot be read does not hold up the other accounts. Raises
    UpstreamUnavailable when no log can be read.
    """
    is_read = await asyncio.gather(*(_is_log_read(account.tail, limit_s) for account in accounts))
    if not any(is_read):
        raise UpstreamUnavailable(
            f"could not read the event log within {limit_s:.0f} s: "
            "check the Redis at GATEWAY_REDIS_URL"
        )
    for account, has_log in zip(accounts, is_read, strict=True):
        if not has_log:
            log.error("account.log_unavailable", account_sid=account.sid)


async def _is_log_read(tail: Tail, limit_s: float) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            await tail.ready()
    except TimeoutError:
        return False
    return True


def _first(failures: BaseExceptionGroup) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _addresses(listen: Listen, grpc_port: int, redis_url: str) -> Addresses:
    authority = _authority(*listen.http.getsockname()[:2])
    graphql = f"http://{authority}/graphql"
    return Addresses(
        graphql=graphql,
        ws=f"ws://{authority}/graphql",
        sse=graphql,
        grpc=_authority(listen.grpc_host, grpc_port),
        callbacks=f"http://{authority}{CALLBACKS_PATH}",
        console=f"http://{authority}/",
        redis=redis_url,
    )
