"""The steps around every call: see `pipeline` for their order.

Each stage is an async context manager: it does its work before the method, and cleans
up after it.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import grpc
import structlog
from google.protobuf.message import DecodeError

from gateway.core.errors import DeadlineExceeded, GatewayError, Internal, InvalidArgument
from gateway.rpc.authentication import authenticate, current_caller
from gateway.rpc.calls import Call, CallKind, Disconnected
from gateway.rpc.cost import cost_advice, cost_trailers, count_objects, max_cost
from gateway.rpc.errors import StatusError, error_to_pb
from gateway.rpc.limits import Limits, Timings
from gateway.rpc.lists import check_lists
from gateway.rpc.masks import parse_mask, prune
from gateway.service import call_context
from gateway.service.call_context import CallContext
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.charge import Charge
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.points import CallerLimiter
from gateway.service.callers.revalidation import revalidated
from gateway.service.flights.deadlines import within

log = structlog.get_logger()


class Shared:
    """What the stages of all calls use."""

    def __init__(
        self, authenticator: Authenticator, limiter: CallerLimiter, limits: Limits, timings: Timings
    ) -> None:
        self.authenticator = authenticator
        self.limiter = limiter
        self.timings = timings
        self.calls = ConnectionLimit("calls", limits.calls)
        self.streams = ConnectionLimit("streams", limits.streams)
        self.public_streams = ConnectionLimit(
            "health watches and reflections",
            limits.public_streams,
            limits.public_streams_per_network,
        )


@asynccontextmanager
async def report_errors(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Ends the call with the status of any error below."""
    try:
        yield
    except GatewayError as error:
        await call.carrier.fail(error_to_pb(error))
    except StatusError as error:
        await call.carrier.fail(error.status)
    except (grpc.aio.BaseError, Disconnected):
        # The method or the transport has ended the call already.
        raise
    except Exception as bug:
        # The error's text and its traceback stay out of the log: they may quote the
        # request.
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        if isinstance(bug, NotImplementedError) and frame.filename.endswith("_pb2_grpc.py"):
            # The generated base class of a servicer raises it for a method that the
            # servicer leaves out.
            message = "this method is not implemented: see the methods in the protos"
            await call.carrier.fail(StatusError.of(grpc.StatusCode.UNIMPLEMENTED, message).status)
            return
        log.error(
            "bug",
            method=call.method,
            error=type(bug).__name__,
            file=frame.filename,
            line=frame.lineno,
        )
        internal = Internal("internal error: report this bug with the method and the time")
        await call.carrier.fail(error_to_pb(internal))


@asynccontextmanager
async def identify_caller(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Sets the call's `CallContext`. Raises Unauthenticated."""
    caller = await authenticate(shared.authenticator, call.carrier.metadata())
    call.charge = Charge(shared.limiter, caller)
    call_context.enter(CallContext(caller, requests=call.charge.requests))
    yield


@asynccontextmanager
async def take_slot(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Raises Throttled when the server handles too many calls of this kind.

    Health checks take no slot: see `Limits`.
    """
    match call.is_public, call.kind is CallKind.UNARY:
        case True, True:
            slot: AbstractContextManager[None] = nullcontext()
        case True, False:
            slot = shared.public_streams.enter(call.carrier.network())
        case False, True:
            slot = shared.calls.enter()
        case _:
            slot = shared.streams.enter()
    with slot:
        yield


@asynccontextmanager
async def limit_time(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Cancels the method at the deadline. Raises DeadlineExceeded then.

    A stream lasts until its client's deadline, or without end.
    """
    limit_s = call.carrier.remaining_s()
    if call.kind is CallKind.UNARY:
        limit_s = shared.timings.call_limit_s(call.method, limit_s)
    async with nullcontext() if limit_s is None else within(limit_s):
        yield


@asynccontextmanager
async def recheck_credential(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Ends a stream soon after its credential expires or is revoked."""
    async with revalidated(shared.authenticator, current_caller()):
        yield


@asynccontextmanager
async def decode_request(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Sets the call's request.

    Raises InvalidArgument for an invalid message, and DeadlineExceeded for one that
    takes longer than a read may.
    """
    try:
        async with asyncio.timeout(shared.timings.read_s) as timeout:
            call.request = await call.carrier.receive()
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlineExceeded(
            f"the request did not arrive within {shared.timings.read_s:.2g} s: send it at once"
        ) from None
    except DecodeError:
        raise InvalidArgument(
            "the request is not a message of this method: build it from the server's protos"
        ) from None
    check_lists(call.request)
    yield


@asynccontextmanager
async def apply_read_mask(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Removes the fields that the request's read mask leaves out from the response."""
    mask = parse_mask(call.method, call.request)
    yield
    assert call.response is not None
    prune(call.response, mask)


@asynccontextmanager
async def charge_caller(shared: Shared, call: Call) -> AsyncIterator[None]:
    """Charges the caller's points and reports them at the end of the call.

    Points for the largest possible cost are held before the method runs. A unary call
    pays what it did cost. A stream pays for its start; its messages are free.
    """
    charge = call.charge
    assert charge is not None
    try:
        await charge.hold(max_cost(call.request), cost_advice(call.request))
        try:
            yield
        finally:
            if call.kind is CallKind.UNARY:
                charge.settle(0 if call.response is None else count_objects(call.response))
    finally:
        call.carrier.report_cost(cost_trailers(charge))
