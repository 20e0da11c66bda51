"""Runs the same stages around every call, so no method can leave one out."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf.message import Message

from gateway.core.errors import Unread
from gateway.rpc.calls import Call, CallKind
from gateway.rpc.limits import Limits, Timings
from gateway.rpc.stages import (
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
    Stage(limit_time, after=(report_errors,), kinds=(UNARY, STREAM)),
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


class Pipeline:
    """The stages around the calls of all carriers, with one set of limits for them."""

    def __init__(
        self,
        authenticator: Authenticator,
        limiter: CallerLimiter,
        limits: Limits = Limits(),
        timings: Timings = Timings(),
    ) -> None:
        self._shared = Shared(authenticator, limiter, limits, timings)
        self.timings = timings

    async def unary(
        self, call: Call, method: Callable[[Any], Awaitable[Message]]
    ) -> Message | None:
        """Returns the method's response; None if there is none, because the call has
        failed and the carrier does not raise."""

        async def respond() -> None:
            call.response = await method(call.request)

        await self._run(stages_of(call.kind, call.is_public), call, respond)
        return call.response

    async def stream(self, call: Call, method: Callable[[Any], Any]) -> None:
        """Sends each message of the method when the carrier has room for it.

        Methods that write to gRPC's context themselves return an awaitable instead.
        """

        async def send() -> None:
            messages = method(call.request)
            if hasattr(messages, "__aiter__"):
                await self._send_all(messages, call)
            else:
                await messages

        await self._run(stages_of(call.kind, call.is_public), call, send)

    async def _run(
        self, stages: tuple[EnterStage, ...], call: Call, body: Callable[[], Awaitable[None]]
    ) -> None:
        """Runs the body inside these stages.

        With an AsyncExitStack, the frames of an error that a stage raises at its end
        would refer to each other. Only the garbage collector would free the call.
        """
        if not stages:
            await body()
            return
        async with stages[0](self._shared, call):
            await self._run(stages[1:], call, body)

    async def _send_all(self, messages: Any, call: Call) -> None:
        """Raises Unread when the client does not read."""
        # Closes the method at once when the client leaves during a write. The garbage
        # collector would close it later.
        async with aclosing(messages):
            async for message in messages:
                try:
                    async with asyncio.timeout(self.timings.slow_reader_s):
                        await call.carrier.send(message)
                except TimeoutError:
                    # The transport holds this message already and sends it before the
                    # status, so its cursor is the last one that the client receives.
                    raise Unread(
                        "the client does not read the stream: watch again after the last cursor",
                        getattr(message, "cursor", None),
                    ) from None
