"""GraphQL over server-sent events, distinct connections mode: one operation, one response.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress

from aiohttp import HttpVersion11, web
from graphql import OperationType

from gateway.core.errors import PermissionDenied
from gateway.gql.execution.engine import Operation
from gateway.gql.execution.results import GraphQLResult
from gateway.gql.transport.tcp_connection import PIECE_BYTES, TcpConnection
from gateway.service.streams.encoded import EncodedMessage

HEARTBEAT_S = 10.0
# A client that is gone is seen by its transport: aiohttp tells the handler only when the whole server is set to cancel.
LOOK_S = 1.0
# A client that does not read for so long is cut off; it comes again and says where it was.
SLOW_S = 10.0
RETRY_MS = 1_000
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
_COMPLETE = b"event: complete\ndata: \n\n"


def event_of(encoded: bytes, cursor: str | None = None) -> bytes:
    """A resume starts at `id`, so it comes from the feed: the client need not have selected the cursor."""
    place = f"id: {cursor}\n".encode() if cursor is not None else b""
    return b"%bevent: next\ndata: %b\n\n" % (place, encoded)


class EventStream:
    """Sends an operation's answers as events until they end, the client leaves or the stream is stopped."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        self._request = request
        self._connection = TcpConnection(request)
        self._response = web.StreamResponse(headers={**HEADERS, **headers})
        self._is_idle = False
        self._sending: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Ends the response without `complete`: the client comes again and says where it was."""
        if self._sending is not None:
            self._sending.cancel()

    async def send(
        self, operation: Operation | GraphQLResult, standing: AbstractAsyncContextManager[None]
    ) -> web.StreamResponse:
        """An answer instead of an operation is one that was refused. The stream ends when `standing` raises PermissionDenied:
        whoever comes again hears why."""
        try:
            self._connection.limit()
            await self._response.prepare(self._request)
            await self._response.write(f"retry: {RETRY_MS}\n\n".encode())
            with suppress(PermissionDenied):
                async with standing, asyncio.TaskGroup() as tasks:
                    self._sending = tasks.create_task(self._answers(operation))
                    watching = tasks.create_task(self._watch())
                    self._sending.add_done_callback(lambda _: watching.cancel())
            await self._response.write_eof()
        except* ConnectionError:
            pass  # The client left.
        finally:
            self._sending = None  # It holds what it ended with, and that holds the stream.
        return self._response

    async def _answers(self, operation: Operation | GraphQLResult) -> None:
        if isinstance(operation, GraphQLResult):
            await self._write(event_of(operation.encoded) + _COMPLETE)
            return
        is_whole = operation.type is not OperationType.SUBSCRIPTION
        async with aclosing(operation.results(self._write_now)) as answers:
            async for answer in answers:
                await self._write(event_of(answer.encoded, answer.cursor))
                is_whole = is_whole or answer.error_code is not None
        if is_whole:
            await self._write(_COMPLETE)

    def _write_now(self, messages: Sequence[EncodedMessage]) -> bool:
        if not self._connection.is_clear:
            return False
        self._is_idle = False
        block = b"".join(event_of(message.encoded, message.cursor) for message in messages)
        # As the response would write it: HTTP before 1.1 knows no chunks.
        is_chunked = self._request.version >= HttpVersion11
        return self._connection.write_at_once(
            b"%x\r\n%b\r\n" % (len(block), block) if is_chunked else block
        )

    async def _write(self, block: bytes) -> None:
        self._is_idle = False
        if self._connection.is_clear and len(block) <= PIECE_BYTES:
            await self._response.write(block)  # There is room: it does not wait.
            return
        try:
            async with asyncio.timeout(SLOW_S):
                await self._response.write(block)
        except TimeoutError:
            self._connection.abort()
            raise ConnectionResetError from None

    async def _watch(self) -> None:
        """Comments keep proxies from cutting a quiet connection, and us from serving a dead one."""
        quiet_s = 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            if self._connection.is_gone:
                raise ConnectionResetError
            quiet_s = quiet_s + LOOK_S if self._is_idle else 0.0
            self._is_idle = True
            if quiet_s >= HEARTBEAT_S:
                quiet_s = 0.0
                await self._response.write(b":\n\n")
