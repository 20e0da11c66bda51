"""P4: how fast callbacks are acknowledged and delivered, at the rate of a busy account.

The client of the test shares two cores with gateways, Redis and sandbox. Its own delays
are part of the measured times.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
import pytest
from twilio.request_validator import RequestValidator

from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.conftest import Figure
from tests.faults.harness import (
    DRAIN_S,
    JOINED,
    TRANSPORTS,
    fault_harness,
    new_seed,
    quantile,
    quantiles,
)
from tests.faults.history import Transport
from tests.faults.nemesis import Cluster, Valkey
from tests.running import Gateway, new_sid

CALLBACKS_PER_S = 200
LOAD_S = 30
WARM_UP = 2 * CALLBACKS_PER_S
SUBSCRIBERS = 1_000
ROOMS = 100
STALL_MS = 10
WATCH = """subscription($room: ID!) { roomEvents(room: {sid: $room}) {
    __typename ... on ParticipantEvent { participant { identity } } } }"""


@dataclass
class Subscriber:
    """Records when each callback of its room arrives, by the callback's number."""

    transport: Transport
    room: str
    received_at: dict[int, float] = field(default_factory=dict)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, gateway: Gateway) -> None:
        streams = {"ws": self._by_ws, "sse": self._by_sse, "grpc": self._by_grpc}
        async for identity in streams[self.transport](gateway):
            if identity is None:
                self.started.set()
            else:
                assert int(identity) not in self.received_at
                self.received_at[int(identity)] = time.monotonic()

    async def _by_ws(self, gateway: Gateway) -> AsyncIterator[str | None]:
        async with gateway.websocket() as socket:
            payload = {"query": WATCH, "variables": {"room": self.room}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            async for frame in socket:
                result = json.loads(frame.data)["payload"]["data"]["roomEvents"]
                yield result["participant"]["identity"] if "participant" in result else None

    async def _by_sse(self, gateway: Gateway) -> AsyncIterator[str | None]:
        body = {"query": WATCH, "variables": {"room": self.room}}
        headers, limit = (
            {**gateway.auth, "Accept": "text/event-stream"},
            aiohttp.ClientTimeout(total=None),
        )
        async with gateway.http.post(
            gateway.ready["graphql"], json=body, headers=headers, timeout=limit
        ) as reply:
            async for line in reply.content:
                if line.startswith(b"data: "):
                    result = json.loads(line[6:])["data"]["roomEvents"]
                    yield result["participant"]["identity"] if "participant" in result else None

    async def _by_grpc(self, gateway: Gateway) -> AsyncIterator[str | None]:
        # Each client needs its own connection.
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(gateway.ready["grpc"], options) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            async for message in stub.WatchRoomEvents(
                pb.WatchRoomEventsRequest(room=self.room), metadata=gateway.metadata
            ):
                connected = message.event.participant_connected
                yield connected.participant.identity if message.HasField("event") else None


@pytest.mark.long
@pytest.mark.parametrize("fsync", ["always", "everysec"])
async def test_p4_200_callbacks_per_second_reach_1000_subscribers_of_another_replica(
    tmp_path: Path, figure: Figure, fsync: str
) -> None:
    """With `always`, no acknowledgement is faster than the disk.

    Other processes may use the disk, so long stalls of the server are printed.
    """
    seed, sent, response_time_by_number = new_seed(), dict[int, float](), dict[int, float]()
    valkey = Valkey(tmp_path / "valkey", fsync=fsync)
    async with (
        fault_harness(tmp_path, seed, replicas=2, valkey=valkey) as harness,
        asyncio.TaskGroup() as subscriptions,
    ):
        rooms = [new_sid() for _ in range(ROOMS)]
        room_by_number = {
            number: harness.rng.choice(rooms) for number in range(CALLBACKS_PER_S * LOAD_S)
        }
        acknowledging, delivering = (replica.gateway for replica in harness.cluster.replicas)
        assert acknowledging is not None
        assert delivering is not None
        subscribers = [
            Subscriber(TRANSPORTS[n % 3], rooms[n // 3 % ROOMS]) for n in range(SUBSCRIBERS)
        ]
        tasks = []
        for start in range(0, SUBSCRIBERS, 50):
            tasks += [
                subscriptions.create_task(subscriber.run(delivering))
                for subscriber in subscribers[start : start + 50]
            ]
            async with asyncio.timeout(DRAIN_S):
                for subscriber in subscribers[start : start + 50]:
                    await subscriber.started.wait()

        async def send(number: int) -> None:
            request = signed_request(harness.cluster, room_by_number[number], number)
            sent[number] = time.monotonic()
            async with harness.callback_sender.http.post(
                acknowledging.ready["callbacks"], **request
            ) as reply:
                assert reply.status == 204
                response_time_by_number[number] = time.monotonic() - sent[number]

        await valkey.client.config_set("latency-monitor-threshold", STALL_MS)
        started_at, before = time.monotonic(), cpu_s(harness.cluster)
        async with asyncio.TaskGroup() as traffic:
            for number in room_by_number:
                # The rate is constant: a slow response does not delay the next
                # callback.
                await asyncio.sleep(
                    max(0.0, started_at + number / CALLBACKS_PER_S - time.monotonic())
                )
                traffic.create_task(send(number))
        expected = {
            room: {number for number, other_room in room_by_number.items() if other_room == room}
            for room in rooms
        }

        def has_all(subscriber: Subscriber) -> bool:
            return subscriber.received_at.keys() >= expected[subscriber.room]

        async with asyncio.timeout(DRAIN_S):
            while not all(map(has_all, subscribers)):  # noqa: ASYNC110 - one wait for all
                await asyncio.sleep(0.1)
        cores_used = {
            name: (cpu - before[name]) / (time.monotonic() - started_at)
            for name, cpu in cpu_s(harness.cluster).items()
        }
        events: Any = await valkey.client.latency_latest()
        stalls = {name.decode(): f"the longest {most} ms" for name, _, _, most, *_ in events}
        for task in tasks:
            task.cancel()
    delays = {
        transport: [
            at - sent[number]
            for subscriber in subscribers
            if subscriber.transport == transport
            for number, at in subscriber.received_at.items()
            if number >= WARM_UP
        ]
        for transport in TRANSPORTS
    }
    all_delays = [seconds for sample in delays.values() for seconds in sample]
    response_times = [
        seconds for number, seconds in response_time_by_number.items() if number >= WARM_UP
    ]
    figure(
        f"P4: {CALLBACKS_PER_S} callbacks/s for {LOAD_S} s ({fsync}), {SUBSCRIBERS:,} subscribers "
        f"of {ROOMS} rooms on another replica",
        f"acknowledged {quantiles(response_times)}; delivered {quantiles(all_delays)} ("
        + ", ".join(f"{transport} {quantiles(seconds)}" for transport, seconds in delays.items())
        + f"); {len(all_delays):,} deliveries, none missing, none duplicated",
        seed,
    )
    print(f"stalls of Valkey over {STALL_MS} ms: {stalls or 'none'}")
    print("cores used: " + ", ".join(f"{name} {share:.2f}" for name, share in cores_used.items()))
    assert quantile(response_times, 0.99) <= 0.025
    assert quantile(all_delays, 0.99) <= 0.1


def cpu_s(cluster: Cluster) -> dict[str, float]:
    """Returns the CPU seconds that each process has used."""
    acknowledging, delivering = (replica.gateway for replica in cluster.replicas)
    assert acknowledging is not None
    assert delivering is not None
    processes = {
        "replica with callbacks": acknowledging.process.pid,
        "replica with subscribers": delivering.process.pid,
        "client": os.getpid(),
    }
    ticks = {
        name: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        for name, pid in processes.items()
    }
    return {
        name: sum(map(int, subscriber)) / os.sysconf("SC_CLK_TCK")
        for name, subscriber in ticks.items()
    }


def signed_request(cluster: Cluster, room: str, number: int) -> dict[str, Any]:
    fields = cluster.sandbox.callback_fields(
        JOINED,
        room,
        ParticipantSid=f"PA{number:032x}",
        ParticipantIdentity=str(number),
        SequenceNumber=str(number),
    )
    signature = RequestValidator(cluster.sandbox.auth_token).compute_signature(
        cluster.callbacks, fields
    )
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return {"data": urlencode(fields), "headers": headers}
