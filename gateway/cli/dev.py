"""`rooms-gateway dev`: everything on this machine."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.server import Addresses, Listen, bind
from gateway.app.wiring import Mode
from gateway.cli.keys import api_key_row, new_api_key
from gateway.cli.startup import (
    LOOPBACK,
    GrpcPort,
    HttpPort,
    ReadyFile,
    SandboxPort,
    console,
    explain_start_errors,
    run_gateway,
    stop_on_signals,
    write_ready_file,
)
from gateway.sandbox.server import Sandbox
from gateway.settings.environment import Settings
from gateway.store.embedded import EmbeddedServer
from gateway.telemetry import logs
from gateway.twilio.callbacks import callback_url
from gateway.web.callbacks import PATH as CALLBACKS_PATH

# Simulated users end a room every few seconds: older ended rooms are dropped. A jump of
# the clock can end thousands at once, and a room that ended before it must stay.
MAX_ENDED_ROOMS = 5_000


def dev(
    http_port: HttpPort = 8080,
    grpc_port: GrpcPort = 9090,
    sandbox_port: SandboxPort = 8081,
    users: Annotated[bool, typer.Option(help="Let simulated users join and leave rooms.")] = True,
    ready_file: ReadyFile = None,
) -> None:
    """Runs the gateway, a simulated Twilio and an embedded server, on loopback."""
    logs.configure(is_json=False)
    if "GATEWAY_API_KEYS" in os.environ:
        console.print("GATEWAY_API_KEYS is ignored: dev has a new API key, which it prints.")
    with explain_start_errors(LOOPBACK):
        asyncio.run(_run(http_port, grpc_port, sandbox_port, users, ready_file))


async def _run(
    http_port: int, grpc_port: int, sandbox_port: int, has_users: bool, ready_file: Path | None
) -> None:
    api_key = new_api_key()
    async with AsyncExitStack() as stack:
        http = stack.enter_context(bind(LOOPBACK, http_port))
        public_url = f"http://{LOOPBACK}:{http.getsockname()[1]}"
        sandbox = await stack.enter_async_context(
            Sandbox(host=LOOPBACK, port=sandbox_port, max_ended_rooms=MAX_ENDED_ROOMS)
        )
        # The environment may change all other settings.
        settings = Settings.model_validate(
            {
                "gateway_accounts_file": None,
                "twilio_account_sid": sandbox.account_sid,
                "twilio_auth_token": sandbox.auth_token,
                "twilio_api_key_sid": sandbox.api_key_sid,
                "twilio_api_key_secret": sandbox.api_key_secret,
                "twilio_video_base_url": sandbox.url,
                "gateway_public_url": public_url,
                # A developer may see everything, also the addresses of callbacks.
                "gateway_api_keys": (
                    api_key_row("dev", api_key).model_copy(update={"scopes": ("admin",)}),
                ),
            }
        )
        if settings.gateway_redis_url is None:
            redis_url = (await stack.enter_async_context(EmbeddedServer())).url
            settings = settings.model_copy(update={"gateway_redis_url": redis_url})

        def on_ready(addresses: Addresses) -> None:
            if has_users:
                sandbox.simulate_users(callback_url(public_url, CALLBACKS_PATH))
            write_ready_file(
                ready_file,
                **asdict(addresses),
                sandbox=sandbox.url,
                api_key=api_key,
                twilio={
                    "base_url": sandbox.url,
                    "account_sid": sandbox.account_sid,
                    "auth_token": sandbox.auth_token,
                },
            )
            _greet(addresses, sandbox.url, api_key)

        mode = Mode(introspection=True, allow_loopback_origins=True)
        listen = Listen(http, LOOPBACK, grpc_port)
        await run_gateway(settings, listen, mode, on_ready, stop_on_signals())


def _greet(addresses: Addresses, sandbox_url: str, api_key: str) -> None:
    console.print(f"""
[bold]Rooms Gateway[/bold] is ready, with a simulated Twilio behind it.

  Console    {addresses.console}
  GraphQL    {addresses.graphql}
  gRPC       {addresses.grpc}
  Sandbox    {sandbox_url}
  API key    {api_key}

Commands to try:

  curl -s {addresses.graphql} -H 'X-API-Key: {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"query": "{{ rooms {{ nodes {{ sid uniqueName status }} }} }}"}}'

  curl -sN {addresses.sse} -H 'X-API-Key: {api_key}' \\
    -H 'Content-Type: application/json' -H 'Accept: text/event-stream' \\
    -d '{{"query": "subscription {{ roomEvents {{ __typename cursor }} }}"}}'

  .venv/bin/buf curl --protocol grpc --http2-prior-knowledge -H 'X-API-Key: {api_key}' \\
    -d '{{}}' http://{addresses.grpc}/rooms_gateway.v1.RoomService/ListRooms
""", soft_wrap=True)  # fmt: skip
