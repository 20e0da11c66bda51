"""Histories of real gateways under faults, read by the checker. A run that fails leaves its history behind and says where."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.faults.clients import Reader, Watcher
from tests.faults.history import Event, Read
from tests.faults.scene import (
    DRAIN_S,
    ENDED,
    JOINED,
    TRANSPORTS,
    Scene,
    acked,
    announced,
    assert_unbroken,
    broken_by,
    fill,
    new_seed,
    quantile,
    quantiles,
    scene,
)
from tests.running import new_sid

SMOKE_SEED = 20261120


async def test_one_round_of_faults_breaks_no_invariant(tmp_path: Path, figure: Figure) -> None:
    await a_bad_day(tmp_path, figure, SMOKE_SEED, rounds=1)


@pytest.mark.long
@pytest.mark.parametrize("_", range(3))
async def test_many_rounds_of_faults_break_no_invariant(
    tmp_path: Path, figure: Figure, _: int
) -> None:
    await a_bad_day(tmp_path, figure, new_seed(), rounds=6)


async def a_bad_day(folder: Path, figure: Figure, seed: int, rounds: int) -> None:
    """In each round a fault of each kind, while callbacks come, rooms are read and end, and watchers follow on each transport."""
    async with scene(folder, seed) as set_:
        rng, over = set_.rng, asyncio.Event()
        readers = [Reader(set_.diary, set_.cluster, f"reader-{number}", rng) for number in range(2)]
        rooms = [room for _ in range(1 + 3 * rounds) if (room := await readers[0].create())]
        to_end = rooms[1:]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        for transport in TRANSPORTS:
            watchers.append(set_.watch(f"{transport}-all", transport))
            watchers.append(set_.watch(f"{transport}-room", transport, rooms[0][0]))
            watchers.append(set_.watch(f"{transport}-ends", transport, types=(ENDED,)))

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, rng.choice(rooms)[0])

        async def read(reader: Reader) -> None:
            while not over.is_set():
                await reader.read(*rng.choice(rooms))
                await asyncio.sleep(0.02)  # the pace of a person who reloads a page

        async def fail() -> None:
            for fault in (fault for _ in range(rounds) for fault in set_.cluster.faults(rng)):
                await fault()
                if to_end and rng.random() < 0.4:
                    # Twilio's REST goes on to say in progress: only the log knows.
                    await set_.twilio.deliver(ENDED, to_end.pop()[0])
                elif to_end and rng.random() < 0.4:
                    await readers[0].complete(to_end.pop()[0])
            over.set()

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(fail())
                for _ in range(4):
                    traffic.create_task(send())
                for reader in readers:
                    traffic.create_task(read(reader))
            await set_.finish()
    records = set_.diary.records
    reads = sum(isinstance(record, Read) for record in records)
    figure(
        f"I-1 … I-11: {rounds} rounds with a fault of each kind, {len(acked(set_.diary)):,} callbacks acked, {reads} reads",
        f"{broken_by(set_.diary)} broken; acks {quantiles(set_.twilio.latencies)}",
        seed,
    )
    assert_unbroken(set_.diary, folder)


@pytest.mark.long
async def test_p1_no_acknowledged_callback_is_lost_or_duplicated_in_40_kills(
    tmp_path: Path, figure: Figure
) -> None:
    """Every 250 callbacks, in turn, valkey or one of the gateways is killed by SIGKILL and started again."""
    count, kills, rooms = 10_000, 40, [new_sid() for _ in range(50)]
    seed = new_seed()
    async with scene(tmp_path, seed) as set_:
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        watchers += [set_.watch(f"{transport}-all", transport) for transport in TRANSPORTS]
        watchers += [
            set_.watch(f"{transport}-room", transport, room)
            for transport, room in zip(TRANSPORTS, rooms[:3], strict=True)
        ]
        numbers, refused, begun = iter(range(count)), list[int](), time.monotonic()
        progress = asyncio.Semaphore(0)

        async def send() -> None:
            for number in numbers:
                if await set_.twilio.deliver(JOINED, set_.rng.choice(rooms)) is None:
                    refused.append(number)
                progress.release()

        async def kill() -> None:
            for number in range(kills):
                for _ in range(count // (kills + 1)):
                    await progress.acquire()
                if number % 2:
                    await set_.cluster.kill_replica(set_.rng.choice(set_.cluster.up()))
                else:
                    await set_.cluster.kill_valkey()

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(kill())
                for _ in range(24):
                    traffic.create_task(send())
            took_s = time.monotonic() - begun
            await set_.finish()
    taken = [event.key for event in set_.logged]
    figure(
        f"P1: {len(acked(set_.diary)):,} callbacks acked through {kills} kills of Redis and replicas in {took_s:.0f} s",
        f"{len(acked(set_.diary) - set(taken))} acked lost, {len(taken) - len(set(taken))} doubled; {len(refused)} given up; "
        f"acks {quantiles(set_.twilio.latencies)}",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert acked(set_.diary) <= set(taken)
    assert len(taken) == len(set(taken))


@pytest.mark.long
@pytest.mark.parametrize(
    ("clients", "per_home", "limit_s"),
    [(300, 3, 1.0), (1_000, 1, 10.0)],
    ids=["a third of 300", "all of 1000"],
)
async def test_p5_clients_of_a_killed_replica_resume_on_another(
    tmp_path: Path, figure: Figure, clients: int, per_home: int, limit_s: float
) -> None:
    """A third of the clients, or all of them, are on the replica that dies."""
    seed = new_seed()
    async with scene(tmp_path, seed) as set_:
        rooms = [new_sid() for _ in range(10)]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        for number in range(clients):
            client = set_.watch(f"client-{number}", TRANSPORTS[number // 3 % 3], rooms[number % 10])
            client.home, client.patience_s = number % per_home, 10.0
            watchers.append(client)
        over = asyncio.Event()

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, set_.rng.choice(rooms))
                await asyncio.sleep(0.02)  # the pace of the callbacks

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(send())
                victim = set_.cluster.replicas[0]
                bereft = [watcher for watcher in watchers if watcher.replica is victim]
                died_at = time.monotonic()
                await victim.kill()
                for watcher in bereft:
                    await watcher.until(
                        lambda watcher=watcher: watcher.started_at > died_at, DRAIN_S
                    )  # type: ignore[misc]
                over.set()
            await set_.finish()
    waits = [watcher.started_at - died_at for watcher in bereft]
    figure(
        f"P5: {len(bereft):,} of {len(watchers):,} clients lose their replica",
        f"resumed {quantiles(waits)}, the last after {max(waits):.2f} s; {broken_by(set_.diary)} broken",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert quantile(waits, 0.99) <= limit_s


async def trimmed_while_away(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    """Everything is dropped, and the replicas, which remember it, are replaced. Whoever was at the head loses nothing by it;
    told are those who come back from before."""
    cursors = [
        each.cursor for each in set_.diary.records if isinstance(each, Event) and each.stream == 1
    ]
    await set_.cluster.valkey.client.xtrim(set_.cluster.log_key, maxlen=0, approximate=False)
    for replica in set_.cluster.replicas:
        await set_.cluster.kill_replica(replica)
    late = [set_.watch(f"late-{transport}", transport) for transport in TRANSPORTS]
    for watcher in late:
        watcher.cursor = cursors[19]
    since = time.monotonic()
    with set_.follow(*late):
        return await announced(late, since, {"trimmed"})


async def trimmed_under_a_tail(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    """A replica sleeps over what is logged and dropped."""
    sleeper = set_.cluster.replicas[0]
    told = [watcher for watcher in watchers if watcher.replica is sleeper]
    sleeper.stop()
    await fill(set_, 20, room)
    await set_.cluster.valkey.client.xtrim(set_.cluster.log_key, maxlen=1, approximate=False)
    since = time.monotonic()
    sleeper.go_on()
    return await announced(told, since, {"trimmed"})


async def wiped(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    since = time.monotonic()
    await set_.cluster.valkey.client.flushall()
    return await announced(watchers, since, {"epoch"})


async def rolled_back(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    """Who meets it first begins a new epoch, which the others then meet. Told may be before `roll_back` has seen the server
    answer, so it is counted from the death of the old one."""
    since = time.monotonic()
    await set_.cluster.valkey.roll_back()
    return await announced(watchers, since, {"rolled_back", "epoch"})


async def rewritten(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    """While one replica sleeps and the other one is dead, the log is rolled back; other callbacks then take the lost numbers."""
    sleeper, victim = set_.cluster.replicas
    told = [watcher for watcher in watchers if watcher.replica is sleeper]
    sleeper.stop()
    await victim.kill()
    await set_.cluster.valkey.roll_back()
    await victim.start()
    await fill(set_, 30, room)
    since = time.monotonic()
    sleeper.go_on()
    return await announced(told, since, {"diverged"})


@pytest.mark.long
@pytest.mark.parametrize(
    "damage", [trimmed_while_away, trimmed_under_a_tail, wiped, rolled_back, rewritten]
)
async def test_p6_loss_of_log_entries_is_announced(
    tmp_path: Path,
    figure: Figure,
    damage: Callable[[Scene, Sequence[Watcher], str], Awaitable[list[float]]],
) -> None:
    seed = new_seed()
    async with scene(tmp_path, seed, replicas=2) as set_:
        room = new_sid()
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        # Two of each, as it is left to the seed who is on which replica.
        watchers += [
            set_.watch(f"{transport}-{number}", transport)
            for transport in TRANSPORTS
            for number in range(2)
        ]
        with set_.follow(*watchers):
            await set_.started()
            await fill(set_, 20, room)
            set_.cluster.valkey.keep_copy()
            await fill(set_, 20, room)
            for watcher in watchers:
                await watcher.until(lambda watcher=watcher: len(watcher.seen) == 40, DRAIN_S)  # type: ignore[misc]
            waits = await damage(set_, watchers, room)
            await fill(set_, 5, room)
            await set_.finish()
    figure(
        f"P6: the log {damage.__name__.replace('_', ' ')}",
        f"{len(waits)} told, {quantiles(waits)}, the last after {max(waits) * 1000:.0f} ms",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert max(waits) <= 1.0
