"""Several gateways with one Redis and one sandbox, each in its own process."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.nemesis import Valkey
from tests.running import Gateway, Reply, running

SERVE = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
SCOPES = ["rooms:read", "rooms:write", "events:subscribe"]


def auth_of(caller: str) -> dict[str, str]:
    """Returns the headers of a caller. The gateway accepts any string as a key."""
    return {"Authorization": f"Bearer rgk_{caller}"}


@dataclass
class Fleet:
    """The sandbox records every request to Twilio, including rejected ones."""

    sandbox: Gateway
    gateways: list[Gateway]
    valkey: Valkey
    outcomes: list["Outcome"] = field(default_factory=list)

    async def calls(self, since: float, until: float = float("inf")) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = await self.sandbox.sandbox("GET", f"/calls?since={since}")
        return [call for call in result if call["at"] < until]

    async def peak(self) -> dict[str, int]:
        result: dict[str, int] = await self.sandbox.sandbox("GET", "/peak")
        return result

    async def execute(self, number: int, caller: str, document: str, **variables: Any) -> "Outcome":
        """Executes an operation on the gateway with this number modulo their count."""
        gateway = self.gateways[number % len(self.gateways)]
        sent_at = time.time()
        reply = await gateway.post(document, variables, **auth_of(caller))
        outcome = Outcome(caller, sent_at, time.time(), _codes(reply), reply.body)
        self.outcomes.append(outcome)
        return outcome


@dataclass(frozen=True)
class Outcome:
    """A response. `codes` has, for each root field, OK or the code of its error."""

    caller: str
    sent_at: float
    received_at: float
    codes: tuple[str, ...]
    body: Any

    @property
    def took_s(self) -> float:
        return self.received_at - self.sent_at


def _codes(reply: Reply) -> tuple[str, ...]:
    codes = {
        error.get("path", [""])[0]: error["extensions"]["code"]
        for error in reply.body.get("errors", ())
    }
    # An error in a non-null field, or of the whole request, makes `data` null. Then
    # only the fields with an error have a code.
    return tuple(codes.get(name, "OK") for name in reply.body.get("data") or codes)


@asynccontextmanager
async def create_fleet(
    folder: Path, replicas: int, callers: Sequence[str], **environment: str
) -> AsyncIterator[Fleet]:
    rows = [
        {
            "id": caller,
            "sha256": hashlib.sha256(f"rgk_{caller}".encode()).hexdigest(),
            "scopes": SCOPES,
        }
        for caller in callers
    ]
    async with AsyncExitStack() as stack:
        # Durability is not tested here, and a busy disk must not delay the requests.
        valkey = Valkey(folder / "valkey", fsync="no")
        await valkey.start()
        stack.push_async_callback(valkey.aclose)
        sandbox = await stack.enter_async_context(
            running(folder, ("sandbox", "--sandbox-port", "0"))
        )
        settings = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            "GATEWAY_API_KEYS": json.dumps(rows),
            "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0",
            "GATEWAY_REPLICAS": str(replicas),
            **environment,
        }
        gateways = [
            await stack.enter_async_context(running(folder, SERVE, settings))
            for _ in range(replicas)
        ]
        yield Fleet(sandbox, gateways, valkey)


async def run_at_rate(
    per_s: float, seconds: float, execute: Callable[[int], Awaitable[Any]]
) -> None:
    """Starts executions at a constant rate. Returns when all have finished.

    The loop is open: an execution does not wait for the one before it.
    """
    started_at = time.monotonic()
    async with asyncio.TaskGroup() as callers:
        for number in range(round(per_s * seconds)):
            delay_s = started_at + number / per_s - time.monotonic()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            callers.create_task(_run(execute, number))


async def _run(execute: Callable[[int], Awaitable[Any]], number: int) -> None:
    await execute(number)
