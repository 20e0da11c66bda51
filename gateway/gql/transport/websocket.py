"""GraphQL over WebSocket, the protocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing, suppress
from enum import IntEnum
from typing import Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web
from graphql import OperationType

from gateway.core.callers import Caller
from gateway.core.errors import (
    GatewayError,
    PermissionDenied,
    Throttled,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.core.limits.rate_limit import Rate, check_rate
from gateway.gql.execution.document_limits import BODY_BYTES
from gateway.gql.execution.engine import GraphQLEngine
from gateway.gql.execution.errors import RequestError
from gateway.gql.execution.results import GraphQLResult, error_result
from gateway.gql.schema.context import Context
from gateway.gql.transport.requests import request_of, trace_id_of
from gateway.gql.transport.tcp_connection import PIECE_BYTES, TcpConnection
from gateway.service import call_context
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.revalidation import revalidated
from gateway.service.streams.encoded import EncodedMessage
from gateway.service.streams.feed import WriteNow

PROTOCOL = "graphql-transport-ws"
INIT_S = 5.0
HEARTBEAT_S = 20.0
OPERATIONS = 50
# Messages of one client. It may begin with all its operations at once.
PACE = Rate(per_s=20, burst=OPERATIONS + 20)
# A client that does not read for so long is told to come again; until then its socket buffers hold what it missed.
SLOW_S = 10.0
# How long we wait for the other side's half of the closing handshake.
_FAREWELL_S = 1.0
# RFC 6455, 5.5: a control frame holds 125 bytes, of which the code takes two.
_REASON_BYTES = 123


class Close(IntEnum):
    GOING_AWAY = 1001
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_REQUESTS = 4429


class _Farewell(Exception):
    """The socket is to be closed."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


Identify = Callable[[str | None, str | None, str], Awaitable[Context]]
"""The context of a caller from `authorization`, `apiKey` and a trace id. Raises Unauthenticated and UpstreamUnavailable."""


class Socket:
    """One connection: many operations, each a task of its own. `timeout_s`: how long the caller waits for one of them."""

    def __init__(
        self,
        request: web.Request,
        engine: GraphQLEngine,
        authenticator: Authenticator,
        identify: Identify,
        connection_limit: ConnectionLimit,
        timeout_s: float = math.inf,
    ) -> None:
        self._request = request
        self._connection = TcpConnection(request)
        self._engine = engine
        self._authenticator = authenticator
        self._identify = identify
        self._connection_limit = connection_limit
        self._timeout_s = timeout_s
        self._inside = ExitStack()
        self._ws = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            heartbeat=HEARTBEAT_S,
            max_msg_size=BODY_BYTES,
            timeout=_FAREWELL_S,
            compress=False,
            writer_limit=0,  # Waits whenever the transport is full, and not only every 256 kB.
        )
        self._credentials: tuple[str | None, str | None] | None = None
        self._caller: Caller | None = None
        self._pace_us = 0
        self._running: dict[str, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Tells the client to come again."""
        await self._close(
            Close.GOING_AWAY,
            "the gateway is going away; connect again and resume after your last cursor",
        )

    async def serve(self) -> web.StreamResponse:
        try:
            await self._ws.prepare(self._request)
        except ConnectionError:
            return self._ws  # The client left before it had an answer.
        self._connection.limit()
        if self._ws.ws_protocol != PROTOCOL:
            await self._close(
                Close.SUBPROTOCOL_NOT_ACCEPTABLE, f"Subprotocol not acceptable; use {PROTOCOL}"
            )
            return self._ws
        try:
            with self._inside:
                await self._converse()
        finally:
            # aiohttp leaves it there when the connection ends: a way from the socket back to itself.
            self._request.protocol._data_received_cb = None
        return self._ws

    async def _converse(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._receive(tasks)
            except _Farewell as farewell:
                await self._close(farewell.code, farewell.reason)
            except ConnectionError:
                pass  # The client left while it was answered.
            finally:
                # They hold the socket, and their tasks hold what they ended with.
                while self._running:
                    self._running.popitem()[1].cancel()

    async def _receive(self, tasks: asyncio.TaskGroup) -> None:
        caller = await self._introduced(tasks)
        if caller is None:
            return
        try:
            async with revalidated(self._authenticator, caller):
                async for frame in self._ws:
                    await self._handle(self._message_of(frame), tasks)
        except PermissionDenied as fault:
            raise _Farewell(Close.FORBIDDEN, fault.message) from None

    async def _introduced(self, tasks: asyncio.TaskGroup) -> Caller | None:
        """Who is there, once they have said so; None when they have left."""
        try:
            async with asyncio.timeout(INIT_S):
                async for frame in self._ws:
                    await self._handle(self._message_of(frame), tasks)
                    if self._caller is not None:
                        break
        except TimeoutError:
            raise _Farewell(Close.INIT_TIMEOUT, "Connection initialisation timeout") from None
        return self._caller

    def _message_of(self, frame: WSMessage) -> dict[str, Any]:
        verdict = check_rate(PACE, self._pace_us, time.monotonic_ns() // 1000)
        if not verdict.is_allowed:
            raise _Farewell(
                Close.TOO_MANY_REQUESTS,
                f"Too many requests; send up to {PACE.per_s:g} messages a second",
            )
        self._pace_us = verdict.full_at_us
        return _message_of(frame)

    async def _handle(self, message: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        match message:
            case {"type": "connection_init"}:
                await self._init(message.get("payload"))
            case {"type": "ping"}:
                await self._send({"type": "pong"})
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(id_), "payload": dict(payload)} if id_:
                await self._subscribe(id_, payload, tasks)
            case {"type": "complete", "id": str(id_)}:
                running = self._running.pop(id_, None)
                if running is not None:
                    running.cancel()
            case _:
                raise _Farewell(
                    Close.BAD_REQUEST,
                    "the message is none of graphql-transport-ws, or lacks a field",
                )

    async def _init(self, payload: object) -> None:
        if self._credentials is not None:
            raise _Farewell(Close.TOO_MANY_REQUESTS, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise _Farewell(Close.BAD_REQUEST, "the payload of connection_init is not an object")
        credentials = self._credentials_of(payload or {})
        try:
            caller = (await self._identify(*credentials, trace_id_of(None))).caller
            self._inside.enter_context(self._connection_limit.enter(caller))
        except Unauthenticated as fault:
            raise _Farewell(Close.UNAUTHORIZED, fault.message) from None
        except (Throttled, UpstreamUnavailable) as fault:
            # Not 4429, which is another protocol error: clients come again after 1013, and give up at 4429.
            raise _Farewell(Close.TRY_AGAIN_LATER, fault.message) from None
        except GatewayError as fault:
            raise _Farewell(Close.FORBIDDEN, fault.message) from None
        self._credentials, self._caller = credentials, caller
        await self._send({"type": "connection_ack"})

    def _credentials_of(self, payload: dict[str, Any]) -> tuple[str | None, str | None]:
        """Browsers cannot set headers on an upgrade, so `connection_init` may carry the same words; it beats them."""
        authorization, api_key = payload.get("authorization"), payload.get("apiKey")
        if not isinstance(authorization, str | None) or not isinstance(api_key, str | None):
            raise _Farewell(
                Close.BAD_REQUEST, "authorization and apiKey in connection_init are not strings"
            )
        if authorization is None and api_key is None:
            headers = self._request.headers
            return headers.get("Authorization"), headers.get("X-API-Key")
        return authorization, api_key

    async def _subscribe(self, id_: str, payload: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        if self._credentials is None:
            raise _Farewell(
                Close.UNAUTHORIZED, "Unauthorized; send connection_init and wait for connection_ack"
            )
        if id_ in self._running:
            raise _Farewell(Close.SUBSCRIBER_EXISTS, f"Subscriber for {id_[:80]} already exists")
        if len(self._running) >= OPERATIONS:
            full = Throttled(
                f"{OPERATIONS} operations run on this socket; complete one, or open another socket"
            )
            await self._send(
                {
                    "type": "error",
                    "id": id_,
                    "payload": error_result(RequestError.wrap(full), trace_id_of(None)).errors,
                }
            )
            return
        self._running[id_] = tasks.create_task(self._run(id_, payload, self._credentials))

    async def _run(
        self, id_: str, payload: dict[str, Any], credentials: tuple[str | None, str | None]
    ) -> None:
        # When the client left, whoever reads from the socket sees it too and cancels the other operations.
        with suppress(ConnectionError):
            await self._last(id_, await self._answers(id_, payload, credentials))

    async def _answers(
        self, id_: str, payload: dict[str, Any], credentials: tuple[str | None, str | None]
    ) -> GraphQLResult | OperationType:
        """Sends what the operation gives, but for the error that ends it. Otherwise tells which kind has ended."""
        trace_id = trace_id_of(None)
        try:
            context = await self._identify(*credentials, trace_id)
            call_context.enter(context.call())
            operation = await self._engine.admit(request_of(payload), context, self._timeout_s)
        except Exception as error:
            return error_result(RequestError.wrap(error), trace_id)
        async with aclosing(operation.results(self._write_now(id_))) as answers:
            async for answer in answers:
                if answer.error_code is not None:
                    return answer
                await self._send(
                    {"id": id_, "type": "next", "payload": msgspec.Raw(answer.encoded)}
                )
        return operation.type

    def _write_now(self, id_: str) -> WriteNow[EncodedMessage]:
        """A function that writes messages of the operation, as the bytes that `_send` would
        make of them, if no other bytes are waiting to be sent."""
        head = b'{"id":%b,"type":"next","payload":' % msgspec.json.encode(id_)

        def write(messages: Sequence[EncodedMessage]) -> bool:
            if self._ws.closed or not self._connection.is_clear:
                return False
            return self._connection.write_at_once(
                b"".join(_frame_of(b"%b%b}" % (head, message.encoded)) for message in messages)
            )

        return write

    async def _last(self, id_: str, ended: GraphQLResult | OperationType) -> None:
        """The last message of an operation. Its id is free before it is sent, so that the client may use it again."""
        self._running.pop(id_, None)
        if isinstance(ended, GraphQLResult):
            await self._send({"type": "error", "id": id_, "payload": ended.errors})
        elif ended is OperationType.SUBSCRIPTION:
            await self.stop()
        else:
            await self._send({"type": "complete", "id": id_})

    async def _send(self, message: dict[str, Any]) -> None:
        encoded = msgspec.json.encode(message)
        if self._connection.is_clear and len(encoded) <= PIECE_BYTES:
            await self._ws.send_frame(encoded, WSMsgType.TEXT)  # There is room: it does not wait.
            return
        try:
            async with asyncio.timeout(SLOW_S):
                await self._ws.send_frame(encoded, WSMsgType.TEXT)
        except TimeoutError:
            reason = "messages were not read; connect again and resume after your last cursor"
            # What lies before the farewell was not read either, and would hold the connection for as long.
            asyncio.get_running_loop().call_later(_FAREWELL_S, self._connection.abort)
            await self._close(Close.TRY_AGAIN_LATER, reason, drain=False)
            raise ConnectionResetError from None

    async def _close(self, code: Close, reason: str, *, drain: bool = True) -> None:
        await self._ws.close(code=code, message=reason.encode()[:_REASON_BYTES], drain=drain)


def _frame_of(payload: bytes) -> bytes:
    """A text frame as servers send it: whole and not masked. RFC 6455, 5.2."""
    length = len(payload)
    if length < 126:
        return b"\x81%c%b" % (length, payload)
    if length < 65_536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (length.to_bytes(8), payload)


def _message_of(frame: WSMessage) -> dict[str, Any]:
    if frame.type is WSMsgType.TEXT:
        try:
            message = msgspec.json.decode(frame.data)
        except (msgspec.DecodeError, RecursionError):
            message = None
        if isinstance(message, dict):
            return message
    raise _Farewell(Close.BAD_REQUEST, "the frame is not a JSON object as text")
