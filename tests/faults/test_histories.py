"""Histories of real gateways under faults, which the checker must accept.

A test that fails saves its history and prints the path.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.faults.clients import Reader, Watcher
from tests.faults.harness import (
    DRAIN_S,
    ENDED,
    JOINED,
    TRANSPORTS,
    Harness,
    acknowledged,
    assert_no_violations,
    deliver_callbacks,
    fault_harness,
    new_seed,
    quantile,
    quantiles,
    violated_invariants,
    wait_for_resyncs,
)
from tests.faults.history import Event, Read
from tests.running import new_sid

SMOKE_SEED = 20261120


async def test_one_round_of_faults_breaks_no_invariant(tmp_path: Path, figure: Figure) -> None:
    await run_faults(tmp_path, figure, SMOKE_SEED, rounds=1)


@pytest.mark.long
@pytest.mark.parametrize("_", range(3))
async def test_many_rounds_of_faults_break_no_invariant(
    tmp_path: Path, figure: Figure, _: int
) -> None:
    await run_faults(tmp_path, figure, new_seed(), rounds=6)


async def run_faults(folder: Path, figure: Figure, seed: int, rounds: int) -> None:
    """Injects faults of every kind, round after round, under traffic.

    Meanwhile callbacks arrive, rooms are read and end, and watchers follow the log on
    each transport.
    """
    async with fault_harness(folder, seed) as harness:
        rng, is_over = harness.rng, asyncio.Event()
        readers = [
            Reader(harness.recorder, harness.cluster, f"reader-{number}", rng)
            for number in range(2)
        ]
        rooms = [room for _ in range(1 + 3 * rounds) if (room := await readers[0].create())]
        live_rooms = rooms[1:]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        for transport in TRANSPORTS:
            watchers.append(harness.watch(f"{transport}-all", transport))
            watchers.append(harness.watch(f"{transport}-room", transport, rooms[0][0]))
            watchers.append(harness.watch(f"{transport}-ends", transport, types=(ENDED,)))

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, rng.choice(rooms)[0])

        async def read(reader: Reader) -> None:
            while not is_over.is_set():
                await reader.read(*rng.choice(rooms))
                await asyncio.sleep(0.02)  # as often as a person reloads a page

        async def inject_faults() -> None:
            for fault in (fault for _ in range(rounds) for fault in harness.cluster.faults(rng)):
                await fault()
                if live_rooms and rng.random() < 0.4:
                    # Twilio's REST API still says in-progress: only the log has the
                    # end.
                    await harness.callback_sender.deliver(ENDED, live_rooms.pop()[0])
                elif live_rooms and rng.random() < 0.4:
                    await readers[0].complete(live_rooms.pop()[0])
            is_over.set()

        with harness.follow(*watchers):
            await harness.wait_until_started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(inject_faults())
                for _ in range(4):
                    traffic.create_task(send())
                for reader in readers:
                    traffic.create_task(read(reader))
            await harness.finish()
    records = harness.recorder.records
    reads = sum(isinstance(record, Read) for record in records)
    figure(
        f"I-1 … I-11: {rounds} rounds with a fault of each kind, "
        f"{len(acknowledged(harness.recorder)):,} callbacks acknowledged, {reads} reads",
        f"broken invariants: {violated_invariants(harness.recorder)}; "
        f"acknowledged {quantiles(harness.callback_sender.latencies)}",
        seed,
    )
    assert_no_violations(harness.recorder, folder)


@pytest.mark.long
async def test_p1_no_acknowledged_callback_is_lost_or_duplicated_in_40_kills(
    tmp_path: Path, figure: Figure
) -> None:
    """Every 243 callbacks, Valkey or a gateway is killed and restarted, in turn."""
    count, kills, rooms = 10_000, 40, [new_sid() for _ in range(50)]
    seed = new_seed()
    async with fault_harness(tmp_path, seed) as harness:
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        watchers += [harness.watch(f"{transport}-all", transport) for transport in TRANSPORTS]
        watchers += [
            harness.watch(f"{transport}-room", transport, room)
            for transport, room in zip(TRANSPORTS, rooms[:3], strict=True)
        ]
        numbers, expired, started_at = iter(range(count)), list[int](), time.monotonic()
        progress = asyncio.Semaphore(0)

        async def send() -> None:
            for number in numbers:
                if await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms)) is None:
                    expired.append(number)
                progress.release()

        async def kill() -> None:
            for number in range(kills):
                for _ in range(count // (kills + 1)):
                    await progress.acquire()
                if number % 2:
                    await harness.cluster.kill_replica(
                        harness.rng.choice(harness.cluster.running_replicas())
                    )
                else:
                    await harness.cluster.kill_valkey()

        with harness.follow(*watchers):
            await harness.wait_until_started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(kill())
                for _ in range(24):
                    traffic.create_task(send())
            took_s = time.monotonic() - started_at
            await harness.finish()
    logged_keys = [event.key for event in harness.final_events]
    figure(
        f"P1: {len(acknowledged(harness.recorder)):,} callbacks acknowledged through {kills} kills "
        f"of Redis and replicas in {took_s:.0f} s",
        f"{len(acknowledged(harness.recorder) - set(logged_keys))} acknowledged lost, "
        f"{len(logged_keys) - len(set(logged_keys))} duplicated; {len(expired)} never "
        "acknowledged; "
        f"acknowledged {quantiles(harness.callback_sender.latencies)}",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert acknowledged(harness.recorder) <= set(logged_keys)
    assert len(logged_keys) == len(set(logged_keys))


@pytest.mark.long
@pytest.mark.parametrize(
    ("clients", "home_count", "limit_s"),
    [(300, 3, 1.0), (1_000, 1, 10.0)],
    ids=["100 of 300 clients", "all of 1000 clients"],
)
async def test_p5_clients_of_a_killed_replica_resume_on_another(
    tmp_path: Path, figure: Figure, clients: int, home_count: int, limit_s: float
) -> None:
    """A third of the clients, or all of them, are connected to the killed replica."""
    seed = new_seed()
    async with fault_harness(tmp_path, seed) as harness:
        rooms = [new_sid() for _ in range(10)]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        for number in range(clients):
            client = harness.watch(
                f"client-{number}", TRANSPORTS[number // 3 % 3], rooms[number % 10]
            )
            client.home_index, client.start_timeout_s = number % home_count, 10.0
            watchers.append(client)
        is_over = asyncio.Event()

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms))
                await asyncio.sleep(0.02)  # the callback rate

        with harness.follow(*watchers):
            await harness.wait_until_started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(send())
                victim = harness.cluster.replicas[0]
                affected = [watcher for watcher in watchers if watcher.replica is victim]
                died_at = time.monotonic()
                await victim.kill()
                for watcher in affected:
                    await watcher.until(partial(watcher.has_started_since, died_at), DRAIN_S)
                is_over.set()
            await harness.finish()
    delays = [watcher.started_at - died_at for watcher in affected]
    figure(
        f"P5: {len(affected):,} of {len(watchers):,} clients lose their replica",
        f"resumed {quantiles(delays)}, the last after {max(delays):.2f} s; "
        f"broken invariants: {violated_invariants(harness.recorder)}",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert quantile(delays, 0.99) <= limit_s


async def trimmed_while_disconnected(
    harness: Harness, watchers: Sequence[Watcher], room: str
) -> list[float]:
    """Trims all entries and restarts the replicas, which have them in memory.

    A watcher that has all events loses nothing. Watchers that resume from an earlier
    cursor need a resync.
    """
    cursors = [
        item.cursor
        for item in harness.recorder.records
        if isinstance(item, Event) and item.stream == 1
    ]
    await harness.cluster.valkey.client.xtrim(harness.cluster.log_key, maxlen=0, approximate=False)
    for replica in harness.cluster.replicas:
        await harness.cluster.kill_replica(replica)
    late_watchers = [harness.watch(f"late-{transport}", transport) for transport in TRANSPORTS]
    for watcher in late_watchers:
        watcher.cursor = cursors[19]
    since = time.monotonic()
    with harness.follow(*late_watchers):
        return await wait_for_resyncs(late_watchers, since, {"trimmed"})


async def trimmed_while_replica_suspended(
    harness: Harness, watchers: Sequence[Watcher], room: str
) -> list[float]:
    """Entries are logged and trimmed while a replica is suspended."""
    suspended = harness.cluster.replicas[0]
    result = [watcher for watcher in watchers if watcher.replica is suspended]
    suspended.suspend()
    await deliver_callbacks(harness, 20, room)
    await harness.cluster.valkey.client.xtrim(harness.cluster.log_key, maxlen=1, approximate=False)
    since = time.monotonic()
    suspended.resume()
    return await wait_for_resyncs(result, since, {"trimmed"})


async def wiped(harness: Harness, watchers: Sequence[Watcher], room: str) -> list[float]:
    since = time.monotonic()
    await harness.cluster.valkey.client.flushall()
    return await wait_for_resyncs(watchers, since, {"epoch"})


async def rolled_back(harness: Harness, watchers: Sequence[Watcher], room: str) -> list[float]:
    """Restarts Valkey with an old copy of the log.

    The first replica that finds it begins a new epoch, which the others find then. This
    may be before `roll_back` returns, so delays count from the death of the server.
    """
    since = time.monotonic()
    await harness.cluster.valkey.roll_back()
    return await wait_for_resyncs(watchers, since, {"rolled_back", "epoch"})


async def rewritten(harness: Harness, watchers: Sequence[Watcher], room: str) -> list[float]:
    """Rolls the log back and reuses the lost numbers for other callbacks.

    Meanwhile one replica is suspended and the other one is down.
    """
    suspended, victim = harness.cluster.replicas
    result = [watcher for watcher in watchers if watcher.replica is suspended]
    suspended.suspend()
    await victim.kill()
    await harness.cluster.valkey.roll_back()
    await victim.start()
    await deliver_callbacks(harness, 30, room)
    since = time.monotonic()
    suspended.resume()
    return await wait_for_resyncs(result, since, {"diverged"})


@pytest.mark.long
@pytest.mark.parametrize(
    "damage",
    [trimmed_while_disconnected, trimmed_while_replica_suspended, wiped, rolled_back, rewritten],
)
async def test_p6_loss_of_log_entries_is_announced(
    tmp_path: Path,
    figure: Figure,
    damage: Callable[[Harness, Sequence[Watcher], str], Awaitable[list[float]]],
) -> None:
    seed = new_seed()
    async with fault_harness(tmp_path, seed, replicas=2) as harness:
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
            await deliver_callbacks(harness, 20, room)
            harness.cluster.valkey.save_copy()
            await deliver_callbacks(harness, 20, room)
            for watcher in watchers:
                await watcher.until(partial(watcher.has_events, 40), DRAIN_S)
            delays = await damage(harness, watchers, room)
            await deliver_callbacks(harness, 5, room)
            await harness.finish()
    figure(
        f"P6: the log {damage.__name__.replace('_', ' ')}",
        f"announced to {len(delays)} streams, {quantiles(delays)}, the last after "
        f"{max(delays) * 1000:.0f} ms",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert max(delays) <= 1.0
