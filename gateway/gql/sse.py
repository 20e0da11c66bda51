"""GraphQL over server-sent events, distinct connections mode: one operation, one response.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from aiohttp import web
from graphql import OperationType

from gateway.gql.execution import Answer, Operation

HEARTBEAT_S = 10.0
# A client that is gone is seen by its transport: aiohttp tells the handler only when the whole server is set to cancel.
LOOK_S = 1.0
# A client that does not read for so long is cut off; it comes again and says where it was.
SLOW_S = 10.0
RETRY_MS = 1_000
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_COMPLETE = b"event: complete\ndata: \n\n"


def event_of(answer: Answer) -> bytes:
    """A resume starts at `id`, so it comes from the feed: the client need not have selected the cursor."""
    place = f"id: {answer.cursor}\n".encode() if answer.cursor is not None else b""
    return place + b"event: next\ndata: " + answer.encoded + b"\n\n"


class EventStream:
    """Sends an operation's answers as events until they end, the client leaves or the stream is stopped."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={**HEADERS, **headers})
        self._is_idle = False
        self._sending: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Ends the response without `complete`: the client comes again and says where it was."""
        if self._sending is not None:
            self._sending.cancel()

    async def send(self, operation: Operation | Answer) -> web.StreamResponse:
        """An answer instead of an operation is one that was refused."""
        try:
            await self._response.prepare(self._request)
            await self._response.write(f"retry: {RETRY_MS}\n\n".encode())
            async with asyncio.TaskGroup() as tasks:
                self._sending = tasks.create_task(self._answers(operation))
                watching = tasks.create_task(self._watch())
                self._sending.add_done_callback(lambda _: watching.cancel())
            await self._response.write_eof()
        except* ConnectionError:
            pass  # The client left.
        return self._response

    async def _answers(self, operation: Operation | Answer) -> None:
        if isinstance(operation, Answer):
            await self._write(event_of(operation) + _COMPLETE)
            return
        is_whole = operation.kind is not OperationType.SUBSCRIPTION
        async with aclosing(operation.answers()) as answers:
            async for answer in answers:
                await self._write(event_of(answer))
                is_whole = is_whole or answer.refused_for is not None
        if is_whole:
            await self._write(_COMPLETE)

    async def _write(self, block: bytes) -> None:
        self._is_idle = False
        try:
            async with asyncio.timeout(SLOW_S):
                await self._response.write(block)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError from None

    async def _watch(self) -> None:
        """Comments keep proxies from cutting a quiet connection, and us from serving a dead one."""
        quiet_s = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            transport = self._request.transport
            if transport is None or transport.is_closing():
                raise ConnectionResetError
            quiet_s = quiet_s + LOOK_S if self._is_idle else 0.0
            self._is_idle = True
            if quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                await self._response.write(b":\n\n")
