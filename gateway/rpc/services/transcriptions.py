"""TranscriptionService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.errors import Reason, below
from gateway.core.rooms import AccountSid, RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionUpdate,
    checked_ttid,
)
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import from_pb
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response
from gateway.rpc.v1 import transcription_service_pb2 as pb
from gateway.rpc.v1.transcription_service_pb2_grpc import TranscriptionServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class TranscriptionService(TranscriptionServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def ListTranscriptions(
        self, request: pb.ListTranscriptionsRequest, context: Context
    ) -> pb.ListTranscriptionsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.transcriptions.page(
            caller, RoomRef.of(request.room), *page_arguments(request)
        )
        return page_response(pb.ListTranscriptionsResponse, page)

    async def GetTranscription(
        self, request: pb.GetTranscriptionRequest, context: Context
    ) -> pb.GetTranscriptionResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.transcriptions.transcription(
            caller, RoomRef.of(request.room), checked_ttid(request.transcription)
        )
        return resource_response(
            pb.GetTranscriptionResponse, require_found(result, Reason.TRANSCRIPTION_NOT_FOUND)
        )

    async def StartTranscription(
        self, request: pb.StartTranscriptionRequest, context: Context
    ) -> pb.StartTranscriptionResponse:
        caller, account = caller_and_account(self._accounts)
        configuration = None
        if request.HasField("configuration"):
            with below("configuration"):
                configuration = from_pb(request.configuration, TranscriptionsConfiguration)
        transcription = await account.transcriptions.create(
            caller, RoomRef.of(request.room), configuration, request.request_id or None
        )
        return resource_response(pb.StartTranscriptionResponse, transcription)

    async def UpdateTranscription(
        self, request: pb.UpdateTranscriptionRequest, context: Context
    ) -> pb.UpdateTranscriptionResponse:
        caller, account = caller_and_account(self._accounts)
        transcription = await account.transcriptions.update(
            caller,
            RoomRef.of(request.room),
            checked_ttid(request.transcription),
            from_pb(request, TranscriptionUpdate),
        )
        return resource_response(pb.UpdateTranscriptionResponse, transcription)
