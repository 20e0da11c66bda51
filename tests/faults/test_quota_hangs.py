"""P15: how long the limiter takes, with a healthy Redis and with one that hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.callers import Caller, Scope
from gateway.core.errors import QuotaExceeded
from gateway.core.limits.quota import Concurrency, QuotaGrant, QuotaSource
from gateway.core.limits.rate_limit import TwilioQuota
from gateway.core.rooms import AccountSid
from gateway.core.sids import RoomSid
from gateway.sandbox.server import Sandbox
from gateway.sandbox.world.model import RoomSettings
from gateway.service.quota import Quota
from gateway.service.upstream.upstream import AccountQuota, Upstream
from gateway.store.connection import Connections
from gateway.store.limiter import Limiter
from gateway.twilio.client import TwilioVideo, open_session
from gateway.twilio.wire.rooms import fetch_room
from tests.conftest import Figure
from tests.faults.fleet import run_at_rate
from tests.faults.nemesis import Valkey

pytestmark = pytest.mark.long

ANYBODY = Caller(AccountSid("AC" + "0" * 32), "anybody", frozenset({Scope.ADMIN}))
CONCURRENCY = Concurrency(100, 4)
READS_PER_S, HANG_S = 40, 5.0


class TimedLimiter(Limiter):
    """Records how long each permit took."""

    took_s: list[float]

    async def take(self, *args: Any, **options: Any) -> QuotaGrant:
        started_at = time.monotonic()
        try:
            return await super().take(*args, **options)
        finally:
            self.took_s.append(time.monotonic() - started_at)


@asynccontextmanager
async def upstream(folder: Path) -> AsyncIterator[tuple[Upstream, TimedLimiter, Valkey, Sandbox]]:
    valkey = Valkey(folder / "valkey", fsync="no")
    await valkey.start()
    connections = Connections(f"redis://127.0.0.1:{valkey.port}/0")
    async with Sandbox() as sandbox, open_session() as session:
        account = AccountSid(sandbox.account_sid)
        twilio = TwilioVideo(
            session, sandbox.url, sandbox.url, account, account, sandbox.auth_token
        )
        limiter = TimedLimiter(connections, account, CONCURRENCY)
        limiter.took_s = []
        quota = TwilioQuota.of(80)
        client = Upstream(
            twilio,
            limiter,
            AccountQuota(quota, TwilioQuota.of(20), quota.shared, CONCURRENCY, 2.0),
            lambda: 1,
        )
        try:
            yield client, limiter, valkey, sandbox
        finally:
            await client.aclose()
            await connections.aclose()
            await valkey.aclose()


async def max_loop_delay_s(seconds: float) -> float:
    """Measures the longest delay of this process's event loop."""
    longest, until = 0.0, time.monotonic() + seconds
    while (started_at := time.monotonic()) < until:
        await asyncio.sleep(0.005)  # its delay is measured
        longest = max(longest, time.monotonic() - started_at - 0.005)
    return longest


async def test_p15_hanging_redis_costs_50_ms_on_at_most_three_requests(
    tmp_path: Path, figure: Figure
) -> None:
    async with upstream(tmp_path) as (client, limiter, valkey, sandbox):
        quota = Quota(client)
        room = RoomSid(sandbox.world.create_room(sandbox.account_sid, RoomSettings()).sid)
        outcomes: list[tuple[float, str]] = []

        async def fetch(_: int) -> None:
            try:
                await client.send(fetch_room(room))
                outcomes.append((time.monotonic(), "OK"))
            except QuotaExceeded:
                outcomes.append((time.monotonic(), "QUOTA_EXCEEDED"))

        for _ in range(500):
            await quota.status(ANYBODY)
        healthy_s = sorted(limiter.took_s)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_at_rate(READS_PER_S, HANG_S + 3, fetch))
            loop_delay = group.create_task(max_loop_delay_s(HANG_S))
            await asyncio.sleep(0.2)  # some reads while Redis is healthy
            limiter.took_s.clear()
            valkey.suspend()
            stopped_at = time.monotonic()
            await asyncio.sleep(HANG_S)
            hanging_s = list(limiter.took_s)
            source = (await quota.status(ANYBODY)).source
            valkey.resume()
            await asyncio.sleep(2)  # the second without permits, and some reads after it
            source_after = (await quota.status(ANYBODY)).source
        peak = sandbox.call_log.peak()["read"]
    reads_without_redis = sum(
        stopped_at + 1.2 <= at < stopped_at + HANG_S and code == "OK" for at, code in outcomes
    )
    p50, p99 = healthy_s[len(healthy_s) // 2] * 1000, healthy_s[len(healthy_s) * 99 // 100] * 1000
    slow = [took_s for took_s in hanging_s if took_s > 0.02]
    figure(
        f"P15: {len(healthy_s):,} permits of the limiter, two at a time",
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms",
        None,
    )
    figure(
        f"P15: Redis hangs for {HANG_S:g} s under {READS_PER_S} reads/s",
        f"{len(slow)} requests waited for it, {max(slow, default=0) * 1000:.0f} ms at most (the "
        f"event loop itself was delayed up to {loop_delay.result() * 1000:.0f} ms); "
        f"{reads_without_redis} reads without Redis, at most {peak} in any second",
        None,
    )
    assert 1 <= len(slow) <= 3
    # Delays of this process itself do not count. Up to two may fall into one wait.
    assert max(slow) <= 0.05 + 2 * loop_delay.result()
    assert (source, source_after) == (QuotaSource.ALONE, QuotaSource.SHARED)
    assert reads_without_redis >= 0.9 * READS_PER_S * (HANG_S - 1.2)
    assert peak <= 80
    assert p50 <= 0.5
