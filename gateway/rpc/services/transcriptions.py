"""TranscriptionService of gateway.rooms.v1: unpack, ask the service, convert."""
# ruff: noqa: N802 - methods have the names of the protos.

from collections.abc import Mapping
from typing import Any, Final

import grpc

from gateway.core.rooms import AccountSid, RoomRef
from gateway.core.transcriptions import (
    TranscriptionsConfiguration,
    TranscriptionUpdate,
    checked_ttid,
)
from gateway.rooms.v1 import transcription_service_pb2 as pb
from gateway.rooms.v1.transcription_service_pb2_grpc import TranscriptionServiceServicer
from gateway.rpc.access import calling
from gateway.rpc.answers import found, listed, paging_of, shown
from gateway.rpc.convert import of
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]

TRANSCRIPTION: Final = (
    "there is no such transcription; give the ttid of the room's transcription, as Twilio gave it"
)


class TranscriptionService(TranscriptionServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def ListTranscriptions(
        self, request: pb.ListTranscriptionsRequest, context: Context
    ) -> pb.ListTranscriptionsResponse:
        caller, account = calling(self._accounts)
        page = await account.transcriptions.page(
            caller, RoomRef.of(request.room), *paging_of(request)
        )
        return listed(pb.ListTranscriptionsResponse, page)

    async def GetTranscription(
        self, request: pb.GetTranscriptionRequest, context: Context
    ) -> pb.GetTranscriptionResponse:
        caller, account = calling(self._accounts)
        seen = await account.transcriptions.transcription(
            caller, RoomRef.of(request.room), checked_ttid(request.ttid)
        )
        return shown(pb.GetTranscriptionResponse, found(seen, TRANSCRIPTION))

    async def CreateTranscription(
        self, request: pb.CreateTranscriptionRequest, context: Context
    ) -> pb.CreateTranscriptionResponse:
        caller, account = calling(self._accounts)
        given = request.configuration if request.HasField("configuration") else None
        configuration = (
            None if given is None else of(given, TranscriptionsConfiguration, "configuration.")
        )
        transcription = await account.transcriptions.create(
            caller, RoomRef.of(request.room), configuration
        )
        return shown(pb.CreateTranscriptionResponse, transcription)

    async def UpdateTranscription(
        self, request: pb.UpdateTranscriptionRequest, context: Context
    ) -> pb.UpdateTranscriptionResponse:
        caller, account = calling(self._accounts)
        transcription = await account.transcriptions.update(
            caller,
            RoomRef.of(request.room),
            checked_ttid(request.ttid),
            of(request, TranscriptionUpdate),
        )
        return shown(pb.UpdateTranscriptionResponse, transcription)
