"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import asyncio
import json
import struct
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.core.errors import UpstreamUnavailable
from gateway.core.rooms import AccountSid
from gateway.gql.transport import http as face
from gateway.gql.transport import websocket
from gateway.service.callers import revalidation as standing
from tests.gql.conftest import KEY, GraphQLServer, run_server
from tests.gql.fakes import TIMEOUT_S, delivered, event

WATCH = "subscription($after: String) { roomEvents(after: $after) { __typename cursor prev } }"


def subscribe(query: str = WATCH, id_: str = "1", **variables: Any) -> dict[str, Any]:
    return {"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}}


async def closed(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    frame = await socket.receive(timeout=TIMEOUT_S)
    assert frame.type is aiohttp.WSMsgType.CLOSE, frame
    return frame.data, frame.extra or ""


async def test_events_arrive_in_order_and_a_client_can_leave(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe(after="c0"))
        started = await socket.receive_json(timeout=TIMEOUT_S)
        assert started == {
            "id": "1",
            "type": "next",
            "payload": {
                "data": {
                    "roomEvents": {"__typename": "StreamStarted", "cursor": "c0", "prev": None}
                }
            },
        }
        server.account.feed.put(delivered(1))
        told = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]["data"]["roomEvents"]
        assert told == {"__typename": "ParticipantConnected", "cursor": "c1", "prev": "c0"}
        await server.account.feed.wait_until_open(1)
        await socket.send_json({"id": "1", "type": "complete"})
        await server.account.feed.wait_until_open(0)
        await socket.send_json({"type": "ping"})
        assert await socket.receive_json(timeout=TIMEOUT_S) == {"type": "pong"}


async def test_who_leaves_before_the_answer_leaves_no_trace_in_the_log(
    server: GraphQLServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody may do so, as often as he likes."""
    url = urlsplit(server.url)
    host, port = str(url.hostname), url.port
    upgrade = (
        f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    reset_when_closed = struct.pack("ii", 1, 0)
    for _ in range(20):
        with create_connection((host, port)) as leaving:
            leaving.setsockopt(SOL_SOCKET, SO_LINGER, reset_when_closed)
            leaving.sendall(upgrade.encode())
        # Comes after it, and so is answered after it.
        await server.data("{ __typename }")
    assert caplog.records == []


async def test_a_lost_connection_ends_its_streams(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await server.account.feed.wait_until_open(1)
        assert socket._response.connection is not None
        socket._response.connection.transport.abort()  # type: ignore[union-attr]
        await server.account.feed.wait_until_open(0)


async def test_queries_and_mutations_are_answered_once_and_complete(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe('{ room(ref: "standup") { uniqueName } }', "q"))
        answer = await socket.receive_json(timeout=TIMEOUT_S)
        assert (answer["id"], answer["type"]) == ("q", "next")
        assert answer["payload"]["data"] == {"room": {"uniqueName": "standup"}}
        assert answer["payload"]["extensions"]["cost"]["requested"] == 35
        assert await socket.receive_json(timeout=TIMEOUT_S) == {"id": "q", "type": "complete"}
        await socket.send_json(subscribe("mutation { createRoom { sid } }", "q"))
        assert (await socket.receive_json(timeout=TIMEOUT_S))["type"] == "next"
        assert await socket.receive_json(timeout=TIMEOUT_S) == {"id": "q", "type": "complete"}


@pytest.mark.parametrize(
    "query",
    ["{", "", "{ nonsense }", "subscription { roomEvents(types: [NONE]) { cursor } }"],
)
async def test_a_faulty_document_is_answered_with_an_error_and_the_socket_lives(
    server: GraphQLServer, query: str
) -> None:
    async with server.socket() as socket:
        for _ in range(2):
            await socket.send_json(subscribe(query))
            answer = await socket.receive_json(timeout=TIMEOUT_S)
            assert (answer["type"], answer["id"]) == ("error", "1")
            assert answer["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_error_of_the_feed_has_its_code_at_the_start_and_later(
    server: GraphQLServer,
) -> None:
    async with server.socket() as socket:
        server.account.feed.error = UpstreamUnavailable(
            "the log is away; ask again", retry_after_ms=500
        )
        await socket.send_json(subscribe())
        [error] = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
        assert (error["extensions"]["code"], error["extensions"]["retryAfterMs"]) == (
            "UPSTREAM_UNAVAILABLE",
            500,
        )

        server.account.feed.error = None
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        server.account.feed.put(ValueError("a secret"))
        [error] = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
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
async def test_a_message_out_of_order_closes_with_its_code(
    server: GraphQLServer, message: str, code: int
) -> None:
    async with server.client.ws_connect(server.url, protocols=("graphql-transport-ws",)) as socket:
        await socket.send_str(message)
        assert (await closed(socket))[0] == code


async def test_bytes_are_no_messages(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_bytes(b"{}")
        assert (await closed(socket))[0] == 4400


async def test_an_oversized_frame_is_refused(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_str("x" * 65_537)
        assert (await closed(socket))[0] == 1009


async def test_a_second_init_and_a_used_id_close_the_socket(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await closed(socket))[0] == 4429
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        await socket.send_json(subscribe())
        assert (await closed(socket))[0] == 4409


async def test_who_does_not_init_is_closed(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "INIT_S", 0.01)
    async with server.client.ws_connect(server.url, protocols=("graphql-transport-ws",)) as socket:
        assert (await closed(socket))[0] == 4408


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",)])
async def test_other_subprotocols_are_not_acceptable(
    server: GraphQLServer, protocols: tuple[str, ...]
) -> None:
    async with server.client.ws_connect(server.url, protocols=protocols) as socket:
        assert (await closed(socket))[0] == 4406


async def test_the_key_may_stand_in_the_upgrade(server: GraphQLServer) -> None:
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        async with server.client.ws_connect(
            server.url, protocols=("graphql-transport-ws",), headers=headers
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            assert await socket.receive_json(timeout=TIMEOUT_S) == {"type": "connection_ack"}


async def test_one_socket_runs_fifty_operations_and_no_more(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        for number in range(websocket.OPERATIONS + 1):
            await socket.send_json(subscribe(id_=str(number)))
        answers = [
            await socket.receive_json(timeout=TIMEOUT_S) for _ in range(websocket.OPERATIONS + 1)
        ]
    [refused] = [answer for answer in answers if answer["type"] == "error"]
    assert refused["id"] == str(websocket.OPERATIONS)
    assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_stopping_tells_every_client_to_come_again(server: GraphQLServer) -> None:
    async with server.socket() as quiet, server.socket() as watching:
        await watching.send_json(subscribe())
        await watching.receive_json(timeout=TIMEOUT_S)
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(server.graphql.aclose())
            codes = [(await closed(socket))[0] for socket in (quiet, watching)]
        assert stopping.done()
    assert codes == [1001, 1001]
    await server.account.feed.wait_until_open(0)


async def test_a_feed_that_ends_closes_the_socket_as_going_away(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        server.account.feed.put(None)
        assert (await closed(socket))[0] == 1001


async def test_i16_a_caller_with_too_many_sockets_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(face, "SOCKETS_PER_CALLER", 1)
    async with run_server() as server:
        async with (
            server.socket() as first,
            server.client.ws_connect(server.url, protocols=("graphql-transport-ws",)) as second,
        ):
            await second.send_json({"type": "connection_init", "payload": {"apiKey": KEY}})
            code, reason = await closed(second)
            assert code == 1013
            assert "this caller has its 1 WebSockets open" in reason
            await first.close()
        async with server.socket():
            pass


async def test_i16_sockets_are_counted_before_it_is_known_whose_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(face, "SOCKETS", 1)
    async with (
        run_server() as server,
        server.client.ws_connect(server.url, protocols=("graphql-transport-ws",)),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await server.client.ws_connect(server.url)
        assert refused.value.status == 429


async def test_a_page_of_another_origin_gets_no_socket() -> None:
    async with run_server(allow_loopback_origins=True) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await server.client.ws_connect(server.url, headers={"Origin": "https://evil.example"})
        assert refused.value.status == 403
        async with server.client.ws_connect(
            server.url, headers={"Origin": "http://localhost:5173"}
        ):
            pass


async def test_who_does_not_read_is_closed_and_its_stream_with_it(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "SLOW_S", 0.05)
    long = event(room_name="x" * 100_000)
    async with server.socket() as socket, server.socket() as other:
        query = "subscription { roomEvents { cursor ... on RoomEvent { roomName } } }"
        await socket.send_json(subscribe(query))
        await server.account.feed.wait_until_open(1)
        for number in range(400):  # 40 MB: more than the kernel's buffers hold
            server.account.feed.put(delivered(number, long))
        await server.account.feed.wait_until_open(0)
        await other.send_json({"type": "ping"})
        assert await other.receive_json(timeout=TIMEOUT_S) == {"type": "pong"}


async def test_a_key_of_an_account_that_is_not_served_is_forbidden() -> None:
    async with (
        run_server(AccountSid("AC" + "b" * 32)) as server,
        server.client.ws_connect(server.url, protocols=("graphql-transport-ws",)) as socket,
    ):
        await socket.send_json({"type": "connection_init", "payload": {"apiKey": KEY}})
        assert (await closed(socket))[0] == 4403
        status, body = await server.post("{ __typename }")
        assert (status, body["errors"][0]["extensions"]["code"]) == (500, "INTERNAL_SERVER_ERROR")


@pytest.mark.parametrize("length", [1, 90, 300, 70_000])
async def test_an_event_written_now_is_the_same_message(server: GraphQLServer, length: int) -> None:
    """Frames say their length in three ways."""
    query = "subscription { roomEvents { cursor prev ... on RoomEvent { roomName } } }"
    what = event(room_name="é" * length)
    async with server.socket() as socket:
        await socket.send_json(subscribe(query, 'é"1'))
        await socket.receive_json(timeout=TIMEOUT_S)
        server.account.feed.put(delivered(1, what))
        by_task = await socket.receive(timeout=TIMEOUT_S)
        is_written = server.account.feed.write_now(delivered(1, what))
        assert is_written == (length < 10_000)
        if is_written:
            written_now = await socket.receive(timeout=TIMEOUT_S)
            assert (written_now.type, written_now.data) == (by_task.type, by_task.data)


async def test_events_heard_together_go_together_and_in_order(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        assert server.account.feed.write_now(*(delivered(number) for number in range(1, 6)))
        server.account.feed.put(delivered(6))
        told = [
            (await socket.receive_json(timeout=TIMEOUT_S))["payload"]["data"]["roomEvents"]
            for _ in range(6)
        ]
    assert [(each["prev"], each["cursor"]) for each in told] == [
        (f"c{n - 1}", f"c{n}") for n in range(1, 7)
    ]


async def test_a_selection_that_fetches_keeps_to_its_task(server: GraphQLServer) -> None:
    query = "subscription { roomEvents { cursor ... on RoomChanged { room { participants { nodes { sid } } } } } }"
    async with server.socket() as socket:
        await socket.send_json(subscribe(query))
        await socket.receive_json(timeout=TIMEOUT_S)
        assert not server.account.feed.write_now(delivered(1))


async def test_a_closed_socket_accepts_no_event_written_now(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        [stream] = server.account.feed.streams
        await socket.close()
        await server.account.feed.wait_until_open(0)
        assert not stream.write(delivered(1))


async def test_who_is_slow_and_reads_again_in_time_is_told_to_come_again(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "SLOW_S", 0.05)
    long = event(room_name="x" * 20_000)
    async with server.socket() as socket:
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        await socket.send_json(
            subscribe("subscription { roomEvents { cursor ... on RoomEvent { roomName } } }")
        )
        await server.account.feed.wait_until_open(1)
        for number in range(400):
            server.account.feed.put(delivered(number, long))
        [here] = server.graphql._streams
        assert isinstance(here, websocket.Socket)
        async with asyncio.timeout(TIMEOUT_S):
            while not here._ws.closed:  # noqa: ASYNC110 - it says so to nobody but the client
                await asyncio.sleep(0.001)
        transport.resume_reading()  # type: ignore[union-attr]
        cursors = []
        while (frame := await socket.receive(timeout=TIMEOUT_S)).type is aiohttp.WSMsgType.TEXT:
            cursors.append(json.loads(frame.data)["payload"]["data"]["roomEvents"]["cursor"])
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1013)
    # Without a hole, up to the last one that was sent.
    assert cursors == ["c0", *(f"c{number}" for number in range(len(cursors) - 1))]


async def test_a_flood_of_messages_closes_the_socket(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        for _ in range(websocket.PACE.burst + 10):
            await socket.send_json({"type": "pong"})
        code, reason = await closed(socket)
    assert (code, "20 messages a second" in reason) == (4429, True)


async def test_a_credential_that_is_taken_back_closes_the_socket(
    server: GraphQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.01)
    async with server.socket() as socket:
        await socket.send_json(subscribe())
        await socket.receive_json(timeout=TIMEOUT_S)
        monkeypatch.setattr(server.graphql._authenticator, "_keys", ())
        assert (await closed(socket))[0] == 4403
    await server.account.feed.wait_until_open(0)
