"""The harness of every fault test: gateways, a Redis, their clients and the history."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.checker import find_violations
from tests.faults.clients import CallbackSender, HistoryRecorder, Watcher
from tests.faults.history import Callback, Event, Opened, Transport, save
from tests.faults.nemesis import Cluster, create_cluster
from tests.running import new_sid

TRANSPORTS: tuple[Transport, ...] = ("ws", "sse", "grpc")
DRAIN_S = 30.0
JOINED, ENDED = "participant-connected", "room-ended"


@dataclass
class Harness:
    """A cluster with its clients.

    `finish` must be called before the history is checked.
    """

    cluster: Cluster
    recorder: HistoryRecorder
    rng: random.Random
    callback_sender: CallbackSender
    tasks: asyncio.TaskGroup
    folder: Path
    watchers: list[Watcher] = field(default_factory=list)
    final_events: list[Event] = field(default_factory=list)
    """The events that the final reference received."""

    def watch(
        self,
        name: str,
        transport: Transport,
        room: str | None = None,
        types: tuple[str, ...] | None = None,
        is_reference: bool = False,
    ) -> Watcher:
        watcher = Watcher(
            self.recorder,
            self.cluster,
            name,
            transport,
            random.Random(self.rng.random()),
            len(self.watchers),
            room,
            types,
            is_reference,
        )
        self.watchers.append(watcher)
        return watcher

    @contextmanager
    def follow(self, *watchers: Watcher) -> Iterator[None]:
        """Runs the watchers inside the `with` block."""
        tasks = [self.tasks.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            watcher.is_followed = True
        try:
            yield
        finally:
            for watcher, task in zip(watchers, tasks, strict=True):
                watcher.is_followed = False
                task.cancel()

    async def wait_until_started(self) -> None:
        for watcher in self.watchers:
            await watcher.until(watcher.has_started, DRAIN_S)

    async def finish(self) -> None:
        """Delivers a last callback and waits until every watcher has all its events.

        Adds the final reference, which resumes where the log must be complete.
        """
        sentinel = await self.callback_sender.deliver(JOINED, new_sid())
        assert sentinel is not None
        final = self.watch("final", "sse", is_reference=True)
        final.cursor = final.complete_since = self._last_complete_cursor()
        others = self.watchers[:-1]
        with self.follow(final):
            await self._wait_for_keys(final, {sentinel})
        final_streams = {
            record.stream
            for record in self.recorder.records
            if isinstance(record, Opened) and record.client == "final"
        }
        self.final_events = [
            record
            for record in self.recorder.records
            if isinstance(record, Event) and record.stream in final_streams
        ]
        for watcher in others:
            if watcher.is_followed:
                await self._wait_for_keys(watcher, self._expected_keys(watcher))

    def _last_complete_cursor(self) -> str | None:
        """Returns the cursor of the last resync, or else of the reference's start."""
        resyncs = [resync for watcher in self.watchers for resync in watcher.resyncs]
        reference = next(watcher for watcher in self.watchers if watcher.is_reference)
        return (
            max(resyncs, key=lambda resync: resync.at).cursor
            if resyncs
            else reference.complete_since
        )

    def _expected_keys(self, watcher: Watcher) -> set[str]:
        """Returns the keys of all matching events since the watcher's last resync."""
        cursors = [event.cursor for event in self.final_events]
        first = (
            cursors.index(watcher.complete_since) + 1 if watcher.complete_since in cursors else 0
        )
        return {event.key for event in self.final_events[first:] if watcher.matches(event)}

    async def _wait_for_keys(self, watcher: Watcher, keys: set[str]) -> None:
        try:
            await watcher.until(partial(watcher.has_seen, keys), DRAIN_S)
        except TimeoutError:
            save(self.recorder.records, self.folder / "history.jsonl")
            missing = len(keys - watcher.seen_keys)
            raise AssertionError(
                f"{watcher.name} did not receive {missing} events: {self.folder}/history.jsonl"
            ) from None


@asynccontextmanager
async def fault_harness(
    folder: Path, seed: int, replicas: int = 3, **options: Any
) -> AsyncIterator[Harness]:
    """Starts a cluster and its clients. `options` are those of `create_cluster`."""
    recorder, rng = HistoryRecorder(), random.Random(seed)
    print(f"\nseed {seed}")
    async with (
        create_cluster(folder, seed, recorder.record, replicas, **options) as fault_cluster,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as tasks,
    ):
        yield Harness(
            fault_cluster,
            recorder,
            rng,
            CallbackSender(recorder, fault_cluster, rng, http),
            tasks,
            folder,
        )


def new_seed() -> int:
    """Returns FAULTS_SEED if it is set, to repeat a run, or else a random seed.

    With one seed, the faults are the same. The timing on the machine is not.
    """
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**32))


def assert_no_violations(recorder: HistoryRecorder, folder: Path) -> None:
    violations = find_violations(recorder.records)
    if violations:
        save(recorder.records, folder / "history.jsonl")
        raise AssertionError(
            "\n".join((*map(str, violations), f"history: {folder / 'history.jsonl'}"))
        )


def violated_invariants(recorder: HistoryRecorder) -> str:
    """Returns the names of all broken invariants, or "none"."""
    return ", ".join(found.invariant for found in find_violations(recorder.records)) or "none"


def quantile(seconds: Sequence[float], fraction: float) -> float:
    return sorted(seconds)[int(len(seconds) * fraction)]


def quantiles(seconds: Sequence[float]) -> str:
    return (
        f"p50 {quantile(seconds, 0.5) * 1000:.0f} ms, p99 {quantile(seconds, 0.99) * 1000:.0f} ms"
    )


def acknowledged(recorder: HistoryRecorder) -> set[str]:
    """Returns the keys of all acknowledged callbacks."""
    return {
        record.key
        for record in recorder.records
        if isinstance(record, Callback) and record.is_acked
    }


async def deliver_callbacks(harness: Harness, count: int, room: str) -> set[str]:
    """Delivers callbacks one after another.

    Returns their keys; all were acknowledged.
    """
    keys = {await harness.callback_sender.deliver(JOINED, room) for _ in range(count)}
    assert None not in keys
    return {key for key in keys if key}


async def wait_for_resyncs(
    watchers: Sequence[Watcher], since: float, reasons: set[str]
) -> list[float]:
    """Waits until every watcher has had a resync. Returns the delays since `since`."""
    delays = []
    for watcher in watchers:
        resyncs = partial(watcher.resyncs_since, since)
        await watcher.until(resyncs, DRAIN_S)
        assert {resync.reason for resync in resyncs()} <= reasons
        delays.append(resyncs()[0].at - since)
    return delays
