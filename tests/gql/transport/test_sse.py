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
from gateway.gql.transport import sse
from gateway.service.callers import revalidation as standing
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, delivered, event

WATCH = "subscription($after: String) { roomEvents(after: $after) { __typename } }"
Events = AsyncIterator[dict[str, str]]


@asynccontextmanager
async def stream(
    server: GraphQLServer,
    query: str = WATCH,
    headers: Mapping[str, str] | None = None,
    **variables: Any,
) -> Any:
    sent = {**server.auth, "Accept": "text/event-stream", **(headers or {})}
    body = {"query": query, "variables": variables}
    async with server.client.post(server.url, json=body, headers=sent) as reply:
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        yield events(reply)


async def events(reply: aiohttp.ClientResponse) -> Events:
    """Each block of the stream as its fields; a comment has the field ''."""
    fields: dict[str, str] = {}
    async for raw in reply.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            yield fields
            fields = {}


async def following(messages: Events) -> dict[str, str]:
    return await asyncio.wait_for(anext(messages), TIMEOUT_S)


async def test_ids_come_from_the_feed_though_no_cursor_is_selected(server: GraphQLServer) -> None:
    async with stream(server) as messages:
        assert await following(messages) == {"retry": "1000"}
        started = await following(messages)
        assert (started["event"], started["id"]) == ("next", "c0")
        assert json.loads(started["data"]) == {
            "data": {"roomEvents": {"__typename": "StreamStarted"}}
        }
        server.account.feed.put(delivered(1))
        assert (await following(messages))["id"] == "c1"


async def test_last_event_id_beats_after(server: GraphQLServer) -> None:
    async with stream(server, headers={"Last-Event-ID": "c7"}, after="c3"):
        await server.account.feed.wait_until_open(1)
    assert server.account.feed.calls[-1].after == "c7"


@pytest.mark.parametrize(("header", "told"), [({}, "c5"), ({"Last-Event-ID": "c7"}, "c7")])
async def test_the_address_may_say_where_a_stream_broke_off_and_the_header_beats_it(
    server: GraphQLServer, header: dict[str, str], told: str
) -> None:
    headers = {**server.auth, "Accept": "text/event-stream", **header}
    parameters = {"query": WATCH, "variables": '{"after": "c3"}', "lastEventId": "c5"}
    async with server.client.get(server.url, params=parameters, headers=headers):
        await server.account.feed.wait_until_open(1)
    assert server.account.feed.calls[-1].after == told


async def test_a_get_streams_too(server: GraphQLServer) -> None:
    headers = {**server.auth, "Accept": "text/event-stream"}
    parameters = {"query": WATCH, "variables": '{"after": "c3"}'}
    async with server.client.get(server.url, params=parameters, headers=headers) as reply:
        messages = events(reply)
        await following(messages)
        assert (await following(messages))["id"] == "c0"
    assert server.account.feed.calls[-1].after == "c3"


async def test_a_client_that_leaves_ends_its_stream(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LOOK_S", 0.01)
    async with stream(server):
        await server.account.feed.wait_until_open(1)
    await server.account.feed.wait_until_open(0)


async def test_a_query_is_one_event_and_complete(server: GraphQLServer) -> None:
    async with stream(server, "{ __typename }") as messages:
        received = [message async for message in messages]
    assert [message.get("event") for message in received] == [None, "next", "complete"]
    assert json.loads(received[1]["data"])["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("query", ["{", "{ nonsense }"])
async def test_a_faulty_document_is_told_in_the_stream(server: GraphQLServer, query: str) -> None:
    async with stream(server, query) as messages:
        _, told, complete = [message async for message in messages]
    assert json.loads(told["data"])["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert complete["event"] == "complete"


async def test_an_error_at_the_start_or_later_is_told_and_completes(server: GraphQLServer) -> None:
    server.account.feed.error = NotFound("no such room is in progress; create it first")
    async with stream(server) as messages:
        _, told, complete = [message async for message in messages]
    assert json.loads(told["data"])["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert complete["event"] == "complete"

    server.account.feed.error = None
    async with stream(server) as messages:
        await server.account.feed.wait_until_open(1)
        server.account.feed.put(UpstreamUnavailable("the log is away; ask again"))
        *_, told, complete = [message async for message in messages]
    assert json.loads(told["data"])["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    assert complete["event"] == "complete"


async def test_stopping_ends_the_response_without_complete(server: GraphQLServer) -> None:
    async with stream(server) as messages:
        await server.account.feed.wait_until_open(1)
        await server.graphql.aclose()
        received = [message async for message in messages]
    assert "complete" not in [message.get("event") for message in received]
    await server.account.feed.wait_until_open(0)


async def test_a_feed_that_ends_ends_the_response_without_complete(server: GraphQLServer) -> None:
    async with stream(server) as messages:
        await server.account.feed.wait_until_open(1)
        server.account.feed.put(None)
        received = [message async for message in messages]
    assert "complete" not in [message.get("event") for message in received]


async def test_a_quiet_stream_is_kept_alive_by_comments(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LOOK_S", 0.01)
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.02)
    async with stream(server) as messages:
        received = [await following(messages) for _ in range(4)]
    assert received[2:] == [{"": ""}, {"": ""}]


def test_comments_come_often_enough() -> None:
    assert sse.HEARTBEAT_S + 2 * sse.LOOK_S <= 15


async def test_who_does_not_read_is_cut_off(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "SLOW_S", 0.05)
    long = event(room_name="x" * 100_000)
    async with stream(server, "subscription { roomEvents { ... on RoomEvent { roomName } } }"):
        await server.account.feed.wait_until_open(1)
        for number in range(400):  # 40 MB: more than the kernel's buffers hold
            server.account.feed.put(delivered(number, long))
        await server.account.feed.wait_until_open(0)


async def test_an_event_that_goes_past_its_task_is_the_same_event(server: GraphQLServer) -> None:
    async with stream(server) as messages:
        for _ in range(2):
            await following(messages)
        server.account.feed.put(delivered(1))
        by_task = await following(messages)
        assert server.account.feed.write_now(delivered(1), delivered(2))
        assert await following(messages) == by_task
        assert (await following(messages))["id"] == "c2"


async def test_a_client_of_http_before_1_1_gets_the_events_without_chunks(
    server: GraphQLServer,
) -> None:
    address = urlsplit(server.url)
    body = json.dumps({"query": WATCH})
    head = "".join(f"{name}: {value}\r\n" for name, value in server.auth.items())
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST {address.path} HTTP/1.0\r\n{head}Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await reader.readuntil(b'StreamStarted"}}}\n\n')
    assert server.account.feed.write_now(delivered(1))
    async with asyncio.timeout(TIMEOUT_S):
        told = await reader.readuntil(b"\n\n")
    assert told.startswith(b"id: c1\nevent: next\ndata: {")
    writer.close()


async def test_a_credential_that_is_taken_back_ends_the_stream(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.01)
    async with stream(server) as messages:
        await server.account.feed.wait_until_open(1)
        monkeypatch.setattr(server.graphql._authenticator, "_keys", ())
        received = [message async for message in messages]
    assert "complete" not in [message.get("event") for message in received]
    assert (await server.post("{ __typename }"))[0] == 401
