"""GraphQL over real WebSockets."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.gql.transport.limits import Limits, Timings
from gateway.gql.transport.transport_ws import MAX_OPERATIONS
from gateway.gql.transport.websocket import Socket
from gateway.http.origins import Origins
from tests.gql.conftest import KEY, GraphQLServer, run_server
from tests.gql.fakes import TIMEOUT_S, delivered, event

PROTOCOLS = ("graphql-transport-ws",)
EVENTS = "subscription($after: String) { roomEvents(after: $after) { __typename cursor prev } }"
ROOM_NAMES = "subscription { roomEvents { cursor ... on RoomEvent { room { uniqueName } } } }"


def subscribe(query: str = EVENTS, id_: str = "1", **variables: Any) -> dict[str, Any]:
    return {"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}}


async def receive(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return await socket.receive_json(timeout=TIMEOUT_S)


async def receive_close(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    frame = await socket.receive(timeout=TIMEOUT_S)
    assert frame.type is aiohttp.WSMsgType.CLOSE, frame
    return frame.data, frame.extra or ""


@asynccontextmanager
async def new_socket(server: GraphQLServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connection without `connection_init`."""
    async with server.client.ws_connect(server.url, protocols=PROTOCOLS) as socket:
        yield socket


async def test_events_arrive_in_order_and_a_client_can_unsubscribe(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe(after="c0"))
        assert await receive(socket) == {
            "id": "1",
            "type": "next",
            "payload": {
                "data": {
                    "roomEvents": {"__typename": "StreamStarted", "cursor": "c0", "prev": None}
                }
            },
        }
        server.account.feed.put(delivered(1))
        event_ = (await receive(socket))["payload"]["data"]["roomEvents"]
        assert event_ == {"__typename": "ParticipantConnected", "cursor": "c1", "prev": "c0"}
        await server.account.feed.wait_until_open(1)
        await socket.send_json({"id": "1", "type": "complete"})
        await server.account.feed.wait_until_open(0)
        await socket.send_json({"type": "ping"})
        assert await receive(socket) == {"type": "pong"}


async def test_a_client_that_disconnects_during_the_handshake_is_not_logged(
    server: GraphQLServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Any client may do this, as often as it likes."""
    url = urlsplit(server.url)
    host, port = str(url.hostname), url.port
    upgrade = (
        f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    reset_when_closed = struct.pack("ii", 1, 0)
    for _ in range(20):
        with create_connection((host, port)) as connection:
            connection.setsockopt(SOL_SOCKET, SO_LINGER, reset_when_closed)
            connection.sendall(upgrade.encode())
        # This request is sent later, so its response comes later.
        await server.data("{ __typename }")
    assert caplog.records == []


async def test_a_lost_connection_ends_its_subscriptions(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await server.account.feed.wait_until_open(1)
        assert socket._response.connection is not None
        socket._response.connection.transport.abort()  # type: ignore[union-attr]
        await server.account.feed.wait_until_open(0)


async def test_a_query_and_a_mutation_send_one_result_and_complete(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(
            subscribe('{ room(ref: {uniqueName: "standup"}) { uniqueName } }', "q")
        )
        message = await receive(socket)
        assert (message["id"], message["type"]) == ("q", "next")
        assert message["payload"]["data"] == {"room": {"uniqueName": "standup"}}
        assert message["payload"]["extensions"]["cost"]["requested"] == 35
        assert await receive(socket) == {"id": "q", "type": "complete"}
        await socket.send_json(
            subscribe("mutation { createRoom(input: {}) { room { sid } } }", "q")
        )
        assert (await receive(socket))["type"] == "next"
        assert await receive(socket) == {"id": "q", "type": "complete"}


@pytest.mark.parametrize(
    "query",
    ["{", "", "{ nonsense }", "subscription { roomEvents(filter: {types: [NONE]}) { cursor } }"],
)
async def test_an_invalid_document_gets_an_error_and_the_socket_stays_open(
    server: GraphQLServer, query: str
) -> None:
    async with server.socket() as socket:
        for _ in range(2):
            await socket.send_json(subscribe(query))
            message = await receive(socket)
            assert (message["type"], message["id"]) == ("error", "1")
            assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_error_of_the_feed_keeps_its_code_at_the_start_and_later(
    server: GraphQLServer,
) -> None:
    async with server.socket() as socket:
        server.account.feed.error = UpstreamUnavailable(
            "the log is unavailable: retry", retry_after_ms=500
        )
        await socket.send_json(subscribe())
        [error] = (await receive(socket))["payload"]
        assert (error["extensions"]["code"], error["extensions"]["retryAfterMs"]) == (
            "UPSTREAM_UNAVAILABLE",
            500,
        )

        server.account.feed.error = None
        await socket.send_json(subscribe())
        await receive(socket)
        server.account.feed.put(ValueError("a secret"))
        [error] = (await receive(socket))["payload"]
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "secret" not in error["message"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no JSON", 4400),
        ("[]", 4400),
        ("[" * 5_000, 4400),
        ('{"type": "dance"}', 4400),
        ('{"type": "subscribe", "id": ""}', 4400),
        ('{"type": "connection_init", "payload": 1}', 4400),
        ('{"type": "connection_init", "payload": {"apiKey": 1}}', 4400),
        ('{"type": "connection_init"}', 4401),
        ('{"type": "connection_init", "payload": {"apiKey": "rgk_wrong"}}', 4401),
        ('{"type": "connection_init", "payload": {"authorization": "Basic x"}}', 4401),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}', 4401),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_first_message_that_is_not_allowed_closes_the_socket_with_its_code(
    server: GraphQLServer, message: str, code: int
) -> None:
    async with new_socket(server) as socket:
        await socket.send_str(message)
        assert (await receive_close(socket))[0] == code


async def test_a_binary_frame_closes_the_socket(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_bytes(b"{}")
        assert (await receive_close(socket))[0] == 4400


async def test_a_frame_that_is_too_large_closes_the_socket(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_str("x" * 65_537)
        assert (await receive_close(socket))[0] == 1009


async def test_a_second_connection_init_and_an_id_in_use_close_the_socket(
    server: GraphQLServer,
) -> None:
    async with server.socket() as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await receive_close(socket))[0] == 4429
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await receive(socket)
        await socket.send_json(subscribe())
        assert (await receive_close(socket))[0] == 4409


@pytest.mark.parametrize("id_", ["é" * 80, "a" + "é" * 79, "𝄞" * 80])
async def test_a_reason_that_is_cut_short_is_valid_text(server: GraphQLServer, id_: str) -> None:
    """A close frame with half a character would be a protocol error: code 1007."""
    async with server.socket() as socket:
        await socket.send_json(subscribe(id_=id_))
        await receive(socket)
        await socket.send_json(subscribe(id_=id_))
        code, reason = await receive_close(socket)
    assert code == 4409
    assert reason.startswith(f"Subscriber for {id_[:20]}")


async def test_a_client_that_does_not_initialise_is_closed_after_the_timeout() -> None:
    async with (
        run_server(timings=Timings(init_timeout_s=0.01)) as server,
        new_socket(server) as socket,
    ):
        assert (await receive_close(socket))[0] == 4408


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",)])
async def test_another_subprotocol_is_not_acceptable(
    server: GraphQLServer, protocols: tuple[str, ...]
) -> None:
    async with server.client.ws_connect(server.url, protocols=protocols) as socket:
        assert (await receive_close(socket))[0] == 4406


async def test_credentials_may_be_in_headers_of_the_upgrade(server: GraphQLServer) -> None:
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        async with server.client.ws_connect(
            server.url, protocols=PROTOCOLS, headers=headers
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            assert await receive(socket) == {"type": "connection_ack"}


async def test_one_socket_runs_fifty_operations_and_rejects_one_more(
    server: GraphQLServer,
) -> None:
    async with server.socket() as socket:
        for number in range(MAX_OPERATIONS + 1):
            await socket.send_json(subscribe(id_=str(number)))
        messages = [await receive(socket) for _ in range(MAX_OPERATIONS + 1)]
    [rejected] = [message for message in messages if message["type"] == "error"]
    assert rejected["id"] == str(MAX_OPERATIONS)
    assert rejected["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_aclose_closes_every_socket_as_going_away(server: GraphQLServer) -> None:
    async with server.socket() as idle, server.socket() as subscribed:
        await subscribed.send_json(subscribe())
        await receive(subscribed)
        async with asyncio.TaskGroup() as tasks:
            closing = tasks.create_task(server.graphql.aclose())
            codes = [(await receive_close(socket))[0] for socket in (idle, subscribed)]
        assert closing.done()
    assert codes == [1001, 1001]
    await server.account.feed.wait_until_open(0)


async def test_a_feed_that_ends_closes_the_socket_as_going_away(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await receive(socket)
        server.account.feed.put(None)
        assert (await receive_close(socket))[0] == 1001


async def test_i16_a_caller_with_too_many_sockets_must_try_again_later() -> None:
    async with run_server(limits=Limits(sockets_per_caller=1)) as server:
        async with server.socket() as first, new_socket(server) as second:
            await second.send_json({"type": "connection_init", "payload": {"apiKey": KEY}})
            code, reason = await receive_close(second)
            assert code == 1013
            assert "this caller already has 1 WebSockets open" in reason
            await first.close()
        async with server.socket():
            pass


async def test_i16_sockets_are_limited_before_their_caller_is_known() -> None:
    async with run_server(limits=Limits(sockets=1)) as server, new_socket(server):
        with pytest.raises(aiohttp.WSServerHandshakeError) as rejected:
            await server.client.ws_connect(server.url)
        assert rejected.value.status == 429


async def test_a_page_of_another_origin_cannot_open_a_socket() -> None:
    async with run_server(origins=Origins((), allow_loopback=True)) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError) as rejected:
            await server.client.ws_connect(server.url, headers={"Origin": "https://evil.example"})
        assert rejected.value.status == 403
        loopback = {"Origin": "http://localhost:5173"}
        async with server.client.ws_connect(server.url, headers=loopback):
            pass


async def test_a_client_that_does_not_read_is_closed_and_its_subscription_ends() -> None:
    long = event(room_name="x" * 100_000)
    async with (
        run_server(timings=Timings(slow_client_s=0.05)) as server,
        server.socket() as socket,
        server.socket() as other,
    ):
        await socket.send_json(subscribe(ROOM_NAMES))
        await server.account.feed.wait_until_open(1)
        for number in range(400):  # 40 MB: more than the buffers of the kernel hold
            server.account.feed.put(delivered(number, long))
        await server.account.feed.wait_until_open(0)
        await other.send_json({"type": "ping"})
        assert await receive(other) == {"type": "pong"}


async def test_a_key_of_an_account_that_is_not_served_is_forbidden() -> None:
    async with (
        run_server(AccountSid("AC" + "b" * 32)) as server,
        new_socket(server) as socket,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"apiKey": KEY}})
        assert (await receive_close(socket))[0] == 4403
        status, body = await server.post("{ __typename }")
        assert (status, body["errors"][0]["extensions"]["code"]) == (500, "INTERNAL_SERVER_ERROR")


@pytest.mark.parametrize("length", [1, 90, 300, 70_000])
async def test_write_now_sends_the_same_message_as_the_task_of_the_operation(
    server: GraphQLServer, length: int
) -> None:
    """A frame has one of three forms of its length."""
    query = "subscription { roomEvents { cursor prev ... on RoomEvent { room { uniqueName } } } }"
    named = event(room_name="é" * length)
    async with server.socket() as socket:
        await socket.send_json(subscribe(query, 'é"1'))
        await receive(socket)
        server.account.feed.put(delivered(1, named))
        by_task = await socket.receive(timeout=TIMEOUT_S)
        is_written = server.account.feed.write_now(delivered(1, named))
        assert is_written == (length < 10_000)
        if is_written:
            written_now = await socket.receive(timeout=TIMEOUT_S)
            assert (written_now.type, written_now.data) == (by_task.type, by_task.data)


async def test_write_now_sends_several_messages_in_order(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await receive(socket)
        assert server.account.feed.write_now(*(delivered(number) for number in range(1, 6)))
        server.account.feed.put(delivered(6))
        events = [(await receive(socket))["payload"]["data"]["roomEvents"] for _ in range(6)]
    assert [(event["prev"], event["cursor"]) for event in events] == [
        (f"c{n - 1}", f"c{n}") for n in range(1, 7)
    ]


async def test_a_selection_that_fetches_is_not_written_now(server: GraphQLServer) -> None:
    query = """subscription { roomEvents { cursor
        ... on RoomChanged { room { participants { nodes { sid } } } } } }"""
    async with server.socket() as socket:
        await socket.send_json(subscribe(query))
        await receive(socket)
        [stream] = server.account.feed.streams
        assert stream.write_now is None


async def test_write_now_is_refused_by_a_closed_socket(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await receive(socket)
        [stream] = server.account.feed.streams
        assert stream.write_now is not None
        await socket.close()
        await server.account.feed.wait_until_open(0)
        assert not stream.write(delivered(1))


async def test_a_slow_client_that_reads_again_receives_a_gapless_start_and_the_reason() -> None:
    timings = Timings(slow_client_s=0.05, close_timeout_s=TIMEOUT_S)
    long = event(room_name="x" * 20_000)
    async with run_server(timings=timings) as server, server.socket() as socket:
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        await socket.send_json(subscribe(ROOM_NAMES))
        await server.account.feed.wait_until_open(1)
        for number in range(400):
            server.account.feed.put(delivered(number, long))
        [stream] = server.streams
        assert isinstance(stream, Socket)
        async with asyncio.timeout(TIMEOUT_S):
            while not stream._ws.closed:  # noqa: ASYNC110 - only the client receives an event
                await asyncio.sleep(0.001)
        transport.resume_reading()  # type: ignore[union-attr]
        cursors = []
        while (frame := await socket.receive(timeout=TIMEOUT_S)).type is aiohttp.WSMsgType.TEXT:
            cursors.append(json.loads(frame.data)["payload"]["data"]["roomEvents"]["cursor"])
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1013)
    assert cursors == ["c0", *(f"c{number}" for number in range(len(cursors) - 1))]


async def test_a_flood_of_messages_closes_the_socket(server: GraphQLServer) -> None:
    async def flood() -> None:
        with suppress(ConnectionError):
            while True:
                await socket.send_json({"type": "pong"})

    async with server.socket() as socket, asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(flood())
        code, reason = await receive_close(socket)
        flooding.cancel()
    assert (code, "20 messages a second" in reason) == (4429, True)


async def test_a_revoked_credential_closes_the_socket(server: GraphQLServer) -> None:
    server.authenticator.revalidate_s = 0.01
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await receive(socket)
        server.authenticator.is_revoked = True
        assert (await receive_close(socket))[0] == 4403
    await server.account.feed.wait_until_open(0)
