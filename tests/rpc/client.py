"""Callers of the gateway's gRPC from outside: a real channel, the dev key, a limit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.rooms.v1 import (
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
    """`client.GetRoom(...)` calls the method of that name with these fields."""

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
    """One a service."""

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
    """Status, ErrorInfo and message of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (call.read() if hasattr(call, "read") else call)
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(refused.value)
    assert status is not None, refused.value
    assert status.details[0].Unpack(info)
    assert info.domain == "rooms-gateway"
    return refused.value.code().name, info, status.message


async def check_refusal(call: Any, code: str) -> None:
    """The code on the wire and in the details, and a message that says what to do."""
    status, info, message = await refusal(call)
    assert (status, info.reason) == (code, code), message
    assert any(
        word in message
        for word in ("give", "remove", "use", "check", "choose", "leave", "alone", "shorten")
    ), message


async def until(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], object]) -> T:
    """The first answer that is as wanted: what happens at Twilio is seen here a moment later."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            answer = await ask()
            if wanted(answer):
                return answer
            await asyncio.sleep(0.01)  # between two answers there is nothing else to wait for
