"""The health service, from a client of the whole server."""

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.servicers import SERVICE_NAMES
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.test_server import connected, serving

WAIT_S = 30
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


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
