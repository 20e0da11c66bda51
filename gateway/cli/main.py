"""The command line."""

import asyncio
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console

from gateway.app import process_memory
from gateway.app.server import Addresses, Listen, bind, bind_shared, run
from gateway.app.wiring import Mode
from gateway.app.workers import Workers
from gateway.core.errors import FailedPrecondition, GatewayError
from gateway.gql.execution.graphql_core import print_schema
from gateway.sandbox.accounts import Account as SandboxAccount
from gateway.sandbox.server import Sandbox
from gateway.service.callers.authenticator import KEY_PREFIX
from gateway.settings.accounts import ApiKeySettings
from gateway.settings.environment import Settings, explain
from gateway.store.embedded import EmbeddedServer
from gateway.telemetry import logs as telemetry
from gateway.twilio.callbacks import callback_url
from gateway.web.callbacks import PATH as CALLBACKS_PATH

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
console = Console(stderr=True, highlight=False)
log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
HttpPort = Annotated[int, typer.Option(help="GraphQL, callbacks and health; 0 picks a free port.")]
GrpcPort = Annotated[int, typer.Option(help="gRPC; 0 picks a free port.")]
SandboxPort = Annotated[int, typer.Option(help="The simulated Twilio; 0 picks a free port.")]
ReadyFile = Annotated[
    Path | None,
    typer.Option(help="Where to write the addresses, as JSON, once every port answers."),
]
Host = Annotated[str, typer.Option(help="The address to listen on.")]


@cli.command()
def dev(
    http_port: HttpPort = 8080,
    grpc_port: GrpcPort = 9090,
    sandbox_port: SandboxPort = 8081,
    people: Annotated[bool, typer.Option(help="Let invented people come and go.")] = True,
    ready_file: ReadyFile = None,
) -> None:
    """Everything on this machine: the gateway, a simulated Twilio with people in it, and an embedded server. Loopback only."""
    telemetry.configure(is_json=False)
    with _refusing(LOOPBACK):
        asyncio.run(_dev(http_port, grpc_port, sandbox_port, people, ready_file))


async def _dev(
    http_port: int, grpc_port: int, sandbox_port: int, people: bool, ready_file: Path | None
) -> None:
    api_key = KEY_PREFIX + secrets.token_urlsafe(24)
    async with AsyncExitStack() as stack:
        http = stack.enter_context(bind(LOOPBACK, http_port))
        public_url = f"http://{LOOPBACK}:{http.getsockname()[1]}"
        sandbox = await stack.enter_async_context(
            Sandbox(host=LOOPBACK, port=sandbox_port, max_ended_rooms=200)
        )
        redis_url = (
            os.environ.get("GATEWAY_REDIS_URL")
            or (await stack.enter_async_context(EmbeddedServer())).url
        )
        own = {
            "gateway_accounts_file": None,
            "twilio_account_sid": sandbox.account_sid,
            "twilio_auth_token": sandbox.auth_token,
            "twilio_api_key_sid": sandbox.api_key_sid,
            "twilio_api_key_secret": sandbox.api_key_secret,
            "twilio_video_base_url": sandbox.url,
            "gateway_public_url": public_url,
            "gateway_redis_url": redis_url,
            "gateway_api_keys": (_row("dev", api_key),),
        }
        settings = Settings.model_validate(own)

        def on_ready(addresses: Addresses) -> None:
            if people:
                sandbox.simulate_users(callback_url(public_url, CALLBACKS_PATH))
            twilio = {
                "base_url": sandbox.url,
                "account_sid": sandbox.account_sid,
                "auth_token": sandbox.auth_token,
            }
            _announce(ready_file, addresses, sandbox=sandbox.url, api_key=api_key, twilio=twilio)
            _greet(addresses, sandbox.url, api_key)

        await _run(
            settings, Listen(http, LOOPBACK, grpc_port), Mode(True, True), on_ready, _stop_signal()
        )


@cli.command()
def serve(
    host: Host = "0.0.0.0",  # noqa: S104  (a server in a container; what it serves needs a credential)
    http_port: HttpPort = 8080,
    grpc_port: GrpcPort = 9090,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the ports; one for each core.")
    ] = 1,
    ready_file: ReadyFile = None,
    is_worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
) -> None:
    """The gateway in front of the real Twilio, set up by the environment."""
    telemetry.configure(is_json=not sys.stderr.isatty())
    with _refusing(host):
        settings = Settings.model_validate({})
        if not any(account.api_keys or account.jwt_issuers for account in settings.accounts):
            _refuse(
                "GATEWAY_API_KEYS: nobody could call; make a key with `rooms-gateway apikey` and set its row, or put it under "
                "api_keys in GATEWAY_ACCOUNTS_FILE; or believe an issuer of tokens with GATEWAY_JWT_ISSUERS"
            )
        if is_worker:
            asyncio.run(
                _work(
                    settings, Listen(bind_shared(host, http_port), host, grpc_port, is_shared=True)
                )
            )
        elif workers > 1:
            asyncio.run(_oversee(settings, workers, host, http_port, grpc_port, ready_file))
        else:
            asyncio.run(
                _serve(settings, Listen(bind(host, http_port), host, grpc_port), ready_file)
            )


async def _serve(settings: Settings, listen: Listen, ready_file: Path | None) -> None:
    await _run(
        settings, listen, Mode(), lambda addresses: _announce(ready_file, addresses), _stop_signal()
    )


async def _work(settings: Settings, listen: Listen) -> None:
    """Serves until the parent lets go of our standard input: it does so to stop us, and when it dies."""
    stop, loop = _stop_signal(), asyncio.get_running_loop()

    def let_go() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    loop.add_reader(sys.stdin, let_go)
    await _run(
        settings,
        listen,
        Mode(),
        lambda addresses: print(json.dumps(asdict(addresses)), flush=True),
        stop,
    )


async def _oversee(
    settings: Settings,
    count: int,
    host: str,
    http_port: int,
    grpc_port: int,
    ready_file: Path | None,
) -> None:
    async with AsyncExitStack() as stack:
        ports = [
            stack.enter_context(_reserved(host, port)).getsockname()[1]
            for port in (http_port, grpc_port)
        ]
        redis_url = settings.gateway_redis_url
        if redis_url is None:
            redis_url = (
                await stack.enter_async_context(EmbeddedServer(settings.gateway_data_dir))
            ).url
        addresses = ("--host", host, "--http-port", str(ports[0]), "--grpc-port", str(ports[1]))
        workers = Workers(
            (sys.executable, "-m", "gateway", "serve", "--worker", *addresses),
            {**os.environ, "GATEWAY_REDIS_URL": redis_url},
        )
        await workers.run(
            count, lambda told: _announce(ready_file, Addresses(**told)), _stop_signal()
        )


def _reserved(host: str, port: int) -> socket.socket:
    """A port that workers can share, kept while none of them listens. Raises OSError when it is somebody else's."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise FailedPrecondition(
            "this platform has no SO_REUSEPORT; run one worker a port behind a load balancer"
        )
    # A second gateway of the same user would be let in, and answer half of the first one's calls.
    bind(host, port).close()
    return bind_shared(host, port)


@cli.command()
def sandbox(
    sandbox_port: SandboxPort = 8081,
    accounts: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="How many accounts it has, each with rooms and a quota of its own."
        ),
    ] = 1,
    ready_file: ReadyFile = None,
) -> None:
    """The simulated Twilio alone. Point a Twilio client's base URL at it."""
    with _refusing(LOOPBACK):
        asyncio.run(_sandbox(sandbox_port, accounts, ready_file))


async def _sandbox(port: int, count: int, ready_file: Path | None) -> None:
    invented = [SandboxAccount.generate(number) for number in range(count)]
    async with Sandbox(invented, host=LOOPBACK, port=port) as running:
        each = [_account_facts(account) for account in invented]
        twilio = {
            "base_url": running.url,
            "account_sid": running.account_sid,
            "auth_token": running.auth_token,
        }
        _write(
            ready_file,
            {"sandbox": running.url, "twilio": twilio, "accounts": each, "pid": os.getpid()},
        )
        console.print(f"Twilio Video, simulated: {running.url}")
        for account in invented:
            console.print(f"Account {account.sid}  auth token {account.auth_token}", soft_wrap=True)
        await _stop_signal().wait()


def _account_facts(account: SandboxAccount) -> dict[str, str]:
    """As a row of GATEWAY_ACCOUNTS_FILE has them."""
    [(key_sid, secret)] = account.api_keys.items()
    return {
        "sid": account.sid,
        "auth_token": account.auth_token,
        "api_key_sid": key_sid,
        "api_key_secret": secret,
    }


@cli.command()
def schema() -> None:
    """Prints the GraphQL schema."""
    typer.echo(print_schema(), nl=False)


@cli.command()
def apikey(
    name: Annotated[str, typer.Argument(help="What to call the key in logs.")] = "default",
) -> None:
    """Makes an API key, and the row for GATEWAY_API_KEYS that lets it in. The key is shown once and kept nowhere."""
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    typer.echo(
        json.dumps({"api_key": key, "row": _row(name, key).model_dump(exclude_none=True)}, indent=2)
    )


def _row(name: str, key: str) -> ApiKeySettings:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return ApiKeySettings(
        id=name,
        sha256=digest,
        scopes=("rooms:read", "rooms:write", "events:subscribe", "tokens:mint"),
    )


async def _run(
    settings: Settings,
    listen: Listen,
    mode: Mode,
    on_ready: Callable[[Addresses], None],
    stop: asyncio.Event,
) -> None:
    def settle(addresses: Addresses) -> None:
        process_memory.freeze_startup_objects()
        on_ready(addresses)

    await run(settings, listen, mode, settle, stop)


def _announce(ready_file: Path | None, addresses: Addresses, **more: Any) -> None:
    _write(ready_file, {**asdict(addresses), **more, "pid": os.getpid()})


def _write(ready_file: Path | None, facts: dict[str, Any]) -> None:
    if ready_file is not None:
        # In one step, so that nobody reads half of it; for the owner only, as it may hold a key.
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(facts, indent=2))
        draft.replace(ready_file)


def _greet(addresses: Addresses, sandbox_url: str, api_key: str) -> None:
    console.print(f"""
[bold]Rooms Gateway[/bold] is ready, with a simulated Twilio behind it.

  GraphQL    {addresses.graphql}
  gRPC       {addresses.grpc}
  Sandbox    {sandbox_url}
  API key    {api_key}

Three things to paste:

  curl -s {addresses.graphql} -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -d '{{"query": "{{ rooms {{ nodes {{ sid uniqueName status }} }} }}"}}'

  curl -sN {addresses.sse} -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
    -H 'Accept: text/event-stream' -d '{{"query": "subscription {{ roomEvents {{ __typename cursor }} }}"}}'

  .venv/bin/buf curl --protocol grpc --http2-prior-knowledge -H 'Authorization: Bearer {api_key}' \\
    -d '{{}}' http://{addresses.grpc}/gateway.rooms.v1.RoomService/ListRooms
""", soft_wrap=True)  # fmt: skip


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@contextmanager
def _refusing(host: str) -> Iterator[None]:
    """What keeps a command that listens on `host` from starting, or from going on, is told in a sentence."""
    try:
        yield
    except ValidationError as exc:
        _refuse(explain(exc))
    except GatewayError as exc:
        _refuse(exc.message)
    except OSError as exc:
        _refuse(f"cannot listen on {host}: {exc.strerror}")


def _refuse(reason: str) -> NoReturn:
    """Says why nothing was started, and exits with 2, as for any wrong usage."""
    console.print(f"[red]Not started.[/red] {reason}", soft_wrap=True)
    raise typer.Exit(2)


def main() -> None:
    process_memory.shorten_collections()
    cli()
