"""Histories of real gateways under faults, read by the checker. A run that fails leaves its history behind and says where."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.faults.checker import check
from tests.faults.clients import Diary, Reader, Twilio, Watcher
from tests.faults.history import Callback, Event, Opened, Read, Resync, Transport, save
from tests.faults.nemesis import Cluster, cluster
from tests.running import new_sid

SMOKE_SEED = 20261120
TRANSPORTS: tuple[Transport, ...] = ("ws", "sse", "grpc")
DRAIN_S = 30.0
JOINED, ENDED = "participant-connected", "room-ended"


@dataclass
class Scene:
    cluster: Cluster
    diary: Diary
    rng: random.Random
    twilio: Twilio
    tasks: asyncio.TaskGroup
    folder: Path
    watchers: list[Watcher] = field(default_factory=list)
    logged: list[Event] = field(default_factory=list)
    """What the final resume showed."""

    def watch(
        self,
        name: str,
        transport: Transport,
        room: str | None = None,
        types: tuple[str, ...] | None = None,
        is_reference: bool = False,
    ) -> Watcher:
        watcher = Watcher(
            self.diary, self.cluster, name, transport, random.Random(self.rng.random()), len(self.watchers), room, types,
            is_reference,
        )  # fmt: skip
        self.watchers.append(watcher)
        return watcher

    @contextmanager
    def follow(self, *watchers: Watcher) -> Iterator[None]:
        tasks = [self.tasks.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            watcher.is_followed = True
        try:
            yield
        finally:
            for watcher, task in zip(watchers, tasks, strict=True):
                watcher.is_followed = False
                task.cancel()

    async def started(self) -> None:
        for watcher in self.watchers:
            await watcher.until(lambda watcher=watcher: watcher.begin is not None, DRAIN_S)  # type: ignore[misc]

    async def finish(self) -> None:
        """One last callback; then a full resume from where the log is known to hold, and everybody up to its end."""
        sentinel = await self.twilio.deliver(JOINED, new_sid())
        assert sentinel is not None
        final = self.watch("final", "sse", is_reference=True)
        final.cursor = final.begin = self._since()
        others = self.watchers[:-1]
        with self.follow(final):
            await self._all_seen(final, {sentinel})
        mine = {each.stream for each in self.diary.records if isinstance(each, Opened) and each.client == "final"}
        self.logged = [each for each in self.diary.records if isinstance(each, Event) and each.stream in mine]
        for watcher in others:
            if watcher.is_followed:
                await self._all_seen(watcher, self._owed(watcher))

    def _since(self) -> str | None:
        """Since where the log must be whole: what was announced last, or else the beginning."""
        words = [word for watcher in self.watchers for word in watcher.words]
        reference = next(watcher for watcher in self.watchers if watcher.is_reference)
        return max(words, key=lambda word: word.at).cursor if words else reference.begin

    def _owed(self, watcher: Watcher) -> set[str]:
        """What it must have seen: all that matches, since what was announced to it last."""
        cursors = [event.cursor for event in self.logged]
        first = cursors.index(watcher.begin) + 1 if watcher.begin in cursors else 0
        return {event.key for event in self.logged[first:] if watcher.wants(event)}

    async def _all_seen(self, watcher: Watcher, keys: set[str]) -> None:
        try:
            await watcher.until(lambda: keys <= watcher.seen, DRAIN_S)
        except TimeoutError:
            save(self.diary.records, self.folder / "history.jsonl")
            missing = len(keys - watcher.seen)
            raise AssertionError(
                f"{watcher.name} misses {missing} and hears no more: {self.folder}/history.jsonl"
            ) from None


@asynccontextmanager
async def scene(folder: Path, seed: int, replicas: int = 3) -> AsyncIterator[Scene]:
    diary, rng = Diary(), random.Random(seed)
    print(f"\nseed {seed}")
    async with (
        cluster(folder, seed, diary.note, replicas) as made,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as tasks,
    ):
        yield Scene(made, diary, rng, Twilio(diary, made, rng, http), tasks, folder)


def new_seed() -> int:
    """Another one each time, but that of a run that is to be repeated: FAULTS_SEED. The machine's own pace stays chance."""
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**32))


def assert_unbroken(diary: Diary, folder: Path) -> None:
    broken = check(diary.records)
    if broken:
        save(diary.records, folder / "history.jsonl")
        raise AssertionError("\n".join((*map(str, broken), f"the history: {folder / 'history.jsonl'}")))


def quantiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {ordered[len(ordered) // 2] * 1000:.0f} ms, p99 {ordered[len(ordered) * 99 // 100] * 1000:.0f} ms"


def acked(diary: Diary) -> set[str]:
    return {record.key for record in diary.records if isinstance(record, Callback) and record.is_acked}


async def test_no_promise_is_broken_by_a_few_faults(tmp_path: Path) -> None:
    await a_bad_day(tmp_path, SMOKE_SEED, rounds=1)


@pytest.mark.long
@pytest.mark.parametrize("_", range(3))
async def test_no_promise_is_broken_by_many_faults(tmp_path: Path, _: int) -> None:
    await a_bad_day(tmp_path, new_seed(), rounds=6)


async def a_bad_day(folder: Path, seed: int, rounds: int) -> None:
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
    print(f"{len(acked(set_.diary))} callbacks acked, {reads} reads; ack {quantiles(set_.twilio.latencies)}")
    assert_unbroken(set_.diary, folder)


@pytest.mark.long
async def test_p1_no_acked_callback_is_lost_or_doubled_through_40_kills(tmp_path: Path) -> None:
    """Every 250 callbacks, in turn, valkey or one of the gateways is killed by SIGKILL and started again."""
    count, kills, rooms = 10_000, 40, [new_sid() for _ in range(50)]
    async with scene(tmp_path, new_seed()) as set_:
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
    print(f"{len(acked(set_.diary))} acked of {count}, {len(refused)} given up, {kills} kills in {took_s:.0f} s")
    print(
        f"{len(taken)} in the log, {len(taken) - len(set(taken))} twice; {len(acked(set_.diary) - set(taken))} acked lost"
    )
    print(f"acks: {quantiles(set_.twilio.latencies)}")
    assert_unbroken(set_.diary, tmp_path)
    assert acked(set_.diary) <= set(taken)
    assert len(taken) == len(set(taken))


@pytest.mark.long
@pytest.mark.parametrize(
    ("clients", "per_home", "limit_s"), [(300, 3, 1.0), (1_000, 1, 10.0)], ids=["a third of 300", "all of 1000"]
)
async def test_p5_clients_of_a_killed_replica_go_on_elsewhere(
    tmp_path: Path, clients: int, per_home: int, limit_s: float
) -> None:
    """A third of the clients, or all of them, are on the replica that dies."""
    async with scene(tmp_path, new_seed()) as set_:
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
                await asyncio.sleep(0.02)

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                traffic.create_task(send())
                victim = set_.cluster.replicas[0]
                bereft = [watcher for watcher in watchers if watcher.replica is victim]
                died_at = time.monotonic()
                await victim.kill()
                for watcher in bereft:
                    await watcher.until(lambda watcher=watcher: watcher.started_at > died_at, DRAIN_S)  # type: ignore[misc]
                over.set()
            await set_.finish()
    waits = [watcher.started_at - died_at for watcher in bereft]
    print(
        f"{len(bereft)} of {clients} clients lost their replica; resumed after {quantiles(waits)}, the last {max(waits):.2f} s"
    )
    assert_unbroken(set_.diary, tmp_path)


async def fill(set_: Scene, count: int, room: str) -> None:
    for _ in range(count):
        assert await set_.twilio.deliver(JOINED, room)


async def announced(watchers: Sequence[Watcher], since: float, reasons: set[str]) -> list[float]:
    """How long after the moment each of them was told."""
    waits = []
    for watcher in watchers:

        def words(watcher: Watcher = watcher) -> list[Resync]:
            return [word for word in watcher.words if word.at > since]

        await watcher.until(words, DRAIN_S)
        assert {word.reason for word in words()} <= reasons
        waits.append(words()[0].at - since)
    return waits


async def trimmed_while_away(set_: Scene, watchers: Sequence[Watcher], room: str) -> list[float]:
    """Everything is dropped, and the replicas, which remember it, are replaced. Whoever was at the head loses nothing by it;
    told are those who come back from before."""
    cursors = [each.cursor for each in set_.diary.records if isinstance(each, Event) and each.stream == 1]
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
@pytest.mark.parametrize("damage", [trimmed_while_away, trimmed_under_a_tail, wiped, rolled_back, rewritten])
async def test_p6_a_log_that_lost_something_is_announced(
    tmp_path: Path, damage: Callable[[Scene, Sequence[Watcher], str], Awaitable[list[float]]]
) -> None:
    async with scene(tmp_path, new_seed(), replicas=2) as set_:
        room = new_sid()
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        # Two of each, as it is left to the seed who is on which replica.
        watchers += [set_.watch(f"{transport}-{number}", transport) for transport in TRANSPORTS for number in range(2)]
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
    print(f"{damage.__name__}: {len(waits)} told, {quantiles(waits)}, the last after {max(waits) * 1000:.0f} ms")
    assert_unbroken(set_.diary, tmp_path)
    assert max(waits) <= 1.0
