"""The gRPC server: its services, its start and its stop."""

from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from gateway.rpc.channel_options import ConnectionTimings, channel_options
from gateway.rpc.health import HealthService
from gateway.rpc.interceptor import Interceptor
from gateway.rpc.pipeline import Pipeline
from gateway.rpc.servicers import SERVICE_NAMES, Servicers

REFLECTION_V1: Final = "grpc.reflection.v1.ServerReflection"


class RpcServer:
    """gRPC on `address`, such as 127.0.0.1:9090.

    Port 0 picks a free port, found in `port`. Raises RuntimeError when the port is in
    use. `has_reflection` lets anyone read the
    protos. `is_port_shared` lets several processes listen on one port.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        servicers: Servicers,
        address: str,
        *,
        has_reflection: bool = True,
        is_port_shared: bool = False,
        timings: ConnectionTimings = ConnectionTimings(),
    ) -> None:
        self._server = grpc.aio.server(
            interceptors=[Interceptor(pipeline)],
            options=channel_options(timings, is_port_shared=is_port_shared),
        )
        self._health = HealthService(("", *SERVICE_NAMES))
        servicers.register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if has_reflection:
            _add_reflection(
                self._server, (*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            )
        self.port = self._server.add_insecure_port(address)

    async def start(self) -> None:
        await self._health.start()
        await self._server.start()

    async def stop(self, grace_s: float = 1.0) -> None:
        """Accepts no new calls, and cancels calls that are still open after `grace_s`.

        Health checks report NOT_SERVING first. Close the event feeds before: their
        streams then tell the clients to reconnect.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def _add_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> None:
    """Serves reflection v1alpha and v1.

    Both versions have the same messages on the wire. The package has no descriptors of
    v1, so v1 answers but is not listed: tools request the descriptors of every listed
    service.
    """
    servicer = reflection.aio.ReflectionServicer(services)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(REFLECTION_V1, {"ServerReflectionInfo": method}),)
    )
