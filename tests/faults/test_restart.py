"""P21: gateways that are told to stop, under load. Whoever is there is told to come back, and loses nothing by it."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from tests.conftest import Figure
from tests.faults.clients import GONE, READ, Reader
from tests.faults.nemesis import Replica
from tests.faults.scene import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    Scene,
    acked,
    assert_unbroken,
    new_seed,
    quantiles,
    scene,
)
from tests.running import new_sid

FAREWELL = {"ws": "1001", "sse": "end", "grpc": "UNAVAILABLE"}
LIMIT_S = 10.0
UNDER_WAY = 300


@pytest.mark.long
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_p21_sigterm_tells_every_client_to_reconnect(
    tmp_path: Path, figure: Figure, options: tuple[str, ...]
) -> None:
    seed = new_seed()
    async with scene(tmp_path, seed, replicas=2, options=options) as set_:
        rooms = [new_sid() for _ in range(10)]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        for number in range(300):
            client = set_.watch(f"client-{number}", TRANSPORTS[number // 2 % 3], rooms[number % 10])
            client.patience_s = LIMIT_S
            watchers.append(client)
        over = asyncio.Event()

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, set_.rng.choice(rooms))
                await asyncio.sleep(0.02)  # the pace of the callbacks

        with set_.follow(*watchers):
            await set_.started()
            async with asyncio.TaskGroup() as traffic:
                for _ in range(3):
                    traffic.create_task(send())
                while len(acked(set_.diary)) < UNDER_WAY:  # noqa: ASYNC110 - a diary rings no bell
                    await asyncio.sleep(0.05)
                leaving = set_.cluster.replicas[0]
                theirs = [watcher for watcher in watchers if watcher.replica is leaving]
                told_at = time.monotonic()
                code = await leaving.drain()
                gone_s = time.monotonic() - told_at
                for watcher in theirs:
                    await watcher.until(
                        lambda watcher=watcher: watcher.started_at > told_at, DRAIN_S
                    )  # type: ignore[misc]
                over.set()
            await set_.finish()
    farewells = Counter((watcher.transport, watcher.farewells[0][1]) for watcher in theirs)
    waits = [watcher.farewells[0][0] - told_at for watcher in theirs]
    missing = acked(set_.diary) - {event.key for event in set_.logged}
    figure(
        f"P21: SIGTERM of {' '.join(options) or 'one process'} with {len(theirs)} streams, {len(acked(set_.diary)):,} acked",
        f"told {', '.join(f'{how} {count}' for (_, how), count in sorted(farewells.items()))} within {max(waits):.2f} s; "
        f"gone after {gone_s:.2f} s; {len(missing)} lost",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert set(farewells) == set(FAREWELL.items())
    assert code == 0
    assert gone_s <= LIMIT_S
    assert not missing


@dataclass
class Caller:
    """Asks one question after another, and when it gets no answer once more, of another replica."""

    set_: Scene
    rooms: list[tuple[str, str]]
    took: list[float] = field(default_factory=list)
    retried: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    async def run(self, over: asyncio.Event) -> None:
        rng, channels = self.set_.rng, dict[str, grpc.aio.Channel]()
        while not over.is_set():
            sid, _ = rng.choice(self.rooms)
            by_grpc, begun = rng.random() < 0.5, time.monotonic()
            first = rng.choice(self.set_.cluster.up())
            why = await self._ask(first, sid, by_grpc, channels)
            if why is not None:
                self.retried[why] += 1
                others = [each for each in self.set_.cluster.up() if each is not first]
                why = await self._ask(rng.choice(others), sid, by_grpc, channels)
            if why is not None:
                self.failed.append(why)
            self.took.append(time.monotonic() - begun)
            await asyncio.sleep(0.005)  # the pace of the callers
        for channel in channels.values():
            await channel.close()

    async def _ask(
        self, replica: Replica, sid: str, by_grpc: bool, channels: dict[str, grpc.aio.Channel]
    ) -> str | None:
        """Why there was no answer."""
        gateway = replica.gateway
        assert gateway is not None
        try:
            if by_grpc:
                channel = channels.setdefault(replica.name, gateway.channel())
                stub: Any = stubs.RoomServiceStub(channel)
                await stub.GetRoom(
                    pb.GetRoomRequest(room=sid), metadata=gateway.metadata, timeout=5
                )
            else:
                reply = await gateway.post(READ, {"ref": sid})
                if "errors" in reply.body:
                    return str(reply.body["errors"][0]["extensions"]["code"])
        except grpc.aio.AioRpcError as error:
            return error.code().name
        except GONE as error:
            return type(error).__name__
        return None


@pytest.mark.long
async def test_p21_rolling_restart_fails_no_call_and_loses_no_event(
    tmp_path: Path, figure: Figure
) -> None:
    """Twice round. Twilio is slow now and then, so that there is always something under way."""
    seed = new_seed()
    async with scene(tmp_path, seed) as set_:
        reader, over = Reader(set_.diary, set_.cluster, "reader", set_.rng), asyncio.Event()
        rooms = [room for _ in range(20) if (room := await reader.create())]
        watchers = [set_.watch("reference", "ws", is_reference=True)]
        watchers += [
            set_.watch(f"client-{n}", TRANSPORTS[n // 3 % 3], rooms[n % 20][0]) for n in range(60)
        ]
        callers = [Caller(set_, rooms) for _ in range(6)]

        async def send() -> None:
            while not over.is_set():
                await set_.twilio.deliver(JOINED, set_.rng.choice(rooms)[0])
                await asyncio.sleep(0.02)

        gone = list[float]()

        async def restart() -> None:
            for replica in set_.cluster.replicas * 2:
                begun = time.monotonic()
                assert await replica.drain() == 0
                gone.append(time.monotonic() - begun)
                await replica.start()
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        over.wait(), 1.0
                    )  # as a deployment waits before it goes on to the next
            over.set()

        slow = {"match": {"method": "GET"}, "rate": 0.3, "latency_ms": 300}
        async with set_.cluster.sandbox.fault(**slow):
            with set_.follow(*watchers):
                await set_.started()
                async with asyncio.TaskGroup() as traffic:
                    traffic.create_task(restart())
                    for _ in range(2):
                        traffic.create_task(send())
                    for caller in callers:
                        traffic.create_task(caller.run(over))
                await set_.finish()
    took = [seconds for caller in callers for seconds in caller.took]
    failed = [why for caller in callers for why in caller.failed]
    retried = sum((caller.retried for caller in callers), Counter[str]())
    missing = acked(set_.diary) - {event.key for event in set_.logged}
    figure(
        f"P21: 3 replicas restarted in turn, twice, under {len(took):,} unary calls and {len(watchers)} streams",
        f"{len(failed)} calls failed after one retry (retried: {dict(retried)}); {len(missing)} of "
        f"{len(acked(set_.diary)):,} events lost; calls {quantiles(took)}; each gone within {max(gone):.2f} s",
        seed,
    )
    assert_unbroken(set_.diary, tmp_path)
    assert failed == []
    assert not missing
    assert max(gone) <= LIMIT_S
