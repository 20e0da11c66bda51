"""P2: power cuts under load, with each `appendfsync`.

`tests/faults/power.py` has the model.
"""

import asyncio
import itertools
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest
from redis.asyncio import Redis
from twilio.request_validator import RequestValidator

from tests.conftest import Figure
from tests.faults.clients import CONNECTION_ERRORS
from tests.faults.harness import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    Harness,
    acknowledged,
    assert_no_violations,
    deliver_callbacks,
    fault_harness,
    new_seed,
    quantiles,
    wait_for_resyncs,
)
from tests.faults.nemesis import LOOPBACK, Valkey, new_api_key
from tests.faults.power import Disk, compile_library
from tests.running import Gateway, new_sid, running

CUTS = 8
SENDERS = 24
PUBLIC_URL = "https://rooms.example"
WATCH = """subscription($room: ID!) { roomEvents(room: {sid: $room}) {
    __typename cursor ... on StreamStarted { mode } ... on RoomEvent { sequenceNumber } } }"""
pytestmark = pytest.mark.long


def valkey_with_disk(folder: Path, fsync: str) -> Valkey:
    home = folder / "valkey"
    return Valkey(home, fsync=fsync, disk=Disk(home, compile_library(folder)))


@pytest.mark.parametrize(("fsync", "is_durable"), [("always", True), ("no", False)])
async def test_simulated_power_cut_keeps_only_synced_data(
    tmp_path: Path, figure: Figure, fsync: str, is_durable: bool
) -> None:
    """The simulation itself must be able to lose data."""
    valkey = valkey_with_disk(tmp_path, fsync)
    await valkey.start()
    try:
        await valkey.client.set("answered", "1")
        # The first choice is the least that a disk may keep.
        await valkey.cut_power(_FirstChoice())
        found = bool(await valkey.client.exists("answered"))
        figure(
            f"P2: the simulation of a power cut, appendfsync {fsync}",
            f"{found:d} of 1 acknowledged write survived",
            None,
        )
        assert found is is_durable
    finally:
        await valkey.aclose()


class _FirstChoice(random.Random):
    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[0]


async def test_p2_power_cuts_with_appendfsync_always_lose_nothing_acknowledged(
    tmp_path: Path, figure: Figure
) -> None:
    """Cuts at random times, under 24 concurrent callbacks."""
    seed, lost = new_seed(), list[int]()
    async with fault_harness(
        tmp_path, seed, valkey=valkey_with_disk(tmp_path, "always")
    ) as harness:
        is_over, rooms = asyncio.Event(), [new_sid() for _ in range(20)]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        watchers += [harness.watch(transport, transport) for transport in TRANSPORTS]

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms))

        async def cut() -> None:
            for _ in range(CUTS):
                before = len(acknowledged(harness.recorder))
                while len(acknowledged(harness.recorder)) < before + 150:  # noqa: ASYNC110 - no notification
                    await asyncio.sleep(harness.rng.uniform(0, 0.05))
                lost.append(await harness.cluster.cut_power(harness.rng))
            is_over.set()

        with harness.follow(*watchers):
            await harness.wait_until_started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(cut())
                for _ in range(SENDERS):
                    traffic.create_task(send())
            await harness.finish()
    logged_keys, acknowledged_keys = (
        [event.key for event in harness.final_events],
        acknowledged(harness.recorder),
    )
    figure(
        f"P2: {CUTS} power cuts with appendfsync always, {len(acknowledged_keys):,} callbacks "
        f"acknowledged, {sum(lost)} bytes lost",
        f"{len(acknowledged_keys - set(logged_keys))} acknowledged lost, "
        f"{len(logged_keys) - len(set(logged_keys))} duplicated",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert acknowledged_keys <= set(logged_keys)
    assert len(logged_keys) == len(set(logged_keys))


async def test_p2_losses_of_power_cuts_with_everysec_are_announced(
    tmp_path: Path, figure: Figure
) -> None:
    """In every second round one replica is suspended during the cut.

    Meanwhile the other replica reuses the lost numbers.
    """
    seed, lost, delays = new_seed(), list[int](), list[float]()
    async with fault_harness(
        tmp_path, seed, replicas=2, valkey=valkey_with_disk(tmp_path, "everysec")
    ) as harness:
        room = new_sid()
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        # Two of each transport, one for each replica.
        watchers += [
            harness.watch(f"{transport}-{number}", transport)
            for transport in TRANSPORTS
            for number in range(2)
        ]
        with harness.follow(*watchers):
            await harness.wait_until_started()
            for number in range(CUTS):
                cut = cut_with_one_suspended if number % 2 else cut_with_all_running
                entries, result = await cut(harness, room)
                lost.append(entries)
                delays += result
                await wait_until_all_follow(harness, room)
            await harness.finish()
    resyncs = sorted({resync.reason for watcher in watchers for resync in watcher.resyncs})
    figure(
        f"P2: {CUTS} power cuts with everysec, {sum(lost)} events lost in {sum(map(bool, lost))} "
        "of them",
        f"all announced ({', '.join(resyncs).upper()}), {quantiles(delays)}, the last after "
        f"{max(delays) * 1000:.0f} ms",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert sum(map(bool, lost)) >= CUTS // 2
    assert resyncs == ["diverged", "epoch", "rolled_back"]


async def cut_with_all_running(harness: Harness, room: str) -> tuple[int, list[float]]:
    """Returns how many events were lost, and the delay of each watcher's resync.

    Delays count from the return of the server. If no event was lost, there are none.
    """
    await deliver_callbacks(harness, 40, room)
    length = await log_length(harness)
    since = time.monotonic()
    await harness.cluster.cut_power(harness.rng)
    restarted_at, lost = time.monotonic(), length - await log_length(harness)
    if not lost:
        return 0, []
    result = await wait_for_resyncs(harness.watchers, since, {"rolled_back", "epoch"})
    return lost, [wait_s - (restarted_at - since) for wait_s in result]


async def cut_with_one_suspended(harness: Harness, room: str) -> tuple[int, list[float]]:
    """Returns the events lost, and the delays of the suspended replica's watchers.

    Delays count from its resumption. Meanwhile its position belongs to another event.
    """
    keys = await deliver_callbacks(harness, 40, room)
    for watcher in harness.watchers:
        await watcher.until(partial(watcher.has_seen, keys), DRAIN_S)
    length = await log_length(harness)
    suspended, victim = harness.cluster.replicas
    affected = [watcher for watcher in harness.watchers if watcher.replica is suspended]
    suspended.suspend()
    await victim.kill()
    await harness.cluster.cut_power(harness.rng)
    lost = length - await log_length(harness)
    await victim.start()
    # At least as many as were lost, so that the log has other events at the suspended
    # replica's position.
    await deliver_callbacks(harness, lost + 5, room)
    since = time.monotonic()
    suspended.resume()
    return lost, await wait_for_resyncs(affected, since, {"diverged"}) if lost else []


async def wait_until_all_follow(harness: Harness, room: str) -> None:
    """Returns when all watchers have received a new event.

    Not every watcher receives the first one: a resync may continue after it.
    """
    keys = set[str]()
    async with asyncio.timeout(DRAIN_S):
        while not all(keys & watcher.seen_keys for watcher in harness.watchers):
            keys |= await deliver_callbacks(harness, 1, room)
            await asyncio.sleep(0.1)  # watchers do not announce their return


async def log_length(harness: Harness) -> int:
    return int(await harness.cluster.valkey.client.xlen(harness.cluster.log_key))


async def test_p2_embedded_server_loses_nothing_acknowledged_in_power_cuts(
    gateway: Gateway, tmp_path: Path, figure: Figure
) -> None:
    """`serve` with its embedded server. The power cut kills both; the sandbox stays."""
    seed = new_seed()
    print(f"\nseed {seed}")
    rng, data, room, numbers, lost = (
        random.Random(seed),
        tmp_path / "data",
        new_sid(),
        itertools.count(),
        0,
    )
    data.mkdir()
    disk = Disk(data, compile_library(tmp_path))
    start = partial(
        start_serve, gateway, tmp_path, {"GATEWAY_DATA_DIR": str(data), **disk.environment}
    )
    async with start() as served, served.subscribe_sse(WATCH, room=room) as messages:
        start_cursor, _ = await anext(messages)
        acknowledged_keys = await send_until_power_cut(served, room, numbers, rng)
    for _ in range(2):
        lost += disk.cut(rng)
        disk.start_recording()
        async with start() as served:
            acknowledged_keys |= await send_until_power_cut(served, room, numbers, rng)
    lost += disk.cut(rng)
    disk.start_recording()
    async with (
        start() as served,
        served.subscribe_sse(WATCH, {"Last-Event-ID": start_cursor}, room=room) as messages,
    ):
        _, started = await anext(messages)
        await send(served, room, last_number := next(numbers))
        found = [started["mode"]]
        async with asyncio.timeout(DRAIN_S):
            while (number := (await anext(messages))[1]["sequenceNumber"]) != last_number:
                found.append(number)
    figure(
        f"P2: 3 power cuts of gateway and embedded server, {len(acknowledged_keys):,} callbacks "
        f"acknowledged, {lost:,} bytes lost",
        f"{len(acknowledged_keys - set(found))} acknowledged lost, "
        f"{len(found) - len(set(found))} duplicated",
        seed,
    )
    assert acknowledged_keys <= set(found)
    assert len(found) == len(set(found))
    assert found[0] == "RESUMED"


@asynccontextmanager
async def start_serve(
    gateway: Gateway, folder: Path, settings: dict[str, str]
) -> AsyncIterator[Gateway]:
    key = await new_api_key()
    environment = {
        "PATH": os.environ["PATH"],
        "TWILIO_ACCOUNT_SID": gateway.account_sid,
        "TWILIO_AUTH_TOKEN": gateway.auth_token,
        "TWILIO_VIDEO_BASE_URL": gateway.ready["twilio"]["base_url"],
        "GATEWAY_PUBLIC_URL": PUBLIC_URL,
        "GATEWAY_API_KEYS": json.dumps([key["row"]]),
        **settings,
    }
    arguments = ("serve", "--host", LOOPBACK, "--http-port", "0", "--grpc-port", "0")
    async with running(folder, arguments, environment) as served:
        served.auth = {"Authorization": f"Bearer {key['api_key']}"}
        served.account_sid, served.auth_token = gateway.account_sid, gateway.auth_token
        yield served


async def send_until_power_cut(
    served: Gateway, room: str, numbers: Iterator[int], rng: random.Random
) -> set[int]:
    """Sends callbacks until the power is cut.

    Returns the numbers of the acknowledged ones.
    """
    acknowledged_keys = set[int]()
    async with Redis.from_url(served.ready["redis"]) as redis:
        server: int = (await redis.info("server"))["process_id"]

    async def send_more() -> None:
        with suppress(*CONNECTION_ERRORS):
            for number in numbers:
                if await send(served, room, number) == 204:
                    acknowledged_keys.add(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(send_more())
        await asyncio.sleep(rng.uniform(0.5, 1.0))
        # The server first: when the gateway exits, the server shuts down cleanly.
        os.kill(server, signal.SIGKILL)
        served.process.kill()
    await served.process.wait()
    return acknowledged_keys


async def send(served: Gateway, room: str, number: int) -> int:
    fields = served.callback_fields(
        JOINED, room, ParticipantSid=f"PA{number:032x}", SequenceNumber=str(number)
    )
    signature = RequestValidator(served.auth_token).compute_signature(
        f"{PUBLIC_URL}/callbacks/twilio", fields
    )
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    async with served.http.post(
        served.ready["callbacks"], data=urlencode(fields), headers=headers
    ) as reply:
        return reply.status
