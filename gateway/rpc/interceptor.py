"""What every call goes through, whatever its method, so that no method can forget it.

In this order: the error table, outermost, for all that may go wrong below · the caller · admission, after the caller so
that strangers take nobody's place · the deadline · the request, which is read late, for it tells what the call costs · the
caller's limit.
"""

import asyncio
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway.core.errors import GatewayError, Internal, InvalidArgument, Throttled, Unread
from gateway.rpc.authentication import authenticate, current_caller
from gateway.rpc.cost import cost_trailers, count_objects, max_cost
from gateway.rpc.errors import abort_with_error
from gateway.rpc.masks import parse_mask, prune
from gateway.service import call_context
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from gateway.service.callers.revalidation import revalidated
from gateway.service.flights.deadlines import within
from gateway.service.streams.encoded import EncodedMessage

# For load balancers and tools, which carry no credential; they tell nothing about any account.
PUBLIC: Final = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)

# The standard methods (https://google.aip.dev/130), and one of ours.
_READS: Final = ("Get", "BatchGet", "List", "Explain")
# A client that does not take a stream's messages for so long is sent away with a cursor.
SLOW_S = 10.0

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # an RpcMethodHandler; the stubs know those of the blocking server only


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may be open at once on one server, and how long a call may take that has no shorter deadline; none may take
    longer than `deadline_s`.

    Calls, streams and public calls are counted apart: neither ten thousand open streams nor a flood of anonymous
    questions may keep a caller from an answer.
    """

    calls: int = 1_000
    streams: int = 10_000
    public: int = 256
    read_s: float = 5.0
    write_s: float = 10.0
    deadline_s: float = 10.0

    def time_s(self, method: str, remaining_s: float | None) -> float:
        """How long this call may take; `remaining_s` is what its client grants."""
        is_read = method.rpartition("/")[2].startswith(_READS)
        limit_s = min(self.read_s if is_read else self.write_s, self.deadline_s)
        return limit_s if remaining_s is None else min(limit_s, remaining_s)


class Admission:
    """Room for so many at once; whoever comes when it is full is sent away with Throttled, and nobody waits."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._inside = 0

    def __enter__(self) -> None:
        if self._inside >= self._limit:
            raise Throttled(
                f"this server has its {self._limit} {self._what} open; come back in a second",
                retry_after_ms=1000,
            )
        self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside -= 1


@dataclass(slots=True)
class _Paid:
    objects: int = 0
    """As many as were shown."""


class Interceptor(grpc.aio.ServerInterceptor):
    def __init__(
        self, authenticator: Authenticator, limits: Limits, callers: CallerLimiter | None = None
    ) -> None:
        self._authenticator = authenticator
        self._callers = callers or CallerLimiter()
        self._limits = limits
        self._calls = Admission(limits.calls, "calls")
        self._streams = Admission(limits.streams, "streams")
        self._public = Admission(limits.public, "health checks and reflections")

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._guarded(handler, str(handler_call_details.method))

    def _guarded(self, handler: Handler, method: str) -> Handler:
        async def answer(raw: bytes, context: Context) -> Any:
            async with self._let_in(context, method, self._calls), self._in_time(context, method):
                request = _read(handler, raw)
                mask = parse_mask(method, request)
                async with self._paid(context, method, request) as paid:
                    response = await handler.unary_unary(request, context)
                    paid.objects = count_objects(response)
                prune(response, mask)
                return response

        async def stream(raw: bytes, context: Context) -> None:
            async with self._let_in(context, method, self._streams), self._while_it_holds(method):
                request = _read(handler, raw)
                async with self._paid(context, method, request, is_settled=False):
                    await _write_all(handler.unary_stream(request, context), context)

        async def converse(requests: AsyncIterable[Any], context: Context) -> None:
            async with self._let_in(context, method, self._streams):
                await _write_all(handler.stream_stream(requests, context), context)

        serializer = handler.response_serializer
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(answer, None, serializer)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(stream, None, _serialized)
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                converse, handler.request_deserializer, serializer
            )
        raise TypeError(f"{method} answers a stream of requests once: there is no such method here")

    def _while_it_holds(self, method: str) -> AbstractAsyncContextManager[None]:
        return (
            nullcontext()
            if method.startswith(PUBLIC)
            else revalidated(self._authenticator, current_caller())
        )

    @asynccontextmanager
    async def _let_in(
        self, context: Context, method: str, connection_limit: Admission
    ) -> AsyncIterator[None]:
        is_public = method.startswith(PUBLIC)
        async with _errors_told(context, method):
            if not is_public:
                await authenticate(self._authenticator, context.invocation_metadata() or ())
            with self._public if is_public else connection_limit:
                yield

    @asynccontextmanager
    async def _paid(
        self, context: Context, method: str, request: Message, *, is_settled: bool = True
    ) -> AsyncIterator[_Paid]:
        """A stream costs what it costs to begin it; its messages cost nothing."""
        paid = _Paid()
        if method.startswith(PUBLIC):
            yield paid
            return
        charge = self._callers.charge(current_caller())
        call_context.enter(replace(call_context.current(), requests=charge.requests))
        try:
            await charge.hold(max_cost(request))
            try:
                yield paid
            finally:
                if is_settled:
                    charge.settle(paid.objects)
        finally:
            context.set_trailing_metadata(cost_trailers(charge))

    @asynccontextmanager
    async def _in_time(self, context: Context, method: str) -> AsyncIterator[None]:
        remaining_s: float | None = (
            context.time_remaining()
        )  # None without a deadline, whatever the stubs say
        async with within(self._limits.time_s(method, remaining_s)):
            yield


@asynccontextmanager
async def _errors_told(context: Context, method: str) -> AsyncIterator[None]:
    try:
        yield
    except GatewayError as error:
        await abort_with_error(context, error)
    except grpc.aio.BaseError:
        # The call has been ended already: by the method itself, or by the transport.
        raise
    except Exception as bug:
        # Neither the error's text nor its traceback goes into the log: they may quote what the caller sent.
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        log.error(
            "bug", method=method, error=type(bug).__name__, file=frame.filename, line=frame.lineno
        )
        await abort_with_error(
            context,
            Internal("the gateway has failed; this is a bug: report when and in which call"),
        )


def _read(handler: Handler, raw: bytes) -> Any:
    try:
        return handler.request_deserializer(raw)
    except DecodeError:
        raise InvalidArgument(
            "the request is not the message of this method; build it from this server's protos (reflection has them)"
        ) from None


async def _write_all(answers: Any, context: Context) -> None:
    """Sends what a method yields, each message when the transport has room for it. Methods that write by themselves are
    only awaited, as gRPC does."""
    if not hasattr(answers, "__aiter__"):
        await answers
        return
    # Closed at once when the client leaves in the midst of a write; the garbage collector would take its time.
    async with aclosing(answers) as messages:
        async for message in messages:
            try:
                async with asyncio.timeout(SLOW_S):
                    await context.write(message)
            except TimeoutError:
                # The message is on its way nevertheless, before the status.
                raise Unread(
                    "messages were not read; watch again after the last cursor",
                    getattr(message, "cursor", None),
                ) from None


def _serialized(message: Message | EncodedMessage) -> bytes:
    return message.encoded if isinstance(message, EncodedMessage) else message.SerializeToString()
