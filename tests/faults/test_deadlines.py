"""I-15: calls with short deadlines while Twilio is slow, fails and hangs up."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from tests.conftest import Figure
from tests.faults.harness import new_seed
from tests.faults.test_twilio_down import OutageHarness, outage_harness
from tests.rpc.client import Client, clients_on
from tests.running import new_sid, payload_errors

SECONDS, PER_S = 30, 40
FAULTS = (
    {"latency_ms": 150},
    {"latency_ms": 400, "rate": 0.3},
    {"latency_ms": 3_000, "rate": 0.1},
    {"status": 503, "rate": 0.1},
    {"hang_up": "before", "rate": 0.1},
)
# The bound of I-15. It covers scheduling delays and the way to Twilio.
SLACK_S = 0.1

READ = "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }"
COMPLETE = "mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { errors { code } } }"


@dataclass
class Results:
    ends_at: dict[str, float] = field(default_factory=dict)
    """When the call for a room ends, by the wall clock. Each room has one call."""
    overruns_s: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    health_lag_s: float = 0.0


@pytest.mark.long
async def test_i15_calls_end_by_their_deadline_and_no_attempt_starts_after_it(
    tmp_path: Path, figure: Figure
) -> None:
    seed, results = new_seed(), Results()
    rng = random.Random(seed)
    # The reconciler would read rooms whose change has an unknown outcome.
    async with (
        outage_harness(tmp_path, 0, GATEWAY_RECONCILE="0") as harness,
        harness.gateway.channel() as channel,
    ):
        rooms = clients_on(
            channel, (("authorization", harness.gateway.auth["Authorization"]),)
        ).rooms
        for fault in FAULTS:
            await harness.sandbox.sandbox(
                "POST", "/faults", {"match": {"path": "/v1/Rooms/"}, **fault}
            )
        started_at = time.time()
        async with asyncio.TaskGroup() as tasks:
            lag_task = tasks.create_task(_measure_lag(harness, results))
            async with asyncio.TaskGroup() as callers:
                for _ in range(SECONDS * PER_S):
                    callers.create_task(_call(harness, rooms, rng, results))
                    await asyncio.sleep(1 / PER_S)  # the request rate
            lag_task.cancel()
        calls = await harness.sandbox.sandbox("GET", f"/calls?since={started_at}")
    attempt_starts = [
        call["at"] - results.ends_at[room]
        for call in calls
        if (room := call["path"].rpartition("/")[2]) in results.ends_at
    ]
    figure(
        f"I-15: {len(results.ends_at):,} calls with deadlines of 0.05 to 2 s, while Twilio is "
        "slow, "
        "fails and hangs up",
        f"ended at most {max(results.overruns_s) * 1000:.0f} ms after the deadline (GET /healthz, "
        f"which depends on nothing, took up to {results.health_lag_s * 1000:.0f} ms); "
        f"{len(attempt_starts):,} requests to Twilio, the last one started "
        f"{max(attempt_starts) * 1000:+.0f} ms from its deadline; {dict(results.outcomes)}",
        seed,
    )
    assert max(results.overruns_s) <= SLACK_S + results.health_lag_s
    assert max(attempt_starts) <= SLACK_S


async def _call(
    harness: OutageHarness, rooms: Client, rng: random.Random, results: Results
) -> None:
    """Calls a random method on a random face. One call in ten is cancelled early."""
    room, limit_s = new_sid(), rng.uniform(0.05, 2.0)
    is_mutation, is_grpc = rng.random() < 0.1, rng.random() < 0.5
    disconnect_after_s = rng.uniform(0.02, limit_s) if rng.random() < 0.1 else None
    started_at = time.monotonic()
    results.ends_at[room] = time.time() + (disconnect_after_s or limit_s)
    try:
        async with asyncio.timeout(disconnect_after_s) as disconnect:
            if is_grpc:
                outcome = await _call_grpc(rooms, room, limit_s, is_mutation=is_mutation)
            else:
                outcome = await _call_graphql(harness, room, limit_s, is_mutation=is_mutation)
    except TimeoutError:
        assert disconnect.expired()
        outcome = "cancelled"
    else:
        results.overruns_s.append(time.monotonic() - started_at - limit_s)
    results.outcomes[outcome] += 1


async def _call_graphql(
    harness: OutageHarness, room: str, limit_s: float, *, is_mutation: bool
) -> str:
    headers = {"X-Request-Timeout-Ms": str(round(limit_s * 1000))}
    body = (
        await harness.gateway.post(COMPLETE if is_mutation else READ, {"ref": room}, **headers)
    ).body
    if "errors" in body:
        return str(body["errors"][0]["extensions"]["code"])
    unexpected = payload_errors(body["data"])
    return str(unexpected[0]["code"]) if unexpected else "OK"


async def _call_grpc(rooms: Client, room: str, limit_s: float, *, is_mutation: bool) -> str:
    method = rooms.CompleteRoom if is_mutation else rooms.GetRoom
    try:
        await method(timeout=limit_s, room=room)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def _measure_lag(harness: OutageHarness, results: Results) -> None:
    """Measures how long /healthz takes: the delay due to the machine's load."""
    while True:
        started_at = time.monotonic()
        async with harness.gateway.http.get(harness.gateway.ready["console"] + "healthz"):
            results.health_lag_s = max(results.health_lag_s, time.monotonic() - started_at)
        await asyncio.sleep(0.02)  # more requests would add to the delay
