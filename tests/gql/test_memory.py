"""An operation's objects are freed when it ends, without the garbage collector.

Objects in a reference cycle would stay until a full collection, and make it longer.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest
from graphql.execution import Executor
from strawberry.dataloader import DataLoader

from gateway.gql.execution.engine import Operation
from gateway.gql.schema.context import Context
from gateway.gql.transport.sse import EventStream
from gateway.gql.transport.stages import Exchange
from gateway.gql.transport.transport_ws import Session
from gateway.gql.transport.websocket import Socket
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, delivered

# The gateway's own objects. aiohttp keeps a closed WebSocketResponse in a cycle with
# its connection.
TYPES = (Context, DataLoader, EventStream, Exchange, Executor, Operation, Session, Socket)
EVENTS = "subscription { roomEvents { __typename cursor } }"
LIVE = 'subscription { roomLive(room: {uniqueName: "standup"}) { sid } }'

UntilFreed = Callable[[], Awaitable[None]]


@pytest.fixture
def until_freed() -> Iterator[UntilFreed]:
    """Waits until all objects of the test are freed.

    The garbage collector is disabled.
    """
    gc.collect()
    before = _objects()
    earlier = {id(each) for each in before}

    async def freed() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while any(id(each) not in earlier for each in _objects()):  # noqa: ASYNC110
                await asyncio.sleep(0)  # a cancelled task takes a few steps to end

    gc.disable()
    try:
        yield freed
    finally:
        gc.enable()


def _objects() -> list[object]:
    # `isinstance` would ask a weak proxy for the class of its object, which may be
    # gone.
    return [each for each in gc.get_objects() if issubclass(type(each), TYPES)]


async def test_a_query_and_its_data_are_freed(
    server: GraphQLServer, until_freed: UntilFreed
) -> None:
    await server.data(
        """{ rooms(first: 5) { nodes { sid
            participants(first: 5) { nodes { identity room { sid } } } } } }"""
    )
    await until_freed()


async def test_a_rejected_document_is_freed(server: GraphQLServer, until_freed: UntilFreed) -> None:
    await server.error("{ nonsense }")
    await until_freed()


async def test_a_rejected_request_is_freed(server: GraphQLServer, until_freed: UntilFreed) -> None:
    async with server.client.post(server.url, data="{", headers=server.auth) as response:
        assert response.status == 415
    await until_freed()


@pytest.mark.parametrize("document", [EVENTS, LIVE])
async def test_a_socket_with_subscriptions_is_freed_when_its_client_disconnects(
    document: str, server: GraphQLServer, until_freed: UntilFreed
) -> None:
    async with server.socket() as socket:
        for id_ in ("1", "2"):
            await socket.send_json({"id": id_, "type": "subscribe", "payload": {"query": document}})
            await socket.receive_json(timeout=TIMEOUT_S)
        server.account.feed.put(delivered(1))
    await server.until_no_stream()
    await until_freed()


@pytest.mark.parametrize("document", [EVENTS, LIVE])
async def test_an_event_stream_is_freed_when_its_client_disconnects(
    document: str, server: GraphQLServer, until_freed: UntilFreed
) -> None:
    headers = {**server.auth, "Accept": "text/event-stream"}
    body = {"query": document}
    async with server.client.post(server.url, json=body, headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data:"):
                break
        server.account.feed.put(delivered(1))
    await server.until_no_stream()
    await until_freed()
