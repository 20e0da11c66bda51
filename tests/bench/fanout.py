"""`python -m tests.bench.fanout`: how many messages per second one process delivers.

One room has 1,000 subscribers over WebSocket, then 1,000 over SSE, then 100 over gRPC.
Gateway, sandbox and this client share the machine, so only figures of the same machine
can be compared. The client only counts frames, so that it is not the bottleneck.
"""

import asyncio
import base64
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.running import Gateway, new_sid, running

SUBSCRIBERS = 1_000
EVENTS = 200
LIMIT_S = 300.0
EVENT = b"event: next\n"
STREAMS = 100
PONG = b"\x8a\x80" + bytes(4)
WATCH = """subscription($room: ID!) { roomEvents(room: {sid: $room}) {
    __typename cursor prev
    ... on RoomEvent { type eventTime sequenceNumber source isLate room { sid uniqueName } }
    ... on ParticipantConnected { participant { sid identity status } }
} }"""


class Subscriber(asyncio.Protocol):
    """Counts received frames. They are short, unmasked and not fragmented."""

    def __init__(self, crowd: "Crowd", request: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._buffer = b""
        self._is_upgraded = False
        self._frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        offset = 0
        if not self._is_upgraded:
            offset = data.find(b"\r\n\r\n") + 4
            if offset < 4:
                self._buffer = data
                return
            self._is_upgraded = True
        while len(data) - offset >= 2:
            opcode, length, head = data[offset] & 0x0F, data[offset + 1], 2
            if length == 126 and len(data) - offset >= 4:
                length, head = int.from_bytes(data[offset + 2 : offset + 4]), 4
            if len(data) - offset < head + length:
                break
            offset += head + length
            if opcode == 9:
                self._transport.write(PONG)
            elif opcode == 1:
                self._frames += 1
                self._crowd.receive(self._frames - 2)  # after connection_ack and StreamStarted
        self._buffer = data[offset:]


class EventSubscriber(Subscriber):
    """Counts the events of an SSE response."""

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        count = data.count(EVENT)
        for _ in range(count):
            self._frames += 1
            self._crowd.receive(self._frames - 1)  # after StreamStarted
        # The rest may have the start of the next event.
        self._buffer = data[data.rfind(EVENT) + len(EVENT) :] if count else data
        self._buffer = self._buffer[-len(EVENT) :]


class Crowd:
    """A number of subscribers, and the delay of each delivery in `seconds`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent_at: list[float] = []
        self.seconds: list[float] = []
        self._started = 0
        self.all_started = asyncio.Event()
        self._remaining = 0
        self.all_received = asyncio.Event()

    def expect(self, events: int) -> None:
        self._remaining = events * self.size
        self.all_received.clear()

    def receive(self, number: int) -> None:
        if number > 0:
            self.seconds.append(time.perf_counter() - self.sent_at[number - 1])
            self._remaining -= 1
            if not self._remaining:
                self.all_received.set()
        elif number == 0:
            self._started += 1
            if self._started == self.size:
                self.all_started.set()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as gateway, asyncio.timeout(LIMIT_S):
            async with _subscribe_http(gateway, Subscriber, ws_request) as (room, crowd):
                await _measure_both("WebSocket", gateway, room, crowd)
            async with _subscribe_http(gateway, EventSubscriber, sse_request) as (room, crowd):
                await _measure_both("SSE", gateway, room, crowd)
            async with _subscribe_grpc(gateway) as (room, crowd):
                await _measure_both("gRPC", gateway, room, crowd)


@asynccontextmanager
async def _subscribe_http(
    gateway: Gateway, kind: type[Subscriber], request: Callable[..., bytes]
) -> AsyncIterator[tuple[str, Crowd]]:
    room, crowd, transports = new_sid(), Crowd(SUBSCRIBERS), list[asyncio.Transport]()
    address, memory_kb = urlsplit(gateway.ready["graphql"]), _memory_kb(gateway)
    for _ in range(SUBSCRIBERS):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: kind(crowd, request(gateway, room=room)), address.hostname, address.port
        )
        transports.append(transport)
    await crowd.all_started.wait()
    print(f"{(_memory_kb(gateway) - memory_kb) / SUBSCRIBERS:.0f} kB each:")
    yield room, crowd
    for transport in transports:
        transport.close()


@asynccontextmanager
async def _subscribe_grpc(gateway: Gateway) -> AsyncIterator[tuple[str, Crowd]]:
    room, crowd = new_sid(), Crowd(STREAMS)
    async with gateway.channel() as channel, asyncio.TaskGroup() as tasks:

        async def listen() -> None:
            stream = stubs.RoomServiceStub(channel).WatchRoomEvents(
                pb.WatchRoomEventsRequest(room=room), metadata=gateway.metadata
            )
            for number in itertools.count():
                await stream.read()
                crowd.receive(number)

        listeners = [tasks.create_task(listen()) for _ in range(STREAMS)]
        await crowd.all_started.wait()
        yield room, crowd
        for task in listeners:
            task.cancel()


async def _measure_both(name: str, gateway: Gateway, room: str, crowd: Crowd) -> None:
    print(f"{crowd.size:,} {name} subscribers of one room, {EVENTS} events")
    await _measure("one after another", gateway, room, crowd, concurrency=1)
    await _measure("eight concurrent", gateway, room, crowd, concurrency=8)


async def _measure(how: str, gateway: Gateway, room: str, crowd: Crowd, concurrency: int) -> None:
    crowd.seconds.clear()
    started_at, cpu_s = time.perf_counter(), _cpu_s(gateway)
    for _ in range(EVENTS // concurrency):
        crowd.expect(concurrency)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(concurrency):
                fields = gateway.callback_fields(
                    "participant-connected",
                    room,
                    ParticipantSid=new_sid("PA"),
                    ParticipantIdentity="guest",
                )
                crowd.sent_at.append(time.perf_counter())
                tasks.create_task(gateway.send_callback(fields))
        await crowd.all_received.wait()
    took_s, cpu_s = time.perf_counter() - started_at, _cpu_s(gateway) - cpu_s
    count = len(crowd.seconds)
    print(
        f"  {how:20} {count / took_s:9,.0f} deliveries/s   p50 {_ms(crowd.seconds, 0.5)}  "
        f"p99 {_ms(crowd.seconds, 0.99)}   gateway CPU {cpu_s / count * 1e6:5.1f} µs per delivery, "
        f"{cpu_s / took_s:4.0%} of a core"
    )


def ws_request(gateway: Gateway, query: str = WATCH, **variables: str) -> bytes:
    """Returns the upgrade request, `connection_init` and `subscribe`, for one write."""
    address = urlsplit(gateway.ready["ws"])
    head = (
        f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
        f"Authorization: {gateway.auth['Authorization']}\r\n\r\n"
    )
    subscribe = {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": query, "variables": variables},
    }
    return head.encode() + _frame({"type": "connection_init"}) + _frame(subscribe)


def sse_request(gateway: Gateway, query: str = WATCH, **variables: str) -> bytes:
    """Returns the request of an SSE subscription."""
    address, body = (
        urlsplit(gateway.ready["sse"]),
        json.dumps({"query": query, "variables": variables}).encode(),
    )
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: {gateway.auth['Authorization']}\r\n\r\n"
    )
    return head.encode() + body


def _frame(message: object) -> bytes:
    """Returns a text frame. It is masked, as from all clients, but with zeros."""
    payload = json.dumps(message).encode()
    length = (
        bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
    )
    return b"\x81" + length + bytes(4) + payload


def _cpu_s(gateway: Gateway) -> float:
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_kb(gateway: Gateway) -> int:
    return int(
        Path(f"/proc/{gateway.process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
    )


def _ms(seconds: list[float], share: float) -> str:
    return f"{sorted(seconds)[int(len(seconds) * share)] * 1000:6.1f} ms"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
