"""Connect and gRPC-Web answer as gRPC does, on the HTTP port."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.rpc.calls import CallKind
from gateway.rpc.servicers import SERVICE_NAMES, Servicers
from tests.flows import contract
from tests.flows.operation_calls import OPERATION_CALLS
from tests.flows.scenario import FlowScenario, create_flow_scenario
from tests.rpc.client import Clients
from tests.rpc.http.probe import frame, frames
from tests.rpc.http_client import MEDIA_TYPES, http_clients
from tests.running import Gateway, new_name, new_sid
from tests.sandbox.documents import OPERATIONS

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")
LIMIT_S = 30
[ROOMS] = [name for name in SERVICE_NAMES if name.endswith(".RoomService")]
METHODS = Servicers({}).methods()


def base_of(gateway: Gateway) -> str:
    parts = urlsplit(gateway.ready["graphql"])
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(scope="module")
async def scenarios(gateway: Gateway) -> Mapping[str, FlowScenario]:
    """Equal scenarios: one for each media type, and one for gRPC."""
    return {name: await create_flow_scenario(gateway) for name in (*MEDIA_TYPES, "grpc")}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize(
    "id_", [id_ for id_, operation in OPERATIONS.items() if operation.schema is not None]
)
async def test_every_operation_returns_what_grpc_returns(
    gateway: Gateway,
    clients: Clients,
    scenarios: Mapping[str, FlowScenario],
    media_type: str,
    id_: str,
) -> None:
    calls, operation = OPERATION_CALLS[id_], OPERATIONS[id_]
    by_http = http_clients(gateway.http, base_of(gateway), media_type, gateway.metadata)
    # What a write changes is compared by its shape, for each in a scenario of its own.
    mine = scenarios[media_type if calls.is_write else "grpc"]

    answer = contract.from_grpc(await calls.grpc(by_http, mine))
    if calls.is_write:
        assert answer
        return
    expected = contract.from_grpc(await calls.grpc(clients, mine))
    assert [contract.normalize(operation, item) for item in answer] == [
        contract.normalize(operation, item) for item in expected
    ]


@pytest.mark.parametrize("path", METHODS)
async def test_every_method_rejects_a_call_without_credentials(gateway: Gateway, path: str) -> None:
    is_stream = METHODS[path].kind is CallKind.STREAM
    content_type = "application/connect+json" if is_stream else "application/json"
    async with gateway.http.post(
        base_of(gateway) + path, data=b"{}", headers={"Content-Type": content_type}
    ) as response:
        body = await response.read()
    if is_stream:
        [(flags, end)] = frames(body)
        assert (response.status, flags) == (200, 2)
        error = json.loads(end)["error"]
    else:
        assert response.status == 401
        error = json.loads(body)
    assert error["code"] == "unauthenticated"


async def test_a_read_also_answers_get_and_a_write_does_not(gateway: Gateway) -> None:
    room = await gateway.create_room()
    query = {"encoding": "json", "message": json.dumps({"room": room["sid"]})}
    url = f"{base_of(gateway)}/{ROOMS}"
    async with gateway.http.get(f"{url}/GetRoom", params=query, headers=gateway.auth) as response:
        assert (await response.json())["room"]["sid"] == room["sid"]
    async with gateway.http.get(
        f"{url}/CompleteRoom", params=query, headers=gateway.auth
    ) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_a_stream_of_json_shows_what_happens_and_resumes(gateway: Gateway) -> None:
    room = await gateway.create_room(name := new_name())
    started, *events = await watch(gateway, {"room": room["sid"]}, count=1)
    assert "started" in started
    assert not events

    url = f"{base_of(gateway)}/{ROOMS}/CompleteRoom"
    async with gateway.http.post(url, json={"room": name}, headers=gateway.auth) as response:
        assert response.status == 200, await response.text()

    again, event = await watch(gateway, {"room": room["sid"], "after": started["cursor"]}, count=2)
    assert again["cursor"] == event["prev"] == started["cursor"]
    assert "event" in event


async def watch(gateway: Gateway, request: dict[str, str], count: int) -> list[Any]:
    """Returns the first messages of WatchRoomEvents, and leaves."""
    headers = {**gateway.auth, "Content-Type": "application/connect+json"}
    messages = []
    async with (
        asyncio.timeout(LIMIT_S),
        gateway.http.post(
            f"{base_of(gateway)}/{ROOMS}/WatchRoomEvents",
            data=frame(json.dumps(request).encode()),
            headers=headers,
        ) as response,
    ):
        for _ in range(count):
            head = await response.content.readexactly(5)
            assert head[0] == 0
            size = int.from_bytes(head[1:])
            messages.append(json.loads(await response.content.readexactly(size)))
        response.close()
    return messages


@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
async def test_buf_curl_calls_methods(gateway: Gateway, protocol: str) -> None:
    room = await gateway.create_room()

    status, output = await buf_curl(gateway, protocol, "GetRoom", {"room": room["sid"]})
    assert (status, json.loads(output)["room"]["sid"]) == (0, room["sid"]), output

    status, output = await buf_curl(gateway, protocol, "GetRoom", {"room": new_sid()})
    assert status != 0
    assert "not_found" in output


@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
async def test_buf_curl_follows_a_stream(gateway: Gateway, protocol: str) -> None:
    process = await start_buf_curl(gateway, protocol, "WatchRoomEvents", {})
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            while b'"started"' not in (line := await process.stdout.readline()):
                assert line, "the stream ended early"
    finally:
        process.terminate()
        await process.communicate()


async def buf_curl(
    gateway: Gateway, protocol: str, method: str, request: dict[str, str]
) -> tuple[int, str]:
    """Returns the exit status and the output."""
    process = await start_buf_curl(gateway, protocol, method, request)
    output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def start_buf_curl(
    gateway: Gateway, protocol: str, method: str, request: dict[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(str(BUF), "curl", "--schema", str(ROOT / "protos"), "--protocol", protocol),
        *("--header", f"Authorization: {gateway.auth['Authorization']}"),
        *("--data", json.dumps(request), f"{base_of(gateway)}/{ROOMS}/{method}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
