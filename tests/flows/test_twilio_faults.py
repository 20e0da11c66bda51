"""What each face answers when Twilio fails, in each way that it can.

The table is printed (`-s`), as the README has it.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.sandbox import Quotas, Sandbox
from gateway.sandbox.faults.injector import Fault
from gateway.sandbox.world.model import RoomSettings
from tests.faults.nemesis import free_port, new_api_key
from tests.flows.test_quota import READ
from tests.rpc.client import Client, clients_on
from tests.running import Gateway, first_matching, new_name, running

DEADLINE_S = 1.0
PLENTY = 5_000
# What is not answered in time costs the whole of it, so those are asked all at once; they tell the breakers nothing.
AT_ONCE = ("timeout", "one byte a second", "429", "429, Retry-After")

FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "503": {"status": 503},
    "503, Retry-After": {"status": 503, "retry_after_s": 7},
    "reset before": {"hang_up": "before"},
    "reset after": {"hang_up": "after"},
    "malformed JSON": {"malformed": True},
    "wrong type": {"answer": "wrong_type"},
    "10 MB body": {"answer": "huge"},
    "truncated gzip": {"answer": "truncated_gzip"},
    "redirect elsewhere": {"answer": "redirect"},
    "foreign next_page_url": {"answer": "foreign_next_page"},
    "timeout": {"latency_ms": 2_500},
    "one byte a second": {"answer": "drip"},
    "429": {"status": 429},
    "429, Retry-After": {"status": 429, "retry_after_s": 1.5},
}

OK, STALE = "ok", "ok, stale"
UNAVAILABLE = "UPSTREAM_UNAVAILABLE, retry"
LATER = "UPSTREAM_UNAVAILABLE, retry after"
TIMEOUT = "DEADLINE_EXCEEDED, retry"
QUOTA = "QUOTA_EXCEEDED, retry after"
UNKNOWN = "OUTCOME_UNKNOWN"

KINDS = ("cold read", "warm read", "list", "completeRoom", "createRoom")
ANSWERS: dict[str, tuple[str, str, str, str, str]] = {
    "500": (UNAVAILABLE, STALE, UNAVAILABLE, UNAVAILABLE, UNKNOWN),
    "503": (UNAVAILABLE, STALE, UNAVAILABLE, UNAVAILABLE, UNKNOWN),
    "503, Retry-After": (LATER, STALE, LATER, LATER, UNKNOWN),
    "reset before": (UNAVAILABLE, STALE, UNAVAILABLE, UNKNOWN, UNKNOWN),
    "reset after": (UNAVAILABLE, STALE, UNAVAILABLE, UNKNOWN, UNKNOWN),
    "malformed JSON": (UNAVAILABLE, STALE, UNAVAILABLE, UNAVAILABLE, UNKNOWN),
    "wrong type": (UNAVAILABLE, STALE, UNAVAILABLE, UNAVAILABLE, UNKNOWN),
    "10 MB body": (UNAVAILABLE, STALE, UNAVAILABLE, UNKNOWN, UNKNOWN),
    "truncated gzip": (UNAVAILABLE, STALE, UNAVAILABLE, UNKNOWN, UNKNOWN),
    "redirect elsewhere": (UNAVAILABLE, STALE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE),
    "foreign next_page_url": (OK, OK, OK, OK, OK),
    "timeout": (TIMEOUT, STALE, TIMEOUT, UNKNOWN, UNKNOWN),
    "one byte a second": (TIMEOUT, STALE, TIMEOUT, UNKNOWN, UNKNOWN),
    "429": (QUOTA, STALE, QUOTA, QUOTA, QUOTA),
    "429, Retry-After": (QUOTA, STALE, QUOTA, QUOTA, QUOTA),
}
# GraphQL has other words for some codes of the tree.
GRAPHQL = {"GATEWAY_TIMEOUT": "DEADLINE_EXCEEDED"}


@dataclass
class Elsewhere:
    """Where no call of ours should ever come."""

    url: str = ""
    heard: list[bytes] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(65_536))
        writer.close()


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    place = Elsewhere()
    async with await asyncio.start_server(place.take, "127.0.0.1", 0) as server:
        place.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield place


@dataclass
class Scene:
    gateway: Gateway
    rooms: Client
    sandbox: Sandbox
    callbacks: str
    slowest_s: float = 0.0

    def make(self) -> str:
        settings = RoomSettings(unique_name=new_name(), status_callback=self.callbacks)
        return str(self.sandbox.world.create_room(self.sandbox.account_sid, settings).sid)

    async def warm(self, count: int) -> list[str]:
        """Rooms that were read so soon after an event that the answer is not fresh for long; after that it may stand in for
        Twilio's silence."""
        async with self.gateway.subscribe_sse(
            "subscription { roomEvents { ... on RoomEvent { roomSid } } }"
        ) as messages:
            await anext(messages)
            made = [self.make() for _ in range(count)]
            await first_matching(messages, lambda message: message[1].get("roomSid") == made[-1])
        for room in made:
            await self.gateway.execute(READ, ref=room)
        read_at = time.monotonic()
        await asyncio.sleep(
            read_at + 1.05 - time.monotonic()
        )  # their age is all there is to wait for
        return made

    async def be_well(self, *documents: str) -> None:
        """A call of the kind is answered, so that nothing of the faults before is left."""
        for document in documents:
            async with asyncio.timeout(10):
                while "errors" in (await self.gateway.post(document, {"ref": self.make()})).body:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # a pause after a 429 is waited out

    async def graphql(self, document: str, variables: dict[str, Any]) -> str:
        begun = time.monotonic()
        body = (await self.gateway.post(document, variables)).body
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        if "errors" not in body:
            return (
                STALE
                if '"isStale": true' in str(body).replace("'", '"').replace("True", "true")
                else OK
            )
        told = body["errors"][0]["extensions"]
        return answer(
            GRAPHQL.get(told["code"], told["code"]), told["retryable"], "retryAfterMs" in told
        )

    async def grpc(self, call: Awaitable[Any]) -> str:
        begun = time.monotonic()
        try:
            said = str(await call)
        except grpc.aio.AioRpcError as error:
            return refused(error)
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        return STALE if "is_stale: true" in said else OK


def refused(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    # gRPC has no word for it: a client repeats what its own policy names.
    is_retryable = info.reason != UNKNOWN
    return answer(info.reason, is_retryable, any(detail.Unpack(retry) for detail in status.details))


def answer(code: str, is_retryable: bool, is_timed: bool) -> str:
    return code + (", retry" if is_retryable else "") + (" after" if is_timed else "")


COMPLETE = "mutation($ref: ID!) { completeRoom(ref: $ref) { sid } }"
CREATE = "mutation { createRoom(input: {}) { sid } }"
SEEN = "query($ref: ID!) { room(ref: $ref) { sid freshness { isStale } } }"
LIST = "query($name: String!) { rooms(uniqueName: $name) { nodes { sid freshness { isStale } } } }"
Case = Callable[[], Awaitable[str]]


def cases(scene: Scene, warm: list[str]) -> dict[tuple[str, str], Case]:
    """By face and kind. Each asks for something of its own, so that none is answered from what another one left."""
    rooms = [scene.make() for _ in range(4)]
    return {
        ("GraphQL", "cold read"): lambda: scene.graphql(SEEN, {"ref": rooms[0]}),
        ("GraphQL", "warm read"): lambda: scene.graphql(SEEN, {"ref": warm[0]}),
        ("GraphQL", "list"): lambda: scene.graphql(LIST, {"name": new_name()}),
        ("GraphQL", "completeRoom"): lambda: scene.graphql(COMPLETE, {"ref": rooms[1]}),
        ("GraphQL", "createRoom"): lambda: scene.graphql(CREATE, {}),
        ("gRPC", "cold read"): lambda: scene.grpc(scene.rooms.GetRoom(room=rooms[2])),
        ("gRPC", "warm read"): lambda: scene.grpc(scene.rooms.GetRoom(room=warm[1])),
        ("gRPC", "list"): lambda: scene.grpc(scene.rooms.ListRooms(unique_name=new_name())),
        ("gRPC", "completeRoom"): lambda: scene.grpc(scene.rooms.CompleteRoom(room=rooms[3])),
        ("gRPC", "createRoom"): lambda: scene.grpc(scene.rooms.CreateRoom()),
    }


@asynccontextmanager
async def create_scenario(folder: Path) -> AsyncIterator[Scene]:
    async with Sandbox(quotas=Quotas(PLENTY, PLENTY)) as sandbox:
        key, port = await new_api_key(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.url,
            "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "GATEWAY_API_KEYS": json.dumps([key["row"]]),
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_READ_QUOTA": str(PLENTY),
            "GATEWAY_WRITE_QUOTA": str(PLENTY),
            "GATEWAY_DEADLINE_S": str(DEADLINE_S),
            # Its calls are none of the callers', and would tell the breaker about Twilio too.
            "GATEWAY_RECONCILE": "0",
        }
        arguments = ("serve", "--host", "127.0.0.1", "--http-port", str(port), "--grpc-port", "0")
        async with running(folder, arguments, environment) as gateway:
            gateway.auth = {"Authorization": f"Bearer {key['api_key']}"}
            metadata = (("authorization", gateway.auth["Authorization"]),)
            async with gateway.channel() as channel:
                rooms = clients_on(channel, metadata).rooms
                yield Scene(gateway, rooms, sandbox, gateway.ready["callbacks"])


async def test_each_fault_of_twilio_is_answered_alike_on_each_face(tmp_path: Path) -> None:
    table: dict[str, dict[tuple[str, str], str]] = {}
    async with elsewhere() as place, create_scenario(tmp_path) as scene:
        warm = await scene.warm(2 * len(FAULTS))
        for number, (name, fault) in enumerate(FAULTS.items()):
            asked = cases(scene, warm[2 * number : 2 * number + 2])
            strike = Fault(**fault, elsewhere=place.url)
            if name in AT_ONCE:
                scene.sandbox.faults.add(strike)
                answers = await asyncio.gather(*(case() for case in asked.values()))
                table[name] = dict(zip(asked, answers, strict=True))
                scene.sandbox.faults.clear()
            else:
                table[name] = {}
                for which, case in asked.items():
                    scene.sandbox.faults.add(strike)
                    table[name][which] = await case()
                    scene.sandbox.faults.clear()
                    await scene.be_well(
                        COMPLETE if which[1] in ("completeRoom", "createRoom") else READ
                    )
            if name != list(FAULTS)[-1]:
                await scene.be_well(READ, COMPLETE)
        slowest_s = scene.slowest_s
        # Changes are waited for as long as Twilio drips, which is nothing to see here.
        scene.gateway.process.kill()
        await scene.gateway.process.wait()
    print("\n" + shown(table))
    print(
        f"the slowest answer took {slowest_s:.2f} s of {DEADLINE_S} s; calls elsewhere: {len(place.heard)}"
    )
    expected = {
        name: {
            (face, kind): told
            for face in ("GraphQL", "gRPC")
            for kind, told in zip(KINDS, answers, strict=True)
        }
        for name, answers in ANSWERS.items()
    }
    assert table == expected
    assert place.heard == []


def shown(table: dict[str, dict[tuple[str, str], str]]) -> str:
    """As Markdown; where the faces differ, both are told."""
    lines = [f"| Twilio | {' | '.join(KINDS)} |", f"|---{'|---' * len(KINDS)}|"]
    for name, answers in table.items():
        told = (
            dict.fromkeys(answers[face, kind] for face in ("GraphQL", "gRPC")) for kind in KINDS
        )
        lines.append(f"| {name} | {' | '.join(' / '.join(each) for each in told)} |")
    return "\n".join(lines)
