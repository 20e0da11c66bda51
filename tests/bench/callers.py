"""What it adds to a call to hold its caller to a limit, at a Redis of its own: `python -m tests.bench.callers`."""

import asyncio
import statistics
import time

from gateway.core.callers import Caller
from gateway.core.rooms import AccountSid
from gateway.service.callers import points as module
from gateway.service.callers.points import CALL, FETCH, CallerLimiter
from gateway.store.connection import Connections
from gateway.store.embedded import EmbeddedServer
from gateway.store.points import PointsBuckets

CALLS = 3_000
CALLER = Caller(AccountSid("AC" + "0" * 32), "bench", frozenset(), limit=1_000_000_000)


async def main() -> None:
    # What is measured is Redis, not the patience with it.
    module.ASK_S = 5.0
    async with EmbeddedServer() as server:
        connections = Connections(server.url)
        callers = CallerLimiter(PointsBuckets(connections))
        for crowd in (1, 8, 64):
            began = time.perf_counter()
            waits = sorted(
                each
                for some in await asyncio.gather(*(_calls(callers, crowd) for _ in range(crowd)))
                for each in some
            )
            each_ms = (time.perf_counter() - began) / len(waits) * 1000
            p50, p99 = statistics.median(waits), waits[len(waits) * 99 // 100]
            print(
                f"{crowd:3} at a time: waited p50 {p50:.2f} ms, p99 {p99:.2f} ms; {each_ms:.3f} ms of this process each"
            )
        await connections.aclose()


async def _calls(callers: CallerLimiter, crowd: int) -> list[float]:
    """How long each waited, in ms. All come from memory, so that nearly all is given back."""
    waits = []
    for _ in range(CALLS // crowd):
        began = time.perf_counter()
        charge = callers.charge(CALLER)
        await charge.hold(CALL + FETCH)
        charge.settle(objects=1)
        waits.append((time.perf_counter() - began) * 1000)
    return waits


if __name__ == "__main__":
    asyncio.run(main())
