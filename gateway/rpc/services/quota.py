"""QuotaService of rooms_gateway.v1. The proto describes each method."""
# ruff: noqa: N802 - methods have the names that the proto gives them.

from collections.abc import Mapping
from typing import Any

import grpc

from gateway.core.rooms import AccountSid
from gateway.rpc.authentication import caller_and_account
from gateway.rpc.responses import resource_response
from gateway.rpc.v1 import quota_service_pb2 as pb
from gateway.rpc.v1.quota_service_pb2_grpc import QuotaServiceServicer
from gateway.service.accounts import Account

Context = grpc.aio.ServicerContext[Any, Any]


class QuotaService(QuotaServiceServicer):
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def GetQuota(self, request: pb.GetQuotaRequest, context: Context) -> pb.GetQuotaResponse:
        caller, account = caller_and_account(self._accounts)
        return resource_response(pb.GetQuotaResponse, await account.quota.status(caller))
