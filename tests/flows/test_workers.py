"""`serve --workers 2`: two processes on the same ports.

Tests tell them apart by the connections that the kernel lists for each process.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from twilio.request_validator import RequestValidator

from gateway.cli.keys import api_key_row
from tests.flows.test_command_line import run
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_sid, running

PUBLIC_URL = "https://rooms.example"
KEY = "rgk_workers"
WATCH = "subscription($room: ID!) { roomEvents(room: {sid: $room}) { __typename cursor } }"
SERVE = ("serve", "--workers", "2", "--host", "127.0.0.1")
ESTABLISHED = "01"


def environment_of(gateway: Gateway) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "TWILIO_ACCOUNT_SID": gateway.account_sid,
        "TWILIO_AUTH_TOKEN": gateway.auth_token,
        "GATEWAY_PUBLIC_URL": PUBLIC_URL,
        "GATEWAY_API_KEYS": json.dumps([api_key_row("workers", KEY).model_dump(exclude_none=True)]),
    }


@asynccontextmanager
async def serving(gateway: Gateway, folder: Path) -> AsyncIterator[Gateway]:
    """Two workers in front of the session's sandbox, with an embedded server."""
    environment = environment_of(gateway)
    environment |= {
        "TWILIO_VIDEO_BASE_URL": gateway.ready["twilio"]["base_url"],
        "GATEWAY_DATA_DIR": str(folder / "data"),
    }
    async with running(
        folder, (*SERVE, "--http-port", "0", "--grpc-port", "0"), environment
    ) as served:
        served.auth = {"Authorization": f"Bearer {KEY}"}
        served.account_sid, served.auth_token = gateway.account_sid, gateway.auth_token
        yield served


@pytest.fixture(scope="module")
async def served(
    gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    async with serving(gateway, tmp_path_factory.mktemp("workers")) as served:
        yield served


def children(served: Gateway) -> set[int]:
    pid = served.process.pid
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found |= set(map(int, (thread / "children").read_text().split()))
    return found


def workers(served: Gateway) -> set[int]:
    """Returns the children that serve. The embedded server is a child as well."""
    return {pid for pid in children(served) if b"--worker" in command_of(pid)}


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def is_gone(pid: int) -> bool:
    """True also for a process whose exit status was not read yet: it has no command
    line."""
    return not command_of(pid)


def connected_to(pids: set[int], port: int) -> set[int]:
    """Returns the processes that hold an open connection on that port."""
    # gRPC listens on IPv6 sockets, also for IPv4.
    tables = (Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6"))
    rows = (line.split() for lines in tables for line in lines)
    sockets = {
        f"socket:[{row[9]}]"
        for row in rows
        if int(row[1].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED
    }
    return {pid for pid in pids if sockets & files_of(pid)}


def files_of(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            found.add(str(file.readlink()))
    return found


def port_of(served: Gateway, name: str) -> int:
    return int(served.ready[name].removesuffix("/graphql").rsplit(":", 1)[1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - /proc sends no notifications
            await asyncio.sleep(0.01)


async def sockets_on_all_workers(
    served: Gateway, stack: AsyncExitStack
) -> list[aiohttp.ClientWebSocketResponse]:
    """Returns WebSockets, at least one per worker.

    The kernel picks a worker by a hash of the client's address.
    """
    sockets = []
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while (
            len(pids := workers(served)) < 2
            or connected_to(pids, port_of(served, "graphql")) < pids
        ):
            sockets.append(await stack.enter_async_context(served.websocket()))
    return sockets


async def send_callback(served: Gateway, room: str) -> None:
    fields = served.callback_fields("participant-connected", room, ParticipantSid=new_sid("PA"))
    signature = RequestValidator(served.auth_token).compute_signature(
        f"{PUBLIC_URL}/callbacks/twilio", fields
    )
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    async with served.http.post(
        served.ready["callbacks"], data=urlencode(fields), headers=headers
    ) as reply:
        assert reply.status == 204


async def test_subscribers_on_all_workers_receive_a_callback(
    served: Gateway,
) -> None:
    room = new_sid()
    async with AsyncExitStack() as stack:
        sockets = await sockets_on_all_workers(served, stack)
        for socket in sockets:
            payload = {"query": WATCH, "variables": {"room": room}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            started = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
            assert started["payload"]["data"]["roomEvents"]["__typename"] == "StreamStarted"
        await send_callback(served, room)
        events = [
            (await socket.receive_json(timeout=RESPONSE_TIMEOUT_S))["payload"]["data"]
            for socket in sockets
        ]
    assert {event["roomEvents"]["__typename"] for event in events} == {"ParticipantConnected"}
    assert len({event["roomEvents"]["cursor"] for event in events}) == 1


async def test_all_workers_answer_grpc_on_one_port(served: Gateway) -> None:
    async with asyncio.timeout(RESPONSE_TIMEOUT_S), AsyncExitStack() as stack:
        while connected_to(workers(served), port_of(served, "grpc")) < workers(served):
            # Channels to one address share a connection by default.
            options = (("grpc.use_local_subchannel_pool", 1),)
            channel = await stack.enter_async_context(
                grpc.aio.insecure_channel(served.ready["grpc"], options)
            )
            healthy = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest()
            )
            assert healthy.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_killed_worker_is_restarted_and_no_request_fails(served: Gateway) -> None:
    before = workers(served)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    # Connections that the kernel gave to it are reset while it dies.
    await until(lambda: not Path(f"/proc/{victim}").exists())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        for _ in range(10):  # a new connection each time
            async with http.post(
                served.ready["graphql"], json={"query": "{ __typename }"}, headers=served.auth
            ) as reply:
                assert reply.status == 200
    async with AsyncExitStack() as stack:
        await sockets_on_all_workers(served, stack)
    assert len(workers(served) - before) == 1


async def test_a_room_created_on_one_worker_is_readable_on_all(served: Gateway) -> None:
    room = await served.create_room()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        for _ in range(10):
            body = {
                "query": "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }",
                "variables": {"ref": room["sid"]},
            }
            async with http.post(served.ready["graphql"], json=body, headers=served.auth) as reply:
                assert (await reply.json(content_type=None))["data"] == {
                    "room": {"sid": room["sid"]}
                }


async def test_a_second_gateway_on_the_port_does_not_start(served: Gateway) -> None:
    """SO_REUSEPORT alone would give half of the calls to the wrong gateway."""
    ports = ("--http-port", str(port_of(served, "graphql")), "--grpc-port", "0")
    code, _, err = await run(*SERVE, *ports, **environment_of(served))
    assert code == 2
    assert "cannot listen on 127.0.0.1" in err


async def test_workers_that_cannot_start_print_why_and_end_the_parent(served: Gateway) -> None:
    environment = {**environment_of(served), "GATEWAY_REDIS_URL": "redis://127.0.0.1:1"}
    options = ("--http-port", "0", "--grpc-port", "0", "--exit-if-redis-away")
    code, _, err = await run(*SERVE, *options, **environment)
    assert code == 2
    assert "Redis" in err
    assert "a worker could not start" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_p21_workers_end_with_their_parent(
    gateway: Gateway, tmp_path: Path, number: signal.Signals
) -> None:
    async with serving(gateway, tmp_path) as served, AsyncExitStack() as stack:
        pids = workers(served)
        [server] = set(children(served)) - pids
        sockets = await sockets_on_all_workers(served, stack)
        os.kill(served.process.pid, number)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            # All at once: a socket that does not answer the close message soon is cut
            # off.
            close_messages = await asyncio.gather(*(socket.receive() for socket in sockets))
            assert await served.process.wait() == (0 if number is signal.SIGTERM else -number)
        assert {message.data for message in close_messages} == {1001}
        await until(lambda: all(map(is_gone, {*pids, server})))
