"""Callers with little time, in front of a Twilio that is slow, fails and hangs up."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from tests.conftest import Figure
from tests.faults.scene import new_seed
from tests.faults.test_twilio_down import Scene, scene
from tests.rpc.client import Client, clients_on
from tests.running import new_sid

SECONDS, PER_S = 30, 40
TROUBLE = (
    {"latency_ms": 150},
    {"latency_ms": 400, "rate": 0.3},
    {"latency_ms": 3_000, "rate": 0.1},
    {"status": 503, "rate": 0.1},
    {"hang_up": "before", "rate": 0.1},
)
# What a clock, a hurried process and the way to Twilio may make of a moment.
SLACK_S = 0.1

READ = "query($ref: ID!) { room(ref: $ref) { sid } }"
COMPLETE = "mutation($ref: ID!) { completeRoom(ref: $ref) { sid } }"


@dataclass
class Log:
    until: dict[str, float] = field(default_factory=dict)
    """By room, for each has one caller: the wall-clock time at which he has his answer or has left."""
    over_s: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    lag_s: float = 0.0


@pytest.mark.long
async def test_i15_calls_end_by_their_deadline_and_no_attempt_starts_after_it(
    tmp_path: Path, figure: Figure
) -> None:
    seed, log = new_seed(), Log()
    rng = random.Random(seed)
    # The reconciler looks at rooms whose change is in doubt, in its own time.
    async with scene(tmp_path, 0, GATEWAY_RECONCILE="0") as set_, set_.gateway.channel() as channel:
        rooms = clients_on(channel, (("authorization", set_.gateway.auth["Authorization"]),)).rooms
        for trouble in TROUBLE:
            await set_.sandbox.sandbox(
                "POST", "/faults", {"match": {"path": "/v1/Rooms/"}, **trouble}
            )
        begun = time.time()
        async with asyncio.TaskGroup() as tasks:
            lagging = tasks.create_task(_watch_lag(set_, log))
            async with asyncio.TaskGroup() as callers:
                for _ in range(SECONDS * PER_S):
                    callers.create_task(_call(set_, rooms, rng, log))
                    await asyncio.sleep(1 / PER_S)  # the pace of the callers
            lagging.cancel()
        calls = await set_.sandbox.sandbox("GET", f"/calls?since={begun}")
    late = [
        call["at"] - log.until[room]
        for call in calls
        if (room := call["path"].rpartition("/")[2]) in log.until
    ]
    figure(
        f"I-15: {len(log.until):,} calls with 0.05 to 2 s, while Twilio is slow, fails and hangs up",
        f"ended at most {max(log.over_s) * 1000:.0f} ms after the deadline (GET /healthz, which waits for nobody, took up to "
        f"{log.lag_s * 1000:.0f} ms); {len(late):,} tries at Twilio, the last one begun {max(late) * 1000:+.0f} ms from its "
        f"caller's deadline; {dict(log.outcomes)}",
        seed,
    )
    assert max(log.over_s) <= SLACK_S + log.lag_s
    assert max(late) <= SLACK_S


async def _call(set_: Scene, rooms: Client, rng: random.Random, log: Log) -> None:
    """On either face, of either kind; one in ten leaves before his time is up."""
    room, limit_s = new_sid(), rng.uniform(0.05, 2.0)
    is_change, is_grpc = rng.random() < 0.1, rng.random() < 0.5
    leaves_s = rng.uniform(0.02, limit_s) if rng.random() < 0.1 else None
    begun = time.monotonic()
    log.until[room] = time.time() + (leaves_s or limit_s)
    try:
        async with asyncio.timeout(leaves_s) as leaving:
            if is_grpc:
                outcome = await _grpc(rooms, room, limit_s, is_change=is_change)
            else:
                outcome = await _graphql(set_, room, limit_s, is_change=is_change)
    except TimeoutError:
        assert leaving.expired()
        outcome = "left"
    else:
        log.over_s.append(time.monotonic() - begun - limit_s)
    log.outcomes[outcome] += 1


async def _graphql(set_: Scene, room: str, limit_s: float, *, is_change: bool) -> str:
    headers = {"X-Request-Timeout-Ms": str(round(limit_s * 1000))}
    body = (await set_.gateway.post(COMPLETE if is_change else READ, {"ref": room}, **headers)).body
    return str(body["errors"][0]["extensions"]["code"]) if "errors" in body else "answered"


async def _grpc(rooms: Client, room: str, limit_s: float, *, is_change: bool) -> str:
    method = rooms.CompleteRoom if is_change else rooms.GetRoom
    try:
        await method(timeout=limit_s, room=room)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "answered"


async def _watch_lag(set_: Scene, log: Log) -> None:
    """How long an answer takes that needs nobody: what the machine's other business costs at present."""
    while True:
        begun = time.monotonic()
        async with set_.gateway.http.get(set_.gateway.ready["console"] + "healthz"):
            log.lag_s = max(log.lag_s, time.monotonic() - begun)
        await asyncio.sleep(
            0.02
        )  # the pace at which it is asked: a load of its own would add to the lag
