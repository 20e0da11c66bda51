"""Histories of real gateways under faults, read by the checker. A run that fails leaves its history behind and says where."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.faults.checker import check
from tests.faults.clients import Diary, Reader, Twilio, Watcher
from tests.faults.history import Callback, Event, Opened, Transport, save
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

    def watch(
        self,
        name: str,
        transport: Transport,
        room: str | None = None,
        types: tuple[str, ...] | None = None,
        is_reference: bool = False,
    ) -> Watcher:
        watcher = Watcher(
            self.diary, self.cluster, name, transport, random.Random(self.rng.random()), room, types, is_reference
        )
        self.watchers.append(watcher)
        return watcher

    @contextlib.contextmanager
    def follow(self, *watchers: Watcher) -> Iterator[None]:
        tasks = [self.tasks.create_task(watcher.run()) for watcher in watchers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def started(self) -> None:
        for watcher in self.watchers:
            await watcher.until(lambda watcher=watcher: watcher.begin is not None, DRAIN_S)  # type: ignore[misc]

    async def finish(self) -> None:
        """One last callback; then a full resume from where the log is known to hold, and everybody up to its end."""
        reference = next(watcher for watcher in self.watchers if watcher.is_reference)
        sentinel = await self.twilio.deliver(JOINED, new_sid())
        assert sentinel is not None
        final = self.watch("final", "sse", is_reference=True)
        final.cursor = final.begin = reference.begin
        logged: list[Event] = []
        with self.follow(final):
            await self._all_seen(final, {sentinel})
            mine = {each.stream for each in self.diary.records if isinstance(each, Opened) and each.client == "final"}
            logged += [each for each in self.diary.records if isinstance(each, Event) and each.stream in mine]
        for watcher in self.watchers:
            await self._all_seen(watcher, {event.key for event in logged if watcher.wants(event)})

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
    """A fault of each kind, while callbacks come, rooms are read and completed, and watchers follow on each transport."""
    async with scene(tmp_path, SMOKE_SEED) as set_:
        rng = set_.rng
        reader = Reader(set_.diary, set_.cluster, "reader", rng)
        rooms = [room for _ in range(4) if (room := await reader.create())]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        for transport in TRANSPORTS:
            watchers.append(set_.watch(f"{transport}-all", transport))
            watchers.append(set_.watch(f"{transport}-room", transport, rooms[0][0]))
            watchers.append(set_.watch(f"{transport}-ends", transport, types=(ENDED,)))
        over = asyncio.Event()

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, rng.choice(rooms)[0])

        async def read(reader: Reader) -> None:
            while not over.is_set():
                await reader.read(*rng.choice(rooms))
                await asyncio.sleep(0.02)  # the pace of a person who reloads a page

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                for _ in range(4):
                    traffic.create_task(send())
                for number in range(2):
                    traffic.create_task(read(Reader(set_.diary, set_.cluster, f"reader-{number}", rng)))
                for number, fault in enumerate(set_.cluster.faults(rng)):
                    await fault()
                    if number == 2:
                        # Twilio's REST goes on to say in progress: only the log knows.
                        await set_.twilio.deliver(ENDED, rooms[1][0])
                    elif number == 4:
                        await reader.complete(rooms[2][0])
                over.set()
            await set_.finish()
    print(
        f"{len(acked(set_.diary))} callbacks acked, {len(set_.diary.records)} records; ack {quantiles(set_.twilio.latencies)}"
    )
    assert_unbroken(set_.diary, tmp_path)
