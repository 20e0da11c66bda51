"""`make bench`: the delay of callbacks on each transport, and the rate of cached reads.

One process serves them. Gateway, sandbox and this client share the machine, so only
figures of the same run can be compared.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.running import Gateway, new_sid, running, take

CALLBACKS = 500
READ_S = 5.0
CALLERS = 32
WATCH = """subscription($room: ID!) { roomEvents(room: {sid: $room}) {
    __typename ... on RoomEvent { sequenceNumber } } }"""
READ = """query($ref: ID!) { room(ref: {sid: $ref}) { sid uniqueName status type createTime
    maxParticipants durationSeconds mediaRegion } }"""


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as gateway:
            await _latency(gateway)
            await _reads(gateway)


async def _latency(gateway: Gateway) -> None:
    room = new_sid()
    sent: dict[int, float] = {}
    delays_s: dict[str, list[float]] = {"WebSocket": [], "SSE": [], "gRPC": []}
    async with AsyncExitStack() as stack:
        by_websocket = await stack.enter_async_context(gateway.subscribe_ws(WATCH, room=room))
        by_sse = await stack.enter_async_context(gateway.subscribe_sse(WATCH, room=room))
        channel = await stack.enter_async_context(gateway.channel())
        by_grpc = stubs.RoomServiceStub(channel).WatchRoomEvents(
            pb.WatchRoomEventsRequest(room=room), metadata=gateway.metadata
        )
        await take(by_websocket, 1)
        await take(by_sse, 1)
        grpc_messages = aiter(by_grpc)
        await anext(grpc_messages)

        async def listen(name: str, numbers: AsyncIterator[int]) -> None:
            async for number in numbers:
                delays_s[name].append(time.perf_counter() - sent[number])
                if number == CALLBACKS - 1:
                    return

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                listen("WebSocket", (message["sequenceNumber"] async for message in by_websocket))
            )
            tasks.create_task(
                listen("SSE", (message["sequenceNumber"] async for _, message in by_sse))
            )
            tasks.create_task(
                listen("gRPC", (message.event.sequence_number async for message in grpc_messages))
            )
            for number in range(CALLBACKS):
                fields = gateway.callback_fields(
                    "participant-connected",
                    room,
                    ParticipantSid=f"PA{number:032x}",
                    ParticipantIdentity="guest",
                    SequenceNumber=str(number),
                )
                sent[number] = time.perf_counter()
                assert await gateway.send_callback(fields) == 204
    print(
        f"callback → subscriber, {CALLBACKS} callbacks one after another, from the request to the "
        "message:"
    )
    for name, seconds in delays_s.items():
        print(f"  {name:10} p50 {_ms(seconds, 0.5)}  p99 {_ms(seconds, 0.99)}")


async def _reads(gateway: Gateway) -> None:
    room = await gateway.create_room()
    async with gateway.channel() as channel:
        stub = stubs.RoomServiceStub(channel)

        async def by_graphql() -> None:
            await gateway.execute(READ, ref=room["sid"])

        async def by_grpc() -> None:
            await stub.GetRoom(pb.GetRoomRequest(room=room["sid"]), metadata=gateway.metadata)

        async def by_connect() -> None:
            async with gateway.http.post(
                f"{gateway.ready['console']}rooms_gateway.v1.RoomService/GetRoom",
                json={"room": room["sid"]},
                headers=gateway.auth,
            ) as reply:
                assert (await reply.json())["room"]["sid"] == room["sid"]

        print(
            f"cached reads of one room, {CALLERS} concurrent callers, {READ_S:g} s each (the "
            "client is "
            "Python too):"
        )
        for name, call in (
            ("GraphQL", by_graphql),
            ("gRPC", by_grpc),
            ("Connect", by_connect),
        ):
            seconds: list[float] = []
            ends_at = time.perf_counter() + READ_S

            async def caller() -> None:
                while (started_at := time.perf_counter()) < ends_at:  # noqa: B023 - runs within its round
                    await call()  # noqa: B023
                    seconds.append(time.perf_counter() - started_at)  # noqa: B023

            async with asyncio.TaskGroup() as tasks:
                for _ in range(CALLERS):
                    tasks.create_task(caller())
            print(
                f"  {name:10} {len(seconds) / READ_S:,.0f}/s  p50 {_ms(seconds, 0.5)}  p99 "
                f"{_ms(seconds, 0.99)}"
            )


def _ms(seconds: list[float], share: float) -> str:
    return f"{sorted(seconds)[int(len(seconds) * share)] * 1000:6.1f} ms"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
