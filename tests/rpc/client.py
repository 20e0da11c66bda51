"""Clients of the gateway's gRPC services: a real channel, the dev key, a timeout."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.core.errors import REASONS
from gateway.rpc.errors import STATUS
from gateway.rpc.v1 import (
    insights_service_pb2,
    insights_service_pb2_grpc,
    participant_service_pb2,
    participant_service_pb2_grpc,
    quota_service_pb2,
    quota_service_pb2_grpc,
    recording_service_pb2,
    recording_service_pb2_grpc,
    room_service_pb2,
    room_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
    transcription_service_pb2,
    transcription_service_pb2_grpc,
)

LIMIT_S = 30

T = TypeVar("T")


class Client:
    """`client.GetRoom(room=...)` calls GetRoom with a request of these fields."""

    def __init__(self, stub: Any, messages: Any, metadata: Any) -> None:
        self._stub = stub
        self._messages = messages
        self._metadata = metadata

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(timeout: float = LIMIT_S, **fields: Any) -> Any:
            request = getattr(self._messages, f"{method}Request")(**fields)
            return getattr(self._stub, method)(request, metadata=self._metadata, timeout=timeout)

        return call


@dataclass(frozen=True)
class Clients:
    """One client per service."""

    rooms: Client
    participants: Client
    recordings: Client
    transcriptions: Client
    insights: Client
    tokens: Client
    quota: Client


def clients_on(channel: grpc.aio.Channel, metadata: Any) -> Clients:
    def client(stub: Any, messages: Any) -> Client:
        return Client(stub(channel), messages, metadata)

    return Clients(
        client(room_service_pb2_grpc.RoomServiceStub, room_service_pb2),
        client(participant_service_pb2_grpc.ParticipantServiceStub, participant_service_pb2),
        client(recording_service_pb2_grpc.RecordingServiceStub, recording_service_pb2),
        client(transcription_service_pb2_grpc.TranscriptionServiceStub, transcription_service_pb2),
        client(insights_service_pb2_grpc.InsightsServiceStub, insights_service_pb2),
        client(token_service_pb2_grpc.TokenServiceStub, token_service_pb2),
        client(quota_service_pb2_grpc.QuotaServiceStub, quota_service_pb2),
    )


async def refusal(call: Any) -> tuple[str, error_details_pb2.ErrorInfo, str]:
    """Returns status, ErrorInfo and message of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (call.read() if hasattr(call, "read") else call)
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(refused.value)
    assert status is not None, refused.value
    assert status.details[0].Unpack(info)
    assert info.domain == "rooms-gateway"
    return refused.value.code().name, info, status.message


def reasons_of(status: str) -> set[str]:
    """Returns the reasons that errors with this status may have."""
    codes = [code for code, each in STATUS.items() if each.name == status]
    return {reason.value for code in codes for reason in REASONS[code]}


async def check_refusal(call: Any, code: str) -> None:
    """Checks status and reason, and that the message says what to do."""
    status, info, message = await refusal(call)
    assert status == code, message
    assert info.reason in reasons_of(code), message
    assert re.search(r"\w[:;] \w", message), f"{message} (what is wrong: what to do)"


async def until(call: Callable[[], Awaitable[T]], condition: Callable[[T], object]) -> T:
    """Calls until the condition holds: changes at Twilio take a moment to appear."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            response = await call()
            if condition(response):
                return response
            await asyncio.sleep(0.01)  # there is no event to wait for
