"""A line to Redis that is half-open: a proxy takes every byte, in both directions, and passes none on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Figure
from tests.faults.clients import Diary, Twilio
from tests.faults.nemesis import Cluster, Proxy, Replica, cluster
from tests.faults.scene import JOINED, new_seed
from tests.running import new_sid, take

WATCH = "subscription { roomEvents { __typename cursor } }"
WELL: tuple[int, Any] = (200, {"status": "ok"})
DEGRADED: tuple[int, Any] = (200, {"status": "ok", "degraded": ["log"]})
UNREADY: tuple[int, Any] = (503, {"status": "unready", "lost": ["log"]})
LIMIT_S = 10.0


@asynccontextmanager
async def two_replicas(
    folder: Path, seed: int
) -> AsyncIterator[tuple[Cluster, Twilio, Replica, Replica]]:
    diary = Diary()
    print(f"\nseed {seed}")
    async with (
        cluster(folder, seed, diary.note, replicas=2) as made,
        aiohttp.ClientSession() as http,
    ):
        await readiness(made.replicas[0], WELL)
        await readiness(made.replicas[1], WELL)
        yield (
            made,
            Twilio(diary, made, random.Random(seed), http),
            made.replicas[0],
            made.replicas[1],
        )


async def readiness(replica: Replica, wanted: tuple[int, Any]) -> float:
    """When the replica first answers so."""
    assert replica.gateway is not None
    url = replica.gateway.ready["graphql"].replace("/graphql", "/readyz")
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with replica.gateway.http.get(url) as reply:
                if (reply.status, await reply.json()) == wanted:
                    return time.monotonic()
            await asyncio.sleep(0.01)  # it is looked at as a balancer does, only more often


@pytest.mark.long
async def test_p9_half_open_redis_connection_is_detected(tmp_path: Path, figure: Figure) -> None:
    """At any moment, a busy one or a quiet one: what another replica logs is heard again over new connections."""
    seed, heard, acked = new_seed(), list[float](), list[float]()
    async with two_replicas(tmp_path, seed) as (_, twilio, hit, other):
        assert hit.gateway is not None
        async with hit.gateway.subscribe_ws(WATCH) as messages:
            await take(messages, 1)
            for turn in range(10):
                other.is_out = turn % 2 == 1
                since = time.monotonic()
                hit.proxy.go_silent()
                if not other.is_out:
                    # Told to the replica whose line is well: the other one must hear of it.
                    hit.is_out = True
                    assert await twilio.deliver(JOINED, new_sid())
                    hit.is_out = False
                    await take(messages, 1)
                    heard.append(time.monotonic() - since)
                else:
                    # Told to the replica itself, which refuses with 503 until it has another line.
                    assert await twilio.deliver(JOINED, new_sid())
                    acked.append(time.monotonic() - since)
                    await take(messages, 1)
                other.is_out = False
            figure(
                "P9: the line to Redis is half-open",
                f"others' events heard again after {spread(heard)}, own callbacks acked again after {spread(acked)}",
                seed,
            )
            assert await readiness(hit, WELL)
    assert max(heard) <= 3.0


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda proxy: setattr(proxy, "is_deaf", True), DEGRADED),
        (lambda proxy: setattr(proxy, "muted", b"XREAD"), UNREADY),
    ],
    ids=["Redis is away", "the tail alone is lost"],
)
async def test_i17_health_reports_a_redis_connection_that_stays_half_open(
    tmp_path: Path,
    figure: Figure,
    request: pytest.FixtureRequest,
    fault: Callable[[Proxy], None],
    told: tuple[int, Any],
) -> None:
    seed, lost, found = new_seed(), list[float](), list[float]()
    async with two_replicas(tmp_path, seed) as (_, _, hit, other):
        for _ in range(3):
            since = time.monotonic()
            fault(hit.proxy)
            hit.proxy.go_silent()
            lost.append(await readiness(hit, told) - since)
            assert await readiness(other, WELL)
            hit.proxy.is_deaf, hit.proxy.muted = False, b""
            since = time.monotonic()
            found.append(await readiness(hit, WELL) - since)
    figure(
        f"I-17: the line to Redis stays half-open, {request.node.callspec.id}",
        f"/readyz says {told[0]} {told[1]['status']} after {spread(lost)}, and well again after {spread(found)}",
        seed,
    )
    assert max(lost) <= 3.2  # three seconds, and what a look at it takes
    assert max(found) <= 2.0


def spread(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s ({len(seconds)} times)"
