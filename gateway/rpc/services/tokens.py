"""TokenService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.rooms import AccountSid, RoomRef
from gateway.core.tokens import NewToken
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.convert import decode_duration
from gateway.rpc.responses import resource_response
from gateway.rpc.v1 import token_service_pb2 as pb
from gateway.rpc.v1.token_service_pb2_grpc import TokenServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class TokenService(TokenServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def MintAccessToken(
        self, request: pb.MintAccessTokenRequest, context: Context
    ) -> pb.MintAccessTokenResponse:
        caller, account = caller_and_account(self._accounts)
        room = RoomRef.of(request.room) if request.room else None
        ttl_s = decode_duration(request.ttl, ("ttl",)) if request.HasField("ttl") else None
        token = await account.tokens.mint(
            caller, NewToken(identity=request.identity, room=room, ttl_s=ttl_s)
        )
        return resource_response(pb.MintAccessTokenResponse, token)

    async def ExplainToken(
        self, request: pb.ExplainTokenRequest, context: Context
    ) -> pb.ExplainTokenResponse:
        caller, account = caller_and_account(self._accounts)
        room = RoomRef.of(request.room) if request.room else None
        explanation = await account.tokens.explain(caller, request.token, room)
        return resource_response(pb.ExplainTokenResponse, explanation)
