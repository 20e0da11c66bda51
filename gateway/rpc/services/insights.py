"""InsightsService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.errors import Reason
from gateway.core.insights import InsightsRoomFilter
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid, checked_sid
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import from_pb
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response
from gateway.rpc.v1 import insights_service_pb2 as pb
from gateway.rpc.v1.insights_service_pb2_grpc import InsightsServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class InsightsService(InsightsServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def ListInsightsRooms(
        self, request: pb.ListInsightsRoomsRequest, context: Context
    ) -> pb.ListInsightsRoomsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.insights.rooms(
            caller, from_pb(request, InsightsRoomFilter), *page_arguments(request)
        )
        return page_response(pb.ListInsightsRoomsResponse, page)

    async def GetInsightsRoom(
        self, request: pb.GetInsightsRoomRequest, context: Context
    ) -> pb.GetInsightsRoomResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.insights.room(caller, checked_sid(RoomSid, request.room, "room"))
        return resource_response(
            pb.GetInsightsRoomResponse, require_found(result, Reason.INSIGHTS_NOT_FOUND)
        )

    async def ListInsightsParticipants(
        self, request: pb.ListInsightsParticipantsRequest, context: Context
    ) -> pb.ListInsightsParticipantsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.insights.participants(
            caller, checked_sid(RoomSid, request.room, "room"), *page_arguments(request)
        )
        return page_response(pb.ListInsightsParticipantsResponse, page)

    async def GetInsightsParticipant(
        self, request: pb.GetInsightsParticipantRequest, context: Context
    ) -> pb.GetInsightsParticipantResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.insights.participant(
            caller,
            checked_sid(RoomSid, request.room, "room"),
            checked_sid(ParticipantSid, request.participant, "participant"),
        )
        return resource_response(
            pb.GetInsightsParticipantResponse, require_found(result, Reason.INSIGHTS_NOT_FOUND)
        )
