"""`python -m tests.bench.callers`: what the caller limit adds to a call.

Starts its own Redis.
"""

import asyncio
import statistics
import time

from gateway.core.callers import Caller
from gateway.core.rooms import AccountSid
from gateway.service.callers.charge import CALL_COST, FETCH_COST, Charge
from gateway.service.callers.points import CallerLimiter
from gateway.service.callers.timings import CallerTimings
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from gateway.store.points import PointsBuckets

CALLS = 3_000
CALLER = Caller(AccountSid("AC" + "0" * 32), "bench", frozenset(), limit=1_000_000_000)


async def main() -> None:
    async with EmbeddedServer() as server:
        connections = Connections(server.url)
        limiter = CallerLimiter(PointsBuckets(connections), CallerTimings(redis_s=5.0))
        for concurrency in (1, 8, 64):
            started_at = time.perf_counter()
            runs = await asyncio.gather(*(_calls(limiter, concurrency) for _ in range(concurrency)))
            waits = sorted(wait_ms for run in runs for wait_ms in run)
            cpu_ms = (time.perf_counter() - started_at) / len(waits) * 1000
            p50, p99 = statistics.median(waits), waits[len(waits) * 99 // 100]
            print(
                f"{concurrency:3} concurrent calls: p50 {p50:.2f} ms, p99 {p99:.2f} ms; "
                f"{cpu_ms:.3f} ms of this process per call"
            )
        await connections.aclose()


async def _calls(limiter: CallerLimiter, concurrency: int) -> list[float]:
    """Returns how long each call waited, in ms.

    All are answered from memory, so nearly all points are returned.
    """
    waits = []
    for _ in range(CALLS // concurrency):
        started_at = time.perf_counter()
        charge = Charge(limiter, CALLER)
        await charge.hold(CALL_COST + FETCH_COST)
        charge.settle(objects=1)
        waits.append((time.perf_counter() - started_at) * 1000)
    return waits


if __name__ == "__main__":
    asyncio.run(main())
