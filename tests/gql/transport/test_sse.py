"""Event streams: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.core.errors import NotFound, UpstreamUnavailable
from gateway.gql.transport.limits import Timings
from tests.gql.conftest import GraphQLServer, run_server
from tests.gql.fakes import TIMEOUT_S, delivered, event

EVENTS = "subscription($after: String) { roomEvents(after: $after) { __typename } }"
Blocks = AsyncIterator[dict[str, str]]


@asynccontextmanager
async def open_stream(
    server: GraphQLServer,
    query: str = EVENTS,
    headers: Mapping[str, str] | None = None,
    **variables: Any,
) -> Any:
    sent = {**server.auth, "Accept": "text/event-stream", **(headers or {})}
    body = {"query": query, "variables": variables}
    async with server.client.post(server.url, json=body, headers=sent) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield blocks(response)


async def blocks(response: aiohttp.ClientResponse) -> Blocks:
    """Each block of the stream as its fields. The name of a comment is empty."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            yield fields
            fields = {}


async def next_block(stream: Blocks) -> dict[str, str]:
    return await asyncio.wait_for(anext(stream), TIMEOUT_S)


def error_code(block: dict[str, str]) -> str:
    code: str = json.loads(block["data"])["errors"][0]["extensions"]["code"]
    return code


async def test_ids_are_the_cursors_of_the_feed_though_none_is_selected(
    server: GraphQLServer,
) -> None:
    async with open_stream(server) as stream:
        assert await next_block(stream) == {"retry": "1000"}
        started = await next_block(stream)
        assert (started["event"], started["id"]) == ("next", "c0")
        assert json.loads(started["data"]) == {
            "data": {"roomEvents": {"__typename": "StreamStarted"}}
        }
        server.account.feed.put(delivered(1))
        assert (await next_block(stream))["id"] == "c1"


async def test_the_header_last_event_id_overrides_after(server: GraphQLServer) -> None:
    async with open_stream(server, headers={"Last-Event-ID": "c7"}, after="c3"):
        await server.account.feed.wait_until_open(1)
    assert server.account.feed.calls[-1].after == "c7"


@pytest.mark.parametrize(("header", "after"), [({}, "c5"), ({"Last-Event-ID": "c7"}, "c7")])
async def test_the_url_parameter_last_event_id_overrides_after_and_the_header_overrides_it(
    server: GraphQLServer, header: dict[str, str], after: str
) -> None:
    headers = {**server.auth, "Accept": "text/event-stream", **header}
    parameters = {"query": EVENTS, "variables": '{"after": "c3"}', "lastEventId": "c5"}
    async with server.client.get(server.url, params=parameters, headers=headers):
        await server.account.feed.wait_until_open(1)
    assert server.account.feed.calls[-1].after == after


async def test_get_opens_a_stream(server: GraphQLServer) -> None:
    headers = {**server.auth, "Accept": "text/event-stream"}
    parameters = {"query": EVENTS, "variables": '{"after": "c3"}'}
    async with server.client.get(server.url, params=parameters, headers=headers) as response:
        stream = blocks(response)
        await next_block(stream)
        assert (await next_block(stream))["id"] == "c0"
    assert server.account.feed.calls[-1].after == "c3"


async def test_a_stream_ends_when_its_client_disconnects() -> None:
    async with run_server(timings=Timings(sse_check_s=0.01)) as server:
        async with open_stream(server):
            await server.account.feed.wait_until_open(1)
        await server.account.feed.wait_until_open(0)


async def test_a_query_sends_one_result_and_complete(server: GraphQLServer) -> None:
    async with open_stream(server, "{ __typename }") as stream:
        received = [block async for block in stream]
    assert [block.get("event") for block in received] == [None, "next", "complete"]
    assert json.loads(received[1]["data"])["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("query", ["{", "{ nonsense }"])
async def test_an_invalid_document_sends_an_error_and_complete(
    server: GraphQLServer, query: str
) -> None:
    async with open_stream(server, query) as stream:
        _, result, complete = [block async for block in stream]
    assert error_code(result) == "BAD_USER_INPUT"
    assert complete["event"] == "complete"


async def test_an_error_of_the_feed_at_the_start_or_later_sends_an_error_and_complete(
    server: GraphQLServer,
) -> None:
    server.account.feed.error = NotFound("no such room is in progress: create it first")
    async with open_stream(server) as stream:
        _, result, complete = [block async for block in stream]
    assert error_code(result) == "NOT_FOUND"
    assert complete["event"] == "complete"

    server.account.feed.error = None
    async with open_stream(server) as stream:
        await server.account.feed.wait_until_open(1)
        server.account.feed.put(UpstreamUnavailable("the log is unavailable: retry"))
        *_, result, complete = [block async for block in stream]
    assert error_code(result) == "UPSTREAM_UNAVAILABLE"
    assert complete["event"] == "complete"


async def test_aclose_ends_the_response_without_complete(server: GraphQLServer) -> None:
    async with open_stream(server) as stream:
        await server.account.feed.wait_until_open(1)
        await server.graphql.aclose()
        received = [block async for block in stream]
    assert "complete" not in [block.get("event") for block in received]
    await server.account.feed.wait_until_open(0)


async def test_a_feed_that_ends_ends_the_response_without_complete(server: GraphQLServer) -> None:
    async with open_stream(server) as stream:
        await server.account.feed.wait_until_open(1)
        server.account.feed.put(None)
        received = [block async for block in stream]
    assert "complete" not in [block.get("event") for block in received]


async def test_a_quiet_stream_sends_comments() -> None:
    timings = Timings(sse_check_s=0.01, sse_heartbeat_s=0.02)
    async with run_server(timings=timings) as server, open_stream(server) as stream:
        received = [await next_block(stream) for _ in range(4)]
    assert received[2:] == [{"": ""}, {"": ""}]


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    long = event(room_name="x" * 100_000)
    query = "subscription { roomEvents { ... on RoomEvent { room { uniqueName } } } }"
    async with (
        run_server(timings=Timings(slow_client_s=0.05)) as server,
        open_stream(server, query),
    ):
        await server.account.feed.wait_until_open(1)
        for number in range(400):  # 40 MB: more than the buffers of the kernel hold
            server.account.feed.put(delivered(number, long))
        await server.account.feed.wait_until_open(0)


async def test_write_now_sends_the_same_event_as_the_task_of_the_operation(
    server: GraphQLServer,
) -> None:
    async with open_stream(server) as stream:
        for _ in range(2):
            await next_block(stream)
        server.account.feed.put(delivered(1))
        by_task = await next_block(stream)
        assert server.account.feed.write_now(delivered(1), delivered(2))
        assert await next_block(stream) == by_task
        assert (await next_block(stream))["id"] == "c2"


async def test_a_client_of_http_1_0_receives_events_without_chunks(server: GraphQLServer) -> None:
    address = urlsplit(server.url)
    body = json.dumps({"query": EVENTS})
    auth = "".join(f"{name}: {value}\r\n" for name, value in server.auth.items())
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST {address.path} HTTP/1.0\r\n{auth}Accept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    async with asyncio.timeout(TIMEOUT_S):
        await reader.readuntil(b'StreamStarted"}}}\n\n')
        assert server.account.feed.write_now(delivered(1))
        block = await reader.readuntil(b"\n\n")
    assert block.startswith(b"id: c1\nevent: next\ndata: {")
    writer.close()


async def test_a_revoked_credential_ends_the_stream(server: GraphQLServer) -> None:
    server.authenticator.revalidate_s = 0.01
    async with open_stream(server) as stream:
        await server.account.feed.wait_until_open(1)
        server.authenticator.is_revoked = True
        received = [block async for block in stream]
    assert "complete" not in [block.get("event") for block in received]
    assert (await server.post("{ __typename }"))[0] == 401
