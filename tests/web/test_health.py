import asyncio
import json
from dataclasses import replace

from gateway.core.cursors import CursorCodec
from gateway.core.rooms import AccountSid
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.store.connection import Connections
from gateway.store.eventlog import EventLog
from gateway.web.health import Health
from tests.service.conftest import ACCOUNT, SECRET, wait_until
from tests.web.conftest import Served


async def get(served: Served, path: str) -> tuple[int, object]:
    async with served.http.get(served.base + path) as reply:
        return reply.status, await reply.json()


async def readiness(served: Served, tail: Tail) -> tuple[int, object]:
    """Returns status and body of /readyz for a process with this tail."""
    reply = await Health({AccountSid(ACCOUNT): replace(served.account, tail=tail)}).readyz()
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body)


async def test_healthy_and_ready_while_the_log_is_read(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        assert await get(served, path) == (200, {"status": "ok"})


async def test_i17_a_process_that_alone_lost_the_log_is_not_ready(
    served: Served, connections: Connections
) -> None:
    never_ran = Tail(EventLog(connections, ACCOUNT), RoomMemory(), CursorCodec((SECRET,), ACCOUNT))
    assert await readiness(served, never_ran) == (503, {"status": "unready", "lost": ["log"]})
    assert await get(served, "/healthz") == (200, {"status": "ok"})


async def test_i17_without_redis_the_process_stays_ready_and_degraded(served: Served) -> None:
    """Otherwise every replica would become unready at once, and none could answer from
    memory."""
    connections = Connections("redis://127.0.0.1:1")
    tail = Tail(EventLog(connections, ACCOUNT), RoomMemory(), CursorCodec((SECRET,), ACCOUNT))
    running = asyncio.get_running_loop().create_task(tail.run())
    await wait_until(lambda: tail.is_redis_away)
    assert await readiness(served, tail) == (200, {"status": "ok", "degraded": ["log"]})
    running.cancel()
    await asyncio.wait([running])
    await connections.aclose()
