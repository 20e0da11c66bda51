"""A GraphQL server over real HTTP, with an in-memory account."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.core.callers import Caller, Scope
from gateway.core.errors import Unauthenticated
from gateway.core.rooms import AccountSid
from gateway.gql.transport.http import GraphQLHttp
from gateway.gql.transport.sse import EventStream
from gateway.gql.transport.websocket import Socket
from gateway.service.callers.api_keys import ApiKey
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.gql.fakes import ACCOUNT, TIMEOUT_S, Account

KEY = "rgk_test"


class RevocableAuthenticator(Authenticator):
    """Rejects all credentials once `is_revoked` is set."""

    is_revoked = False

    async def caller(self, *, authorization: str | None, api_key: str | None) -> Caller:
        if self.is_revoked:
            raise Unauthenticated("the key is revoked: use another one")
        return await super().caller(authorization=authorization, api_key=api_key)

    def is_valid(self, caller: Caller) -> bool:
        return not self.is_revoked and super().is_valid(caller)


@dataclass
class GraphQLServer:
    """A running server, its account, and an HTTP client."""

    graphql: GraphQLHttp
    authenticator: RevocableAuthenticator
    account: Account
    url: str
    client: aiohttp.ClientSession
    auth = {"Authorization": f"Bearer {KEY}"}  # noqa: RUF012 - never changed

    @property
    def streams(self) -> set[EventStream | Socket]:
        """The open event streams and WebSockets."""
        return self.graphql._shared.streams

    async def until_no_stream(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while self.streams:  # noqa: ASYNC110 - ended tasks take a few steps to leave
                await asyncio.sleep(0)

    async def post(
        self, query: str, accept: str | None = None, **variables: Any
    ) -> tuple[int, Any]:
        headers = self.auth | ({} if accept is None else {"Accept": accept})
        body = {"query": query, "variables": variables}
        async with self.client.post(self.url, json=body, headers=headers) as reply:
            return reply.status, await reply.json(content_type=None)

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of a response without errors."""
        _, body = await self.post(query, **variables)
        assert "errors" not in body, body
        return body["data"]

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The only error of a response."""
        _, body = await self.post(query, **variables)
        [error] = body["errors"]
        return dict(error)

    @asynccontextmanager
    async def socket(self, payload: Any = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An acknowledged connection, with the key in `connection_init`."""
        async with self.client.ws_connect(self.url, protocols=("graphql-transport-ws",)) as socket:
            await socket.send_json(
                {"type": "connection_init", "payload": payload or {"apiKey": KEY}}
            )
            assert await socket.receive_json(timeout=TIMEOUT_S) == {"type": "connection_ack"}
            yield socket


@asynccontextmanager
async def run_server(
    account_sid: AccountSid = ACCOUNT, **settings: Any
) -> AsyncIterator[GraphQLServer]:
    """A server of one account. `KEY` belongs to ACCOUNT, whatever account is served."""
    account = Account(account_sid)
    caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))
    authenticator = RevocableAuthenticator(
        [ApiKey(hashlib.sha256(KEY.encode()).hexdigest(), caller)]
    )
    graphql = GraphQLHttp(authenticator, {account_sid: account}, CallerLimiter(), **settings)  # type: ignore[dict-item]
    app = web.Application()
    graphql.mount(app)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as client:
            yield GraphQLServer(
                graphql, authenticator, account, f"http://127.0.0.1:{port}/graphql", client
            )
    finally:
        await graphql.aclose()
        await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[GraphQLServer]:
    async with run_server() as server:
        yield server
