"""Waits for a Redis that is away when the gateway starts."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from aiohttp import web

from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections
from gateway.store.server_check import check_server
from gateway.web.routes import build_unready

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WaitTimings:
    """How often Redis is tried, in seconds.

    The pause after a failed try doubles from `first_pause_s` to `longest_pause_s`.
    """

    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0
    log_s: float = 60.0
    """How often the wait is logged."""


async def wait_for_redis(
    redis_url: str,
    accounts: Collection[AccountSid],
    http: socket.socket,
    stop: asyncio.Event,
    *,
    check_eviction: bool,
    timings: WaitTimings = WaitTimings(),
) -> bool:
    """Returns True once Redis is there, and False when `stop` is set first.

    During the wait, `/readyz` on the listening socket `http` answers 503, and so does
    all else but `/healthz`. The socket stays open. Raises FailedPrecondition when Redis
    refuses what the gateway needs: waiting would not help.
    """
    pause_s, logged_at = timings.first_pause_s, float("-inf")
    async with AsyncExitStack() as stack:
        connections = Connections(redis_url)
        stack.push_async_callback(connections.aclose)
        while not stop.is_set():
            try:
                await check_server(connections, accounts, check_eviction=check_eviction)
            except UpstreamUnavailable as exc:
                if logged_at == float("-inf"):
                    await stack.enter_async_context(_unready(http))
                if time.monotonic() - logged_at >= timings.log_s:
                    log.warning("redis.away", reason=exc.message)
                    logged_at = time.monotonic()
            else:
                if logged_at > float("-inf"):
                    log.info("redis.found")
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stop.wait()
            pause_s = min(2 * pause_s, timings.longest_pause_s)
    return False


@asynccontextmanager
async def _unready(http: socket.socket) -> AsyncIterator[None]:
    """Answers that the gateway is not ready, on a copy of the socket."""
    runner = web.AppRunner(build_unready(), access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.SockSite(runner, http.dup()).start()
        yield
    finally:
        await runner.cleanup()
