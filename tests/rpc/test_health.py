"""The health service, from a client of the whole server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.channel_options import STREAMS_PER_CONNECTION
from gateway.rpc.limits import Limits
from gateway.rpc.server import RpcServer
from gateway.rpc.servicers import SERVICE_NAMES
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.http2 import ACK, PING, Frame, http2_client, open_call
from tests.rpc.test_server import connected, serving

WAIT_S = 30
SERVING = health_pb2.HealthCheckResponse.SERVING
PER_NETWORK = Limits().public_streams_per_network


def own_connection(server: RpcServer) -> grpc.aio.Channel:
    """Returns a channel that shares its connection with no other."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options)


@pytest.fixture
async def stub(authenticator: Authenticator) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    async with serving(authenticator) as server, connected(server) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def test_list_tells_the_health_of_every_service(stub: health_pb2_grpc.HealthStub) -> None:
    response = await stub.List(health_pb2.HealthListRequest(), timeout=WAIT_S)

    assert {name: each.status for name, each in response.statuses.items()} == dict.fromkeys(
        ("", *SERVICE_NAMES), SERVING
    )


async def test_an_unknown_service_is_not_found(stub: health_pb2_grpc.HealthStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=WAIT_S)

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_check_is_answered_while_one_client_has_all_its_watches(
    authenticator: Authenticator,
) -> None:
    """Watches of another network are answered too."""
    request = health_pb2.HealthCheckRequest()
    async with serving(authenticator, "[::]:0") as server, AsyncExitStack() as stack:
        stubs = [
            health_pb2_grpc.HealthStub(await stack.enter_async_context(own_connection(server)))
            for _ in range(2)
        ]
        watches = [stubs[0].Watch(request, timeout=WAIT_S) for _ in range(PER_NETWORK)]
        for watch in watches:
            assert (await watch.read()).status == SERVING

        refused = stubs[1].Watch(request, timeout=WAIT_S)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await refused.read()
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stubs[1].Check(request, timeout=WAIT_S)).status == SERVING
        await stubs[1].List(health_pb2.HealthListRequest(), timeout=WAIT_S)

        async with grpc.aio.insecure_channel(f"[::1]:{server.port}") as elsewhere:
            watch = health_pb2_grpc.HealthStub(elsewhere).Watch(request, timeout=WAIT_S)
            assert (await watch.read()).status == SERVING


async def test_checks_that_wait_for_their_message_take_no_slot(
    authenticator: Authenticator,
) -> None:
    async with serving(authenticator) as server, AsyncExitStack() as stack:
        for _ in range(3):
            client = await stack.enter_async_context(http2_client(server.port))
            client.greet()
            streams = range(1, 2 * STREAMS_PER_CONNECTION, 2)
            client.send(*(open_call("/grpc.health.v1.Health/Check", each) for each in streams))
            client.send(Frame(PING, payload=bytes(8)))
            await client.until(PING, ACK)

        channel = await stack.enter_async_context(own_connection(server))
        stub = health_pb2_grpc.HealthStub(channel)
        response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
        assert response.status == SERVING
