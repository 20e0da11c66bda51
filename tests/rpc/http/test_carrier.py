"""Deadlines, slow clients, clients that leave, and requests that are too large."""

import asyncio
import gc
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.rpc.calls import Call
from gateway.rpc.limits import Timings
from gateway.service.callers.authenticator import Authenticator
from tests.rpc.http.probe import AUTH, HttpProbe, frame, frames, serving
from tests.rpc.probe import LIMIT_S, Methods, occurred

MESSAGE_BYTES = 64 * 1024


@pytest.mark.parametrize(
    ("content_type", "header", "value"),
    [
        ("application/json", "Connect-Timeout-Ms", "50"),
        ("application/grpc-web+json", "grpc-timeout", "50m"),
    ],
)
async def test_a_call_ends_at_its_clients_deadline(
    probe: HttpProbe, methods: Methods, content_type: str, header: str, value: str
) -> None:
    is_bare = content_type == "application/json"
    body = b'"word"' if is_bare else frame(b'"word"')
    async with probe.request("GetForever", body, content_type, **{header: value}) as response:
        data = await response.read()
    # On a busy machine, the deadline may pass before the method runs.
    if methods.entered.is_set():
        await occurred(methods.left)
    if is_bare:
        assert (response.status, json.loads(data)["code"]) == (504, "deadline_exceeded")
    else:
        [(_, trailers)] = frames(data)
        assert b"grpc-status: 4\r\n" in trailers


async def test_a_stream_ends_at_its_clients_deadline(probe: HttpProbe, methods: Methods) -> None:
    *messages, end = await probe.stream("Watch", Connect_Timeout_Ms="50")

    assert messages in (["word"], [])
    assert end["error"]["code"] == "deadline_exceeded"
    if methods.entered.is_set():
        await occurred(methods.left)


async def test_a_call_without_deadline_ends_after_the_limit(
    authenticator: Authenticator, methods: Methods
) -> None:
    async with serving(authenticator, methods, timings=Timings(read_s=0.01)) as probe:
        status, body, _ = await probe.unary("GetForever")
    assert (status, body["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize(
    ("header", "value"), [("Connect-Timeout-Ms", "soon"), ("Connect-Protocol-Version", "2")]
)
async def test_an_invalid_header_is_an_invalid_argument(
    probe: HttpProbe, header: str, value: str
) -> None:
    status, body, _ = await probe.unary("GetLength", **{header: value})

    assert (status, body["code"]) == (400, "invalid_argument")
    assert header in body["message"]


async def test_a_compressed_request_is_unimplemented(probe: HttpProbe) -> None:
    compressed = gzip.compress(b'"word"')
    status, body, headers = await probe.unary("GetLength", compressed, Content_Encoding="gzip")
    assert (status, body["code"]) == (501, "unimplemented")
    assert headers["Accept-Encoding"] == "identity"

    [end] = await probe.stream("Watch", Connect_Content_Encoding="gzip")
    assert end["error"]["code"] == "unimplemented"


async def test_a_message_may_have_64_kib(probe: HttpProbe) -> None:
    largest = b'"' + b"x" * (MESSAGE_BYTES - 2) + b'"'
    assert (await probe.unary("GetLength", largest))[:2] == (200, "65534")

    status, body, _ = await probe.unary("GetLength", largest + b" ")
    assert (status, body["code"]) == (429, "resource_exhausted")


async def test_the_length_in_an_envelope_is_checked_before_the_message_arrives(
    probe: HttpProbe,
) -> None:
    async def announce() -> AsyncIterator[bytes]:
        yield frame(b"x" * (MESSAGE_BYTES + 1))[:5]
        await asyncio.Event().wait()

    async with probe.request("Watch", announce(), "application/connect+json") as response:
        assert (await _first_end(response))["error"]["code"] == "resource_exhausted"


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    authenticator: Authenticator, methods: Methods
) -> None:
    async def hesitate() -> AsyncIterator[bytes]:
        yield frame(b'"word"')[:7]
        await asyncio.Event().wait()

    async with (
        serving(authenticator, methods, timings=Timings(read_s=0.02)) as probe,
        probe.request("Watch", hesitate(), "application/connect+json") as response,
    ):
        assert (await _first_end(response))["error"]["code"] == "deadline_exceeded"


async def test_an_unknown_caller_sends_no_body(probe: HttpProbe) -> None:
    async def hesitate() -> AsyncIterator[bytes]:
        yield b'"'
        await asyncio.Event().wait()

    async with probe.request("GetLength", hesitate(), Authorization="Bearer rgk_other") as response:
        assert response.status == 401


@pytest.mark.parametrize("method", ["Watch", "Flood"])
async def test_a_stream_ends_when_its_client_leaves(
    probe: HttpProbe, methods: Methods, method: str
) -> None:
    async with probe.request(method, frame(b'"word"'), "application/connect+json") as response:
        assert await response.content.readexactly(5)
        await occurred(methods.entered)
        response.close()
    await occurred(methods.left)


async def test_a_call_is_cancelled_when_its_client_leaves(
    probe: HttpProbe, methods: Methods
) -> None:
    async with asyncio.TaskGroup() as clients:
        call = clients.create_task(probe.unary("GetForever"))
        await occurred(methods.entered)
        call.cancel()
    await occurred(methods.left)


async def test_p8_a_client_that_does_not_read_is_disconnected(
    authenticator: Authenticator, methods: Methods
) -> None:
    timings = Timings(slow_reader_s=0.05, final_status_s=0.05)
    async with serving(authenticator, methods, timings=timings) as probe:
        host, port = probe.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        body = frame(b'"word"')
        head = (
            "POST /tests.Service/WatchCursors HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {AUTH['Authorization']}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/connect+json\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await occurred(methods.left)
        with suppress(ConnectionError):
            async with asyncio.timeout(LIMIT_S):
                while await reader.read(MESSAGE_BYTES):
                    pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("method", ["GetLength", "GetNothing", "GetForever"])
async def test_an_ended_call_is_freed_without_the_garbage_collector(
    probe: HttpProbe, method: str
) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _open_calls()
        for _ in range(3):
            await probe.unary(method, Connect_Timeout_Ms="5")
        # A response may arrive before its call ends, but not before the one before.
        assert _open_calls() <= before + 1
    finally:
        gc.enable()


def _open_calls() -> int:
    return sum(type(thing) is Call for thing in gc.get_objects())


async def _first_end(response: Any) -> Any:
    head = await response.content.readexactly(5)
    return json.loads(await response.content.readexactly(int.from_bytes(head[1:])))
