"""The servicers of all services: every server of a process shares them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from google.protobuf.descriptor_pool import Default

from gateway.core.rooms import AccountSid
from gateway.rpc.methods import Method, methods_of
from gateway.rpc.services.insights import InsightsService
from gateway.rpc.services.participants import ParticipantService
from gateway.rpc.services.quota import QuotaService
from gateway.rpc.services.recordings import RecordingService
from gateway.rpc.services.rooms import RoomService
from gateway.rpc.services.tokens import TokenService
from gateway.rpc.services.transcriptions import TranscriptionService
from gateway.rpc.v1 import (
    insights_service_pb2_grpc,
    participant_service_pb2_grpc,
    quota_service_pb2_grpc,
    recording_service_pb2_grpc,
    room_service_pb2_grpc,
    token_service_pb2_grpc,
    transcription_service_pb2_grpc,
)
from gateway.service.accounts import Account

SERVICES: Final[tuple[tuple[type[Any], Callable[[Any, grpc.aio.Server], None]], ...]] = (
    (RoomService, room_service_pb2_grpc.add_RoomServiceServicer_to_server),
    (ParticipantService, participant_service_pb2_grpc.add_ParticipantServiceServicer_to_server),
    (RecordingService, recording_service_pb2_grpc.add_RecordingServiceServicer_to_server),
    (
        TranscriptionService,
        transcription_service_pb2_grpc.add_TranscriptionServiceServicer_to_server,
    ),
    (InsightsService, insights_service_pb2_grpc.add_InsightsServiceServicer_to_server),
    (TokenService, token_service_pb2_grpc.add_TokenServiceServicer_to_server),
    (QuotaService, quota_service_pb2_grpc.add_QuotaServiceServicer_to_server),
)
"""Every service, with the function that registers it."""
SERVICE_NAMES: Final = tuple(f"rooms_gateway.v1.{service.__name__}" for service, _ in SERVICES)


class Servicers:
    """One servicer of each service."""

    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._servicers = [(service(accounts), register) for service, register in SERVICES]

    def register(self, server: grpc.aio.Server) -> None:
        """Adds all services to gRPC's server."""
        for servicer, register in self._servicers:
            register(servicer, server)

    def methods(self) -> Mapping[str, Method]:
        """Returns all methods by path."""
        return methods_of(
            (Default().FindServiceByName(name), servicer)
            for name, (servicer, _) in zip(SERVICE_NAMES, self._servicers, strict=True)
        )
