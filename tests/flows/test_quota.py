"""Callers request more than Twilio's quota allows.

The sandbox counts every request that it receives, including refused ones.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure
from tests.running import RESPONSE_TIMEOUT_S, Gateway, Reply, new_sid, running

READ = "query($ref: ID!) { room(ref: {sid: $ref}) { sid status } }"
READS_PER_S = 80
# More calls in flight than the queues for Twilio can hold. If there are more, the
# machine is too slow for this rate.
MAX_IN_FLIGHT = 5_000


async def test_reads_beyond_the_quota_are_rejected_with_a_retry_time(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        replies = await asyncio.gather(
            *(gateway.post(READ, {"ref": new_sid()}) for _ in range(400))
        )
        outcomes = Counter(_outcome(reply.body, None) for reply in replies)
        peak = await gateway.sandbox("GET", "/peak")
    assert set(outcomes) == {"correct", "QUOTA_EXCEEDED"}
    assert peak["read"] <= READS_PER_S
    errors = [reply.body["errors"][0]["extensions"] for reply in replies if "errors" in reply.body]
    assert all(extensions["retryable"] and extensions["retryAfterMs"] > 0 for extensions in errors)


async def test_complete_room_overtakes_queued_creates(
    gateway: Gateway,
) -> None:
    room = await gateway.create_room()
    creates = [
        gateway.post("mutation { createRoom(input: {}) { room { sid } } }") for _ in range(30)
    ]
    order: list[str] = []

    async def record(name: str, pending: Awaitable[Reply]) -> None:
        await pending
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for create in creates:
            group.create_task(record("create", create))
        waiting = 0
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while waiting < 10:
                classes = (await gateway.execute("{ quota { classes { requestClass waiting } } }"))[
                    "quota"
                ]["classes"]
                waiting = next(
                    item["waiting"] for item in classes if item["requestClass"] == "CHANGE"
                )
        end = gateway.post(
            "mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { room { status } } }",
            {"ref": room["sid"]},
        )
        group.create_task(record("end", end))
    assert len(order) - order.index("end") > 5


@pytest.mark.long
async def test_1000_reads_per_second_for_a_minute_over_1000_rooms(
    tmp_path: Path, figure: Figure
) -> None:
    """`serve` and the sandbox run in their own processes."""
    seconds, calls_per_s, rooms = 60, 1_000, 1_000
    async with _in_front_of_a_sandbox(tmp_path) as (gateway, sandbox):
        sids = [room["sid"] for room in await _make_rooms(sandbox, rooms)]
        outcomes: Counter[str] = Counter()
        durations: list[float] = []
        started_at = time.monotonic()
        async with asyncio.TaskGroup() as callers:
            for number in range(seconds * calls_per_s):
                # Open loop: a call does not wait for the response of the previous one.
                delay_s = started_at + number / calls_per_s - time.monotonic()
                if delay_s > 0:
                    await asyncio.sleep(delay_s)
                if number - outcomes.total() < MAX_IN_FLIGHT:
                    callers.create_task(
                        _read(gateway, sids[(number * 7919) % rooms], outcomes, durations)
                    )
                else:
                    outcomes["not sent"] += 1
        peak = await sandbox.sandbox("GET", "/peak")
    durations.sort()
    figure(
        f"I-13: {outcomes.total():,} reads in {seconds} s over {rooms:,} rooms",
        f"{dict(outcomes)}; at most {peak['read']} reads at Twilio in any second; responses "
        f"p50 {durations[len(durations) // 2] * 1000:.0f} ms, "
        f"p99 {durations[len(durations) * 99 // 100] * 1000:.0f} ms",
        None,
    )
    assert set(outcomes) <= {"correct", "QUOTA_EXCEEDED"}
    assert outcomes["correct"] > outcomes["QUOTA_EXCEEDED"]
    assert peak["read"] <= READS_PER_S


async def _read(gateway: Gateway, sid: str, outcomes: Counter[str], durations: list[float]) -> None:
    started_at = time.monotonic()
    reply = await gateway.post(READ, {"ref": sid})
    durations.append(time.monotonic() - started_at)
    outcomes[_outcome(reply.body, {"sid": sid, "status": "IN_PROGRESS"})] += 1


def _outcome(body: dict[str, Any], expected: object) -> str:
    if "errors" in body:
        return str(body["errors"][0]["extensions"]["code"])
    return "correct" if body["data"]["room"] == expected else "wrong"


async def _make_rooms(sandbox: Gateway, count: int) -> Sequence[dict[str, str]]:
    """Creates rooms at Twilio's quota of 20 per second."""
    rooms = []
    for begin in range(0, count, 20):
        rooms += await asyncio.gather(
            *(sandbox.create_room_at_twilio() for _ in range(begin, min(begin + 20, count)))
        )
    return rooms


@asynccontextmanager
async def _in_front_of_a_sandbox(folder: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with running(folder, ("sandbox", "--sandbox-port", "0")) as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "keys", "create", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        key = json.loads(out)
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
            "GATEWAY_PUBLIC_URL": "https://rooms.example",
            "GATEWAY_API_KEYS": json.dumps([key["row"] | {"limit": 10_000_000}]),
            "GATEWAY_DATA_DIR": str(folder / "data"),
        }
        arguments = ("serve", "--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
        async with running(folder, arguments, environment) as gateway:
            gateway.auth = {"Authorization": f"Bearer {key['api_key']}"}
            yield gateway, sandbox
