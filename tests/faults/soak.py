"""`make soak`: a gateway under churn for SOAK_MINUTES (30), and what it holds on to (P22).

Rooms are made and end, people come and go (the sandbox tells by callbacks), clients subscribe and leave on every transport,
politely and not, rooms are read, changed and listed, and a part of everything is an error. The gateway is `serve` with small
memories (`tests/faults/watched.py` says why), so that all of them are full when the warm-up, the first third, is over.

What is judged: the slope of its memory (RSS) after the warm-up, by Theil and Sen over the lowest value of each half minute;
it fails above 1 MB/h, and says how far the interval of 95 % reaches. Then all clients leave: open files and asyncio tasks must be
what they were before the first came, ± 2. Exits with 1 when something is not so. The last table is for docs/reliability/results.md.
"""

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc

from gateway.core.rooms import AccountSid
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from gateway.store.keys import Keys
from tests.faults.clients import CREATE, LIST, READ, WATCH
from tests.faults.nemesis import LOOPBACK, Valkey, free_port, new_api_key
from tests.faults.slope import Slope, lowest, theil_sen
from tests.running import RESPONSE_TIMEOUT_S, Gateway, running

MB = 1024 * 1024
SLOPE_LIMIT_MB_H = 1.0
SLACK = 2
REDIS = "Redis"
LEAST_MINUTES = 2
SAMPLE_S = 5.0
WINDOW_S = 30.0
# Idle connections are closed by the gateway and by its own clients within this.
LEAVE_S = 120.0
VISITORS = 24
READERS = 4
ROOMS_PER_S = 1.5
ROOM_LIVES_S = 12.0
GONE = (OSError, TimeoutError, aiohttp.ClientError, grpc.aio.AioRpcError, EOFError, AssertionError)

LIVE = """subscription($room: ID!) { roomLive(ref: $room) {
    sid participants { nodes { sid publishedTracks { nodes { kind } } } } } }"""
PRESENCE = (
    "subscription($room: ID!) { presence(room: $room) { cursor participants { identity since } } }"
)
PEOPLE = """query($ref: ID!) { room(ref: $ref) { sid participants { nodes { sid identity publishedTracks { nodes { name } } } }
    recordings { nodes { sid } } events(first: 20) { nodes { cursor } } } }"""
COMPLETE = "mutation($ref: ID!) { completeRoom(ref: $ref) { sid status } }"


@dataclass(frozen=True)
class Sample:
    """`at_s`: since the churn began."""

    at_s: float
    rss: int
    open: Counter[str]
    tasks: int
    objects: int
    log: int

    @property
    def files(self) -> int:
        """But for the connections to Redis, which are kept for the next crowd, and bounded."""
        return self.open.total() - self.open[REDIS]


@dataclass
class Watched:
    """The gateway, looked at from outside. `ports`: whose they are."""

    gateway: Gateway
    told: Path
    valkey: Valkey
    log_key: str
    ports: Mapping[int, str]

    async def look(self, since: float = 0.0) -> Sample:
        self.told.unlink(missing_ok=True)
        self.gateway.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while not self.told.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the file is the only sign there is
        told = json.loads(self.told.read_text())
        log = int(await self.valkey.client.xlen(self.log_key))
        return Sample(
            time.monotonic() - since,
            memory_of(self.gateway.process.pid),
            self._open(),
            told["tasks"],
            told["objects"],
            log,
        )

    def _open(self) -> Counter[str]:
        tables = (
            Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")
        )
        rows = (line.split() for lines in tables for line in lines)
        whose = {f"socket:[{row[9]}]": self._whose(row[1]) or self._whose(row[2]) for row in rows}
        return Counter(whose.get(file) or "other" for file in files_of(self.gateway.process.pid))

    def _whose(self, address: str) -> str | None:
        return self.ports.get(int(address.rpartition(":")[2], 16))


def memory_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files_of(pid: int) -> list[str]:
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(file.readlink()))
    return found


@dataclass
class Churn:
    """Everybody who uses the gateway. `done` counts what they did, `failed` what did not go as it should."""

    gateway: Gateway
    rng: random.Random
    rooms: list[dict[str, Any]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    async def go_on(self, tasks: asyncio.TaskGroup, over: asyncio.Event) -> None:
        for _ in range(VISITORS):
            tasks.create_task(self._again(over, "visits", self._visit))
        for _ in range(READERS):
            tasks.create_task(self._again(over, "reads", self._read))
        tasks.create_task(self._again(over, "errors", self._err))
        while not over.is_set():
            tasks.create_task(self._again(over, "rooms", self._hold_a_meeting, once=True))
            await asyncio.sleep(1 / ROOMS_PER_S)

    async def _again(
        self, over: asyncio.Event, what: str, act: Callable[[], Awaitable[None]], once: bool = False
    ) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(60):
                    await act()
                self.done[what] += 1
            except GONE as exc:
                self.failed[f"{what}: {type(exc).__name__}"] += 1
                await asyncio.sleep(
                    0.5
                )  # as a client waits that was refused, before it comes again
            if once:
                return

    async def _hold_a_meeting(self) -> None:
        name = f"room-{self.rng.getrandbits(48):012x}"
        room = (await self.gateway.execute(CREATE, name=name))["createRoom"] | {"name": name}
        self.rooms.append(room)
        try:
            for number in range(self.rng.randrange(1, 4)):
                await self.gateway.sandbox(
                    "POST",
                    f"/rooms/{room['sid']}/participants",
                    {"identity": f"guest-{number}", "tracks": ["audio"]},
                )
            await asyncio.sleep(self.rng.uniform(0, 2 * ROOM_LIVES_S))
            if self.rng.random() < 0.5:
                await self.gateway.sandbox("DELETE", f"/rooms/{room['sid']}/participants/guest-0")
        finally:
            self.rooms.remove(room)
            await self.gateway.execute(COMPLETE, ref=room["sid"])

    def _room(self) -> str | None:
        return self.rng.choice(self.rooms)["sid"] if self.rooms else None

    async def _visit(self) -> None:
        """One subscription for a while, of a room or of the account."""
        room = self._room()
        document = WATCH if room is None else self.rng.choice((WATCH, WATCH, LIVE, PRESENCE))
        if document is WATCH and self.rng.random() < 0.2:
            room = None
        stay = self.rng.choice((self._stay_ws, self._stay_sse, self._stay_grpc))
        # Leaving by time-out breaks the connection off in the midst of whatever goes on.
        with suppress(TimeoutError):
            async with asyncio.timeout(self.rng.uniform(0.2, 6.0)):
                await stay(document, {} if room is None else {"room": room})

    async def _stay_ws(self, document: str, variables: dict[str, Any]) -> None:
        async with self.gateway.websocket() as socket:
            payload = {"query": document, "variables": variables}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            for _ in range(self.rng.randrange(1, 40)):
                _told((await socket.receive_json())["payload"])
            await socket.send_json({"id": "1", "type": "complete"})

    async def _stay_sse(self, document: str, variables: dict[str, Any]) -> None:
        headers = {**self.gateway.auth, "Accept": "text/event-stream"}
        body = {"query": document, "variables": variables}
        async with self.gateway.http.post(
            self.gateway.ready["graphql"], json=body, headers=headers
        ) as reply:
            async for line in reply.content:
                if line.startswith(b"data: {"):
                    _told(json.loads(line.removeprefix(b"data: ")))

    async def _stay_grpc(self, document: str, variables: dict[str, Any]) -> None:
        async with grpc.aio.insecure_channel(self.gateway.ready["grpc"], (LOCAL,)) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            if document is WATCH:
                call = stub.WatchRoomEvents(
                    pb.WatchRoomEventsRequest(**variables), metadata=self.gateway.metadata
                )
            else:
                call = stub.WatchRoom(
                    pb.WatchRoomRequest(**variables), metadata=self.gateway.metadata
                )
            async for _ in call:
                pass

    async def _read(self) -> None:
        room = self._room()
        if room is not None:
            if self.rng.random() < 0.3:
                await self._read_grpc(room)
            else:
                await self.gateway.post(self.rng.choice((READ, PEOPLE)), {"ref": room})
        if self.rng.random() < 0.2:
            await self.gateway.post(LIST, {"name": f"room-{self.rng.getrandbits(48):012x}"})
        await asyncio.sleep(self.rng.uniform(0, 0.3))

    async def _read_grpc(self, room: str) -> None:
        async with grpc.aio.insecure_channel(self.gateway.ready["grpc"], (LOCAL,)) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            await stub.GetRoom(pb.GetRoomRequest(room=room), metadata=self.gateway.metadata)

    async def _err(self) -> None:
        """What goes wrong on the way: each kind once."""
        gateway = self.gateway
        await gateway.post("{ room(ref: }")
        await gateway.post(f"{{ nothing{self.rng.getrandbits(32)} }}")
        await gateway.post(READ, {"ref": f"RM{self.rng.getrandbits(128):032x}"})
        await gateway.post(READ, {"ref": "RM1"}, Authorization="Bearer rgk_nobody")
        with suppress(EOFError):
            await self._stay_sse(WATCH, {"after": "not-a-cursor"})
        await gateway.post("x" * 70_000)
        assert (
            await gateway.send_callback(
                gateway.callback_fields("room-created", "RM1"), auth_token="not the token"
            )
            == 403
        )
        async with grpc.aio.insecure_channel(gateway.ready["grpc"], (LOCAL,)) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            with suppress(grpc.aio.AioRpcError):
                await stub.GetRoom(pb.GetRoomRequest(room="RM1"))
        async with gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",)
        ) as socket:
            await socket.send_str("no JSON")
            await socket.receive()
        await asyncio.sleep(self.rng.uniform(0, 1))


def _told(payload: Any) -> None:
    """Raises EOFError for an answer that is an error, such as that the room is over."""
    if "errors" in payload or not isinstance(payload, dict):
        raise EOFError(payload)


LOCAL = ("grpc.use_local_subchannel_pool", 1)
"""A connection of its own: channels of one process share one otherwise."""


async def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES") or 30)
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    if minutes < LEAST_MINUTES:
        print(
            f"SOAK_MINUTES is {minutes:g}; give {LEAST_MINUTES} or more, or there is no slope to tell",
            file=sys.stderr,
        )
        return 2
    print(f"{minutes:g} minutes of churn, the first third to warm up; seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            watched = await _start(stack, Path(folder))
            baseline, samples, churn = await _soak(watched, minutes * 60, random.Random(seed))
            after = await _left(watched, baseline)
    return _judge(minutes, seed, baseline, samples, after, churn)


async def _start(stack: AsyncExitStack, folder: Path) -> Watched:
    sandbox = await stack.enter_async_context(running(folder, ("sandbox", "--sandbox-port", "0")))
    valkey = Valkey(folder / "valkey")
    stack.push_async_callback(valkey.aclose)
    await valkey.start()
    key, port, told = await new_api_key(), free_port(), folder / "told.json"
    environment = {
        "PATH": os.environ["PATH"],
        "TWILIO_ACCOUNT_SID": sandbox.account_sid,
        "TWILIO_AUTH_TOKEN": sandbox.auth_token,
        "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
        "GATEWAY_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "GATEWAY_API_KEYS": json.dumps([key["row"]]),
        "GATEWAY_REDIS_URL": f"redis://{LOOPBACK}:{valkey.port}",
        "SOAK_TOLD": str(told),
    }
    arguments = ("serve", "--host", LOOPBACK, "--http-port", str(port), "--grpc-port", "0")
    gateway = await stack.enter_async_context(
        running(folder, arguments, environment, module="tests.faults.watched")
    )
    gateway.auth = {"Authorization": f"Bearer {key['api_key']}"}
    gateway.metadata = (("authorization", gateway.auth["Authorization"]),)
    gateway.ready["sandbox"] = sandbox.ready["sandbox"]
    gateway.account_sid, gateway.auth_token = sandbox.account_sid, sandbox.auth_token
    addresses = {
        "Twilio": sandbox.ready["sandbox"],
        "callers, HTTP": f":{port}",
        "callers, gRPC": gateway.ready["grpc"],
    }
    ports = {int(address.rpartition(":")[2]): name for name, address in addresses.items()} | {
        valkey.port: REDIS
    }
    return Watched(gateway, told, valkey, Keys(AccountSid(sandbox.account_sid)).log, ports)


async def _soak(
    watched: Watched, for_s: float, rng: random.Random
) -> tuple[Sample, list[Sample], Churn]:
    baseline = replace(await watched.look(), at_s=0.0)
    print(HEADER, _row(baseline), sep="\n", flush=True)
    churn, over, samples = Churn(watched.gateway, rng), asyncio.Event(), list[Sample]()
    outside, since = watched.gateway.http, time.monotonic()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as tasks,
    ):
        watched.gateway.http = http
        tasks.create_task(churn.go_on(tasks, over))
        every_s, shown_at = for_s / 30, 0.0
        while (now := time.monotonic() - since) < for_s:
            samples.append(await watched.look(since))
            if now >= shown_at:
                shown_at += every_s
                print(_row(samples[-1]), flush=True)
            await asyncio.sleep(SAMPLE_S)
        over.set()
    watched.gateway.http = outside
    return baseline, samples, churn


async def _left(watched: Watched, baseline: Sample) -> Sample:
    """Once all clients have left: as soon as it is back to the baseline, or when the limit has passed."""
    # A room that nobody could end in time would be looked at for ever.
    await watched.gateway.sandbox("POST", "/reset")
    give_up_at = time.monotonic() + LEAVE_S
    while True:
        sample = await watched.look()
        if _is_back(baseline, sample) or time.monotonic() > give_up_at:
            return sample
        await asyncio.sleep(1)  # each look costs the gateway something


def _is_back(baseline: Sample, after: Sample) -> bool:
    return abs(after.files - baseline.files) <= SLACK and abs(after.tasks - baseline.tasks) <= SLACK


def _judge(
    minutes: float,
    seed: int,
    baseline: Sample,
    samples: Sequence[Sample],
    after: Sample,
    churn: Churn,
) -> int:
    warm = [sample for sample in samples if sample.at_s > minutes * 60 / 3]
    slope = theil_sen(
        [
            (at / 3600, rss / MB)
            for at, rss in lowest([(each.at_s, each.rss) for each in warm], WINDOW_S)
        ]
    )
    objects = theil_sen([(each.at_s / 3600, each.objects) for each in warm])
    done = ", ".join(f"{count:,} {what}" for what, count in sorted(churn.done.items()))
    print(f"\ndone: {done}; {after.log:,} events\nnot done: {dict(churn.failed) or 'nothing'}")
    print(
        f"memory: {_interval(slope, '.2f')} MB/h over {(warm[-1].at_s - warm[0].at_s) / 60:.0f} min after warm-up"
    )
    print(f"Python objects: {_interval(objects, ',.0f')} an hour")
    print(f"open before: {dict(baseline.open)}, after all had left: {dict(after.open)}")
    print(
        f"files {baseline.files} → {after.files}, tasks {baseline.tasks} → {after.tasks} when all had left"
    )
    print(f"\n{_table(samples)}\n")
    figures = f"{_interval(slope, '.2f')} MB/h; files {baseline.files} → {after.files}, tasks {baseline.tasks} → {after.tasks}"
    print(f"| P22: {minutes:g} minutes of churn, {done} | {figures} | {seed} |")
    is_flat, is_back = slope.value <= SLOPE_LIMIT_MB_H, _is_back(baseline, after)
    print(f"P22 {'holds' if is_flat and is_back else 'is missed'}")
    return 0 if is_flat and is_back else 1


def _interval(slope: Slope, form: str) -> str:
    return f"{slope.value:{form}} (95 %: {slope.low:{form}} to {slope.high:{form}})"


HEADER = "   min   RSS MB  files  Redis  tasks    objects       log"


def _row(sample: Sample) -> str:
    return (
        f"{sample.at_s / 60:6.1f} {sample.rss / MB:8.1f} {sample.files:6} {sample.open[REDIS]:6} {sample.tasks:6} "
        f"{sample.objects:10,} {sample.log:9,}"
    )


def _table(samples: Sequence[Sample]) -> str:
    """Ten moments, for docs/reliability/results.md."""
    shown = [samples[round(number * (len(samples) - 1) / 9)] for number in range(10)]
    rows = [
        ["minute", *(f"{each.at_s / 60:.0f}" for each in shown)],
        ["---"] * 11,
        ["RSS, MB", *(f"{each.rss / MB:.1f}" for each in shown)],
        ["open files", *(str(each.files) for each in shown)],
        ["tasks", *(str(each.tasks) for each in shown)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
