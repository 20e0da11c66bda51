"""ParticipantService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.errors import Reason
from gateway.core.participants import (
    NewSubscribeRules,
    ParticipantFilter,
    ParticipantRef,
    TrackRef,
    checked_track_sid,
)
from gateway.core.rooms import AccountSid, RoomRef
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import from_pb
from gateway.rpc.responses import page_arguments, page_response, require_found, resource_response
from gateway.rpc.v1 import participant_service_pb2 as pb
from gateway.rpc.v1.participant_service_pb2_grpc import ParticipantServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class ParticipantService(ParticipantServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def ListParticipants(
        self, request: pb.ListParticipantsRequest, context: Context
    ) -> pb.ListParticipantsResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.participants.page(
            caller,
            RoomRef.of(request.room),
            from_pb(request, ParticipantFilter),
            *page_arguments(request),
        )
        return page_response(pb.ListParticipantsResponse, page)

    async def GetParticipant(
        self, request: pb.GetParticipantRequest, context: Context
    ) -> pb.GetParticipantResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.participants.participant(
            caller, RoomRef.of(request.room), ParticipantRef.of(request.participant)
        )
        return resource_response(
            pb.GetParticipantResponse, require_found(result, Reason.PARTICIPANT_NOT_FOUND)
        )

    async def DisconnectParticipant(
        self, request: pb.DisconnectParticipantRequest, context: Context
    ) -> pb.DisconnectParticipantResponse:
        caller, account = caller_and_account(self._accounts)
        participant = await account.participants.disconnect(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            request.request_id or None,
        )
        return resource_response(pb.DisconnectParticipantResponse, participant)

    async def AnonymizeParticipant(
        self, request: pb.AnonymizeParticipantRequest, context: Context
    ) -> pb.AnonymizeParticipantResponse:
        caller, account = caller_and_account(self._accounts)
        participant = await account.participants.anonymize(
            caller, RoomRef.of(request.room), ParticipantRef.of(request.participant)
        )
        return resource_response(pb.AnonymizeParticipantResponse, participant)

    async def ListPublishedTracks(
        self, request: pb.ListPublishedTracksRequest, context: Context
    ) -> pb.ListPublishedTracksResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.participants.published_tracks(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            *page_arguments(request),
        )
        return page_response(pb.ListPublishedTracksResponse, page)

    async def GetPublishedTrack(
        self, request: pb.GetPublishedTrackRequest, context: Context
    ) -> pb.GetPublishedTrackResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.participants.published_track(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            TrackRef.of(request.track),
        )
        return resource_response(
            pb.GetPublishedTrackResponse, require_found(result, Reason.TRACK_NOT_FOUND)
        )

    async def ListSubscribedTracks(
        self, request: pb.ListSubscribedTracksRequest, context: Context
    ) -> pb.ListSubscribedTracksResponse:
        caller, account = caller_and_account(self._accounts)
        page = await account.participants.subscribed_tracks(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            *page_arguments(request),
        )
        return page_response(pb.ListSubscribedTracksResponse, page)

    async def GetSubscribedTrack(
        self, request: pb.GetSubscribedTrackRequest, context: Context
    ) -> pb.GetSubscribedTrackResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.participants.subscribed_track(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            checked_track_sid(request.track),
        )
        return resource_response(
            pb.GetSubscribedTrackResponse, require_found(result, Reason.TRACK_NOT_FOUND)
        )

    async def GetSubscribeRules(
        self, request: pb.GetSubscribeRulesRequest, context: Context
    ) -> pb.GetSubscribeRulesResponse:
        caller, account = caller_and_account(self._accounts)
        result = await account.participants.subscribe_rules(
            caller, RoomRef.of(request.room), ParticipantRef.of(request.participant)
        )
        return resource_response(pb.GetSubscribeRulesResponse, result)

    async def UpdateSubscribeRules(
        self, request: pb.UpdateSubscribeRulesRequest, context: Context
    ) -> pb.UpdateSubscribeRulesResponse:
        caller, account = caller_and_account(self._accounts)
        rules = await account.participants.update_subscribe_rules(
            caller,
            RoomRef.of(request.room),
            ParticipantRef.of(request.participant),
            from_pb(request, NewSubscribeRules),
        )
        return resource_response(pb.UpdateSubscribeRulesResponse, rules)
