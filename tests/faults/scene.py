"""The stage of every proof: gateways and a Redis that fail, those who use them, and what they wrote down in the end."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.checker import check
from tests.faults.clients import Diary, Twilio, Watcher
from tests.faults.history import Callback, Event, Opened, Resync, Transport, save
from tests.faults.nemesis import Cluster, cluster
from tests.running import new_sid

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
        mine = {
            each.stream
            for each in self.diary.records
            if isinstance(each, Opened) and each.client == "final"
        }
        self.logged = [
            each for each in self.diary.records if isinstance(each, Event) and each.stream in mine
        ]
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
async def scene(folder: Path, seed: int, replicas: int = 3, **more: Any) -> AsyncIterator[Scene]:
    """`more`: as `cluster` takes it."""
    diary, rng = Diary(), random.Random(seed)
    print(f"\nseed {seed}")
    async with (
        cluster(folder, seed, diary.note, replicas, **more) as made,
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
        raise AssertionError(
            "\n".join((*map(str, broken), f"the history: {folder / 'history.jsonl'}"))
        )


def broken_by(diary: Diary) -> str:
    return ", ".join(each.invariant for each in check(diary.records)) or "nothing"


def quantile(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share)]


def quantiles(seconds: Sequence[float]) -> str:
    return (
        f"p50 {quantile(seconds, 0.5) * 1000:.0f} ms, p99 {quantile(seconds, 0.99) * 1000:.0f} ms"
    )


def acked(diary: Diary) -> set[str]:
    return {
        record.key for record in diary.records if isinstance(record, Callback) and record.is_acked
    }


async def fill(set_: Scene, count: int, room: str) -> set[str]:
    """Their keys; all of them are acked."""
    keys = {await set_.twilio.deliver(JOINED, room) for _ in range(count)}
    assert None not in keys
    return {key for key in keys if key}


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
