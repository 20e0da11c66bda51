"""GraphQL over WebSocket. The protocol itself is in `transport_ws`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing, suppress
from typing import Any

from aiohttp import WSMsgType, web
from graphql import OperationType

from gateway.core.callers import Caller
from gateway.core.errors import GatewayError, PermissionDenied
from gateway.gql.execution.document_limits import BODY_BYTES
from gateway.gql.execution.engine import GraphQLEngine
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.results import GraphQLResult, error_result
from gateway.gql.schema.context import Context
from gateway.gql.transport.limits import Timings
from gateway.gql.transport.requests import new_trace_id, parse_parameters
from gateway.gql.transport.transport_ws import (
    PROTOCOL,
    Action,
    Authenticate,
    CancelOperation,
    Close,
    CloseCode,
    RejectOperation,
    Send,
    Session,
    StartOperation,
    error_message,
    next_prefix,
)
from gateway.http.tcp_connection import CHUNK_BYTES, TcpConnection
from gateway.service import call_context
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.credentials import Credentials
from gateway.service.callers.revalidation import revalidated
from gateway.service.streams.encoded import EncodedMessage
from gateway.service.streams.feed import WriteNow

# RFC 6455, 5.5: a control frame holds 125 bytes. The close code takes two of them.
_MAX_REASON_BYTES = 123

Identify = Callable[[Credentials, str], Awaitable[Context]]
"""The context of a caller, from its credentials and a trace id. Raises GatewayError."""


class Socket:
    """One connection. Each operation on it runs in a task of its own.

    `timeout_s` is the caller's own limit for each operation, and `credentials` are
    those of the request's headers.
    """

    def __init__(
        self,
        request: web.Request,
        engine: GraphQLEngine,
        authenticator: Authenticator,
        identify: Identify,
        connection_limit: ConnectionLimit,
        timings: Timings,
        timeout_s: float,
        credentials: Credentials,
    ) -> None:
        self._request = request
        self._connection = TcpConnection(request)
        self._engine = engine
        self._authenticator = authenticator
        self._identify = identify
        self._connection_limit = connection_limit
        self._timings = timings
        self._timeout_s = timeout_s
        self._ws = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=timings.websocket_heartbeat_s,
            max_msg_size=BODY_BYTES,
            timeout=timings.close_timeout_s,
            compress=False,
            writer_limit=0,  # wait whenever the transport is full, not only every 256 kB
        )
        self._loop = asyncio.get_running_loop()
        self._session = Session(self._loop.time(), credentials, timings.init_timeout_s)
        self._credentials = credentials
        self._caller: Caller | None = None
        self._open = ExitStack()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Closes the socket because the gateway stops. The client will reconnect."""
        for action in self._session.end_stream():
            assert isinstance(action, Close)
            await self._close(action.code, action.reason)

    async def serve(self) -> web.StreamResponse:
        """Serves the connection until it ends."""
        try:
            await self._ws.prepare(self._request)
        except ConnectionError:
            return self._ws  # The client disconnected before the handshake ended.
        self._connection.limit_buffers()
        with self._open:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._converse(tasks)
                except ConnectionError:
                    pass  # The client disconnected while a message was being sent.
                finally:
                    # The tasks refer to the socket, and the socket to its tasks.
                    while self._running:
                        self._running.popitem()[1].cancel()
        return self._ws

    async def _converse(self, tasks: asyncio.TaskGroup) -> None:
        session = self._session
        await self._perform(session.open(self._ws.ws_protocol), tasks)
        try:
            async with asyncio.timeout_at(session.init_deadline):
                while not session.is_acknowledged and await self._receive(tasks):
                    pass
        except TimeoutError:
            await self._perform(session.time_out(), tasks)
        if self._caller is None:
            return
        try:
            async with revalidated(self._authenticator, self._caller):
                while await self._receive(tasks):
                    pass
        except PermissionDenied as error:
            await self._perform(session.reject(error), tasks)

    async def _receive(self, tasks: asyncio.TaskGroup) -> bool:
        """Handles one frame. False when the connection has ended."""
        if self._session.is_closed:
            return False
        frame = await self._ws.receive()
        if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            return False
        text = frame.data if frame.type is WSMsgType.TEXT else None
        await self._perform(self._session.receive(text, self._loop.time()), tasks)
        return True

    async def _perform(self, actions: list[Action], tasks: asyncio.TaskGroup) -> None:
        for action in actions:
            match action:
                case Send():
                    await self._send(action.message)
                case Authenticate():
                    await self._perform(await self._authenticate(action.credentials), tasks)
                case StartOperation():
                    run = self._run(action.id, action.payload, tasks)
                    self._running[action.id] = tasks.create_task(run)
                case CancelOperation():
                    self._running.pop(action.id).cancel()
                case RejectOperation():
                    result = error_result(RequestError.wrap(action.error), new_trace_id())
                    await self._send(error_message(action.id, result.errors))
                case Close():
                    await self._close(action.code, action.reason)

    async def _authenticate(self, credentials: Credentials) -> list[Action]:
        try:
            caller = (await self._identify(credentials, new_trace_id())).caller
            self._open.enter_context(self._connection_limit.enter(caller))
        except GatewayError as error:
            return self._session.reject(error)
        self._credentials, self._caller = credentials, caller
        return self._session.acknowledge()

    async def _run(self, id_: str, payload: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        # When the client has disconnected, the receiving task ends the connection.
        with suppress(ConnectionError):
            ended = await self._send_results(id_, payload)
            self._running.pop(id_, None)
            if isinstance(ended, GraphQLResult):
                actions = self._session.fail(id_, ended.errors)
            elif ended is OperationType.SUBSCRIPTION:
                actions = self._session.end_stream()
            else:
                actions = self._session.complete(id_)
            await self._perform(actions, tasks)

    async def _send_results(
        self, id_: str, payload: dict[str, Any]
    ) -> GraphQLResult | OperationType:
        """Sends the results of an operation.

        Returns the error that ended it, or the type of an operation that ended without
        one.
        """
        trace_id = new_trace_id()
        try:
            context = await self._identify(self._credentials, trace_id)
            call_context.enter(context.call_context())
            operation = await self._engine.admit(
                parse_parameters(payload), context, self._timeout_s
            )
        except Exception as error:
            return error_result(RequestError.wrap(error), trace_id)
        prefix = next_prefix(id_)
        async with aclosing(operation.results(self._write_now(prefix))) as results:
            async for result in results:
                if result.error_code is not None:
                    return result
                await self._send(b"%b%b}" % (prefix, result.encoded))
        return operation.type

    def _write_now(self, prefix: bytes) -> WriteNow[EncodedMessage]:
        """Writes messages to the transport if nothing waits before them."""

        def write(messages: Sequence[EncodedMessage]) -> bool:
            if self._ws.closed or not self._connection.is_drained:
                return False
            return self._connection.write_now(
                b"".join(_text_frame(b"%b%b}" % (prefix, each.encoded)) for each in messages)
            )

        return write

    async def _send(self, message: bytes) -> None:
        if self._connection.is_drained and len(message) <= CHUNK_BYTES:
            await self._ws.send_frame(
                message, WSMsgType.TEXT
            )  # There is room, so this does not wait.
            return
        try:
            async with asyncio.timeout(self._timings.slow_client_s):
                await self._ws.send_frame(message, WSMsgType.TEXT)
        except TimeoutError:
            reason = "messages were not read: reconnect and resume after your last cursor"
            # The client has not read what was sent before the close frame either, and
            # may never read it. Do not hold the connection for that long.
            self._loop.call_later(self._timings.close_timeout_s, self._connection.abort)
            await self._close(CloseCode.TRY_AGAIN_LATER, reason, drain=False)
            raise ConnectionResetError from None

    async def _close(self, code: CloseCode, reason: str, *, drain: bool = True) -> None:
        # The end of a text may be cut inside a character.
        text = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        await self._ws.close(code=code, message=text.encode(), drain=drain)


def _text_frame(payload: bytes) -> bytes:
    """A text frame as servers send it: not masked and not fragmented. RFC 6455, 5.2."""
    length = len(payload)
    if length < 126:
        return b"\x81%c%b" % (length, payload)
    if length < 65_536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (length.to_bytes(8), payload)
