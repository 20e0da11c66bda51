"""The service config of the Python stubs, in a real channel."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.rpc.interceptor import Interceptor
from gateway.rpc.pipeline import Pipeline
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_service_pb2_grpc import (
    RoomServiceServicer,
    RoomServiceStub,
    add_RoomServiceServicer_to_server,
)
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.rpc.conftest import METADATA

CONFIG = (
    Path(__file__).parents[2] / "clients/python-stubs/rooms_gateway/v1/service_config.json"
).read_text()
LIMIT_S = 30


class FailingService(RoomServiceServicer):
    """Fails the first `failures` calls as the gateway does when Twilio is away."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def GetRoom(  # noqa: N802
        self, request: pb.GetRoomRequest, context: Any
    ) -> pb.GetRoomResponse:
        self._fail()
        return pb.GetRoomResponse()

    async def CreateRoom(  # noqa: N802
        self, request: pb.CreateRoomRequest, context: Any
    ) -> pb.CreateRoomResponse:
        self._fail()
        return pb.CreateRoomResponse()

    def _fail(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise UpstreamUnavailable("Twilio does not answer: retry")


@pytest.mark.parametrize(
    ("method", "failures", "calls", "is_ok"),
    [("GetRoom", 3, 4, True), ("GetRoom", 4, 4, False), ("CreateRoom", 1, 1, False)],
)
async def test_only_calls_that_read_are_retried(
    authenticator: Authenticator, method: str, failures: int, calls: int, is_ok: bool
) -> None:
    service = FailingService(failures)
    server = grpc.aio.server(interceptors=[Interceptor(Pipeline(authenticator, CallerLimiter()))])
    add_RoomServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    config = json.loads(CONFIG)
    config["methodConfig"][0]["retryPolicy"] |= {"initialBackoff": "0.01s", "maxBackoff": "0.01s"}
    options = (("grpc.service_config", json.dumps(config)),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        stub: Any = RoomServiceStub  # the generated code has no types
        request = getattr(pb, f"{method}Request")()
        call = getattr(stub(channel), method)(request, metadata=METADATA, timeout=LIMIT_S)
        code = await call.code()
    await server.stop(0)

    assert (code is grpc.StatusCode.OK, service.calls) == (is_ok, calls)


async def test_a_call_that_waits_for_a_connection_outlasts_the_restart_of_a_replica(
    authenticator: Authenticator,
) -> None:
    async def start(address: str) -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server(
            interceptors=[Interceptor(Pipeline(authenticator, CallerLimiter()))]
        )
        add_RoomServiceServicer_to_server(FailingService(0), server)
        port = server.add_insecure_port(address)
        await server.start()
        return server, port

    server, port = await start("127.0.0.1:0")
    options = (
        ("grpc.service_config", CONFIG),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 100),
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        stub: Any = RoomServiceStub  # the generated code has no types
        rooms = stub(channel)
        arguments: dict[str, Any] = {"metadata": METADATA, "timeout": LIMIT_S}
        await rooms.GetRoom(pb.GetRoomRequest(), **arguments)
        await server.stop(0)

        refused = await rooms.GetRoom(pb.GetRoomRequest(), **arguments).code()
        waiting = rooms.GetRoom(pb.GetRoomRequest(), wait_for_ready=True, **arguments)
        server, _ = await start(f"127.0.0.1:{port}")
        code = await waiting.code()
    await server.stop(0)

    assert (refused, code) == (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK)


def test_service_config_has_the_methods_without_side_effects_and_no_hedging() -> None:
    [policy] = json.loads(CONFIG)["methodConfig"]

    assert policy.keys() == {"name", "retryPolicy"}
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    methods = {name["method"] for name in policy["name"]}
    assert {"GetRoom", "ListRooms", "WatchRoomEvents"} <= methods
    assert not methods & {"CreateRoom", "ExplainToken", "MintAccessToken", "DeleteRecording"}
