"""Runs the same stages around every call, so no method can leave one out."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from gateway.core.errors import Unread
from gateway.rpc.limits import Limits, Timings
from gateway.rpc.stages import (
    Call,
    CallKind,
    Context,
    Shared,
    apply_read_mask,
    charge_caller,
    decode_request,
    identify_caller,
    limit_time,
    recheck_credential,
    report_errors,
    take_slot,
)
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from gateway.service.streams.encoded import EncodedMessage

Handler = Any  # an RpcMethodHandler; the stubs describe those of the blocking server only
EnterStage = Callable[[Shared, Call], AbstractAsyncContextManager[None]]

UNARY, STREAM, CONVERSATION = CallKind


@dataclass(frozen=True, slots=True)
class Stage:
    """A step around calls of these kinds.

    `after` lists the stages that must run before it. Public methods have no caller:
    stages that need one are not `for_public`.
    """

    enter: EnterStage
    after: tuple[EnterStage, ...] = ()
    kinds: tuple[CallKind, ...] = (UNARY, STREAM, CONVERSATION)
    for_public: bool = True


STAGES: Final = (
    # Outermost, so that every error below becomes a status.
    Stage(report_errors),
    Stage(identify_caller, after=(report_errors,), for_public=False),
    # Unknown callers must not take slots from known ones.
    Stage(take_slot, after=(identify_caller,)),
    Stage(limit_time, after=(report_errors,), kinds=(UNARY,)),
    Stage(recheck_credential, after=(identify_caller,), kinds=(STREAM,), for_public=False),
    # Late, so that a rejected call costs no decoding.
    Stage(decode_request, after=(take_slot,), kinds=(UNARY, STREAM)),
    # Before the charge, so that an invalid mask costs nothing.
    Stage(apply_read_mask, after=(decode_request,), kinds=(UNARY,)),
    # The request determines the cost.
    Stage(
        charge_caller,
        after=(identify_caller, decode_request),
        kinds=(UNARY, STREAM),
        for_public=False,
    ),
)
"""Every call enters its stages in this order, and leaves them in reverse."""


@cache
def stages_of(kind: CallKind, is_public: bool) -> tuple[EnterStage, ...]:
    """Returns the stages that apply to a call."""
    return tuple(
        stage.enter
        for stage in STAGES
        if kind in stage.kinds and (stage.for_public or not is_public)
    )


class Interceptor(grpc.aio.ServerInterceptor):
    def __init__(
        self,
        authenticator: Authenticator,
        limiter: CallerLimiter,
        limits: Limits = Limits(),
        timings: Timings = Timings(),
    ) -> None:
        self._shared = Shared(authenticator, limiter, limits, timings)

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

        async def unary(raw: bytes, context: Context) -> Any:
            call = Call(method, UNARY, context, raw, deserialize)
            async with AsyncExitStack() as stack:
                await self._enter_stages(stack, call)
                call.response = await handler.unary_unary(call.request, context)
            return call.response

        async def stream(raw: bytes, context: Context) -> None:
            call = Call(method, STREAM, context, raw, deserialize)
            async with AsyncExitStack() as stack:
                await self._enter_stages(stack, call)
                await self._send_all(handler.unary_stream(call.request, context), context)

        async def conversation(requests: AsyncIterable[Any], context: Context) -> None:
            async with AsyncExitStack() as stack:
                await self._enter_stages(stack, Call(method, CONVERSATION, context))
                await self._send_all(handler.stream_stream(requests, context), context)

        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(unary, None, serialize)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(stream, None, _serialize)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(conversation, deserialize, serialize)
        raise TypeError(f"{method} takes a stream and returns one response: no stages for that")

    async def _enter_stages(self, stack: AsyncExitStack, call: Call) -> None:
        for enter in stages_of(call.kind, call.is_public):
            await stack.enter_async_context(enter(self._shared, call))

    async def _send_all(self, messages: Any, context: Context) -> None:
        """Sends each message of a method when the transport has room for it.

        Methods that write to the context themselves return an awaitable instead. Raises
        Unread when the client does not read.
        """
        if not hasattr(messages, "__aiter__"):
            await messages
            return
        # Closes the method at once when the client leaves during a write. The garbage
        # collector would close it later.
        async with aclosing(messages):
            async for message in messages:
                try:
                    async with asyncio.timeout(self._shared.timings.slow_reader_s):
                        await context.write(message)
                except TimeoutError:
                    # The transport holds this message already and sends it before the
                    # status, so its cursor is the last one that the client receives.
                    raise Unread(
                        "the client does not read the stream: watch again after the last cursor",
                        getattr(message, "cursor", None),
                    ) from None


def _serialize(message: Message | EncodedMessage) -> bytes:
    return message.encoded if isinstance(message, EncodedMessage) else message.SerializeToString()
