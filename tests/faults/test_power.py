"""P2: power cuts under load, with and without waiting for the disk. `tests/faults/power.py` says what a cut is."""

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
from tests.faults.clients import GONE
from tests.faults.nemesis import LOOPBACK, Valkey, new_api_key
from tests.faults.power import Disk, compiled
from tests.faults.scene import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    Scene,
    acked,
    announced,
    assert_unbroken,
    fill,
    new_seed,
    quantiles,
    scene,
)
from tests.running import Gateway, new_sid, running

CUTS = 8
SENDERS = 24
PUBLIC_URL = "https://rooms.example"
WATCH = """subscription($room: ID!) { roomEvents(room: $room) {
    __typename cursor ... on StreamStarted { mode } ... on RoomEvent { sequenceNumber } } }"""
pytestmark = pytest.mark.long


def valkey_on_a_disk(folder: Path, fsync: str) -> Valkey:
    home = folder / "valkey"
    return Valkey(home, fsync=fsync, disk=Disk(home, compiled(folder)))


@pytest.mark.parametrize(("fsync", "is_there"), [("always", True), ("no", False)])
async def test_simulated_power_cut_keeps_only_synced_data(
    tmp_path: Path, figure: Figure, fsync: str, is_there: bool
) -> None:
    """Of the simulation itself: it must be able to lose something."""
    valkey = valkey_on_a_disk(tmp_path, fsync)
    await valkey.start()
    try:
        await valkey.client.set("answered", "1")
        # The least that a disk may keep: a seed that always takes the first choice.
        await valkey.cut_power(_Stingy())
        found = bool(await valkey.client.exists("answered"))
        figure(
            f"P2: the simulated power cut itself, appendfsync {fsync}",
            f"{found:d} of 1 answered write is there",
            None,
        )
        assert found is is_there
    finally:
        await valkey.aclose()


class _Stingy(random.Random):
    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[0]


async def test_p2_power_cuts_with_appendfsync_always_lose_nothing_acknowledged(
    tmp_path: Path, figure: Figure
) -> None:
    """Cuts at any moment, under 24 callbacks at a time; then everything that was acked must be in the log, once."""
    seed, lost = new_seed(), list[int]()
    async with scene(tmp_path, seed, valkey=valkey_on_a_disk(tmp_path, "always")) as set_:
        over, rooms = asyncio.Event(), [new_sid() for _ in range(20)]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        watchers += [set_.watch(transport, transport) for transport in TRANSPORTS]

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, set_.rng.choice(rooms))

        async def cut() -> None:
            for _ in range(CUTS):
                before = len(acked(set_.diary))
                while len(acked(set_.diary)) < before + 150:  # noqa: ASYNC110 - a diary rings no bell
                    await asyncio.sleep(set_.rng.uniform(0, 0.05))
                lost.append(await set_.cluster.cut_power(set_.rng))
            over.set()

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(cut())
                for _ in range(SENDERS):
                    traffic.create_task(send())
            await set_.finish()
    taken, ours = [event.key for event in set_.logged], acked(set_.diary)
    figure(
        f"P2: {CUTS} power cuts with appendfsync always, {len(ours):,} callbacks acked, {sum(lost)} bytes lost",
        f"{len(ours - set(taken))} acked lost, {len(taken) - len(set(taken))} doubled",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert ours <= set(taken)
    assert len(taken) == len(set(taken))


async def test_p2_losses_of_power_cuts_with_everysec_are_announced(
    tmp_path: Path, figure: Figure
) -> None:
    """In every second round one replica sleeps over the cut, while others give the lost numbers out again."""
    seed, lost, waits = new_seed(), list[int](), list[float]()
    async with scene(
        tmp_path, seed, replicas=2, valkey=valkey_on_a_disk(tmp_path, "everysec")
    ) as set_:
        room = new_sid()
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        # Two of each, so that each replica has one.
        watchers += [
            set_.watch(f"{transport}-{number}", transport)
            for transport in TRANSPORTS
            for number in range(2)
        ]
        with set_.follow(*watchers):
            await set_.started()
            for number in range(CUTS):
                cut = cut_while_one_sleeps if number % 2 else cut_under_all
                entries, told = await cut(set_, room)
                lost.append(entries)
                waits += told
                await heard_by_all(set_, room)
            await set_.finish()
    words = sorted({word.reason for watcher in watchers for word in watcher.words})
    figure(
        f"P2: {CUTS} power cuts with everysec, {sum(lost)} events lost in {sum(map(bool, lost))} of them",
        f"all announced ({', '.join(words).upper()}), {quantiles(waits)}, the last after {max(waits) * 1000:.0f} ms",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert sum(map(bool, lost)) >= CUTS // 2
    assert words == ["diverged", "epoch", "rolled_back"]


async def cut_under_all(set_: Scene, room: str) -> tuple[int, list[float]]:
    """How many events were lost, and how long after the server's return each watcher was told; nobody when nothing was."""
    await fill(set_, 40, room)
    logged = await length(set_)
    since = time.monotonic()
    await set_.cluster.cut_power(set_.rng)
    back_at, lost = time.monotonic(), logged - await length(set_)
    if not lost:
        return 0, []
    told = await announced(set_.watchers, since, {"rolled_back", "epoch"})
    return lost, [wait_s - (back_at - since) for wait_s in told]


async def cut_while_one_sleeps(set_: Scene, room: str) -> tuple[int, list[float]]:
    """Its own watchers hear when it wakes: another replica has meanwhile found out, or its place is another event's."""
    keys = await fill(set_, 40, room)
    for watcher in set_.watchers:
        await watcher.until(lambda watcher=watcher: keys <= watcher.seen, DRAIN_S)  # type: ignore[misc]
    logged = await length(set_)
    sleeper, victim = set_.cluster.replicas
    theirs = [watcher for watcher in set_.watchers if watcher.replica is sleeper]
    sleeper.stop()
    await victim.kill()
    await set_.cluster.cut_power(set_.rng)
    lost = logged - await length(set_)
    await victim.start()
    # As many as were lost, so that the sleeper's place is there again, as another event's.
    await fill(set_, lost + 5, room)
    since = time.monotonic()
    sleeper.go_on()
    return lost, await announced(theirs, since, {"diverged"}) if lost else []


async def heard_by_all(set_: Scene, room: str) -> None:
    """Returns when everybody follows again. Not the first event has to be heard: a resync may go on from behind it."""
    keys = set[str]()
    async with asyncio.timeout(DRAIN_S):
        while not all(keys & watcher.seen for watcher in set_.watchers):
            keys |= await fill(set_, 1, room)
            await asyncio.sleep(0.1)  # until the next try: nothing tells when a watcher is back


async def length(set_: Scene) -> int:
    return int(await set_.cluster.valkey.client.xlen(set_.cluster.log_key))


async def test_p2_embedded_server_loses_nothing_acknowledged_in_power_cuts(
    gateway: Gateway, tmp_path: Path, figure: Figure
) -> None:
    """`serve` with its own durable server, both gone with the power; the sandbox stands elsewhere."""
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
    disk = Disk(data, compiled(tmp_path))
    serve = partial(serving, gateway, tmp_path, {"GATEWAY_DATA_DIR": str(data), **disk.environment})
    async with serve() as served, served.subscribe_sse(WATCH, room=room) as messages:
        beginning, _ = await anext(messages)
        ours = await callbacks_until_the_power_fails(served, room, numbers, rng)
    for _ in range(2):
        lost += disk.cut(rng)
        disk.begin()
        async with serve() as served:
            ours |= await callbacks_until_the_power_fails(served, room, numbers, rng)
    lost += disk.cut(rng)
    disk.begin()
    async with (
        serve() as served,
        served.subscribe_sse(WATCH, {"Last-Event-ID": beginning}, room=room) as messages,
    ):
        _, started = await anext(messages)
        await send(served, room, last := next(numbers))
        found = [started["mode"]]
        async with asyncio.timeout(DRAIN_S):
            while (number := (await anext(messages))[1]["sequenceNumber"]) != last:
                found.append(number)
    figure(
        f"P2: 3 power cuts of gateway and embedded server, {len(ours):,} callbacks acked, {lost:,} bytes lost",
        f"{len(ours - set(found))} acked lost, {len(found) - len(set(found))} doubled",
        seed,
    )
    assert ours <= set(found)
    assert len(found) == len(set(found))
    assert found[0] == "RESUMED"


@asynccontextmanager
async def serving(gateway: Gateway, folder: Path, more: dict[str, str]) -> AsyncIterator[Gateway]:
    key = await new_api_key()
    environment = {
        "PATH": os.environ["PATH"],
        "TWILIO_ACCOUNT_SID": gateway.account_sid,
        "TWILIO_AUTH_TOKEN": gateway.auth_token,
        "TWILIO_VIDEO_BASE_URL": gateway.ready["twilio"]["base_url"],
        "GATEWAY_PUBLIC_URL": PUBLIC_URL,
        "GATEWAY_API_KEYS": json.dumps([key["row"]]),
        **more,
    }
    arguments = ("serve", "--host", LOOPBACK, "--http-port", "0", "--grpc-port", "0")
    async with running(folder, arguments, environment) as served:
        served.auth = {"Authorization": f"Bearer {key['api_key']}"}
        served.account_sid, served.auth_token = gateway.account_sid, gateway.auth_token
        yield served


async def callbacks_until_the_power_fails(
    served: Gateway, room: str, numbers: Iterator[int], rng: random.Random
) -> set[int]:
    """The numbers of those that were acked."""
    ours = set[int]()
    async with Redis.from_url(served.ready["redis"]) as redis:
        server: int = (await redis.info("server"))["process_id"]

    async def send_more() -> None:
        with suppress(*GONE):
            for number in numbers:
                if await send(served, room, number) == 204:
                    ours.add(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(send_more())
        await asyncio.sleep(rng.uniform(0.5, 1.0))
        # The server first: its guard would let it end in good order.
        os.kill(server, signal.SIGKILL)
        served.process.kill()
    await served.process.wait()
    return ours


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
