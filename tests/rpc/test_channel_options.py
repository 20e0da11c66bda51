"""The effect of each option, on the whole server.

A setting of a library that nothing reads makes no error: only its effect proves it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.channel_options import ConnectionTimings, channel_options
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.http2 import ACK, GOAWAY, PING, Frame, http2_client, message, open_call
from tests.rpc.test_server import build, connected, serving, status_of

from .conftest import METADATA

WAIT_S = 30
SHORT_S = 0.02
GET_ROOM = "/rooms_gateway.v1.RoomService/GetRoom"
WATCH = "/grpc.health.v1.Health/Watch"
PINGS = 20


async def so_reuseport(authenticator: Authenticator) -> None:
    async with serving(authenticator, is_port_shared=True) as server:
        address = f"127.0.0.1:{server.port}"
        assert build(authenticator, address, is_port_shared=True).port == server.port
    async with serving(authenticator) as server:
        with pytest.raises(RuntimeError, match="bind"):
            build(authenticator, f"127.0.0.1:{server.port}")


async def max_receive_message_length(authenticator: Authenticator) -> None:
    async with serving(authenticator) as server, connected(server) as channel:
        get: Any = channel.unary_unary(GET_ROOM)
        call = get(bytes(65_536), metadata=METADATA)
        assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
        call = get(bytes(65_537), metadata=METADATA)
        assert await status_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def absolute_max_metadata_size(authenticator: Authenticator) -> None:
    """No call below the limit is rejected."""
    async with serving(authenticator) as server, connected(server) as channel:
        get: Any = channel.unary_unary(GET_ROOM)
        for _ in range(20):
            call = get(b"\xff", metadata=(*METADATA, ("x", "y" * 7_400)))
            assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
        call = get(b"\xff", metadata=(*METADATA, ("x", "y" * 8_192)))
        assert await status_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "hard limit" in await call.details()


async def max_concurrent_streams(authenticator: Authenticator) -> None:
    async with serving(authenticator) as server, connected(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        watches = [health.Watch(request, timeout=WAIT_S) for _ in range(100)]
        for watch in watches:
            await watch.read()
        one_more = health.Check(request, timeout=SHORT_S)
        assert await status_of(one_more) is grpc.StatusCode.DEADLINE_EXCEEDED
        watches[0].cancel()
        await health.Check(request, timeout=WAIT_S)


async def server_handshake_timeout(authenticator: Authenticator) -> None:
    timings = ConnectionTimings(handshake_s=SHORT_S)
    async with serving(authenticator, timings=timings) as server, http2_client(server.port) as raw:
        await raw.until_closed()


async def keepalive_time(authenticator: Authenticator) -> None:
    """The connection has no calls: the server pings it nevertheless."""
    timings = ConnectionTimings(ping_after_s=SHORT_S)
    async with serving(authenticator, timings=timings) as server, http2_client(server.port) as raw:
        raw.greet()
        await raw.until(PING)


async def ping_timeout(authenticator: Authenticator) -> None:
    """The client's kernel acknowledges the ping, but the client does not answer it."""
    timings = ConnectionTimings(ping_after_s=SHORT_S, ping_timeout_s=SHORT_S)
    for frames in ((), (open_call(WATCH), message(b""))):
        async with (
            serving(authenticator, timings=timings) as server,
            http2_client(server.port) as raw,
        ):
            raw.greet()
            raw.send(*frames)
            assert PING in {frame.type for frame in await raw.until_closed()}


async def min_ping_interval(authenticator: Authenticator) -> None:
    """The third early ping closes the connection, unless pings may come at once."""
    pings = [Frame(PING, payload=bytes(8))] * PINGS
    async with serving(authenticator) as server, http2_client(server.port) as raw:
        raw.greet()
        raw.send(*pings)
        [away] = [frame for frame in await raw.until_closed() if frame.type == GOAWAY]
        assert away.payload.endswith(b"too_many_pings")
    timings = ConnectionTimings(min_ping_interval_s=0)
    async with serving(authenticator, timings=timings) as server, http2_client(server.port) as raw:
        raw.greet()
        raw.send(*pings)
        for _ in pings:
            await raw.until(PING, ACK)


async def max_connection_age(authenticator: Authenticator) -> None:
    timings = ConnectionTimings(max_age_s=SHORT_S)
    async with serving(authenticator, timings=timings) as server, http2_client(server.port) as raw:
        raw.greet()
        assert (await raw.until(GOAWAY)).payload.endswith(b"max_age")


async def max_connection_age_grace(authenticator: Authenticator) -> None:
    """The client has an open stream, and answers the ping that follows the GOAWAY."""
    timings = ConnectionTimings(max_age_s=SHORT_S, max_age_grace_s=SHORT_S)
    async with serving(authenticator, timings=timings) as server, http2_client(server.port) as raw:
        raw.greet()
        raw.send(open_call(WATCH), message(b""))
        async for frame in raw.frames():
            if (frame.type, frame.flags) == (PING, 0):
                raw.send(Frame(PING, ACK, payload=frame.payload))


EFFECTS: Final[dict[str, Callable[[Authenticator], Awaitable[None]]]] = {
    "grpc.so_reuseport": so_reuseport,
    "grpc.max_receive_message_length": max_receive_message_length,
    "grpc.absolute_max_metadata_size": absolute_max_metadata_size,
    "grpc.max_concurrent_streams": max_concurrent_streams,
    "grpc.server_handshake_timeout_ms": server_handshake_timeout,
    "grpc.keepalive_time_ms": keepalive_time,
    "grpc.keepalive_permit_without_calls": keepalive_time,
    "grpc.http2.ping_timeout_ms": ping_timeout,
    "grpc.http2.min_ping_interval_without_data_ms": min_ping_interval,
    "grpc.max_connection_age_ms": max_connection_age,
    "grpc.max_connection_age_grace_ms": max_connection_age_grace,
}
"""What shows that gRPC reads an option."""


def test_every_option_has_a_proof_of_its_effect() -> None:
    options = channel_options(ConnectionTimings(), is_port_shared=False)

    assert {name for name, _ in options} == set(EFFECTS)


@pytest.mark.parametrize("name", EFFECTS)
async def test_an_option_has_its_effect(authenticator: Authenticator, name: str) -> None:
    await EFFECTS[name](authenticator)


@pytest.mark.long
async def test_a_client_may_ping_every_ten_seconds_on_a_quiet_stream(
    authenticator: Authenticator,
) -> None:
    options = (("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1))
    async with (
        serving(authenticator) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        with pytest.raises(TimeoutError):  # the stream neither ends nor fails
            async with asyncio.timeout(60):
                await watch.read()
