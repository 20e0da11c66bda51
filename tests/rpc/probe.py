"""A real gRPC server with the interceptor before methods made for tests: some never
end."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from gateway.core.callers import Caller
from gateway.core.errors import NotFound
from gateway.rpc.authentication import current_caller
from gateway.rpc.interceptor import Interceptor
from gateway.rpc.limits import Limits, Timings
from gateway.rpc.pipeline import Pipeline
from gateway.rpc.v1.events_pb2 import LoggedEvent, RoomEvent
from gateway.rpc.v1.room_pb2 import Room
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter

from .conftest import METADATA

LIMIT_S = 30


class Methods:
    """Service `tests.Service`.

    Methods that do not end by themselves set `entered` when they run and `left` when
    they stop.
    """

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.callers: list[Caller] = []

    async def get_length(self, request: StringValue, context: Any) -> StringValue:
        self.callers.append(current_caller())
        return StringValue(value=str(len(request.value)))

    async def get_nothing(self, request: StringValue, context: Any) -> StringValue:
        raise NotFound("no such thing: give another name")

    async def get_bug(self, request: StringValue, context: Any) -> StringValue:
        raise RuntimeError(f"broken by {request.value}")

    async def get_timeout_bug(self, request: StringValue, context: Any) -> StringValue:
        raise TimeoutError(f"not from the deadline: {request.value}")

    async def get_forever(self, request: StringValue, context: Any) -> StringValue:
        await self._wait_forever()
        return StringValue()

    async def watch(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value=request.value)
        await self._wait_forever()

    async def flood(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        try:
            while True:
                yield StringValue(value=request.value)
                self.entered.set()
        finally:
            self.left.set()

    async def watch_cursors(self, request: StringValue, context: Any) -> AsyncIterator[LoggedEvent]:
        try:
            big = Room(unique_name="x" * 10_000)
            for number in itertools.count():
                yield LoggedEvent(cursor=str(number), event=RoomEvent(room=big))
        finally:
            self.left.set()

    async def watch_nothing(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
        yield StringValue(value="first")
        raise NotFound("no more: watch something else")

    async def _wait_forever(self) -> None:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


def unary_methods(methods: Methods) -> dict[str, Callable[..., Awaitable[StringValue]]]:
    return {
        "GetLength": methods.get_length,
        "GetNothing": methods.get_nothing,
        "GetBug": methods.get_bug,
        "GetTimeoutBug": methods.get_timeout_bug,
        "GetForever": methods.get_forever,
        # A method that its servicer leaves out.
        "GetUnimplemented": health_pb2_grpc.HealthServicer().List,
    }


def stream_methods(methods: Methods) -> dict[str, Callable[..., AsyncIterator[Message]]]:
    return {
        "Watch": methods.watch,
        "WatchCursors": methods.watch_cursors,
        "Flood": methods.flood,
        "WatchNothing": methods.watch_nothing,
    }


def handlers(methods: Methods) -> grpc.GenericRpcHandler:
    codec: dict[str, Any] = {
        "request_deserializer": StringValue.FromString,
        "response_serializer": StringValue.SerializeToString,
    }
    return grpc.method_handlers_generic_handler(
        "tests.Service",
        {
            name: grpc.unary_unary_rpc_method_handler(method, **codec)
            for name, method in unary_methods(methods).items()
        }
        | {
            name: grpc.unary_stream_rpc_method_handler(method, **codec)
            for name, method in stream_methods(methods).items()
        },
    )


class ProbeClient:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def call(self, method: str, raw: bytes | None = None, **options: Any) -> Any:
        return self._start(self._channel.unary_unary, method, raw, options)

    def stream(self, method: str, raw: bytes | None = None, **options: Any) -> Any:
        return self._start(self._channel.unary_stream, method, raw, options)

    def without_message(self, method: str, *, is_ended: bool = True) -> Any:
        """Starts a call without a message. It stays open unless it `is_ended`."""

        async def messages() -> AsyncIterator[bytes]:
            if not is_ended:
                await asyncio.Event().wait()
            return
            yield

        start: Any = self._channel.stream_unary(f"/tests.Service/{method}")
        return start(messages(), metadata=METADATA, timeout=LIMIT_S)

    def _start(self, kind: Any, method: str, raw: bytes | None, options: dict[str, Any]) -> Any:
        response = LoggedEvent if method == "WatchCursors" else StringValue
        start = kind(f"/tests.Service/{method}", response_deserializer=response.FromString)
        request = StringValue(value="word").SerializeToString() if raw is None else raw
        return start(request, **{"metadata": METADATA, "timeout": LIMIT_S, **options})


@asynccontextmanager
async def serving(
    authenticator: Authenticator,
    methods: Methods,
    limits: Limits = Limits(),
    timings: Timings = Timings(),
) -> AsyncIterator[ProbeClient]:
    interceptor = Interceptor(Pipeline(authenticator, CallerLimiter(), limits, timings))
    server = grpc.aio.server(handlers=[handlers(methods)], interceptors=[interceptor])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield ProbeClient(channel)
    finally:
        await server.stop(0)


async def failure(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """Returns status, reason and message of a unary call or a stream that fails."""
    with pytest.raises(grpc.aio.AioRpcError):
        await (call.read() if hasattr(call, "read") else call)
    status = await rpc_status.aio.from_call(call)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return await call.code(), info.reason, status.message


async def occurred(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), LIMIT_S)
