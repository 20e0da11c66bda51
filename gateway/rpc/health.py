"""The health service of gRPC: grpc.health.v1."""

from collections.abc import Collection
from typing import Any

from grpc_health.v1 import health, health_pb2


class HealthService(health.aio.HealthServicer):  # type: ignore[misc]
    """Reports the health of these services. The name "" stands for the whole server."""

    def __init__(self, services: Collection[str]) -> None:
        super().__init__()
        self._services = services

    async def start(self) -> None:
        """Reports every service as SERVING."""
        for service in self._services:
            await self.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def List(  # noqa: N802
        self, request: health_pb2.HealthListRequest, context: Any
    ) -> health_pb2.HealthListResponse:
        """Returns the health of every service. The library has no such method."""
        response = health_pb2.HealthListResponse()
        for service in self._services:
            check = health_pb2.HealthCheckRequest(service=service)
            response.statuses[service].CopyFrom(await self.Check(check, context))
        return response
