"""One room, 1,000 subscribers over WebSocket, 1,000 over SSE, 100 over gRPC: `python -m tests.bench.fanout`. How many messages
a second one process hands out.

Gateway, sandbox and this client share the machine; compare figures of one machine only. The client counts frames and reads
nothing else of them, so that it is not the client that is measured.
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

from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from tests.running import Gateway, new_sid, running

SUBSCRIBERS = 1_000
EVENTS = 200
LIMIT_S = 300.0
EVENT = b"event: next\n"
STREAMS = 100
PONG = b"\x8a\x80" + bytes(4)
WATCH = """subscription($room: ID) { roomEvents(room: $room) {
    __typename cursor prev
    ... on RoomEvent { type roomSid roomName at sequenceNumber source late }
    ... on ParticipantConnected { participant { sid identity status } }
} }"""


class Subscriber(asyncio.Protocol):
    """Counts the frames that come; all of them are short and none is masked or split."""

    def __init__(self, crowd: "Crowd", hello: bytes) -> None:
        self._crowd = crowd
        self._hello = hello
        self._buffer = b""
        self._is_upgraded = False
        self._frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at = 0
        if not self._is_upgraded:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._buffer = data
                return
            self._is_upgraded = True
        while len(data) - at >= 2:
            opcode, length, head = data[at] & 0x0F, data[at + 1], 2
            if length == 126 and len(data) - at >= 4:
                length, head = int.from_bytes(data[at + 2 : at + 4]), 4
            if len(data) - at < head + length:
                break
            at += head + length
            if opcode == 9:
                self._transport.write(PONG)
            elif opcode == 1:
                self._frames += 1
                self._crowd.heard(self._frames - 2)  # after connection_ack and StreamStarted
        self._buffer = data[at:]


class EventSubscriber(Subscriber):
    """Counts the events of an event stream."""

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        count = data.count(EVENT)
        for _ in range(count):
            self._frames += 1
            self._crowd.heard(self._frames - 1)  # after StreamStarted
        # What is left may hold the beginning of the next one.
        self._buffer = data[data.rfind(EVENT) + len(EVENT) :] if count else data
        self._buffer = self._buffer[-len(EVENT) :]


class Crowd:
    def __init__(self, size: int) -> None:
        self.size = size
        self.sent_at: list[float] = []
        self.seconds: list[float] = []
        self._started = 0
        self.all_started = asyncio.Event()
        self._left = 0
        self.all_heard = asyncio.Event()

    def expect(self, events: int) -> None:
        self._left = events * self.size
        self.all_heard.clear()

    def heard(self, number: int) -> None:
        if number > 0:
            self.seconds.append(time.perf_counter() - self.sent_at[number - 1])
            self._left -= 1
            if not self._left:
                self.all_heard.set()
        elif number == 0:
            self._started += 1
            if self._started == self.size:
                self.all_started.set()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as gateway, asyncio.timeout(LIMIT_S):
            async with _over_http(gateway, Subscriber, hello) as (room, crowd):
                await _measure_both("WebSocket", gateway, room, crowd)
            async with _over_http(gateway, EventSubscriber, event_hello) as (room, crowd):
                await _measure_both("SSE", gateway, room, crowd)
            async with _over_grpc(gateway) as (room, crowd):
                await _measure_both("gRPC", gateway, room, crowd)


@asynccontextmanager
async def _over_http(
    gateway: Gateway, kind: type[Subscriber], request: Callable[..., bytes]
) -> AsyncIterator[tuple[str, Crowd]]:
    room, crowd, transports = new_sid(), Crowd(SUBSCRIBERS), list[asyncio.BaseTransport]()
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
async def _over_grpc(gateway: Gateway) -> AsyncIterator[tuple[str, Crowd]]:
    room, crowd = new_sid(), Crowd(STREAMS)
    async with gateway.channel() as channel, asyncio.TaskGroup() as tasks:

        async def listen() -> None:
            watching = stubs.RoomServiceStub(channel).WatchRoomEvents(
                pb.WatchRoomEventsRequest(room=room), metadata=gateway.metadata
            )
            for number in itertools.count():
                await watching.read()
                crowd.heard(number)

        listening = [tasks.create_task(listen()) for _ in range(STREAMS)]
        await crowd.all_started.wait()
        yield room, crowd
        for task in listening:
            task.cancel()


async def _measure_both(name: str, gateway: Gateway, room: str, crowd: Crowd) -> None:
    print(f"{crowd.size:,} {name} subscribers of one room, {EVENTS} events")
    await _measure("one after the other", gateway, room, crowd, together=1)
    await _measure("eight at a time", gateway, room, crowd, together=8)


async def _measure(how: str, gateway: Gateway, room: str, crowd: Crowd, together: int) -> None:
    crowd.seconds.clear()
    begun_at, cpu_s = time.perf_counter(), _cpu_s(gateway)
    for _ in range(EVENTS // together):
        crowd.expect(together)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(together):
                fields = gateway.callback_fields(
                    "participant-connected",
                    room,
                    ParticipantSid=new_sid("PA"),
                    ParticipantIdentity="guest",
                )
                crowd.sent_at.append(time.perf_counter())
                tasks.create_task(gateway.send_callback(fields))
        await crowd.all_heard.wait()
    took_s, cpu_s = time.perf_counter() - begun_at, _cpu_s(gateway) - cpu_s
    count = len(crowd.seconds)
    print(
        f"  {how:20} {count / took_s:9,.0f} deliveries/s   p50 {_ms(crowd.seconds, 0.5)}  p99 {_ms(crowd.seconds, 0.99)}"
        f"   gateway CPU {cpu_s / count * 1e6:5.1f} µs a delivery, {cpu_s / took_s:4.0%} of a core"
    )


def hello(gateway: Gateway, query: str = WATCH, **variables: str) -> bytes:
    """The upgrade, `connection_init` and `subscribe`, in one write."""
    address = urlsplit(gateway.ready["ws"])
    head = (
        f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
        f"Sec-WebSocket-Protocol: graphql-transport-ws\r\nAuthorization: {gateway.auth['Authorization']}\r\n\r\n"
    )
    subscribe = {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": query, "variables": variables},
    }
    return head.encode() + _frame({"type": "connection_init"}) + _frame(subscribe)


def event_hello(gateway: Gateway, query: str = WATCH, **variables: str) -> bytes:
    """The request of an event stream."""
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
    """A text frame as clients send it: masked, here with zeros."""
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
