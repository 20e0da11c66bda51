"""The interceptor before methods of our own on a real server: some answer, some fail, some never end."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from structlog.testing import capture_logs

from gateway.core.callers import Caller
from gateway.core.errors import NotFound
from gateway.rooms.v1.events_pb2 import LoggedEvent, RoomEvent
from gateway.rpc import errors as errors_module
from gateway.rpc import interceptor as interceptor_module
from gateway.rpc.authentication import current_caller
from gateway.rpc.interceptor import Interceptor, Limits
from gateway.service.callers import revalidation as standing
from gateway.service.callers.authenticator import ApiKey, Authenticator

from .conftest import API_KEY, METADATA

WAIT_S = 5


class Methods:
    """Service `tests.Service`; `begun` and `left` tell when a method that never ends by itself was entered and left."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.left = asyncio.Event()
        self.callers: list[Caller] = []

    async def get_length(self, request: StringValue, context: Any) -> StringValue:
        self.callers.append(current_caller())
        return StringValue(value=str(len(request.value)))

    async def get_nothing(self, request: StringValue, context: Any) -> StringValue:
        raise NotFound("there is nothing; look elsewhere")

    async def get_bug(self, request: StringValue, context: Any) -> StringValue:
        raise RuntimeError(f"broken by {request.value}")

    async def get_timeout_bug(self, request: StringValue, context: Any) -> StringValue:
        raise TimeoutError(f"not the deadline's {request.value}")

    async def get_for_ever(self, request: StringValue, context: Any) -> StringValue:
        await self._for_ever()
        return StringValue()

    async def watch(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value=request.value)
        await self._for_ever()

    async def flood(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        try:
            while True:
                yield StringValue(value=request.value)
                self.begun.set()
        finally:
            self.left.set()

    async def watch_cursors(self, request: StringValue, context: Any) -> AsyncIterator[LoggedEvent]:
        try:
            for number in itertools.count():
                yield LoggedEvent(cursor=str(number), event=RoomEvent(room_name="x" * 10_000))
        finally:
            self.left.set()

    async def watch_nothing(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value="first")
        raise NotFound("there is nothing more; look elsewhere")

    async def _for_ever(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


def handlers(methods: Methods) -> grpc.GenericRpcHandler:
    codec = {
        "request_deserializer": StringValue.FromString,
        "response_serializer": StringValue.SerializeToString,
    }
    unary: dict[str, Callable[..., Awaitable[StringValue]]] = {
        "GetLength": methods.get_length,
        "GetNothing": methods.get_nothing,
        "GetBug": methods.get_bug,
        "GetTimeoutBug": methods.get_timeout_bug,
        "GetForEver": methods.get_for_ever,
    }
    streams = {
        "Watch": methods.watch,
        "WatchCursors": methods.watch_cursors,
        "Flood": methods.flood,
        "WatchNothing": methods.watch_nothing,
    }
    return grpc.method_handlers_generic_handler(
        "tests.Service",
        {
            name: grpc.unary_unary_rpc_method_handler(method, **codec)
            for name, method in unary.items()
        }
        | {
            name: grpc.unary_stream_rpc_method_handler(method, **codec)
            for name, method in streams.items()
        },
    )


class Client:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def call(self, method: str, raw: bytes | None = None, **options: Any) -> Any:
        return self._start(self._channel.unary_unary, method, raw, options)

    def stream(self, method: str, raw: bytes | None = None, **options: Any) -> Any:
        return self._start(self._channel.unary_stream, method, raw, options)

    def _start(self, kind: Any, method: str, raw: bytes | None, options: dict[str, Any]) -> Any:
        answer = LoggedEvent if method == "WatchCursors" else StringValue
        start = kind(f"/tests.Service/{method}", response_deserializer=answer.FromString)
        request = StringValue(value="word").SerializeToString() if raw is None else raw
        return start(request, **{"metadata": METADATA, "timeout": WAIT_S, **options})


@asynccontextmanager
async def serving(
    authenticator: Authenticator, methods: Methods, limits: Limits = Limits()
) -> AsyncIterator[Client]:
    server = grpc.aio.server(
        handlers=[handlers(methods)], interceptors=[Interceptor(authenticator, limits)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Client(channel)
    finally:
        await server.stop(0)


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def client(authenticator: Authenticator, methods: Methods) -> AsyncIterator[Client]:
    async with serving(authenticator, methods, Limits(calls=2, streams=2)) as client:
        yield client


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """Status, reason and message."""
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    return await told(call)


async def told(call: Any) -> tuple[grpc.StatusCode, str, str]:
    status = await rpc_status.aio.from_call(call)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return await call.code(), info.reason, status.message


async def within(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), WAIT_S)


async def test_a_method_knows_its_caller(client: Client, methods: Methods, caller: Caller) -> None:
    assert (await client.call("GetLength")).value == "4"
    assert methods.callers == [caller]


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer rgk_other"),)])
async def test_a_stranger_reaches_no_method(client: Client, metadata: Any) -> None:
    expected = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")

    assert (await refusal(client.call("GetLength", metadata=metadata)))[:2] == expected
    stream = client.stream("Watch", metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError):
        await stream.read()
    assert (await told(stream))[:2] == expected


async def test_an_error_of_a_method_is_told_in_full(client: Client) -> None:
    assert await refusal(client.call("GetNothing")) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        "there is nothing; look elsewhere",
    )


async def test_an_error_in_a_stream_comes_after_its_messages(client: Client) -> None:
    stream = client.stream("WatchNothing")

    assert (await stream.read()).value == "first"
    with pytest.raises(grpc.aio.AioRpcError):
        await stream.read()
    assert (await told(stream))[1] == "NOT_FOUND"


@pytest.mark.parametrize("method", ["GetBug", "GetTimeoutBug"])
async def test_a_bug_is_internal_and_neither_told_nor_logged_with_its_text(
    client: Client, method: str
) -> None:
    with capture_logs() as logs:
        code, reason, message = await refusal(
            client.call(method, StringValue(value="canary").SerializeToString())
        )

    assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    [entry] = logs
    assert (entry["event"], entry["method"]) == ("bug", f"/tests.Service/{method}")
    assert entry["file"] == __file__
    assert "canary" not in message + repr(logs)


@pytest.mark.parametrize(
    "raw", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["no message", "no UTF-8"]
)
async def test_what_is_no_message_is_the_callers_mistake(client: Client, raw: bytes) -> None:
    assert (await refusal(client.call("GetLength", raw)))[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
    )


@pytest.mark.parametrize(
    ("method", "remaining_s", "expected_s"),
    [
        ("GetRoom", None, 5),
        ("BatchGetRooms", None, 5),
        ("ListRooms", 30, 5),
        ("GetRoom", 1.5, 1.5),
        ("ExplainToken", None, 5),
        ("CreateRoom", None, 10),
        ("MintAccessToken", None, 10),
        ("CompleteRoom", 30, 10),
        ("CreateRoom", 0, 0),
    ],
)
def test_a_call_may_take_what_its_client_grants_but_not_for_ever(
    method: str, remaining_s: float | None, expected_s: float
) -> None:
    assert Limits().time_s(f"/gateway.rooms.v1.RoomService/{method}", remaining_s) == expected_s


def test_no_call_takes_longer_than_the_gateway_allows() -> None:
    limits = Limits(deadline_s=3)
    assert {
        limits.time_s(f"/gateway.rooms.v1.RoomService/{method}", 60)
        for method in ("GetRoom", "CreateRoom")
    } == {3}


async def test_work_is_given_up_at_the_limit_of_a_call_without_deadline(
    authenticator: Authenticator, methods: Methods
) -> None:
    async with serving(authenticator, methods, Limits(read_s=0.01)) as client:
        code, reason, message = await refusal(client.call("GetForEver", timeout=None))

    assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "ask again" in message
    assert methods.left.is_set()


async def test_work_is_given_up_at_the_clients_deadline(client: Client, methods: Methods) -> None:
    call = client.call("GetForEver", timeout=0.05)

    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await within(methods.left)


@pytest.mark.parametrize("method", ["Watch", "Flood"])
async def test_a_stream_ends_when_its_client_leaves(
    client: Client, methods: Methods, method: str
) -> None:
    stream = client.stream(method)
    assert (await stream.read()).value == "word"
    await within(methods.begun)

    stream.cancel()

    await within(methods.left)


async def test_work_is_given_up_when_its_client_leaves(client: Client, methods: Methods) -> None:
    call = client.call("GetForEver")
    await within(methods.begun)

    call.cancel()

    await within(methods.left)


async def test_open_streams_take_no_place_from_calls(client: Client, methods: Methods) -> None:
    streams = [client.stream("Watch") for _ in range(2)]
    for stream in streams:
        await stream.read()

    one_more = client.stream("Watch")
    with pytest.raises(grpc.aio.AioRpcError):
        await one_more.read()
    assert (await told(one_more))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
    assert (await client.call("GetLength")).value == "4"

    streams[0].cancel()
    await within(methods.left)
    again = client.stream("Watch")
    assert (await again.read()).value == "word"


async def test_a_full_server_says_when_to_come_back(
    authenticator: Authenticator, methods: Methods
) -> None:
    async with serving(authenticator, methods, Limits(calls=1)) as client:
        call = client.call("GetForEver")
        await within(methods.begun)
        refused = client.call("GetLength")
        assert (await refusal(refused))[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")

        retry = error_details_pb2.RetryInfo()
        assert (await rpc_status.aio.from_call(refused)).details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() == 1000
        call.cancel()


async def test_p8_a_stream_that_is_not_read_ends_and_says_where(
    authenticator: Authenticator, methods: Methods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interceptor_module, "SLOW_S", 0.05)
    monkeypatch.setattr(errors_module, "FAREWELL_S", 0.05)
    async with serving(authenticator, methods) as client:
        call = client.stream("WatchCursors")
        await call.read()
        # Before anything is read: the transport is full.
        await within(methods.left)

        cursors = list[str]()

        async def read_on() -> None:
            while isinstance(message := await call.read(), LoggedEvent):
                cursors.append(message.cursor)

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await read_on()
        assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        info = error_details_pb2.ErrorInfo()
        assert (await rpc_status.aio.from_call(call)).details[0].Unpack(info)
        assert info.metadata["cursor"] == cursors[-1]


async def test_a_credential_that_is_taken_back_ends_the_stream(
    methods: Methods, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "CHECK_S", 0.01)
    authenticator = Authenticator([ApiKey(hashlib.sha256(API_KEY.encode()).hexdigest(), caller)])
    async with serving(authenticator, methods) as client:
        call = client.stream("Watch")
        await call.read()
        monkeypatch.setattr(authenticator, "_keys", ())
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
        assert ended.value.code() is grpc.StatusCode.PERMISSION_DENIED
        await within(methods.left)


async def test_an_unknown_method_is_unimplemented(client: Client) -> None:
    call = client.call("GetWeather")

    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
