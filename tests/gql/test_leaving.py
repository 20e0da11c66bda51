"""What an operation holds is freed when it is over, by itself. Left to the garbage collector, it would wait for it, and cost
everybody the time that a collection takes."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest
from aiohttp import web
from graphql.execution import Executor
from strawberry.dataloader import DataLoader

from gateway.gql.execution.engine import Operation
from gateway.gql.schema.context import Context
from gateway.gql.transport.sse import EventStream
from gateway.gql.transport.websocket import Socket
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, delivered

KINDS = (Context, DataLoader, Executor, Operation, EventStream, Socket, web.WebSocketResponse)
WATCH = "subscription { roomEvents { __typename cursor } }"
LIVE = 'subscription { roomLive(ref: "standup") { sid } }'

UntilFreed = Callable[[], Awaitable[None]]


@pytest.fixture
def until_freed() -> Iterator[UntilFreed]:
    """Waits until nothing is left of what came since; the garbage collector is off meanwhile."""
    gc.collect()
    before = _alive()
    known = {id(each) for each in before}

    async def freed() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while any(id(each) not in known for each in _alive()):  # noqa: ASYNC110
                await asyncio.sleep(0)  # whoever is cancelled takes a few steps to end

    gc.disable()
    try:
        yield freed
    finally:
        gc.enable()


def _alive() -> list[object]:
    # By their types: to ask a weak reference's stand-in for its class is to ask the object, which may be gone.
    return [each for each in gc.get_objects() if issubclass(type(each), KINDS)]


async def test_nothing_is_left_of_a_query_and_what_it_read_at_once(
    server: GraphQLServer, until_freed: UntilFreed
) -> None:
    await server.data(
        "{ rooms(first: 5) { nodes { sid participants(first: 5) { nodes { identity room { sid } } } } } }"
    )
    await until_freed()


async def test_nothing_is_left_of_a_refused_document(
    server: GraphQLServer, until_freed: UntilFreed
) -> None:
    await server.error("{ nonsense }")
    await until_freed()


@pytest.mark.parametrize("document", [WATCH, LIVE])
async def test_nothing_is_left_of_a_socket_whose_client_leaves_its_subscriptions(
    document: str, server: GraphQLServer, until_freed: UntilFreed
) -> None:
    async with server.socket() as socket:
        for id_ in ("1", "2"):
            await socket.send_json({"id": id_, "type": "subscribe", "payload": {"query": document}})
            await socket.receive_json(timeout=TIMEOUT_S)
        server.account.feed.put(delivered(1))
    await _until_no_stream(server)
    await until_freed()


@pytest.mark.parametrize("document", [WATCH, LIVE])
async def test_nothing_is_left_of_an_event_stream_whose_client_leaves(
    document: str, server: GraphQLServer, until_freed: UntilFreed
) -> None:
    headers = {**server.auth, "Accept": "text/event-stream"}
    async with server.client.post(server.url, json={"query": document}, headers=headers) as reply:
        async for line in reply.content:
            if line.startswith(b"data:"):
                break
        server.account.feed.put(delivered(1))
    await _until_no_stream(server)
    await until_freed()


async def _until_no_stream(server: GraphQLServer) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while server.graphql._streams:  # noqa: ASYNC110
            await asyncio.sleep(0)
