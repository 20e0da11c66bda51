"""GraphQL over server-sent events, in distinct connections mode: one operation each.

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
from gateway.gql.transport.limits import Timings
from gateway.http.tcp_connection import CHUNK_BYTES, TcpConnection
from gateway.service.streams.encoded import EncodedMessage

RETRY_MS = 1_000
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}
_COMPLETE = b"event: complete\ndata: \n\n"


def encode_event(encoded: bytes, cursor: str | None = None) -> bytes:
    """A `next` event.

    A client resumes after `id`. It comes from the feed, because the document need not
    select the cursor.
    """
    id_ = f"id: {cursor}\n".encode() if cursor is not None else b""
    return b"%bevent: next\ndata: %b\n\n" % (id_, encoded)


class EventStream:
    """Sends the results of one operation as events.

    It ends with the operation, when the client disconnects, or when `stop` is called.
    """

    def __init__(self, request: web.Request, headers: Mapping[str, str], timings: Timings) -> None:
        self._request = request
        self._timings = timings
        self._connection = TcpConnection(request)
        self._response = web.StreamResponse(headers={**HEADERS, **headers})
        self._is_idle = False
        self._sending: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Ends the response without `complete`. The client reconnects and resumes."""
        if self._sending is not None:
            self._sending.cancel()

    async def send(
        self, operation: Operation | GraphQLResult, revalidation: AbstractAsyncContextManager[None]
    ) -> web.StreamResponse:
        """Sends an operation's results, or the one result of a rejected request.

        The stream ends when `revalidation` raises PermissionDenied. The client learns
        the reason when it reconnects.
        """
        try:
            self._connection.limit_buffers()
            await self._response.prepare(self._request)
            await self._response.write(f"retry: {RETRY_MS}\n\n".encode())
            with suppress(PermissionDenied):
                async with revalidation, asyncio.TaskGroup() as tasks:
                    self._sending = tasks.create_task(self._send_results(operation))
                    monitor = tasks.create_task(self._monitor())
                    self._sending.add_done_callback(lambda _: monitor.cancel())
            await self._response.write_eof()
        except* ConnectionError:
            pass  # The client disconnected.
        finally:
            # The task refers to its exception, and the exception to this stream.
            self._sending = None
        return self._response

    async def _send_results(self, operation: Operation | GraphQLResult) -> None:
        if isinstance(operation, GraphQLResult):
            await self._write(encode_event(operation.encoded) + _COMPLETE)
            return
        is_complete = operation.type is not OperationType.SUBSCRIPTION
        async with aclosing(operation.results(self._write_now)) as results:
            async for result in results:
                await self._write(encode_event(result.encoded, result.cursor))
                is_complete = is_complete or result.error_code is not None
        if is_complete:
            await self._write(_COMPLETE)

    def _write_now(self, messages: Sequence[EncodedMessage]) -> bool:
        if not self._connection.is_drained:
            return False
        self._is_idle = False
        block = b"".join(encode_event(message.encoded, message.cursor) for message in messages)
        # As the response would write it. HTTP before 1.1 has no chunks.
        is_chunked = self._request.version >= HttpVersion11
        return self._connection.write_now(
            b"%x\r\n%b\r\n" % (len(block), block) if is_chunked else block
        )

    async def _write(self, block: bytes) -> None:
        self._is_idle = False
        if self._connection.is_drained and len(block) <= CHUNK_BYTES:
            await self._response.write(block)  # There is room, so this does not wait.
            return
        try:
            async with asyncio.timeout(self._timings.slow_client_s):
                await self._response.write(block)
        except TimeoutError:
            self._connection.abort()
            raise ConnectionResetError from None

    async def _monitor(self) -> None:
        """Sends comments on a quiet stream, and ends it when its client has
        disconnected.

        Comments keep proxies from closing a quiet connection.
        """
        idle_s = 0.0
        while True:
            await asyncio.sleep(self._timings.sse_check_s)
            if self._connection.is_closing:
                raise ConnectionResetError
            idle_s = idle_s + self._timings.sse_check_s if self._is_idle else 0.0
            self._is_idle = True
            if idle_s >= self._timings.sse_heartbeat_s:
                idle_s = 0.0
                await self._response.write(b":\n\n")
