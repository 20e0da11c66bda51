import asyncio
import gzip
import json
import socket
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    TwilioFault,
    UpstreamUnavailable,
)
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomSid, RoomStatus
from gateway.core.sids import RecordingSid
from gateway.twilio.client import BODY_LIMIT, MAX_CONNECTIONS, USER_AGENT, TwilioVideo, open_session
from gateway.twilio.wire.insights import fetch_insights_room
from gateway.twilio.wire.recordings import delete_recording, fetch_media_link
from gateway.twilio.wire.rooms import complete_room, create_room, fetch_room, list_rooms

RECORDING = RecordingSid("RT00112233445566778899aabbccddeeff")
SID = RoomSid("RM00112233445566778899aabbccddeeff")
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
CALLBACK = "https://gw.example.com/callbacks/twilio#rc=5"
ROOM: dict[str, Any] = {
    "sid": SID,
    "account_sid": ACCOUNT,
    "status": "in-progress",
    "type": "group",
    "unique_name": "a/b",
    "max_participants": 50,
    "max_participant_duration": 14400,
    "empty_room_timeout": 5,
    "unused_room_timeout": 5,
}
ROOM_JSON = json.dumps(ROOM).encode()
LONG_S = 5.0
SHORT_S = 0.03
# Long enough for a request to be sent on a busy machine: the deadline expires after
# that.
SENT_S = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Call = Callable[[TwilioVideo, float], Awaitable[object]]


async def fetch(twilio: TwilioVideo, deadline_s: float) -> Room:
    return await twilio.send(fetch_room(SID), deadline_s=deadline_s)


async def create(twilio: TwilioVideo, deadline_s: float) -> Room:
    return await twilio.send(
        create_room(NewRoom(unique_name="a/b"), CALLBACK), deadline_s=deadline_s
    )


async def complete(twilio: TwilioVideo, deadline_s: float) -> Room:
    return await twilio.send(complete_room(SID), deadline_s=deadline_s)


async def list_(twilio: TwilioVideo, deadline_s: float) -> object:
    return await twilio.send(list_rooms(RoomFilter(), 50), deadline_s=deadline_s)


async def delete(twilio: TwilioVideo, deadline_s: float) -> None:
    await twilio.send(delete_recording(RECORDING), deadline_s=deadline_s)


async def summary(twilio: TwilioVideo, deadline_s: float) -> object:
    return await twilio.send(fetch_insights_room(SID), deadline_s=deadline_s)


WRITES = [create, complete, delete]
READS = [fetch, list_, summary]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


def client(session: aiohttp.ClientSession, base_url: str) -> TwilioVideo:
    return TwilioVideo(session, base_url, base_url, ACCOUNT, "SK1", "s:é")


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serves HTTP on loopback; a handler is cancelled when its client disconnects."""
    runner = web.ServerRunner(
        web.Server(handler, handler_cancellation=True, access_log=None), shutdown_timeout=1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def accepting(connection: Connection) -> AsyncIterator[str]:
    """Serves raw TCP on loopback, for bytes that no HTTP server would send."""
    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def answering(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(
            status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return handler


async def forever() -> web.StreamResponse:
    response: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await response


def hanging(entered: asyncio.Event, cancelled: asyncio.Event) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        try:
            return await forever()
        finally:
            cancelled.set()

    return handler


def page(rooms: list[dict[str, Any]], next_page_url: str | None = None) -> bytes:
    return json.dumps({"rooms": rooms, "meta": {"next_page_url": next_page_url}}).encode()


async def failure(call: Call, twilio: TwilioVideo, deadline_s: float = LONG_S) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await call(twilio, deadline_s)
    return caught.value


@contextmanager
def full_backlog() -> Iterator[str]:
    """Yields the URL of a port whose backlog is full, so it accepts no connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for client_socket in waiting:
            client_socket.close()


def refusing_url() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_fetch_room_sends_credentials_and_user_agent(
    session: aiohttp.ClientSession,
) -> None:
    requests: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        requests.append(request)
        return web.Response(body=ROOM_JSON)

    async with served(handler) as url:
        room = await fetch(client(session, url + "/"), LONG_S)

    assert (room.sid, room.status) == (SID, RoomStatus.IN_PROGRESS)
    assert (requests[0].method, requests[0].raw_path) == ("GET", f"/v1/Rooms/{SID}")
    assert requests[0].headers["Authorization"] == "Basic U0sxOnM6w6k="
    assert requests[0].headers["User-Agent"] == USER_AGENT
    assert requests[0].headers["Accept"] == "application/json"
    assert requests[0].headers["Accept-Encoding"] == "gzip"


def test_user_agent_names_the_released_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert f"{project['name']}/{project['version']}" == USER_AGENT


async def test_create_room_posts_a_form_and_returns_the_room(
    session: aiohttp.ClientSession,
) -> None:
    forms: list[list[tuple[str, str]]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        forms.append([(name, str(value)) for name, value in (await request.post()).items()])
        return web.Response(status=201, body=ROOM_JSON)

    async with served(handler) as url:
        room = await create(client(session, url), LONG_S)

    assert room.unique_name == "a/b"
    assert forms == [
        [("UniqueName", "a/b"), ("StatusCallback", CALLBACK), ("StatusCallbackMethod", "POST")]
    ]


@pytest.mark.parametrize("status", [200, 202])
async def test_complete_room_accepts_any_success_status(
    session: aiohttp.ClientSession, status: int
) -> None:
    forms: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        forms.append(await request.text())
        return web.Response(status=status, body=json.dumps(ROOM | {"status": "completed"}).encode())

    async with served(handler) as url:
        assert (await complete(client(session, url), LONG_S)).status is RoomStatus.COMPLETED
    assert forms == ["Status=completed"]


@pytest.mark.parametrize("status", [200, 204])
async def test_delete_recording_sends_no_body(session: aiohttp.ClientSession, status: int) -> None:
    requests: list[tuple[str, str, bytes, str | None]] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        requests.append(
            (
                request.method,
                request.raw_path,
                await request.read(),
                request.headers.get("Content-Type"),
            )
        )
        return web.Response(status=status)

    async with served(handler) as url:
        await delete(client(session, url), LONG_S)

    assert requests == [("DELETE", f"/v1/Recordings/{RECORDING}", b"", None)]


async def test_insights_requests_go_to_the_insights_base_url(
    session: aiohttp.ClientSession,
) -> None:
    paths: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        paths.append(request.raw_path)
        return web.Response(body=json.dumps({"room_sid": SID, "account_sid": ACCOUNT}).encode())

    async with served(handler) as url:
        twilio = TwilioVideo(session, refusing_url(), url, ACCOUNT, "SK1", "s:é")
        await summary(twilio, LONG_S)

    assert paths == [f"/v1/Video/Rooms/{SID}"]


async def test_media_redirect_is_returned_and_not_followed(session: aiohttp.ClientSession) -> None:
    followed: list[str] = []

    async def other(request: web.BaseRequest) -> web.Response:
        followed.append(request.raw_path)
        return web.Response()

    async with served(other) as target:
        link = target.replace("http:", "https:") + "/media?secret"
        async with served(answering(b"", 302, Location=link)) as url:
            found = await client(session, url).send(fetch_media_link(RECORDING), deadline_s=LONG_S)

    assert (found.url, followed) == (link, [])


@pytest.mark.parametrize("host", ["", "https://video.twilio.com", "https://evil.example.com:1"])
async def test_next_page_is_requested_from_the_base_url_byte_for_byte(
    session: aiohttp.ClientSession, host: str
) -> None:
    paths: list[str] = []
    query = "Status=in-progress&UniqueName=a%2fb%20%41&Page=1&PageToken=PT+%7E~"

    async def handler(request: web.BaseRequest) -> web.Response:
        paths.append(request.raw_path)
        return web.Response(
            body=page([ROOM], f"{host}/v1/Rooms?{query}" if len(paths) == 1 else None)
        )

    async with served(handler) as url:
        twilio = client(session, url)
        first = await twilio.send(list_rooms(RoomFilter(), 50), deadline_s=LONG_S)
        second = await twilio.send(
            list_rooms(RoomFilter(), 50, first.next_query), deadline_s=LONG_S
        )

    assert paths == ["/v1/Rooms?Status=in-progress&PageSize=50", f"/v1/Rooms?{query}"]
    assert second.next_query is None


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(
    session: aiohttp.ClientSession, call: Call, status: int
) -> None:
    followed: list[str] = []

    async def other(request: web.BaseRequest) -> web.Response:
        followed.append(request.raw_path)
        return web.Response(body=ROOM_JSON)

    async with (
        served(other) as target,
        served(answering(b"", status, Location=f"{target}/v1/Rooms/{SID}")) as url,
    ):
        assert isinstance(await failure(call, client(session, url)), UpstreamUnavailable)
    assert followed == []


@pytest.mark.parametrize("call", [*READS, complete, delete])
@pytest.mark.parametrize("status", [500, 503])
async def test_server_error_is_upstream_unavailable(
    session: aiohttp.ClientSession, call: Call, status: int
) -> None:
    async with served(answering(b'{"message":"An error occurred"}', status)) as url:
        error = await failure(call, client(session, url))

    assert isinstance(error, UpstreamUnavailable)
    assert error.twilio is not None
    assert error.twilio.status == status


@pytest.mark.parametrize("status", [500, 503])
async def test_server_error_for_a_create_is_outcome_unknown(
    session: aiohttp.ClientSession, status: int
) -> None:
    async with served(answering(b"<html>", status)) as url:
        assert isinstance(await failure(create, client(session, url)), OutcomeUnknown)


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize(("headers", "wait_ms"), [({}, None), ({"Retry_After": "2"}, 2000)])
async def test_quota_error_carries_retry_after_if_twilio_sends_it(
    session: aiohttp.ClientSession, call: Call, headers: dict[str, str], wait_ms: int | None
) -> None:
    async with served(answering(b'{"code":20429,"status":429}', 429, **headers)) as url:
        error = await failure(call, client(session, url))

    assert isinstance(error, QuotaExceeded)
    assert error.retry_after_ms == wait_ms


async def test_unknown_room_is_not_found(session: aiohttp.ClientSession) -> None:
    async with served(answering(b'{"code":20404,"status":404}', 404)) as url:
        assert isinstance(await failure(fetch, client(session, url)), NotFound)


@pytest.mark.parametrize("call", READS)
async def test_read_without_a_response_ends_at_its_deadline(
    session: aiohttp.ClientSession, call: Call
) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, cancelled)) as url:
        assert isinstance(await failure(call, client(session, url), SHORT_S), DeadlineExceeded)
        async with asyncio.timeout(LONG_S):
            await cancelled.wait()


async def test_write_without_a_response_is_outcome_unknown(session: aiohttp.ClientSession) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, cancelled)) as url:
        twilio = client(session, url)
        errors = await asyncio.gather(*(failure(call, twilio, SENT_S) for call in WRITES))
    assert [type(error) for error in errors] == [OutcomeUnknown] * len(WRITES)


async def test_body_that_never_ends_is_bounded_by_the_deadline(
    session: aiohttp.ClientSession,
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(ROOM_JSON[:10])
        return await forever()

    async with served(handler) as url:
        twilio = client(session, url)
        errors = await asyncio.gather(*(failure(call, twilio, SENT_S) for call in (fetch, create)))
    assert [type(error) for error in errors] == [DeadlineExceeded, OutcomeUnknown]


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("deadline_s", [0, -1])
async def test_expired_deadline_sends_no_request(
    session: aiohttp.ClientSession, call: Call, deadline_s: float
) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, cancelled)) as url:
        assert isinstance(await failure(call, client(session, url), deadline_s), DeadlineExceeded)
    assert not entered.is_set()


@pytest.mark.parametrize("call", [fetch, create])
async def test_cancelled_call_closes_its_connection(
    session: aiohttp.ClientSession, call: Call
) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()
    async with (
        served(hanging(entered, cancelled)) as url,
        asyncio.timeout(LONG_S),
        asyncio.TaskGroup() as tasks,
    ):
        task = tasks.create_task(_as_coroutine(call(client(session, url), LONG_S)))
        await entered.wait()
        task.cancel()
        await cancelled.wait()
    assert task.cancelled()


async def _as_coroutine(awaitable: Awaitable[object]) -> object:
    return await awaitable


@pytest.mark.parametrize("call", [*READS, *WRITES])
async def test_refused_connection_is_upstream_unavailable(
    session: aiohttp.ClientSession, call: Call
) -> None:
    assert isinstance(await failure(call, client(session, refusing_url())), UpstreamUnavailable)


async def test_connect_timeout_is_shorter_than_the_deadline(session: aiohttp.ClientSession) -> None:
    with full_backlog() as url:
        twilio = client(session, url)
        errors = await asyncio.gather(*(failure(call, twilio, 60) for call in (fetch, create)))
    assert [type(error) for error in errors] == [UpstreamUnavailable] * 2


@pytest.mark.parametrize("call", [fetch, create])
async def test_deadline_while_connecting_is_deadline_exceeded(
    session: aiohttp.ClientSession, call: Call
) -> None:
    with full_backlog() as url:
        assert isinstance(await failure(call, client(session, url), SHORT_S), DeadlineExceeded)


async def test_write_that_gets_no_connection_before_its_deadline_is_deadline_exceeded(
    session: aiohttp.ClientSession,
) -> None:
    in_flight = 0
    all_taken = asyncio.Event()

    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal in_flight
        in_flight += 1
        if in_flight == MAX_CONNECTIONS:
            all_taken.set()
        return await forever()

    async with served(hang) as url, asyncio.TaskGroup() as tasks:
        twilio = client(session, url)
        reads = [tasks.create_task(fetch(twilio, 60)) for _ in range(MAX_CONNECTIONS)]
        async with asyncio.timeout(LONG_S):
            await all_taken.wait()
        assert isinstance(await failure(create, twilio, SHORT_S), DeadlineExceeded)
        for read in reads:
            read.cancel()


async def test_session_without_our_trace_reports_every_lost_write_as_unknown() -> None:
    async with aiohttp.ClientSession() as session:
        assert isinstance(await failure(create, client(session, refusing_url())), OutcomeUnknown)


@pytest.mark.parametrize(
    ("call", "expected"), [(fetch, UpstreamUnavailable), (create, OutcomeUnknown)]
)
@pytest.mark.parametrize("is_read_first", [False, True])
async def test_connection_reset_without_a_response(
    session: aiohttp.ClientSession, call: Call, expected: type[GatewayError], is_read_first: bool
) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_read_first:
            await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with accepting(connection) as url:
        assert isinstance(await failure(call, client(session, url)), expected)


@pytest.mark.parametrize(
    ("call", "expected"), [(fetch, UpstreamUnavailable), (create, OutcomeUnknown)]
)
@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + ROOM_JSON[:20],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=["cut-body", "cut-chunk", "cut-header", "not-http", "huge-header"],
)
async def test_response_that_is_cut_off_or_not_http_is_lost(
    session: aiohttp.ClientSession, call: Call, expected: type[GatewayError], sent: bytes
) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    async with accepting(connection) as url:
        assert isinstance(await failure(call, client(session, url)), expected)


@pytest.mark.parametrize(
    ("call", "expected"), [(fetch, UpstreamUnavailable), (create, OutcomeUnknown)]
)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b'{"sid": 1}', {}),
        (b"[]", {}),
        (ROOM_JSON.ljust(10_000_000), {}),
        (gzip.compress(ROOM_JSON)[:-9], {"Content_Encoding": "gzip"}),
        (gzip.compress(ROOM_JSON.ljust(BODY_LIMIT + 1), 1), {"Content_Encoding": "gzip"}),
        (ROOM_JSON, {"Content_Encoding": "gzip"}),
        (ROOM_JSON, {"Content_Encoding": "br"}),
    ],
    ids=[
        "malformed-json",
        "wrong-types",
        "not-an-object",
        "too-large",
        "cut-gzip",
        "gzip-bomb",
        "not-gzip",
        "unrequested-encoding",
    ],
)
async def test_unusable_body(
    session: aiohttp.ClientSession,
    call: Call,
    expected: type[GatewayError],
    body: bytes,
    headers: dict[str, str],
) -> None:
    async with served(answering(body, 200, **headers)) as url:
        assert isinstance(await failure(call, client(session, url)), expected)


@pytest.mark.parametrize("size", [0, BODY_LIMIT])
async def test_body_within_the_limit_is_read_compressed_or_not(
    session: aiohttp.ClientSession, size: int
) -> None:
    body = ROOM_JSON.ljust(size)
    for handler in (answering(body), answering(gzip.compress(body, 1), Content_Encoding="gzip")):
        async with served(handler) as url:
            assert (await fetch(client(session, url), LONG_S)).sid == SID


async def test_endless_body_is_not_read_to_its_end(session: aiohttp.ClientSession) -> None:
    closed = asyncio.Event()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        closed.set()

    async with accepting(connection) as url, asyncio.timeout(LONG_S):
        assert isinstance(await failure(fetch, client(session, url)), UpstreamUnavailable)
        await closed.wait()


@pytest.mark.parametrize("headers", [{}, {"Content_Encoding": "gzip"}])
async def test_unusable_body_of_an_error_does_not_hide_its_status(
    session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with served(answering(b"x" * 10_000_000, 429, **headers)) as url:
        assert isinstance(await failure(create, client(session, url)), QuotaExceeded)


async def test_cookies_are_not_stored(session: aiohttp.ClientSession) -> None:
    cookies: list[str | None] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(body=ROOM_JSON, headers={"Set-Cookie": "a=1"})

    async with served(handler) as url:
        for _ in range(2):
            await fetch(client(session, url), LONG_S)

    assert cookies == [None, None]


async def test_connections_are_reused(session: aiohttp.ClientSession) -> None:
    peers: set[object] = set()

    async def handler(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=ROOM_JSON)

    async with served(handler) as url:
        for call in (fetch, create, fetch):
            await call(client(session, url), LONG_S)

    assert len(peers) == 1


async def test_error_messages_contain_no_name_and_no_secret(session: aiohttp.ClientSession) -> None:
    body = json.dumps({"code": 53113, "message": "Room a/b exists", "status": 400}).encode()
    async with served(answering(body, 400)) as url:
        messages = [str(await failure(call, client(session, url))) for call in (create, fetch)]

    assert all("a/b" not in message and "s:é" not in message for message in messages)


@pytest.mark.parametrize("call", [*READS, delete])
async def test_request_is_sent_once_when_its_connection_breaks(
    session: aiohttp.ClientSession, call: Call
) -> None:
    """Also on a reused connection, where aiohttp would otherwise send the request
    again."""
    received = 0

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            received += 1
        writer.close()

    async with accepting(connection) as url:
        twilio = client(session, url)
        assert isinstance(await failure(call, twilio), NotFound)
        assert isinstance(await failure(call, twilio), UpstreamUnavailable | OutcomeUnknown)
    assert received == 1


async def test_call_that_cannot_be_sent_in_time_is_unsent() -> None:
    with full_backlog() as url:
        async with open_session() as session:
            call = client(session, url).send(
                complete_room(SID), deadline_s=LONG_S, send_within_s=SHORT_S
            )
            with pytest.raises(DeadlineExceeded) as caught:
                await call
    assert caught.value.is_unsent


async def test_request_sent_in_time_may_take_until_the_deadline(
    session: aiohttp.ClientSession,
) -> None:
    received, may_respond = asyncio.Event(), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.Response:
        received.set()
        await may_respond.wait()
        return web.Response(body=ROOM_JSON)

    async with served(slow) as url, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        loop = asyncio.get_running_loop()
        send_ends_at = loop.time() + SENT_S
        call = client(session, url).send(complete_room(SID), deadline_s=60, send_within_s=SENT_S)
        task = tasks.create_task(call)
        await received.wait()
        # The response comes after the limit for sending.
        await asyncio.sleep(send_ends_at + SHORT_S - loop.time())
        may_respond.set()
    assert task.result().sid == SID


async def test_is_unsent_tells_a_refused_connection_from_a_bad_response(
    session: aiohttp.ClientSession,
) -> None:
    for call in (fetch, create):
        assert (await failure(call, client(session, refusing_url()))).is_unsent
    async with served(answering(b"{", 200)) as url:
        error = await failure(fetch, client(session, url))
    assert (error.is_unsent, error.twilio) == (False, TwilioFault(None, 200))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b" " * (BODY_LIMIT + 1), {}),
        (gzip.compress(ROOM_JSON)[:-5], {"Content_Encoding": "gzip"}),
        (ROOM_JSON, {"Content_Encoding": "br"}),
    ],
)
async def test_unusable_response_error_carries_twilio_status(
    session: aiohttp.ClientSession, body: bytes, headers: dict[str, str]
) -> None:
    async with served(answering(body, 200, **headers)) as url:
        read_error, write_error = [
            await failure(call, client(session, url)) for call in (fetch, complete)
        ]
    assert (type(read_error), read_error.twilio) == (UpstreamUnavailable, TwilioFault(None, 200))
    assert (type(write_error), write_error.twilio) == (OutcomeUnknown, TwilioFault(None, 200))


async def test_unreadable_field_is_logged_once_and_without_its_value(
    session: aiohttp.ClientSession,
) -> None:
    rooms = [ROOM | {"max_participants": "secret"}, ROOM | {"duration": "secret"}]

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response({"rooms": [*rooms, *rooms], "meta": {}})

    async with served(answer) as base_url:
        with capture_logs() as logs:
            for _ in range(2):
                await list_(client_ := client(session, base_url), LONG_S)
                await list_(client_, LONG_S)
    assert [(entry["event"], entry["field"]) for entry in logs] == [
        ("twilio.field_unreadable", "rooms[].max_participants"),
        ("twilio.field_unreadable", "rooms[].duration"),
    ] * 2
    assert "secret" not in str(logs)


async def test_field_that_makes_a_page_unreadable_is_named(session: aiohttp.ClientSession) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response({"rooms": [ROOM, ROOM | {"status": None}], "meta": {}})

    async with served(answer) as base_url:
        with capture_logs() as logs, pytest.raises(UpstreamUnavailable) as failed:
            await list_(client(session, base_url), LONG_S)
    assert "its field rooms[1].status is missing" in str(failed.value)
    assert [entry["field"] for entry in logs] == ["rooms[].status"]
