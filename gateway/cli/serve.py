"""`rooms-gateway serve`: the gateway in front of the real Twilio."""

import asyncio
import json
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.server import Addresses, Listen, bind, bind_shared
from gateway.app.wiring import Mode
from gateway.app.workers import Workers
from gateway.cli.startup import (
    GrpcPort,
    HttpPort,
    ReadyFile,
    explain_start_errors,
    fail,
    run_gateway,
    stop_on_signals,
    write_ready_file,
)
from gateway.core.errors import FailedPrecondition
from gateway.settings.environment import Settings
from gateway.store.embedded import EmbeddedServer
from gateway.telemetry import logs


def serve(
    # All interfaces: it runs in a container, and every request needs a credential.
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104
    http_port: HttpPort = 8080,
    grpc_port: GrpcPort = 9090,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the ports: one per core.")
    ] = 1,
    ready_file: ReadyFile = None,
    exit_if_redis_away: Annotated[
        bool,
        typer.Option(
            "--exit-if-redis-away", help="Exit if Redis is away at the start, and do not wait."
        ),
    ] = False,
    is_worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
) -> None:
    """Runs the gateway in front of the real Twilio. Settings come from environment
    variables."""
    logs.configure(is_json=not sys.stderr.isatty())
    with explain_start_errors(host):
        settings = Settings.model_validate({})
        if not any(account.api_keys or account.jwt_issuers for account in settings.accounts):
            where = (
                "GATEWAY_API_KEYS or GATEWAY_JWT_ISSUERS"
                if settings.gateway_accounts_file is None
                else "api_keys or jwt_issuers of an account in GATEWAY_ACCOUNTS_FILE"
            )
            fail(
                f"no API keys or JWT issuers configured: set {where} "
                '(make a key with "rooms-gateway keys create")'
            )
        if is_worker:
            listen = Listen(bind_shared(host, http_port), host, grpc_port, is_shared=True)
            asyncio.run(_run_worker(settings, listen, exit_if_redis_away))
        elif workers > 1:
            ports = http_port, grpc_port
            asyncio.run(
                _run_workers(settings, workers, host, ports, ready_file, exit_if_redis_away)
            )
        else:
            listen = Listen(bind(host, http_port), host, grpc_port)
            asyncio.run(_run_alone(settings, listen, ready_file, exit_if_redis_away))


async def _run_alone(
    settings: Settings, listen: Listen, ready_file: Path | None, exit_if_redis_away: bool
) -> None:
    def on_ready(addresses: Addresses) -> None:
        write_ready_file(ready_file, **asdict(addresses))

    stop = stop_on_signals()
    await run_gateway(
        settings, listen, Mode(), on_ready, stop, exit_if_redis_away=exit_if_redis_away
    )


async def _run_worker(settings: Settings, listen: Listen, exit_if_redis_away: bool) -> None:
    """Serves until standard input closes: the parent stops this worker, or has died."""
    stop, loop = stop_on_signals(), asyncio.get_running_loop()

    def on_input() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    def on_ready(addresses: Addresses) -> None:
        print(json.dumps(asdict(addresses)), flush=True)

    loop.add_reader(sys.stdin, on_input)
    await run_gateway(
        settings, listen, Mode(), on_ready, stop, exit_if_redis_away=exit_if_redis_away
    )


async def _run_workers(
    settings: Settings,
    count: int,
    host: str,
    ports: tuple[int, int],
    ready_file: Path | None,
    exit_if_redis_away: bool,
) -> None:
    async with AsyncExitStack() as stack:
        http_port, grpc_port = (
            str(stack.enter_context(_reserve_port(host, port)).getsockname()[1]) for port in ports
        )
        redis_url = settings.gateway_redis_url
        if redis_url is None:
            embedded = EmbeddedServer(settings.gateway_data_dir)
            redis_url = (await stack.enter_async_context(embedded)).url
        command = (
            *(sys.executable, "-m", "gateway", "serve", "--worker"),
            *("--host", host, "--http-port", http_port, "--grpc-port", grpc_port),
            *(("--exit-if-redis-away",) if exit_if_redis_away else ()),
        )
        # The workers read all other settings themselves.
        environment = {**os.environ, "GATEWAY_REDIS_URL": redis_url, "GATEWAY_REDIS_URL_FILE": ""}
        await Workers(command, environment).run(
            count, lambda addresses: write_ready_file(ready_file, **addresses), stop_on_signals()
        )


def _reserve_port(host: str, port: int) -> socket.socket:
    """Returns a socket that keeps a port for the workers while none of them listens.

    Raises OSError when the port is in use.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise FailedPrecondition(
            "this platform has no SO_REUSEPORT: run one worker per port behind a load balancer"
        )
    # With SO_REUSEPORT alone, a second gateway of the same user would get half of the
    # calls.
    bind(host, port).close()
    return bind_shared(host, port)
