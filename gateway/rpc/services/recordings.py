"""RecordingService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.errors import Reason
from gateway.core.recordings import NewRecordingRules, RecordingFilter, RoomRecordingFilter
from gateway.core.rooms import RoomRef
from gateway.core.sids import AccountSid, RecordingSid, checked_sid
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import from_pb
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response
from gateway.rpc.v1 import recording_service_pb2 as pb
from gateway.rpc.v1.recording_service_pb2_grpc import RecordingServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class RecordingService(RecordingServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def ListRoomRecordings(
        self, request: pb.ListRoomRecordingsRequest, context: Context
    ) -> pb.ListRoomRecordingsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.recordings.room_page(
            caller,
            RoomRef.of(request.room),
            from_pb(request, RoomRecordingFilter),
            *page_arguments(request),
        )
        return page_response(pb.ListRoomRecordingsResponse, page)

    async def GetRoomRecording(
        self, request: pb.GetRoomRecordingRequest, context: Context
    ) -> pb.GetRoomRecordingResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.recordings.room_recording(
            caller,
            RoomRef.of(request.room),
            checked_sid(RecordingSid, request.recording, "recording"),
        )
        return resource_response(
            pb.GetRoomRecordingResponse, require_found(result, Reason.RECORDING_NOT_FOUND)
        )

    async def DeleteRoomRecording(
        self, request: pb.DeleteRoomRecordingRequest, context: Context
    ) -> pb.DeleteRoomRecordingResponse:
        caller, account = caller_and_account(self._accounts)
        await account.recordings.delete_room_recording(
            caller,
            RoomRef.of(request.room),
            checked_sid(RecordingSid, request.recording, "recording"),
        )
        return pb.DeleteRoomRecordingResponse()

    async def ListRecordings(
        self, request: pb.ListRecordingsRequest, context: Context
    ) -> pb.ListRecordingsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.recordings.page(
            caller, from_pb(request, RecordingFilter), *page_arguments(request)
        )
        return page_response(pb.ListRecordingsResponse, page)

    async def GetRecording(
        self, request: pb.GetRecordingRequest, context: Context
    ) -> pb.GetRecordingResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.recordings.recording(
            caller, checked_sid(RecordingSid, request.recording, "recording")
        )
        return resource_response(
            pb.GetRecordingResponse, require_found(result, Reason.RECORDING_NOT_FOUND)
        )

    async def DeleteRecording(
        self, request: pb.DeleteRecordingRequest, context: Context
    ) -> pb.DeleteRecordingResponse:
        caller, account = caller_and_account(self._accounts)
        await account.recordings.delete(
            caller, checked_sid(RecordingSid, request.recording, "recording")
        )
        return pb.DeleteRecordingResponse()

    async def GetRecordingMedia(
        self, request: pb.GetRecordingMediaRequest, context: Context
    ) -> pb.GetRecordingMediaResponse:
        caller, account = caller_and_account(self._accounts)
        media = await account.recordings.media(
            caller, checked_sid(RecordingSid, request.recording, "recording")
        )
        return resource_response(
            pb.GetRecordingMediaResponse, require_found(media, Reason.MEDIA_NOT_FOUND)
        )

    async def GetRecordingRules(
        self, request: pb.GetRecordingRulesRequest, context: Context
    ) -> pb.GetRecordingRulesResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.recordings.rules(caller, RoomRef.of(request.room))
        return resource_response(pb.GetRecordingRulesResponse, result)

    async def UpdateRecordingRules(
        self, request: pb.UpdateRecordingRulesRequest, context: Context
    ) -> pb.UpdateRecordingRulesResponse:
        caller, account = caller_and_account(self._accounts)
        rules = await account.recordings.update_rules(
            caller, RoomRef.of(request.room), from_pb(request, NewRecordingRules)
        )
        return resource_response(pb.UpdateRecordingRulesResponse, rules)
