"""P21: SIGTERM under load. Every client reconnects and loses nothing."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.conftest import Figure
from tests.faults.clients import CONNECTION_ERRORS, READ, Reader
from tests.faults.harness import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    Harness,
    acknowledged,
    assert_no_violations,
    fault_harness,
    new_seed,
    quantiles,
)
from tests.faults.nemesis import Replica
from tests.running import new_sid

EXPECTED_ENDS = {"ws": "1001", "sse": "end", "grpc": "UNAVAILABLE"}
LIMIT_S = 10.0
CALLBACKS_BEFORE = 300


@pytest.mark.long
@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_p21_sigterm_tells_every_client_to_reconnect(
    tmp_path: Path, figure: Figure, options: tuple[str, ...]
) -> None:
    seed = new_seed()
    async with fault_harness(tmp_path, seed, replicas=2, options=options) as harness:
        rooms = [new_sid() for _ in range(10)]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        for number in range(300):
            client = harness.watch(
                f"client-{number}", TRANSPORTS[number // 2 % 3], rooms[number % 10]
            )
            client.start_timeout_s = LIMIT_S
            watchers.append(client)
        is_over = asyncio.Event()

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms))
                await asyncio.sleep(0.02)  # the callback rate

        with harness.follow(*watchers):
            await harness.wait_until_started()
            async with asyncio.TaskGroup() as traffic:
                for _ in range(3):
                    traffic.create_task(send())
                while len(acknowledged(harness.recorder)) < CALLBACKS_BEFORE:  # noqa: ASYNC110 - no notification
                    await asyncio.sleep(0.05)
                stopping = harness.cluster.replicas[0]
                affected = [watcher for watcher in watchers if watcher.replica is stopping]
                signalled_at = time.monotonic()
                code = await stopping.drain()
                exited_after_s = time.monotonic() - signalled_at
                for watcher in affected:
                    await watcher.until(partial(watcher.has_started_since, signalled_at), DRAIN_S)
                is_over.set()
            await harness.finish()
    stream_ends = Counter((watcher.transport, watcher.stream_ends[0][1]) for watcher in affected)
    delays = [watcher.stream_ends[0][0] - signalled_at for watcher in affected]
    missing = acknowledged(harness.recorder) - {event.key for event in harness.final_events}
    ends = ", ".join(f"{end} {count}" for (_, end), count in sorted(stream_ends.items()))
    figure(
        f"P21: SIGTERM of {' '.join(options) or 'one process'} with {len(affected)} streams, "
        f"{len(acknowledged(harness.recorder)):,} callbacks acknowledged",
        f"streams ended with {ends} within {max(delays):.2f} s; exited after {exited_after_s:.2f} "
        f"s; {len(missing)} lost",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert set(stream_ends) == set(EXPECTED_ENDS.items())
    assert code == 0
    assert exited_after_s <= LIMIT_S
    assert not missing


@dataclass
class Caller:
    """Sends one request after another.

    A failed one is retried once, on another replica.
    """

    harness: Harness
    rooms: list[tuple[str, str]]
    durations: list[float] = field(default_factory=list)
    retried: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    async def run(self, is_over: asyncio.Event) -> None:
        rng, channels = self.harness.rng, dict[str, grpc.aio.Channel]()
        while not is_over.is_set():
            sid, _ = rng.choice(self.rooms)
            is_grpc, started_at = rng.random() < 0.5, time.monotonic()
            first = rng.choice(self.harness.cluster.running_replicas())
            error = await self._call(first, sid, is_grpc, channels)
            if error is not None:
                self.retried[error] += 1
                others = [
                    replica
                    for replica in self.harness.cluster.running_replicas()
                    if replica is not first
                ]
                error = await self._call(rng.choice(others), sid, is_grpc, channels)
            if error is not None:
                self.failed.append(error)
            self.durations.append(time.monotonic() - started_at)
            await asyncio.sleep(0.005)  # the request rate
        for channel in channels.values():
            await channel.close()

    async def _call(
        self, replica: Replica, sid: str, is_grpc: bool, channels: dict[str, grpc.aio.Channel]
    ) -> str | None:
        """Reads a room. Returns the error, or None."""
        gateway = replica.gateway
        assert gateway is not None
        try:
            if is_grpc:
                channel = channels.setdefault(replica.name, gateway.channel())
                stub: Any = stubs.RoomServiceStub(channel)
                await stub.GetRoom(
                    pb.GetRoomRequest(room=sid), metadata=gateway.metadata, timeout=5
                )
            else:
                reply = await gateway.post(READ, {"ref": sid})
                if "errors" in reply.body:
                    return str(reply.body["errors"][0]["extensions"]["code"])
        except grpc.aio.AioRpcError as exc:
            return exc.code().name
        except CONNECTION_ERRORS as exc:
            return type(exc).__name__
        return None


@pytest.mark.long
async def test_p21_rolling_restart_fails_no_call_and_loses_no_event(
    tmp_path: Path, figure: Figure
) -> None:
    """Two rounds. Twilio is sometimes slow, so that requests are always in flight."""
    seed = new_seed()
    async with fault_harness(tmp_path, seed) as harness:
        reader, is_over = (
            Reader(harness.recorder, harness.cluster, "reader", harness.rng),
            asyncio.Event(),
        )
        rooms = [room for _ in range(20) if (room := await reader.create())]
        watchers = [harness.watch("reference", "ws", is_reference=True)]
        watchers += [
            harness.watch(f"client-{n}", TRANSPORTS[n // 3 % 3], rooms[n % 20][0])
            for n in range(60)
        ]
        callers = [Caller(harness, rooms) for _ in range(6)]

        async def send() -> None:
            while not is_over.is_set():
                await harness.callback_sender.deliver(JOINED, harness.rng.choice(rooms)[0])
                await asyncio.sleep(0.02)

        exit_times = list[float]()

        async def restart() -> None:
            for replica in harness.cluster.replicas * 2:
                started_at = time.monotonic()
                assert await replica.drain() == 0
                exit_times.append(time.monotonic() - started_at)
                await replica.start()
                await asyncio.sleep(1.0)  # as a deployment waits before the next replica
            is_over.set()

        slow = {"match": {"method": "GET"}, "rate": 0.3, "latency_ms": 300}
        async with harness.cluster.sandbox.fault(**slow):
            with harness.follow(*watchers):
                await harness.wait_until_started()
                async with asyncio.TaskGroup() as traffic:
                    traffic.create_task(restart())
                    for _ in range(2):
                        traffic.create_task(send())
                    for caller in callers:
                        traffic.create_task(caller.run(is_over))
                await harness.finish()
    durations = [seconds for caller in callers for seconds in caller.durations]
    failed = [error for caller in callers for error in caller.failed]
    retried = sum((caller.retried for caller in callers), Counter[str]())
    missing = acknowledged(harness.recorder) - {event.key for event in harness.final_events}
    figure(
        f"P21: 3 replicas restarted in turn, twice, under {len(durations):,} unary calls and "
        f"{len(watchers)} streams",
        f"{len(failed)} calls failed after one retry (retried: {dict(retried)}); {len(missing)} of "
        f"{len(acknowledged(harness.recorder)):,} events lost; calls {quantiles(durations)}; each "
        f"replica exited within {max(exit_times):.2f} s",
        seed,
    )
    assert_no_violations(harness.recorder, tmp_path)
    assert failed == []
    assert not missing
    assert max(exit_times) <= LIMIT_S
