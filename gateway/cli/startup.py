"""What commands share: options, messages, the ready file and the stop signal."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from gateway.app import process_memory, server
from gateway.app.server import Addresses, Listen
from gateway.app.wiring import Mode
from gateway.core.errors import GatewayError
from gateway.settings.environment import Settings, explain

LOOPBACK = "127.0.0.1"
HttpPort = Annotated[
    int, typer.Option(help="Port of GraphQL, callbacks and health. 0 picks a free port.")
]
GrpcPort = Annotated[int, typer.Option(help="Port of gRPC. 0 picks a free port.")]
SandboxPort = Annotated[int, typer.Option(help="Port of the sandbox. 0 picks a free port.")]
ReadyFile = Annotated[
    Path | None,
    typer.Option(help="File to write the addresses to, as JSON, once every port answers."),
]

console = Console(stderr=True, highlight=False)


async def run_gateway(
    settings: Settings,
    listen: Listen,
    mode: Mode,
    on_ready: Callable[[Addresses], None],
    stop: asyncio.Event,
    *,
    exit_if_redis_away: bool = True,
) -> None:
    """Runs the gateway in this process until `stop` is set. See `server.run`."""

    def freeze_and_announce(addresses: Addresses) -> None:
        process_memory.freeze_startup_objects()
        on_ready(addresses)

    await server.run(
        settings,
        listen,
        mode,
        freeze_and_announce,
        stop,
        exit_if_redis_away=exit_if_redis_away,
    )


def stop_on_signals() -> asyncio.Event:
    """Returns an event that SIGINT (Ctrl-C) and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def write_ready_file(path: Path | None, **facts: Any) -> None:
    """Writes the facts and the process id to the file, as JSON.

    Does nothing without a path. The file appears in one step, so a reader never sees
    half of it. Only its owner can read it: it may hold an API key.
    """
    if path is not None:
        draft = path.with_name(path.name + ".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({**facts, "pid": os.getpid()}, indent=2))
        draft.replace(path)


@contextmanager
def explain_start_errors(host: str) -> Iterator[None]:
    """Turns every expected error of a command that listens on `host` into a message.

    The command then exits with status 2.
    """
    try:
        yield
    except ValidationError as exc:
        fail(explain(exc))
    except GatewayError as exc:
        fail(exc.message)
    except OSError as exc:
        fail(f"cannot listen on {host}: {exc.strerror}")


def fail(reason: str) -> NoReturn:
    """Prints the reason, and exits with status 2, as for wrong usage."""
    console.print(f"[red]Cannot run.[/red] {escape(reason)}", soft_wrap=True)
    raise typer.Exit(2)
