"""`make soak`: the memory, files and tasks of a gateway under churn (P22).

For SOAK_MINUTES (60 by default), rooms are created and end, participants join and leave
(the sandbox sends the callbacks), and clients subscribe on every transport and leave,
with and without closing. Rooms are read, changed and listed, and some requests are
errors. The gateway is `serve` with small caches (see `tests/faults/soak_process.py`),
which are full after the warm-up: the first half of the time.

Three results are judged:

- the slope of the memory (RSS) after the warm-up: Theil-Sen over the lowest value of
  each half minute. It must be at most 1 MB/h. The 95 % interval is printed.
- the memory at the end. It must be at most 200 MB.
- open files and asyncio tasks after all clients have left. They must be what they were
  before the first client, ± 2.

The exit code is 1 if one of them fails. The last table is for
docs/reliability/results.md.
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
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from gateway.store.keys import Keys
from tests.faults.clients import CREATE, LIST, READ, WATCH
from tests.faults.nemesis import LOOPBACK, Valkey, free_port, new_api_key
from tests.faults.slope import Slope, theil_sen, window_minimums
from tests.running import RESPONSE_TIMEOUT_S, Gateway, running

MB = 1024 * 1024
SLOPE_LIMIT_MB_H = 1.0
RSS_LIMIT_MB = 200
TOLERANCE = 2
REDIS = "Redis"
MIN_MINUTES = 2
SAMPLE_S = 5.0
WINDOW_S = 30.0
# The gateway and its own HTTP clients close idle connections within this time.
IDLE_TIMEOUT_S = 120.0
SUBSCRIBERS = 24
READERS = 4
ROOMS_PER_S = 1.5
ROOM_LIFETIME_S = 12.0
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    grpc.aio.AioRpcError,
    EOFError,
    AssertionError,
)

LIVE = """subscription($room: ID!) { roomLive(room: {sid: $room}) {
    sid participants { nodes { sid publishedTracks { nodes { kind } } } } } }"""
PRESENCE = (
    "subscription($room: ID!) { roomPresence(room: {sid: $room}) { asOf "
    "participants { since participant { identity } } } }"
)
PARTICIPANTS = """query($ref: ID!) { room(ref: {sid: $ref}) { sid participants { nodes { sid
    identity
    publishedTracks { nodes { name } } } } recordings { nodes { sid } } events(first: 20) {
    nodes { cursor } } } }"""
COMPLETE = """mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { room { sid status }
    } }"""


@dataclass(frozen=True)
class Sample:
    """The state of the gateway, `at_s` seconds after the start of the churn."""

    at_s: float
    rss: int
    open: Counter[str]
    tasks: int
    objects: int
    log: int

    @property
    def files(self) -> int:
        """Without the connections to Redis: their pool keeps them, and is bounded."""
        return self.open.total() - self.open[REDIS]


@dataclass
class ObservedGateway:
    """A gateway and how to measure it. `ports` names the peer of each port."""

    gateway: Gateway
    state_path: Path
    valkey: Valkey
    log_key: str
    ports: Mapping[int, str]

    async def sample(self, since: float = 0.0) -> Sample:
        self.state_path.unlink(missing_ok=True)
        self.gateway.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while not self.state_path.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # only the file shows it
        state_path = json.loads(self.state_path.read_text())
        log = int(await self.valkey.client.xlen(self.log_key))
        return Sample(
            time.monotonic() - since,
            memory_of(self.gateway.process.pid),
            self._open(),
            state_path["tasks"],
            state_path["objects"],
            log,
        )

    def _open(self) -> Counter[str]:
        tables = (
            Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")
        )
        rows = (line.split() for lines in tables for line in lines)
        owners = {f"socket:[{row[9]}]": self._owner(row[1]) or self._owner(row[2]) for row in rows}
        return Counter(owners.get(file) or "other" for file in files_of(self.gateway.process.pid))

    def _owner(self, address: str) -> str | None:
        return self.ports.get(int(address.rpartition(":")[2], 16))


def memory_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files_of(pid: int) -> list[str]:
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            found.append(str(file.readlink()))
    return found


@dataclass
class Churn:
    """All clients of the gateway. Counts their finished and their failed actions."""

    gateway: Gateway
    rng: random.Random
    rooms: list[dict[str, Any]] = field(default_factory=list)
    finished: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    async def run(self, tasks: asyncio.TaskGroup, is_over: asyncio.Event) -> None:
        for _ in range(SUBSCRIBERS):
            tasks.create_task(self._repeat(is_over, "visits", self._subscribe))
        for _ in range(READERS):
            tasks.create_task(self._repeat(is_over, "reads", self._read))
        tasks.create_task(self._repeat(is_over, "errors", self._make_errors))
        while not is_over.is_set():
            tasks.create_task(self._repeat(is_over, "rooms", self._use_room, once=True))
            await asyncio.sleep(1 / ROOMS_PER_S)

    async def _repeat(
        self,
        is_over: asyncio.Event,
        kind: str,
        action: Callable[[], Awaitable[None]],
        once: bool = False,
    ) -> None:
        while not is_over.is_set():
            try:
                async with asyncio.timeout(60):
                    await action()
                self.finished[kind] += 1
            except CONNECTION_ERRORS as exc:
                self.failed[f"{kind}: {type(exc).__name__}"] += 1
                await asyncio.sleep(0.5)  # as a client waits before it retries
            if once:
                return

    async def _use_room(self) -> None:
        name = f"room-{self.rng.getrandbits(48):012x}"
        room = (await self.gateway.execute(CREATE, name=name))["createRoom"]["room"] | {
            "name": name
        }
        self.rooms.append(room)
        try:
            for number in range(self.rng.randrange(1, 4)):
                await self.gateway.sandbox(
                    "POST",
                    f"/rooms/{room['sid']}/participants",
                    {"identity": f"guest-{number}", "tracks": ["audio"]},
                )
            await asyncio.sleep(self.rng.uniform(0, 2 * ROOM_LIFETIME_S))
            if self.rng.random() < 0.5:
                await self.gateway.sandbox("DELETE", f"/rooms/{room['sid']}/participants/guest-0")
        finally:
            self.rooms.remove(room)
            await self.gateway.execute(COMPLETE, ref=room["sid"])

    def _room(self) -> str | None:
        return self.rng.choice(self.rooms)["sid"] if self.rooms else None

    async def _subscribe(self) -> None:
        """Opens a subscription of a room or of the account for some seconds."""
        room = self._room()
        document = WATCH if room is None else self.rng.choice((WATCH, WATCH, LIVE, PRESENCE))
        if document is WATCH and self.rng.random() < 0.2:
            room = None
        subscribe = self.rng.choice((self._subscribe_ws, self._subscribe_sse, self._subscribe_grpc))
        # A timeout closes the connection at any point of the protocol.
        with suppress(TimeoutError):
            async with asyncio.timeout(self.rng.uniform(0.2, 6.0)):
                await subscribe(document, {} if room is None else {"room": room})

    async def _subscribe_ws(self, document: str, variables: dict[str, Any]) -> None:
        async with self.gateway.websocket() as socket:
            payload = {"query": document, "variables": variables}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            for _ in range(self.rng.randrange(1, 40)):
                _check_payload((await socket.receive_json())["payload"])
            await socket.send_json({"id": "1", "type": "complete"})

    async def _subscribe_sse(self, document: str, variables: dict[str, Any]) -> None:
        headers = {**self.gateway.auth, "Accept": "text/event-stream"}
        body = {"query": document, "variables": variables}
        async with self.gateway.http.post(
            self.gateway.ready["graphql"], json=body, headers=headers
        ) as reply:
            async for line in reply.content:
                if line.startswith(b"data: {"):
                    _check_payload(json.loads(line.removeprefix(b"data: ")))

    async def _subscribe_grpc(self, document: str, variables: dict[str, Any]) -> None:
        async with grpc.aio.insecure_channel(
            self.gateway.ready["grpc"], (OWN_CONNECTION,)
        ) as channel:
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
                await self.gateway.post(self.rng.choice((READ, PARTICIPANTS)), {"ref": room})
        if self.rng.random() < 0.2:
            await self.gateway.post(LIST, {"name": f"room-{self.rng.getrandbits(48):012x}"})
        await asyncio.sleep(self.rng.uniform(0, 0.3))

    async def _read_grpc(self, room: str) -> None:
        async with grpc.aio.insecure_channel(
            self.gateway.ready["grpc"], (OWN_CONNECTION,)
        ) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            await stub.GetRoom(pb.GetRoomRequest(room=room), metadata=self.gateway.metadata)

    async def _make_errors(self) -> None:
        """Sends one request of each invalid kind."""
        gateway = self.gateway
        await gateway.post("{ room(ref: }")
        await gateway.post(f"{{ nothing{self.rng.getrandbits(32)} }}")
        await gateway.post(READ, {"ref": f"RM{self.rng.getrandbits(128):032x}"})
        await gateway.post(READ, {"ref": "RM1"}, Authorization="Bearer rgk_nobody")
        with suppress(EOFError):
            await self._subscribe_sse(WATCH, {"after": "not-a-cursor"})
        await gateway.post("x" * 70_000)
        assert (
            await gateway.send_callback(
                gateway.callback_fields("room-created", "RM1"), auth_token="not the token"
            )
            == 403
        )
        async with grpc.aio.insecure_channel(gateway.ready["grpc"], (OWN_CONNECTION,)) as channel:
            stub: Any = stubs.RoomServiceStub(channel)
            with suppress(grpc.aio.AioRpcError):
                await stub.GetRoom(pb.GetRoomRequest(room="RM1"))
        async with gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",)
        ) as socket:
            await socket.send_str("no JSON")
            await socket.receive()
        await asyncio.sleep(self.rng.uniform(0, 1))


def _check_payload(payload: Any) -> None:
    """Raises EOFError for an error, for example after the end of the room."""
    if "errors" in payload or not isinstance(payload, dict):
        raise EOFError(payload)


OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
"""Without this option, the channels of a process share one connection."""


async def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES") or 60)
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(2**32))
    if minutes < MIN_MINUTES:
        print(
            f"SOAK_MINUTES is {minutes:g}; it must be at least {MIN_MINUTES} to measure a slope",
            file=sys.stderr,
        )
        return 2
    print(f"{minutes:g} minutes of churn; the first half is warm-up; seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            observed = await _start(stack, Path(folder))
            baseline, samples, churn = await _soak(observed, minutes * 60, random.Random(seed))
            after = await _wait_until_idle(observed, baseline)
    return _report(minutes, seed, baseline, samples, after, churn)


async def _start(stack: AsyncExitStack, folder: Path) -> ObservedGateway:
    sandbox = await stack.enter_async_context(running(folder, ("sandbox", "--sandbox-port", "0")))
    valkey = Valkey(folder / "valkey")
    stack.push_async_callback(valkey.aclose)
    await valkey.start()
    key, port, state_path = await new_api_key(), free_port(), folder / "state.json"
    # The allocator is the environment's choice: see docs/deployment/serve.md.
    allocator = ("LD_PRELOAD", "MALLOC_ARENA_MAX")
    environment = {
        "PATH": os.environ["PATH"],
        **{name: os.environ[name] for name in allocator if name in os.environ},
        "TWILIO_ACCOUNT_SID": sandbox.account_sid,
        "TWILIO_AUTH_TOKEN": sandbox.auth_token,
        "TWILIO_VIDEO_BASE_URL": sandbox.ready["twilio"]["base_url"],
        "GATEWAY_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "GATEWAY_API_KEYS": json.dumps([key["row"]]),
        "GATEWAY_REDIS_URL": f"redis://{LOOPBACK}:{valkey.port}",
        "SOAK_STATE_FILE": str(state_path),
    }
    arguments = ("serve", "--host", LOOPBACK, "--http-port", str(port), "--grpc-port", "0")
    gateway = await stack.enter_async_context(
        running(folder, arguments, environment, module="tests.faults.soak_process")
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
    return ObservedGateway(
        gateway, state_path, valkey, Keys(AccountSid(sandbox.account_sid)).log, ports
    )


async def _soak(
    observed: ObservedGateway, for_s: float, rng: random.Random
) -> tuple[Sample, list[Sample], Churn]:
    baseline = replace(await observed.sample(), at_s=0.0)
    print(HEADER, _row(baseline), sep="\n", flush=True)
    churn, is_over, samples = Churn(observed.gateway, rng), asyncio.Event(), list[Sample]()
    previous_http, since = observed.gateway.http, time.monotonic()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as tasks,
    ):
        observed.gateway.http = http
        tasks.create_task(churn.run(tasks, is_over))
        row_interval_s, next_row_s = for_s / 30, 0.0
        while (now := time.monotonic() - since) < for_s:
            samples.append(await observed.sample(since))
            if now >= next_row_s:
                next_row_s += row_interval_s
                print(_row(samples[-1]), flush=True)
            await asyncio.sleep(SAMPLE_S)
        is_over.set()
    observed.gateway.http = previous_http
    return baseline, samples, churn


async def _wait_until_idle(observed: ObservedGateway, baseline: Sample) -> Sample:
    """Returns the first sample that matches the baseline, or the last one in time."""
    # The reconciler would check rooms that are still live again and again.
    await observed.gateway.sandbox("POST", "/reset")
    give_up_at = time.monotonic() + IDLE_TIMEOUT_S
    while True:
        sample = await observed.sample()
        if _matches_baseline(baseline, sample) or time.monotonic() > give_up_at:
            return sample
        await asyncio.sleep(1)  # each sample costs the gateway some time


def _matches_baseline(baseline: Sample, after: Sample) -> bool:
    return (
        abs(after.files - baseline.files) <= TOLERANCE
        and abs(after.tasks - baseline.tasks) <= TOLERANCE
    )


def _report(
    minutes: float,
    seed: int,
    baseline: Sample,
    samples: Sequence[Sample],
    after: Sample,
    churn: Churn,
) -> int:
    after_warm_up = [sample for sample in samples if sample.at_s > minutes * 60 / 2]
    slope = theil_sen(
        [
            (at / 3600, rss / MB)
            for at, rss in window_minimums(
                [(sample.at_s, sample.rss) for sample in after_warm_up], WINDOW_S
            )
        ]
    )
    objects = theil_sen([(sample.at_s / 3600, sample.objects) for sample in after_warm_up])
    finished = ", ".join(f"{count:,} {kind}" for kind, count in sorted(churn.finished.items()))
    print(f"\ndone: {finished}; {after.log:,} events\nfailed: {dict(churn.failed) or 'none'}")
    print(
        f"memory: {_interval(slope, '.2f')} MB/h over "
        f"{(after_warm_up[-1].at_s - after_warm_up[0].at_s) / 60:.0f} min after the warm-up"
    )
    print(f"Python objects: {_interval(objects, ',.0f')} per hour")
    print(f"open before: {dict(baseline.open)}, after all clients left: {dict(after.open)}")
    print(
        f"files {baseline.files} → {after.files}, tasks {baseline.tasks} → {after.tasks} after all "
        "clients left"
    )
    print(f"\n{_table(samples)}\n")
    rss_mb = samples[-1].rss / MB
    figures = (
        f"{_interval(slope, '.2f')} MB/h, {rss_mb:.0f} MB at the end; "
        f"files {baseline.files} → {after.files}, tasks {baseline.tasks} → {after.tasks}"
    )
    print(f"| P22: {minutes:g} minutes of churn, {finished} | {figures} | {seed} |")
    holds = (
        slope.value <= SLOPE_LIMIT_MB_H
        and rss_mb <= RSS_LIMIT_MB
        and _matches_baseline(baseline, after)
    )
    print(f"P22 {'holds' if holds else 'fails'}")
    return 0 if holds else 1


def _interval(slope: Slope, form: str) -> str:
    return f"{slope.value:{form}} (95 %: {slope.low:{form}} to {slope.high:{form}})"


HEADER = "   min   RSS MB  files  Redis  tasks    objects       log"


def _row(sample: Sample) -> str:
    return (
        f"{sample.at_s / 60:6.1f} {sample.rss / MB:8.1f} {sample.files:6} {sample.open[REDIS]:6} "
        f"{sample.tasks:6} {sample.objects:10,} {sample.log:9,}"
    )


def _table(samples: Sequence[Sample]) -> str:
    """Returns ten samples as a Markdown table, for docs/reliability/results.md."""
    selected = [samples[round(number * (len(samples) - 1) / 9)] for number in range(10)]
    rows = [
        ["minute", *(f"{sample.at_s / 60:.0f}" for sample in selected)],
        ["---"] * 11,
        ["RSS, MB", *(f"{sample.rss / MB:.1f}" for sample in selected)],
        ["open files", *(str(sample.files) for sample in selected)],
        ["tasks", *(str(sample.tasks) for sample in selected)],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
