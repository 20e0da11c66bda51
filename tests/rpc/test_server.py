import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from gateway.rpc.pipeline import Pipeline
from gateway.rpc.server import RpcServer
from gateway.rpc.servicers import SERVICE_NAMES, Servicers
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.rpc.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    Frame,
    http2_client,
    open_call,
)

from .conftest import METADATA

ROOT = Path(__file__).parents[2]
WAIT_S = 30
BUF = Path(sys.executable).with_name("buf")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
METHODS = [
    f"/{name}/{method.name}"
    for name in SERVICE_NAMES
    for method in Default().FindServiceByName(name).methods
]


def build(authenticator: Authenticator, address: str, **options: Any) -> RpcServer:
    return RpcServer(Pipeline(authenticator, CallerLimiter()), Servicers({}), address, **options)


@asynccontextmanager
async def serving(
    authenticator: Authenticator, address: str = "127.0.0.1:0", **options: Any
) -> AsyncIterator[RpcServer]:
    server = build(authenticator, address, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


@asynccontextmanager
async def connected(server: RpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture(scope="module")
async def server(authenticator: Authenticator) -> AsyncIterator[RpcServer]:
    async with serving(authenticator) as server:
        yield server


@pytest.fixture
async def channel(server: RpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with connected(server) as channel:
        yield channel


async def buf_curl(server: RpcServer, *arguments: str) -> tuple[int, str]:
    """Returns the exit status and the output."""
    url = f"http://127.0.0.1:{server.port}"
    process = await asyncio.create_subprocess_exec(
        *(str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments, url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code()


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_rejects_a_call_without_credentials(
    channel: grpc.aio.Channel, method: str
) -> None:
    start: Any = channel.unary_stream(method)
    call = start(b"", timeout=WAIT_S)

    assert await status_of(call.read()) is grpc.StatusCode.UNAUTHENTICATED
    info = error_details_pb2.ErrorInfo()
    assert (await rpc_status.aio.from_call(call)).details[0].Unpack(info)
    assert info.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "method", [*METHODS, *(f"/grpc.health.v1.Health/{name}" for name in ("Check", "Watch", "List"))]
)
async def test_every_method_rejects_a_call_without_a_message(
    channel: grpc.aio.Channel, method: str
) -> None:
    start: Any = channel.stream_unary(method)
    call = start(iter(()), metadata=METADATA, timeout=WAIT_S)

    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "the call has no message: send one"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", b"3"),
        (b"\0\0", b"3"),
        (b"\0\0\0\0\x0aabc", b"3"),
        (b"\1\0\0\0\1a", b"13"),
        (b"\0\xff\xff\xff\xffab", b"8"),
    ],
    ids=["empty", "half a prefix", "half a message", "compressed", "too long"],
)
@pytest.mark.parametrize("method", ["GetRoom", "WatchRoom"])
async def test_a_call_whose_message_is_broken_is_answered(
    server: RpcServer, method: str, data: bytes, status: bytes
) -> None:
    async with http2_client(server.port) as client:
        client.greet()
        client.send(
            open_call(f"/rooms_gateway.v1.RoomService/{method}", metadata=dict(METADATA)),
            Frame(DATA, END_STREAM, 1, data),
        )
        trailers = await client.until(HEADERS, END_STREAM | END_HEADERS)
    # The length of the value, then the value.
    assert b"grpc-status%c%b" % (len(status), status) in trailers.payload


@pytest.mark.parametrize("service", ["", *SERVICE_NAMES])
async def test_health_answers_without_credentials(channel: grpc.aio.Channel, service: str) -> None:
    response = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service)
    )

    assert response.status == SERVING


async def test_stop_reports_not_serving_and_cancels_calls_after_the_grace_period(
    authenticator: Authenticator,
) -> None:
    async with serving(authenticator) as server, connected(server) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=WAIT_S
        )
        assert (await watch.read()).status == SERVING

        await asyncio.wait_for(server.stop(0.01), WAIT_S)

        assert (await watch.read()).status == NOT_SERVING
        assert await status_of(watch.read()) in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.CANCELLED,
        )


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_describes_every_service_that_it_lists(
    channel: grpc.aio.Channel, version: str
) -> None:
    conversation: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(timeout=WAIT_S)
    await conversation.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = [
        service.name for service in (await conversation.read()).list_services_response.service
    ]
    assert listed == sorted(
        [*SERVICE_NAMES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    )

    for name in listed:
        await conversation.write(
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
        )
        assert (await conversation.read()).file_descriptor_response.file_descriptor_proto
    await conversation.done_writing()


@pytest.mark.parametrize("protocol", ["grpc-v1", "grpc-v1alpha"])
async def test_buf_curl_finds_every_method_by_reflection(server: RpcServer, protocol: str) -> None:
    status, output = await buf_curl(server, "--reflect-protocol", protocol, "--list-methods")

    assert status == 0, output
    assert {method.removeprefix("/") for method in METHODS} <= set(output.split())


async def test_reflection_can_be_disabled(authenticator: Authenticator) -> None:
    async with serving(authenticator, has_reflection=False) as server, connected(server) as channel:
        method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        call: Any = channel.stream_stream(method)(timeout=WAIT_S)

        assert await status_of(call.read()) is grpc.StatusCode.UNIMPLEMENTED


async def test_a_port_in_use_raises_runtime_error(
    authenticator: Authenticator, server: RpcServer
) -> None:
    with pytest.raises(RuntimeError, match="bind"):
        build(authenticator, f"127.0.0.1:{server.port}")
