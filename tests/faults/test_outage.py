"""P3: Redis is away for a minute, dead or silent. Nothing is lost, and what can go on goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure
from tests.faults.clients import LIST, READ, Reader
from tests.faults.history import Callback, Opened
from tests.faults.nemesis import Replica
from tests.faults.scene import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    Scene,
    acked,
    assert_unbroken,
    fill,
    new_seed,
    quantiles,
    scene,
)

AWAY_S = 60.0
SENDERS = 8
# How long memory may take for current after the log fell silent, and the health check for well.
FLAGGED_AFTER_S = 1.0
DEGRADED_AFTER_S = 3.0


@dataclass
class Seen:
    """While Redis was away. Seconds."""

    reads: list[float] = field(default_factory=list)
    fresh: int = 0
    failed: list[Any] = field(default_factory=list)
    health: set[tuple[int, str]] = field(default_factory=set)


async def killed(set_: Scene, away: Callable[[], Awaitable[None]]) -> float:
    """Nobody listens on its port. When it came back."""
    await set_.cluster.valkey.kill()
    await away()
    back_at = time.monotonic()
    await set_.cluster.valkey.start()
    return back_at


async def stopped(set_: Scene, away: Callable[[], Awaitable[None]]) -> float:
    """Its connections stay open, and nothing answers. When it came back."""
    set_.cluster.valkey.stop()
    await away()
    set_.cluster.valkey.go_on()
    return time.monotonic()


@pytest.mark.long
@pytest.mark.parametrize("fault", [killed, stopped])
async def test_p3_redis_is_unavailable_for_a_minute(
    tmp_path: Path, figure: Figure, fault: Any
) -> None:
    seed = new_seed()
    async with scene(tmp_path, seed, replicas=2) as set_:
        reader, over, seen = (
            Reader(set_.diary, set_.cluster, "reader", set_.rng),
            asyncio.Event(),
            Seen(),
        )
        rooms = [room for _ in range(6) if (room := await reader.create())]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        watchers += [
            set_.watch(f"{transport}-{number}", transport)
            for transport in TRANSPORTS
            for number in range(2)
        ]

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, set_.rng.choice(rooms)[0])

        async def away() -> None:
            begun = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for replica in set_.cluster.replicas:
                    tasks.create_task(read_on(replica, rooms, seen, begun + AWAY_S))
                    tasks.create_task(look_at(replica, seen, begun + AWAY_S))

        with set_.follow(*watchers):
            await set_.started()
            await fill(set_, 20, rooms[0][0])
            await warm_up(set_, rooms)
            async with asyncio.TaskGroup() as traffic:
                for _ in range(SENDERS):
                    traffic.create_task(send())
                away_at = time.monotonic()
                back_at = await fault(set_, away)
                over.set()
            for watcher in watchers:
                await watcher.until(
                    lambda watcher=watcher: acked(set_.diary) <= watcher.seen, DRAIN_S
                )  # type: ignore[misc]
            drained_s = time.monotonic() - back_at
            reopened = [
                each
                for each in set_.diary.records
                if isinstance(each, Opened) and each.at > away_at
            ]
            await set_.finish()
    refused = [
        each
        for each in set_.diary.records
        if isinstance(each, Callback)
        and away_at + 0.1 < each.sent_at
        and each.answered_at < back_at
    ]
    answered = [each.answered_at - each.sent_at for each in refused]
    figure(
        f"P3: Redis {fault.__name__} for {AWAY_S:.0f} s, {len(refused):,} tries of callbacks meanwhile",
        f"{sum(each.status == 503 for each in refused):,} times 503, the slowest after {max(answered):.2f} s; "
        f"{len(seen.reads):,} warm reads {quantiles(seen.reads)}, {seen.fresh} not flagged, {len(seen.failed)} failed; "
        f"{len(reopened)} of {len(watchers)} streams broken; all drained {drained_s:.2f} s after its return",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert {each.status for each in refused} == {503}
    assert max(answered) <= 1.2
    assert seen.failed == []
    assert seen.fresh == 0
    assert seen.health == {(200, '{"status": "ok", "degraded": ["log"]}')}
    assert reopened == []
    assert not any(watcher.words for watcher in watchers)
    assert drained_s <= 5.0


async def warm_up(set_: Scene, rooms: list[tuple[str, str]]) -> None:
    for replica in set_.cluster.replicas:
        for sid, name in rooms:
            for _, document, variables in questions(sid, name):
                assert replica.gateway is not None
                reply = await replica.gateway.post(document, variables)
                assert "errors" not in reply.body


def questions(sid: str, name: str) -> list[tuple[str, str, dict[str, str]]]:
    return [
        ("sid", READ, {"ref": sid}),
        ("name", READ, {"ref": name}),
        ("list", LIST, {"name": name}),
    ]


async def read_on(replica: Replica, rooms: list[tuple[str, str]], seen: Seen, until: float) -> None:
    assert replica.gateway is not None
    flagged_from = time.monotonic() + FLAGGED_AFTER_S
    while time.monotonic() < until:
        for sid, name in rooms:
            for how, document, variables in questions(sid, name):
                begun = time.monotonic()
                reply = await replica.gateway.post(document, variables)
                if begun < flagged_from:
                    continue
                seen.reads.append(time.monotonic() - begun)
                data = reply.body.get("data") or {}
                found = data["rooms"]["nodes"] if data.get("rooms") else [data.get("room")]
                if "errors" in reply.body or not found or found[0] is None:
                    seen.failed.append((how, reply.body))
                elif not found[0]["freshness"]["isStale"]:
                    seen.fresh += 1
        await asyncio.sleep(0.1)  # the pace of a page that polls


async def look_at(replica: Replica, seen: Seen, until: float) -> None:
    assert replica.gateway is not None
    url = replica.gateway.ready["graphql"].replace("/graphql", "/readyz")
    await asyncio.sleep(DEGRADED_AFTER_S + 0.5)
    while time.monotonic() < until - 1:
        async with replica.gateway.http.get(url) as reply:
            seen.health.add((reply.status, await reply.text()))
        await asyncio.sleep(0.5)
