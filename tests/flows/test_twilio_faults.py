"""The result of each kind of call on each face for each kind of Twilio failure.

The table of results is printed (`-s`).
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
from tests.running import Gateway, first_matching, new_name, payload_errors, running

# Long enough for the retries of a fault that answers at once, on a busy machine too.
DEADLINE_S = 2.0
UNLIMITED = 5_000
# With these faults each call takes its whole deadline, so the calls run concurrently.
# These faults do not affect the circuit breakers.
CONCURRENT = ("timeout", "one byte a second", "429", "429, Retry-After")

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
    "timeout": {"latency_ms": 5_000},
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

CALL_KINDS = ("cold read", "warm read", "list", "completeRoom", "createRoom")
EXPECTED: dict[str, tuple[str, str, str, str, str]] = {
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
# GraphQL has other names for some error codes.
GRAPHQL = {"GATEWAY_TIMEOUT": "DEADLINE_EXCEEDED"}


@dataclass
class ForeignHost:
    """A host that must never receive a request."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.read(65_536))
        writer.close()


@asynccontextmanager
async def running_foreign_host() -> AsyncIterator[ForeignHost]:
    foreign_host = ForeignHost()
    async with await asyncio.start_server(foreign_host.handle, "127.0.0.1", 0) as server:
        foreign_host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield foreign_host


@dataclass
class FaultSetup:
    gateway: Gateway
    rooms: Client
    sandbox: Sandbox
    callbacks: str
    slowest_s: float = 0.0

    def make(self) -> str:
        settings = RoomSettings(unique_name=new_name(), status_callback=self.callbacks)
        return str(self.sandbox.world.create_room(self.sandbox.account_sid, settings).sid)

    async def warm(self, count: int) -> list[str]:
        """Creates rooms and reads each of them into the cache.

        The rooms are read right after an event, so that the cached answer is fresh for
        about a second only. After that it may be returned as stale if Twilio fails.
        """
        async with self.gateway.subscribe_sse(
            "subscription { roomEvents { ... on RoomEvent { room { sid } } } }"
        ) as messages:
            await anext(messages)
            rooms = [self.make() for _ in range(count)]
            await first_matching(
                messages, lambda message: message[1].get("room") == {"sid": rooms[-1]}
            )
        for room in rooms:
            await self.gateway.execute(READ, ref=room)
        read_at = time.monotonic()
        await asyncio.sleep(read_at + 1.05 - time.monotonic())  # the cached answers must expire
        return rooms

    async def wait_for_recovery(self, *documents: str) -> None:
        """Waits until these calls succeed: no effect of an earlier fault remains."""
        for document in documents:
            async with asyncio.timeout(10):
                while "errors" in (await self.gateway.post(document, {"ref": self.make()})).body:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # the pause after a 429 must end

    async def graphql(self, document: str, variables: dict[str, Any]) -> str:
        begun = time.monotonic()
        body = (await self.gateway.post(document, variables)).body
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        if "errors" not in body and (told := payload_errors(body["data"])):
            return str(told[0]["code"])
        if "errors" not in body:
            return (
                STALE
                if '"isStale": true' in str(body).replace("'", '"').replace("True", "true")
                else OK
            )
        extensions = body["errors"][0]["extensions"]
        return describe(
            GRAPHQL.get(extensions["code"], extensions["code"]),
            extensions["retryable"],
            "retryAfterMs" in extensions,
        )

    async def grpc(self, call: Awaitable[Any]) -> str:
        begun = time.monotonic()
        try:
            message = str(await call)
        except grpc.aio.AioRpcError as error:
            return grpc_outcome(error)
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        return STALE if "stale: true" in message else OK


def grpc_outcome(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    # gRPC has no such field: the client's own policy decides what it retries.
    is_retryable = info.reason != UNKNOWN
    return describe(
        info.reason, is_retryable, any(detail.Unpack(retry) for detail in status.details)
    )


def describe(code: str, is_retryable: bool, is_timed: bool) -> str:
    return code + (", retry" if is_retryable else "") + (" after" if is_timed else "")


COMPLETE = """mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { room { sid } errors
    { code message field } } }"""
CREATE = "mutation { createRoom(input: {}) { room { sid } errors { code message field } } }"
READ_FRESHNESS = "query($ref: ID!) { room(ref: {sid: $ref}) { sid freshness { isStale } } }"
LIST = (
    "query($name: String!) { rooms(filter: {uniqueName: $name}) "
    "{ nodes { sid freshness { isStale } } } }"
)
Case = Callable[[], Awaitable[str]]


def cases(setup: FaultSetup, warm: list[str]) -> dict[tuple[str, str], Case]:
    """Returns the calls by face and kind.

    Each call has its own rooms, so that none is affected by the result of another.
    """
    rooms = [setup.make() for _ in range(4)]
    return {
        ("GraphQL", "cold read"): lambda: setup.graphql(READ_FRESHNESS, {"ref": rooms[0]}),
        ("GraphQL", "warm read"): lambda: setup.graphql(READ_FRESHNESS, {"ref": warm[0]}),
        ("GraphQL", "list"): lambda: setup.graphql(LIST, {"name": new_name()}),
        ("GraphQL", "completeRoom"): lambda: setup.graphql(COMPLETE, {"ref": rooms[1]}),
        ("GraphQL", "createRoom"): lambda: setup.graphql(CREATE, {}),
        ("gRPC", "cold read"): lambda: setup.grpc(setup.rooms.GetRoom(room=rooms[2])),
        ("gRPC", "warm read"): lambda: setup.grpc(setup.rooms.GetRoom(room=warm[1])),
        ("gRPC", "list"): lambda: setup.grpc(setup.rooms.ListRooms(unique_name=new_name())),
        ("gRPC", "completeRoom"): lambda: setup.grpc(setup.rooms.CompleteRoom(room=rooms[3])),
        ("gRPC", "createRoom"): lambda: setup.grpc(setup.rooms.CreateRoom()),
    }


@asynccontextmanager
async def fault_setup(folder: Path) -> AsyncIterator[FaultSetup]:
    async with Sandbox(quotas=Quotas(UNLIMITED, UNLIMITED)) as sandbox:
        key, port = await new_api_key(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "TWILIO_ACCOUNT_SID": sandbox.account_sid,
            "TWILIO_AUTH_TOKEN": sandbox.auth_token,
            "TWILIO_VIDEO_BASE_URL": sandbox.url,
            "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "GATEWAY_API_KEYS": json.dumps([key["row"]]),
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_READ_QUOTA": str(UNLIMITED),
            "GATEWAY_WRITE_QUOTA": str(UNLIMITED),
            "GATEWAY_DEADLINE_S": str(DEADLINE_S),
            # Reconciliation would also send requests and affect the circuit breaker.
            "GATEWAY_RECONCILE": "0",
        }
        arguments = ("serve", "--host", "127.0.0.1", "--http-port", str(port), "--grpc-port", "0")
        async with running(folder, arguments, environment) as gateway:
            gateway.auth = {"Authorization": f"Bearer {key['api_key']}"}
            metadata = (("authorization", gateway.auth["Authorization"]),)
            async with gateway.channel() as channel:
                rooms = clients_on(channel, metadata).rooms
                yield FaultSetup(gateway, rooms, sandbox, gateway.ready["callbacks"])


async def test_each_twilio_fault_has_the_same_result_on_each_face(tmp_path: Path) -> None:
    table: dict[str, dict[tuple[str, str], str]] = {}
    async with running_foreign_host() as foreign_host, fault_setup(tmp_path) as setup:
        warm = await setup.warm(2 * len(FAULTS))
        for number, (name, fault) in enumerate(FAULTS.items()):
            calls = cases(setup, warm[2 * number : 2 * number + 2])
            fault_to_inject = Fault(**fault, elsewhere=foreign_host.url)
            if name in CONCURRENT:
                setup.sandbox.faults.add(fault_to_inject)
                outcomes = await asyncio.gather(*(case() for case in calls.values()))
                table[name] = dict(zip(calls, outcomes, strict=True))
                setup.sandbox.faults.clear()
            else:
                table[name] = {}
                for case_key, case in calls.items():
                    setup.sandbox.faults.add(fault_to_inject)
                    table[name][case_key] = await case()
                    setup.sandbox.faults.clear()
                    await setup.wait_for_recovery(
                        COMPLETE if case_key[1] in ("completeRoom", "createRoom") else READ
                    )
            if name != list(FAULTS)[-1]:
                await setup.wait_for_recovery(READ, COMPLETE)
        slowest_s = setup.slowest_s
        # The gateway would wait for its mutations until the slow responses end.
        setup.gateway.process.kill()
        await setup.gateway.process.wait()
    print("\n" + markdown_table(table))
    print(
        f"the slowest call took {slowest_s:.2f} s of {DEADLINE_S} s; "
        f"requests to the foreign host: {len(foreign_host.requests)}"
    )
    expected = {
        name: {
            (face, kind): extensions
            for face in ("GraphQL", "gRPC")
            for kind, extensions in zip(CALL_KINDS, outcomes, strict=True)
        }
        for name, outcomes in EXPECTED.items()
    }
    assert table == expected
    assert foreign_host.requests == []


def markdown_table(table: dict[str, dict[tuple[str, str], str]]) -> str:
    """Returns a Markdown table. If the faces differ, a cell has both results."""
    lines = [f"| Twilio | {' | '.join(CALL_KINDS)} |", f"|---{'|---' * len(CALL_KINDS)}|"]
    for name, outcomes in table.items():
        cells = (
            dict.fromkeys(outcomes[face, kind] for face in ("GraphQL", "gRPC"))
            for kind in CALL_KINDS
        )
        lines.append(f"| {name} | {' | '.join(' / '.join(cell) for cell in cells)} |")
    return "\n".join(lines)
