"""Several gateways over one Redis, in front of one sandbox: all of them processes of their own."""

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
    """A caller's credential: what a key is made of matters to nobody but its owner."""
    return {"Authorization": f"Bearer rgk_{caller}"}


@dataclass
class Fleet:
    """The sandbox is the judge: it writes down every call, the refused ones too."""

    sandbox: Gateway
    gateways: list[Gateway]
    valkey: Valkey
    outcomes: list["Outcome"] = field(default_factory=list)

    async def calls(self, since: float, until: float = float("inf")) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = await self.sandbox.sandbox("GET", f"/calls?since={since}")
        return [call for call in told if call["at"] < until]

    async def peak(self) -> dict[str, int]:
        told: dict[str, int] = await self.sandbox.sandbox("GET", "/peak")
        return told

    async def ask(self, number: int, caller: str, document: str, **variables: Any) -> "Outcome":
        """Of one of the gateways, chosen by a number."""
        gateway = self.gateways[number % len(self.gateways)]
        asked_at = time.time()
        reply = await gateway.post(document, variables, **auth_of(caller))
        outcome = Outcome(caller, asked_at, time.time(), _words(reply), reply.body)
        self.outcomes.append(outcome)
        return outcome


@dataclass(frozen=True)
class Outcome:
    """`words`: for each of the fields asked for OK, or the code of its error."""

    caller: str
    asked_at: float
    answered_at: float
    words: tuple[str, ...]
    body: Any

    @property
    def took_s(self) -> float:
        return self.answered_at - self.asked_at


def _words(reply: Reply) -> tuple[str, ...]:
    codes = {
        error.get("path", [""])[0]: error["extensions"]["code"]
        for error in reply.body.get("errors", ())
    }
    # One that must not be null takes the others with it, whatever they were; and so does what went wrong as a whole.
    return tuple(codes.get(name, "OK") for name in reply.body.get("data") or codes)


@asynccontextmanager
async def fleet(
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
        # Not what is at stake here: a busy disk must hold up nobody.
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


async def at_a_pace(per_s: float, seconds: float, ask: Callable[[int], Awaitable[Any]]) -> None:
    """Open loop: the next caller does not wait for the one before. Returns when all have their answer."""
    begun = time.monotonic()
    async with asyncio.TaskGroup() as callers:
        for number in range(round(per_s * seconds)):
            ahead = begun + number / per_s - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            callers.create_task(_one(ask, number))


async def _one(ask: Callable[[int], Awaitable[Any]], number: int) -> None:
    await ask(number)
