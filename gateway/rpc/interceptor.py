"""Calls that gRPC carries: runs each through the pipeline."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Never
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from gateway.core.addresses import Network, network_of
from gateway.core.errors import InvalidArgument
from gateway.rpc.calls import Call, CallKind
from gateway.rpc.pipeline import Pipeline
from gateway.service.streams.encoded import EncodedMessage

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # an RpcMethodHandler; the stubs describe those of the blocking server only


class Interceptor(grpc.aio.ServerInterceptor):
    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._with_stages(handler, str(handler_call_details.method))

    def _with_stages(self, handler: Handler, method: str) -> Handler:
        deserialize, serialize = handler.request_deserializer, handler.response_serializer
        final_status_s = self._pipeline.timings.final_status_s

        # grpcio waits without end for the message of a method that takes one. So the
        # methods are registered as taking a stream, and the pipeline reads the message.
        async def unary(_: AsyncIterable[bytes], context: Context) -> Any:
            carrier = GrpcCarrier(context, final_status_s, deserialize)
            return await self._pipeline.unary(
                Call(method, CallKind.UNARY, carrier),
                lambda request: handler.unary_unary(request, context),
            )

        async def stream(_: AsyncIterable[bytes], context: Context) -> None:
            carrier = GrpcCarrier(context, final_status_s, deserialize)
            await self._pipeline.stream(
                Call(method, CallKind.STREAM, carrier),
                lambda request: handler.unary_stream(request, context),
            )

        async def conversation(requests: AsyncIterable[Any], context: Context) -> None:
            carrier = GrpcCarrier(context, final_status_s)
            await self._pipeline.stream(
                Call(method, CallKind.CONVERSATION, carrier),
                lambda _: handler.stream_stream(requests, context),
            )

        if handler.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(unary, None, serialize)
        if handler.unary_stream is not None:
            return grpc.stream_stream_rpc_method_handler(stream, None, _serialize)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(conversation, deserialize, serialize)
        raise TypeError(f"{method} takes a stream and returns one response: no stages for that")


class GrpcCarrier:
    """One call of gRPC's server. `decode` decodes the request, unless that is a stream.

    A call that fails waits up to `final_status_s` until its client takes the status.
    """

    def __init__(
        self,
        context: Context,
        final_status_s: float,
        decode: Callable[[bytes], Message] | None = None,
    ) -> None:
        self._context = context
        self._final_status_s = final_status_s
        self._decode = decode

    def metadata(self) -> Iterable[tuple[str, str | bytes]]:
        return self._context.invocation_metadata() or ()

    def network(self) -> Network:
        # Such as ipv4:192.0.2.7:1234 or ipv6:%5B::1%5D:1234.
        _, _, authority = unquote(self._context.peer()).partition(":")
        return network_of(authority.rpartition(":")[0].strip("[]"))

    def remaining_s(self) -> float | None:
        # None without a deadline, though the stubs say float.
        return self._context.time_remaining()

    async def receive(self) -> Message:
        assert self._decode is not None
        raw = await self._context.read()
        if raw is grpc.aio.EOF:
            raise InvalidArgument("the call has no message: send one")
        return self._decode(raw)

    async def send(self, message: Message | EncodedMessage) -> None:
        await self._context.write(message)

    def report_cost(self, entries: Iterable[tuple[str, str]]) -> None:
        self._context.set_trailing_metadata(tuple(entries))

    async def fail(self, status: status_pb2.Status) -> Never:
        """Raises what ends the method: gRPC's AbortError, or CancelledError."""
        final = rpc_status.to_status(status)
        # `abort` replaces the trailers that are already set, so they are repeated.
        trailers = (*(self._context.trailing_metadata() or ()), *final.trailing_metadata)
        try:
            async with asyncio.timeout(self._final_status_s):
                await self._context.abort(final.code, final.details, trailers)
        except TimeoutError:
            # Unread messages are queued before the status. The transport keeps the
            # status and sends it if the client reads on. The method itself is over.
            raise asyncio.CancelledError from None


def _serialize(message: Message | EncodedMessage) -> bytes:
    return message.encoded if isinstance(message, EncodedMessage) else message.SerializeToString()
