"""P8: one consumer of 1,000 stops reading.

It is disconnected with a cursor that resumes, needs little memory, and does not delay
the others.
"""

import asyncio
import re
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import grpc
import pytest

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.bench.fanout import Crowd, Subscriber, sse_request, ws_request
from tests.conftest import Figure
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_sid, running, take

OTHERS = 999
PAIRS = 3
WARM_UP_S = 5.0
WINDOW_S = 7.5
CLOSE_LIMIT_S = 15.0
MEMORY_LIMIT_BYTES = 8_000_000
# In each interval there is an event of the other subscribers' room and a long event of
# another room. The stream of the whole account has 200 kB/s.
INTERVAL_S = 0.1
LONG_IDENTITY = "x" * 20_000
WATCH = """subscription($after: String) { roomEvents(after: $after) {
    __typename cursor prev ... on ParticipantConnected { participant { identity } } } }"""
CURSOR = re.compile(rb'"cursor":"([^"]+)"[^\n]*?\}\}')


class SlowConsumer(Protocol):
    """A consumer of the whole account's events that stops reading after its start."""

    async def open(self, gateway: Gateway) -> None: ...
    async def read_rest(self) -> str:
        """Reads what is left into `cursors`. Returns how the stream ended."""
        ...

    def is_open(self) -> bool: ...
    async def aclose(self) -> None: ...

    cursors: list[str]


class TcpConsumer:
    """A plain socket, so that no library reads in the background."""

    def __init__(self, request: Callable[[Gateway, str], bytes]) -> None:
        self._request = request
        self.cursors: list[str] = []

    async def open(self, gateway: Gateway) -> None:
        address = urlsplit(gateway.ready["graphql"])
        self._port = address.port
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.sendall(self._request(gateway, WATCH))
        self._read = b""
        self._socket.settimeout(RESPONSE_TIMEOUT_S)
        while b"StreamStarted" not in self._read:
            self._read += self._socket.recv(1024)

    def is_open(self) -> bool:
        """Returns whether the gateway's end of the connection is still open."""
        port = f"{self._socket.getsockname()[1]:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        states = [line.split()[3] for line in lines if line.split()[2].endswith(f":{port}")]
        return "01" in states  # ESTABLISHED

    async def read_rest(self) -> str:
        try:
            while chunk := self._socket.recv(1 << 16):
                self._read += chunk
            how = "end"
        except ConnectionResetError:
            how = "reset"
        self.cursors = [cursor.decode() for cursor in CURSOR.findall(self._read)]
        return how

    async def aclose(self) -> None:
        self._socket.close()


class GrpcConsumer:
    def __init__(self) -> None:
        self.cursors: list[str] = []

    async def open(self, gateway: Gateway) -> None:
        # Without this, the flow-control window grows, and the client's gRPC library
        # buffers about 5 MB.
        self._channel = grpc.aio.insecure_channel(
            gateway.ready["grpc"], [("grpc.http2.bdp_probe", 0)]
        )
        stub = stubs.RoomServiceStub(self._channel)
        self._call = stub.WatchRoomEvents(pb.WatchRoomEventsRequest(), metadata=gateway.metadata)
        self.cursors.append((await self._call.read()).cursor)

    def is_open(self) -> bool:
        return True  # Only a read shows it; by then the stream must be closed.

    async def read_rest(self) -> str:
        try:
            while isinstance(message := await self._call.read(), pb.WatchRoomEventsResponse):
                self.cursors.append(message.cursor)
        except grpc.aio.AioRpcError as error:
            metadata = dict(error.trailing_metadata() or ())
            has_last_cursor = self.cursors[-1].encode() in metadata["grpc-status-details-bin"]
            return f"{error.code().name} with {'the last' if has_last_cursor else 'another'} cursor"
        return "end"

    async def aclose(self) -> None:
        await self._channel.close()


CONSUMERS: dict[str, Callable[[], SlowConsumer]] = {
    "ws": lambda: TcpConsumer(ws_request),
    "sse": lambda: TcpConsumer(sse_request),
    "grpc": GrpcConsumer,
}


# The gateway cannot give a reason on these connections: it would come after the unread
# data.
EXPECTED_ENDS = {
    "ws": ("end", "reset"),
    "sse": ("end", "reset"),
    "grpc": ("RESOURCE_EXHAUSTED with the last cursor",),
}


@dataclass
class Load:
    """Sends callbacks at a constant rate. `crowd` receives half of them."""

    gateway: Gateway
    crowd: Crowd
    room: str = field(default_factory=new_sid)

    async def run(self) -> None:
        next_at = time.perf_counter()
        while True:
            await asyncio.gather(
                self._send_callback(self.room, "guest"),
                self._send_callback(new_sid(), LONG_IDENTITY),
            )
            next_at += INTERVAL_S
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))

    async def _send_callback(self, room: str, identity: str) -> None:
        fields = self.gateway.callback_fields(
            "participant-connected",
            room,
            ParticipantSid=new_sid("PA"),
            ParticipantIdentity=identity,
        )
        if room == self.room:
            self.crowd.sent_at.append(time.perf_counter())
        assert await self.gateway.send_callback(fields) < 300


@asynccontextmanager
async def run_load(gateway: Gateway, others: int) -> AsyncIterator[Load]:
    crowd = Crowd(others)
    load = Load(gateway, crowd)
    address, transports = urlsplit(gateway.ready["ws"]), []
    request = ws_request(gateway, room=load.room)
    for _ in range(others):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: Subscriber(crowd, request), address.hostname, address.port
        )
        transports.append(transport)
    await asyncio.wait_for(crowd.all_started.wait(), RESPONSE_TIMEOUT_S * 3)
    async with asyncio.TaskGroup() as tasks:
        running_load = tasks.create_task(load.run())
        try:
            yield load
        finally:
            running_load.cancel()
    for transport in transports:
        transport.abort()


@pytest.mark.long
@pytest.mark.parametrize("transport", CONSUMERS)
async def test_p8_slow_consumer_does_not_affect_the_others(
    tmp_path: Path, figure: Figure, transport: str
) -> None:
    without_s, with_s, memory_growth_kb = list[float](), list[float](), list[int]()
    closed_after_s, ends, missing = list[float](), list[str](), 0
    async with running(tmp_path) as gateway, run_load(gateway, OTHERS) as load:
        await asyncio.sleep(WARM_UP_S)  # until the ring and the caches are full
        for _ in range(PAIRS):
            without_s.append(await p99_of(load.crowd, WINDOW_S))
            before_kb = memory_kb(gateway)
            consumer = CONSUMERS[transport]()
            async with gateway.subscribe_sse("subscription { roomEvents { cursor } }") as reference:
                [(begin, _)] = await take(reference, 1)
            await consumer.open(gateway)
            stopped_at = time.monotonic()
            with_s.append(await p99_of(load.crowd, WINDOW_S))
            memory_growth_kb.append(memory_kb(gateway) - before_kb)
            while consumer.is_open() and time.monotonic() < stopped_at + CLOSE_LIMIT_S:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            closed_after_s.append(time.monotonic() - stopped_at)
            is_closed = closed_after_s[-1] < CLOSE_LIMIT_S or isinstance(consumer, GrpcConsumer)
            ends.append(await consumer.read_rest() if is_closed else "still open")
            await consumer.aclose()
            if ends[-1] not in EXPECTED_ENDS[transport]:
                break
            missing += await count_missing(gateway, begin, consumer.cursors)
    noise = max(without_s) / min(without_s)
    ratio = statistics.median(with_s) / statistics.median(without_s)
    when = (
        f"within {CLOSE_LIMIT_S:.0f}" if transport == "grpc" else f"after {max(closed_after_s):.1f}"
    )
    figure(
        f"P8: one of {OTHERS + 1:,} does not read, by {transport}, {len(ends)} times",
        f"p99 of the others {format_ms(without_s)} ms without it, {format_ms(with_s)} ms with it: "
        f"×{ratio:.2f} (×{noise:.2f} among those without); {max(memory_growth_kb):,} kB of memory; "
        f"closed {when} s ({', '.join(sorted(set(ends)))}); {missing} events missed on resuming",
        None,
    )
    assert set(ends) <= set(EXPECTED_ENDS[transport])
    assert missing == 0
    assert max(memory_growth_kb) * 1024 <= MEMORY_LIMIT_BYTES
    # On a shared machine the windows without the consumer may differ by more than 10 %.
    assert ratio <= max(1.10, noise)


async def count_missing(gateway: Gateway, begin: str, cursors: list[str]) -> int:
    """Counts the events between the consumer's last and its first after resuming."""
    watch, resume = "subscription($a: String) { roomEvents(after: $a) { cursor } }", cursors[-1]
    async with (
        gateway.subscribe_sse(watch, a=begin) as whole,
        gateway.subscribe_sse(watch, a=resume) as resumed,
    ):
        [(_, started), (_, following)] = await take(resumed, 2)
        assert started["cursor"] == resume
        logged = list[str]()
        while following["cursor"] not in logged:
            logged += [message["cursor"] for _, message in await take(whole, 1)]
    # The consumer started a moment after the reference.
    return len(set(logged[logged.index(cursors[0]) :]) - {*cursors, following["cursor"]})


def format_ms(seconds: list[float]) -> str:
    return ", ".join(f"{value * 1000:.0f}" for value in seconds)


async def p99_of(crowd: Crowd, window_s: float) -> float:
    crowd.seconds.clear()
    await asyncio.sleep(window_s)
    delays = sorted(crowd.seconds)
    return delays[int(len(delays) * 0.99)]


def memory_kb(gateway: Gateway) -> int:
    return int(
        Path(f"/proc/{gateway.process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
    )
