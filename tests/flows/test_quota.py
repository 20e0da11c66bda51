"""More is asked than Twilio allows: the sandbox counts every call it gets, refused ones included, and is the judge."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.running import RESPONSE_TIMEOUT_S, Gateway, Reply, new_sid, running

READ = "query($ref: ID!) { room(ref: $ref) { sid status } }"
READS_A_SECOND = 80
# More callers at once than wait in the queues for Twilio: then the machine is too slow for so many reads a second.
UNDER_WAY = 5_000


async def test_cold_reads_beyond_the_quota_are_told_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        replies = await asyncio.gather(
            *(gateway.post(READ, {"ref": new_sid()}) for _ in range(400))
        )
        outcomes = Counter(_outcome(reply.body, None) for reply in replies)
        peak = await gateway.sandbox("GET", "/peak")
    assert set(outcomes) == {"right", "QUOTA_EXCEEDED"}
    assert peak["read"] <= READS_A_SECOND
    refused = [reply.body["errors"][0]["extensions"] for reply in replies if "errors" in reply.body]
    assert all(extensions["retryable"] and extensions["retryAfterMs"] > 0 for extensions in refused)


async def test_the_end_of_a_room_overtakes_creates_that_wait_and_the_quota_says_who_does(
    gateway: Gateway,
) -> None:
    room = await gateway.create_room()
    creates = [gateway.post("mutation { createRoom { sid } }") for _ in range(30)]
    order: list[str] = []

    async def note(name: str, asked: Awaitable[Reply]) -> None:
        await asked
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for create in creates:
            group.create_task(note("create", create))
        waiting = 0
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while waiting < 10:
                classes = (await gateway.execute("{ quota { classes { requestClass waiting } } }"))[
                    "quota"
                ]["classes"]
                waiting = next(
                    each["waiting"] for each in classes if each["requestClass"] == "CHANGE"
                )
        end = gateway.post(
            "mutation($ref: ID!) { completeRoom(ref: $ref) { status } }", {"ref": room["sid"]}
        )
        group.create_task(note("end", end))
    assert len(order) - order.index("end") > 5


@pytest.mark.long
async def test_1000_reads_a_second_for_a_minute_over_1000_rooms(
    tmp_path: Path, figure: Figure
) -> None:
    """`serve` and the sandbox in processes of their own, so that only the gateway is between the callers and the count."""
    seconds, asked_a_second, rooms = 60, 1_000, 1_000
    async with _in_front_of_a_sandbox(tmp_path) as (gateway, sandbox):
        sids = [room["sid"] for room in await _make_rooms(sandbox, rooms)]
        outcomes: Counter[str] = Counter()
        waits: list[float] = []
        begun = time.monotonic()
        async with asyncio.TaskGroup() as callers:
            for number in range(seconds * asked_a_second):
                # Open loop: the next caller does not wait for the one before.
                ahead = begun + number / asked_a_second - time.monotonic()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                if number - outcomes.total() < UNDER_WAY:
                    callers.create_task(
                        _read(gateway, sids[(number * 7919) % rooms], outcomes, waits)
                    )
                else:
                    outcomes["not asked"] += 1
        peak = await sandbox.sandbox("GET", "/peak")
    waits.sort()
    figure(
        f"I-13: {outcomes.total():,} reads in {seconds} s over {rooms:,} rooms",
        f"{dict(outcomes)}; at most {peak['read']} reads at Twilio in any second; answers p50 "
        f"{waits[len(waits) // 2] * 1000:.0f} ms, p99 {waits[len(waits) * 99 // 100] * 1000:.0f} ms",
        None,
    )
    assert set(outcomes) <= {"right", "QUOTA_EXCEEDED"}
    assert outcomes["right"] > outcomes["QUOTA_EXCEEDED"]
    assert peak["read"] <= READS_A_SECOND


async def _read(gateway: Gateway, sid: str, outcomes: Counter[str], waits: list[float]) -> None:
    begun = time.monotonic()
    reply = await gateway.post(READ, {"ref": sid})
    waits.append(time.monotonic() - begun)
    outcomes[_outcome(reply.body, {"sid": sid, "status": "IN_PROGRESS"})] += 1


def _outcome(body: dict[str, object], expected: object) -> str:
    if "errors" in body:
        return str(body["errors"][0]["extensions"]["code"])
    return "right" if body["data"]["room"] == expected else "wrong"


async def _make_rooms(sandbox: Gateway, count: int) -> Sequence[dict[str, str]]:
    """At Twilio's own pace of 20 a second."""
    made = []
    for begin in range(0, count, 20):
        made += await asyncio.gather(
            *(sandbox.create_room_at_twilio() for _ in range(begin, min(begin + 20, count)))
        )
    return made


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
