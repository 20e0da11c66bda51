"""P9, I-17: a half-open connection to Redis.

A proxy keeps it open and discards all bytes.
"""

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
from tests.faults.clients import CallbackSender, HistoryRecorder
from tests.faults.harness import JOINED, new_seed
from tests.faults.nemesis import Cluster, Proxy, Replica, create_cluster
from tests.running import new_sid, take

WATCH = "subscription { roomEvents { __typename cursor } }"
READY: tuple[int, Any] = (200, {"status": "ok"})
DEGRADED: tuple[int, Any] = (200, {"status": "ok", "degraded": ["log"]})
UNREADY: tuple[int, Any] = (503, {"status": "unready", "lost": ["log"]})
LIMIT_S = 10.0


@asynccontextmanager
async def two_replicas(
    folder: Path, seed: int
) -> AsyncIterator[tuple[Cluster, CallbackSender, Replica, Replica]]:
    recorder = HistoryRecorder()
    print(f"\nseed {seed}")
    async with (
        create_cluster(folder, seed, recorder.record, replicas=2) as cluster,
        aiohttp.ClientSession() as http,
    ):
        await wait_for_readiness(cluster.replicas[0], READY)
        await wait_for_readiness(cluster.replicas[1], READY)
        yield (
            cluster,
            CallbackSender(recorder, cluster, random.Random(seed), http),
            cluster.replicas[0],
            cluster.replicas[1],
        )


async def wait_for_readiness(replica: Replica, wanted: tuple[int, Any]) -> float:
    """Waits until /readyz of the replica returns `wanted`. Returns the time of that."""
    assert replica.gateway is not None
    url = replica.gateway.ready["graphql"].replace("/graphql", "/readyz")
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with replica.gateway.http.get(url) as reply:
                if (reply.status, await reply.json()) == wanted:
                    return time.monotonic()
            await asyncio.sleep(0.01)  # polls as a load balancer does, only more often


@pytest.mark.long
async def test_p9_half_open_redis_connection_is_detected(tmp_path: Path, figure: Figure) -> None:
    """The replica must deliver the events of another replica over new connections."""
    seed, delivered, acknowledged = new_seed(), list[float](), list[float]()
    async with two_replicas(tmp_path, seed) as (_, callback_sender, affected, other):
        assert affected.gateway is not None
        async with affected.gateway.subscribe_ws(WATCH) as messages:
            await take(messages, 1)
            for number in range(10):
                other.is_excluded = number % 2 == 1
                since = time.monotonic()
                affected.proxy.make_half_open()
                if not other.is_excluded:
                    # Sent to the healthy replica: the affected one must deliver the
                    # event.
                    affected.is_excluded = True
                    assert await callback_sender.deliver(JOINED, new_sid())
                    affected.is_excluded = False
                    await take(messages, 1)
                    delivered.append(time.monotonic() - since)
                else:
                    # Sent to the affected replica, which rejects it with 503 until it
                    # has reconnected.
                    assert await callback_sender.deliver(JOINED, new_sid())
                    acknowledged.append(time.monotonic() - since)
                    await take(messages, 1)
                other.is_excluded = False
            figure(
                "P9: a half-open connection to Redis",
                f"events of the other replica delivered after {format_range(delivered)}, own "
                f"callbacks acknowledged after {format_range(acknowledged)}",
                seed,
            )
            assert await wait_for_readiness(affected, READY)
    assert max(delivered) <= 3.0


def accept_half_open(proxy: Proxy) -> None:
    proxy.accepts_half_open = True


def become_half_open_on_xread(proxy: Proxy) -> None:
    proxy.half_open_on = b"XREAD"


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (accept_half_open, DEGRADED),
        (become_half_open_on_xread, UNREADY),
    ],
    ids=["all connections", "only the reader of the log"],
)
async def test_i17_health_reports_a_redis_connection_that_stays_half_open(
    tmp_path: Path,
    figure: Figure,
    request: pytest.FixtureRequest,
    fault: Callable[[Proxy], None],
    result: tuple[int, Any],
) -> None:
    seed, unready_after_s, ready_after_s = new_seed(), list[float](), list[float]()
    async with two_replicas(tmp_path, seed) as (_, _, affected, other):
        for _ in range(3):
            since = time.monotonic()
            fault(affected.proxy)
            affected.proxy.make_half_open()
            unready_after_s.append(await wait_for_readiness(affected, result) - since)
            assert await wait_for_readiness(other, READY)
            affected.proxy.accepts_half_open, affected.proxy.half_open_on = False, b""
            since = time.monotonic()
            ready_after_s.append(await wait_for_readiness(affected, READY) - since)
    figure(
        f"I-17: half-open connections to Redis, {request.node.callspec.id}",
        f"/readyz returns {result[0]} {result[1]['status']} after {format_range(unready_after_s)}, "
        f"and ready again after {format_range(ready_after_s)}",
        seed,
    )
    assert max(unready_after_s) <= 3.2  # three seconds, and the time of one poll
    assert max(ready_after_s) <= 2.0


def format_range(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s ({len(seconds)} times)"
