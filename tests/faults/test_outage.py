"""P3:

Redis is down for a minute, killed or suspended. No acknowledged callback is lost.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure
from tests.faults.clients import LIST, READ, Reader
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
)
from tests.faults.history import Callback, Opened
from tests.faults.nemesis import Replica

OUTAGE_S = 60.0
SENDERS = 8
# After Redis fails, memory may be used as current for this long, and /readyz may report
# no degradation for this long.
FLAGGED_AFTER_S = 1.0
DEGRADED_AFTER_S = 3.0


@dataclass
class Observations:
    """What was observed while Redis was down. Times are in seconds."""

    reads: list[float] = field(default_factory=list)
    not_stale: int = 0
    failed: list[Any] = field(default_factory=list)
    health: set[tuple[int, str]] = field(default_factory=set)


async def killed(harness: Harness, during_outage: Callable[[], Awaitable[None]]) -> float:
    """Connections are refused. Returns the time of the restart."""
    await harness.cluster.valkey.kill()
    await during_outage()
    up_at = time.monotonic()
    await harness.cluster.valkey.start()
    return up_at


async def suspended(harness: Harness, during_outage: Callable[[], Awaitable[None]]) -> float:
    """Connections stay open without a response. Returns the time of the resumption."""
    harness.cluster.valkey.suspend()
    await during_outage()
    harness.cluster.valkey.resume()
    return time.monotonic()


@pytest.mark.long
@pytest.mark.parametrize("fault", [killed, suspended])
async def test_p3_redis_is_unavailable_for_a_minute(
    tmp_path: Path, figure: Figure, fault: Any
) -> None:
    seed = new_seed()
    async with fault_harness(tmp_path, seed, replicas=2) as harness:
        reader, is_over, observed = (
            Reader(harness.recorder, harness.cluster, "reader", harness.rng),
            asyncio.Event(),
            Observations(),
        )
        rooms = [room for _ in range(6) if (room := await reader.create())]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        watchers += [
            harness.watch(f"{transport}-{number}", transport)
            for transport in TRANSPORTS
            for number in range(2)
        ]

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms)[0])

        async def during_outage() -> None:
            started_at = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for replica in harness.cluster.replicas:
                    tasks.create_task(read_rooms(replica, rooms, observed, started_at + OUTAGE_S))
                    tasks.create_task(check_health(replica, observed, started_at + OUTAGE_S))

        with harness.follow(*watchers):
            await harness.wait_until_started()
            await deliver_callbacks(harness, 20, rooms[0][0])
            await warm_up(harness, rooms)
            async with asyncio.TaskGroup() as traffic:
                for _ in range(SENDERS):
                    traffic.create_task(send())
                down_at = time.monotonic()
                up_at = await fault(harness, during_outage)
                is_over.set()
            for watcher in watchers:
                await watcher.until(
                    partial(watcher.has_seen, acknowledged(harness.recorder)), DRAIN_S
                )
            drained_s = time.monotonic() - up_at
            reconnects = [
                record
                for record in harness.recorder.records
                if isinstance(record, Opened) and record.at > down_at
            ]
            await harness.finish()
    attempts = [
        record
        for record in harness.recorder.records
        if isinstance(record, Callback)
        and down_at + 0.1 < record.sent_at
        and record.answered_at < up_at
    ]
    response_times = [record.answered_at - record.sent_at for record in attempts]
    figure(
        f"P3: Redis {fault.__name__} for {OUTAGE_S:.0f} s, {len(attempts):,} deliveries of "
        "callbacks",
        f"{sum(record.status == 503 for record in attempts):,} times 503, the slowest after "
        f"{max(response_times):.2f} s; {len(observed.reads):,} warm reads "
        f"{quantiles(observed.reads)}, {observed.not_stale} not flagged, {len(observed.failed)} "
        f"failed; {len(reconnects)} of {len(watchers)} streams ended; all callbacks drained "
        f"{drained_s:.2f} s after the return",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert {record.status for record in attempts} == {503}
    assert max(response_times) <= 1.2
    assert observed.failed == []
    assert observed.not_stale == 0
    assert observed.health == {(200, '{"status": "ok", "degraded": ["log"]}')}
    assert reconnects == []
    assert not any(watcher.resyncs for watcher in watchers)
    assert drained_s <= 5.0


async def warm_up(harness: Harness, rooms: list[tuple[str, str]]) -> None:
    for replica in harness.cluster.replicas:
        for sid, name in rooms:
            for _, document, variables in queries(sid, name):
                assert replica.gateway is not None
                reply = await replica.gateway.post(document, variables)
                assert "errors" not in reply.body


def queries(sid: str, name: str) -> list[tuple[str, str, dict[str, str]]]:
    return [
        ("sid", READ, {"ref": sid}),
        ("name", READ, {"ref": name}),
        ("list", LIST, {"name": name}),
    ]


async def read_rooms(
    replica: Replica, rooms: list[tuple[str, str]], observed: Observations, until: float
) -> None:
    assert replica.gateway is not None
    flagged_from = time.monotonic() + FLAGGED_AFTER_S
    while time.monotonic() < until:
        for sid, name in rooms:
            for how, document, variables in queries(sid, name):
                started_at = time.monotonic()
                reply = await replica.gateway.post(document, variables)
                if started_at < flagged_from:
                    continue
                observed.reads.append(time.monotonic() - started_at)
                data = reply.body.get("data") or {}
                found = data["rooms"]["nodes"] if data.get("rooms") else [data.get("room")]
                if "errors" in reply.body or not found or found[0] is None:
                    observed.failed.append((how, reply.body))
                elif not found[0]["freshness"]["isStale"]:
                    observed.not_stale += 1
        await asyncio.sleep(0.1)  # as often as a page that polls


async def check_health(replica: Replica, observed: Observations, until: float) -> None:
    assert replica.gateway is not None
    url = replica.gateway.ready["graphql"].replace("/graphql", "/readyz")
    await asyncio.sleep(DEGRADED_AFTER_S + 0.5)
    while time.monotonic() < until - 1:
        async with replica.gateway.http.get(url) as reply:
            observed.health.add((reply.status, await reply.text()))
        await asyncio.sleep(0.5)
