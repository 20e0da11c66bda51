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
from gateway.twilio.client import BODY_LIMIT, USER_AGENT, TwilioVideo, open_session
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
# Long enough for a request to be sent on a busy machine: what is shown comes after that.
SENT_S = 0.15

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
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
    """An HTTP server on loopback; its handlers are cancelled when their client leaves."""
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
    """A bare TCP server on loopback, for what no HTTP server would send."""
    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def answering(body: bytes, status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(
            status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return handler


def hanging(entered: asyncio.Event, left: asyncio.Event) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        entered.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            left.set()

    return handler


def page(rooms: list[dict[str, Any]], next_page_url: str | None = None) -> bytes:
    return json.dumps({"rooms": rooms, "meta": {"next_page_url": next_page_url}}).encode()


async def failure(call: Call, twilio: TwilioVideo, deadline_s: float = LONG_S) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await call(twilio, deadline_s)
    return caught.value


@contextmanager
def full_backlog() -> Iterator[str]:
    """An address whose port answers no connection: its queue is full and nobody takes from it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for each in waiting:
            each.close()


def refusing_url() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_room_is_fetched_with_credentials_and_our_name(
    session: aiohttp.ClientSession,
) -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=ROOM_JSON)

    async with served(handler) as url:
        room = await fetch(client(session, url + "/"), LONG_S)

    assert (room.sid, room.status) == (SID, RoomStatus.IN_PROGRESS)
    assert (seen[0].method, seen[0].raw_path) == ("GET", f"/v1/Rooms/{SID}")
    assert seen[0].headers["Authorization"] == "Basic U0sxOnM6w6k="
    assert seen[0].headers["User-Agent"] == USER_AGENT
    assert seen[0].headers["Accept"] == "application/json"
    assert seen[0].headers["Accept-Encoding"] == "gzip"


def test_our_name_carries_this_release() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert f"{project['name']}/{project['version']}" == USER_AGENT


async def test_a_create_posts_a_form_and_reads_the_room(session: aiohttp.ClientSession) -> None:
    forms: list[list[tuple[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        forms.append([(name, str(value)) for name, value in (await request.post()).items()])
        return web.Response(status=201, body=ROOM_JSON)

    async with served(handler) as url:
        room = await create(client(session, url), LONG_S)

    assert room.unique_name == "a/b"
    assert forms == [
        [("UniqueName", "a/b"), ("StatusCallback", CALLBACK), ("StatusCallbackMethod", "POST")]
    ]


@pytest.mark.parametrize("status", [200, 202])
async def test_a_room_is_completed(session: aiohttp.ClientSession, status: int) -> None:
    forms: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        forms.append(await request.text())
        return web.Response(status=status, body=json.dumps(ROOM | {"status": "completed"}).encode())

    async with served(handler) as url:
        assert (await complete(client(session, url), LONG_S)).status is RoomStatus.COMPLETED
    assert forms == ["Status=completed"]


@pytest.mark.parametrize("status", [200, 204])
async def test_a_recording_is_deleted_without_a_body(
    session: aiohttp.ClientSession, status: int
) -> None:
    seen: list[tuple[str, str, bytes, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(
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

    assert seen == [("DELETE", f"/v1/Recordings/{RECORDING}", b"", None)]


async def test_insights_is_asked_at_an_address_of_its_own(session: aiohttp.ClientSession) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(body=json.dumps({"room_sid": SID, "account_sid": ACCOUNT}).encode())

    async with served(handler) as url:
        twilio = TwilioVideo(session, refusing_url(), url, ACCOUNT, "SK1", "s:é")
        await summary(twilio, LONG_S)

    assert asked == [f"/v1/Video/Rooms/{SID}"]


async def test_a_link_to_media_is_read_and_not_followed(session: aiohttp.ClientSession) -> None:
    elsewhere: list[str] = []

    async def other(request: web.Request) -> web.Response:
        elsewhere.append(request.raw_path)
        return web.Response()

    async with served(other) as target:
        link = target.replace("http:", "https:") + "/media?secret"
        async with served(answering(b"", 302, Location=link)) as url:
            found = await client(session, url).send(fetch_media_link(RECORDING), deadline_s=LONG_S)

    assert (found.url, elsewhere) == (link, [])


@pytest.mark.parametrize("host", ["", "https://video.twilio.com", "https://evil.example.com:1"])
async def test_a_next_page_is_asked_of_our_own_host_byte_by_byte(
    session: aiohttp.ClientSession, host: str
) -> None:
    asked: list[str] = []
    query = "Status=in-progress&UniqueName=a%2fb%20%41&Page=1&PageToken=PT+%7E~"

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(
            body=page([ROOM], f"{host}/v1/Rooms?{query}" if len(asked) == 1 else None)
        )

    async with served(handler) as url:
        twilio = client(session, url)
        first = await twilio.send(list_rooms(RoomFilter(), 50), deadline_s=LONG_S)
        second = await twilio.send(
            list_rooms(RoomFilter(), 50, first.next_query), deadline_s=LONG_S
        )

    assert asked == ["/v1/Rooms?Status=in-progress&PageSize=50", f"/v1/Rooms?{query}"]
    assert second.next_query is None


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    session: aiohttp.ClientSession, call: Call, status: int
) -> None:
    elsewhere: list[str] = []

    async def other(request: web.Request) -> web.Response:
        elsewhere.append(request.raw_path)
        return web.Response(body=ROOM_JSON)

    async with (
        served(other) as target,
        served(answering(b"", status, Location=f"{target}/v1/Rooms/{SID}")) as url,
    ):
        assert isinstance(await failure(call, client(session, url)), UpstreamUnavailable)
    assert elsewhere == []


@pytest.mark.parametrize("call", [*READS, complete, delete])
@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_of_twilio_may_be_tried_again(
    session: aiohttp.ClientSession, call: Call, status: int
) -> None:
    async with served(answering(b'{"message":"An error occurred"}', status)) as url:
        error = await failure(call, client(session, url))

    assert isinstance(error, UpstreamUnavailable)
    assert error.twilio is not None
    assert error.twilio.status == status


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failed_create_may_have_made_the_room(
    session: aiohttp.ClientSession, status: int
) -> None:
    async with served(answering(b"<html>", status)) as url:
        assert isinstance(await failure(create, client(session, url)), OutcomeUnknown)


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize(("headers", "wait_ms"), [({}, None), ({"Retry_After": "2"}, 2000)])
async def test_over_quota_says_when_to_come_back_if_twilio_does(
    session: aiohttp.ClientSession, call: Call, headers: dict[str, str], wait_ms: int | None
) -> None:
    async with served(answering(b'{"code":20429,"status":429}', 429, **headers)) as url:
        error = await failure(call, client(session, url))

    assert isinstance(error, QuotaExceeded)
    assert error.retry_after_ms == wait_ms


async def test_an_unknown_room_is_not_found(session: aiohttp.ClientSession) -> None:
    async with served(answering(b'{"code":20404,"status":404}', 404)) as url:
        assert isinstance(await failure(fetch, client(session, url)), NotFound)


@pytest.mark.parametrize("call", READS)
async def test_a_read_without_an_answer_ends_at_its_deadline(
    session: aiohttp.ClientSession, call: Call
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, left)) as url:
        assert isinstance(await failure(call, client(session, url), SHORT_S), DeadlineExceeded)
        async with asyncio.timeout(LONG_S):
            await left.wait()


@pytest.mark.parametrize("call", WRITES)
async def test_a_write_without_an_answer_has_an_unknown_outcome(
    session: aiohttp.ClientSession, call: Call
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, left)) as url:
        assert isinstance(await failure(call, client(session, url), SENT_S), OutcomeUnknown)


@pytest.mark.parametrize(
    ("call", "expected"), [(fetch, DeadlineExceeded), (create, OutcomeUnknown)]
)
async def test_a_body_that_never_ends_ends_at_the_deadline(
    session: aiohttp.ClientSession, call: Call, expected: type[GatewayError]
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(ROOM_JSON[:10])
        return await asyncio.get_running_loop().create_future()

    async with served(handler) as url:
        assert isinstance(await failure(call, client(session, url), SENT_S), expected)


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("deadline_s", [0, -1])
async def test_after_the_deadline_twilio_is_not_asked(
    session: aiohttp.ClientSession, call: Call, deadline_s: float
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()
    async with served(hanging(entered, left)) as url:
        assert isinstance(await failure(call, client(session, url), deadline_s), DeadlineExceeded)
    assert not entered.is_set()


@pytest.mark.parametrize("call", [fetch, create])
async def test_a_caller_who_leaves_takes_the_request_along(
    session: aiohttp.ClientSession, call: Call
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()
    async with (
        served(hanging(entered, left)) as url,
        asyncio.timeout(LONG_S),
        asyncio.TaskGroup() as tasks,
    ):
        task = tasks.create_task(_as_coroutine(call(client(session, url), LONG_S)))
        await entered.wait()
        task.cancel()
        await left.wait()
    assert task.cancelled()


async def _as_coroutine(awaitable: Awaitable[object]) -> object:
    return await awaitable


@pytest.mark.parametrize("call", [*READS, *WRITES])
async def test_what_cannot_connect_was_never_sent(
    session: aiohttp.ClientSession, call: Call
) -> None:
    assert isinstance(await failure(call, client(session, refusing_url())), UpstreamUnavailable)


@pytest.mark.parametrize("call", [fetch, create])
async def test_connecting_has_a_limit_of_its_own(call: Call) -> None:
    with full_backlog() as url:
        async with open_session(connect_timeout_s=SHORT_S) as session:
            assert isinstance(await failure(call, client(session, url)), UpstreamUnavailable)


@pytest.mark.parametrize("call", [fetch, create])
async def test_a_deadline_that_passes_while_connecting_leaves_nothing_unknown(
    session: aiohttp.ClientSession, call: Call
) -> None:
    with full_backlog() as url:
        assert isinstance(await failure(call, client(session, url), SHORT_S), DeadlineExceeded)


async def test_a_write_that_waits_for_a_free_connection_until_its_deadline_was_never_sent() -> None:
    entered, left = asyncio.Event(), asyncio.Event()
    async with (
        open_session(connections=1) as session,
        served(hanging(entered, left)) as url,
        asyncio.timeout(LONG_S),
        asyncio.TaskGroup() as tasks,
    ):
        twilio = client(session, url)
        task = tasks.create_task(fetch(twilio, LONG_S))
        await entered.wait()
        assert isinstance(await failure(create, twilio, SHORT_S), DeadlineExceeded)
        task.cancel()


async def test_a_session_of_another_make_takes_every_lost_write_for_sent() -> None:
    async with aiohttp.ClientSession() as session:
        assert isinstance(await failure(create, client(session, refusing_url())), OutcomeUnknown)


@pytest.mark.parametrize(
    ("call", "expected"), [(fetch, UpstreamUnavailable), (create, OutcomeUnknown)]
)
@pytest.mark.parametrize("is_read_first", [False, True])
async def test_a_connection_reset_without_an_answer(
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
    ids=["cut body", "cut chunk", "cut header", "not HTTP", "huge header"],
)
async def test_an_answer_that_breaks_off_or_is_none_is_lost(
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
        "malformed",
        "wrong types",
        "no object",
        "10 MB",
        "cut gzip",
        "gzip bomb",
        "no gzip",
        "not asked for",
    ],
)
async def test_a_body_of_no_use(
    session: aiohttp.ClientSession,
    call: Call,
    expected: type[GatewayError],
    body: bytes,
    headers: dict[str, str],
) -> None:
    async with served(answering(body, **headers)) as url:
        assert isinstance(await failure(call, client(session, url)), expected)


@pytest.mark.parametrize("size", [0, BODY_LIMIT])
async def test_an_answer_within_the_limit_is_read_packed_or_not(
    session: aiohttp.ClientSession, size: int
) -> None:
    body = ROOM_JSON.ljust(size)
    for handler in (answering(body), answering(gzip.compress(body, 1), Content_Encoding="gzip")):
        async with served(handler) as url:
            assert (await fetch(client(session, url), LONG_S)).sid == SID


async def test_an_endless_answer_is_not_read_to_its_end(session: aiohttp.ClientSession) -> None:
    left = asyncio.Event()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        left.set()

    async with accepting(connection) as url, asyncio.timeout(LONG_S):
        assert isinstance(await failure(fetch, client(session, url)), UpstreamUnavailable)
        await left.wait()


@pytest.mark.parametrize("headers", [{}, {"Content_Encoding": "gzip"}])
async def test_a_failures_body_of_no_use_does_not_hide_its_status(
    session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with served(answering(b"x" * 10_000_000, 429, **headers)) as url:
        assert isinstance(await failure(create, client(session, url)), QuotaExceeded)


async def test_no_cookie_is_kept(session: aiohttp.ClientSession) -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(body=ROOM_JSON, headers={"Set-Cookie": "a=1"})

    async with served(handler) as url:
        for _ in range(2):
            await fetch(client(session, url), LONG_S)

    assert cookies == [None, None]


async def test_connections_are_kept_and_used_again(session: aiohttp.ClientSession) -> None:
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=ROOM_JSON)

    async with served(handler) as url:
        for call in (fetch, create, fetch):
            await call(client(session, url), LONG_S)

    assert len(peers) == 1


async def test_no_message_tells_a_name_or_a_secret(session: aiohttp.ClientSession) -> None:
    said = json.dumps({"code": 53113, "message": "Room a/b exists", "status": 400}).encode()
    async with served(answering(said, 400)) as url:
        messages = [str(await failure(call, client(session, url))) for call in (create, fetch)]

    assert all("a/b" not in message and "s:é" not in message for message in messages)


@pytest.mark.parametrize("call", [*READS, delete])
async def test_a_call_whose_connection_breaks_is_sent_once(
    session: aiohttp.ClientSession, call: Call
) -> None:
    """Also on a kept connection, where aiohttp would send it again."""
    answered = 0

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            answered += 1
        writer.close()

    async with accepting(connection) as url:
        twilio = client(session, url)
        assert isinstance(await failure(call, twilio), NotFound)
        assert isinstance(await failure(call, twilio), UpstreamUnavailable | OutcomeUnknown)
    assert answered == 1


async def test_a_call_that_is_not_sent_in_time_is_not_sent_at_all() -> None:
    with full_backlog() as url:
        async with open_session() as session:
            late = client(session, url).send(
                complete_room(SID), deadline_s=LONG_S, send_within_s=SHORT_S
            )
            with pytest.raises(DeadlineExceeded) as caught:
                await late
    assert caught.value.is_unsent


async def test_once_it_is_sent_it_is_waited_for(session: aiohttp.ClientSession) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(SENT_S)
        return web.Response(body=ROOM_JSON)

    async with served(slow) as url:
        room = await client(session, url).send(
            complete_room(SID), deadline_s=LONG_S, send_within_s=SENT_S - 0.05
        )
    assert room.sid == SID


async def test_what_no_answer_can_have_come_to_says_so(session: aiohttp.ClientSession) -> None:
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
async def test_an_answer_of_no_use_is_an_answer(
    session: aiohttp.ClientSession, body: bytes, headers: dict[str, str]
) -> None:
    async with served(answering(body, **headers)) as url:
        read, written = [await failure(call, client(session, url)) for call in (fetch, complete)]
    assert (type(read), read.twilio) == (UpstreamUnavailable, TwilioFault(None, 200))
    assert (type(written), written.twilio) == (OutcomeUnknown, TwilioFault(None, 200))
