"""The HTTP of the GraphQL face: POST, GET for queries, event streams on both, WebSocket, and CORS."""

import asyncio
import hashlib
import time
from collections.abc import Collection, Mapping

from aiohttp import hdrs, web
from graphql import OperationType

from gateway.core.callers import Caller
from gateway.core.errors import (
    Code,
    GatewayError,
    Internal,
    InvalidArgument,
    PermissionDenied,
    Throttled,
    Unauthenticated,
    UpstreamUnavailable,
)
from gateway.core.rooms import AccountSid
from gateway.gql.execution.document_limits import BODY_BYTES
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, Operation
from gateway.gql.execution.errors import HTTP_STATUS, RequestError
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import GraphQLResult, error_result
from gateway.gql.execution.trusted_documents import TrustedDocuments
from gateway.gql.schema.context import Context
from gateway.gql.transport.origins import PREFLIGHT, Origins
from gateway.gql.transport.requests import (
    TIMEOUT,
    Form,
    form_of,
    is_json,
    request_of_json,
    request_of_query,
    timeout_of,
    trace_id_of,
)
from gateway.gql.transport.sse import EventStream
from gateway.gql.transport.websocket import Socket
from gateway.service import call_context
from gateway.service.accounts import Account
from gateway.service.call_context import MaxAge
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.points import CallerLimiter, limit_headers
from gateway.service.callers.revalidation import revalidated
from gateway.service.flights.deadlines import until

DEADLINE_S = 10.0
# WebSockets; whose they are is known a moment after they were opened, so until then the first limit alone holds.
SOCKETS = 10_000
SOCKETS_PER_CALLER = 5_000
_METHODS = "GET, POST, OPTIONS"


class _Rejected(Exception):
    """HTTP's own refusal, before GraphQL is asked."""

    def __init__(
        self, status: int, fault: GatewayError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(fault.message)
        self.status = status
        self.fault = fault
        self.headers = headers or {}


class GraphQLHttp:
    """Everything on /graphql.

    Credentials travel in headers that no foreign page can set without a preflight, and `connection_init` is a message
    that only a page of an allowed origin can send: that is the protection against forged cross-site requests. Without
    `callers` their limits hold in this process alone.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        accounts: Mapping[AccountSid, Account],
        callers: CallerLimiter | None = None,
        *,
        introspection: bool = False,
        allowed_origins: Collection[str] = (),
        allow_loopback_origins: bool = False,
        deadline_s: float = DEADLINE_S,
        trusted: TrustedDocuments = TrustedDocuments(),
    ) -> None:
        self._authenticator = authenticator
        self._accounts = accounts
        self._callers = callers or CallerLimiter()
        self._engine = GraphQLEngine(
            EXECUTABLE_SCHEMA, introspection=introspection, deadline_s=deadline_s, trusted=trusted
        )
        self._origins = Origins(allowed_origins, allow_loopback=allow_loopback_origins)
        self._sockets = ConnectionLimit("WebSockets", SOCKETS, SOCKETS_PER_CALLER)
        self._streams: set[EventStream | Socket] = set()
        self._is_closing = False

    def mount(self, app: web.Application, path: str = "/graphql") -> None:
        app.router.add_route(hdrs.METH_ANY, path, self.handle)

    async def aclose(self) -> None:
        """Ends every stream so that its client comes again: sockets with 1001, event streams without `complete`."""
        self._is_closing = True
        async with asyncio.TaskGroup() as tasks:
            for stream in self._streams:
                tasks.create_task(stream.stop())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        cors = self._origins.headers(origin)
        trace_id = trace_id_of(request.headers.get("traceparent"))
        form = form_of(request.headers.get(hdrs.ACCEPT)) if not _is_upgrade(request) else Form.JSON
        try:
            if not self._origins.allow(origin, request.headers.get(hdrs.HOST)):
                cors = {"Vary": "Origin"}
                raise _Rejected(
                    403, PermissionDenied("this origin is not allowed; ask the operator to list it")
                )
            if request.method == hdrs.METH_OPTIONS:
                return web.Response(status=204, headers={**cors, **PREFLIGHT})
            if self._is_closing:
                raise _Rejected(
                    503,
                    UpstreamUnavailable("the gateway is stopping; ask again", retry_after_ms=1_000),
                )
            if _is_upgrade(request):
                return await self._socket(request)
            return await self._answer(request, form, trace_id, cors)
        except _Rejected as rejected:
            answer = error_result(RequestError.wrap(rejected.fault), trace_id)
            return _written(answer, form, rejected.status, {**cors, **rejected.headers})
        except asyncio.CancelledError as left:
            # The client has left. A TaskGroup keeps the error that it raises, whose traceback keeps the TaskGroup, and with it
            # everything below here until the garbage collector comes.
            raise left.with_traceback(None) from None

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._streams) >= SOCKETS:
            full = Throttled(
                f"this gateway has its {SOCKETS:,} connections open; come back shortly",
                retry_after_ms=1_000,
            )
            raise _Rejected(HTTP_STATUS[full.code], full)
        socket = Socket(
            request,
            self._engine,
            self._authenticator,
            self._context,
            self._sockets,
            _timeout_s(request),
        )
        self._streams.add(socket)
        try:
            return await socket.serve()
        finally:
            self._streams.discard(socket)

    async def _answer(
        self, request: web.Request, form: Form | None, trace_id: str, cors: Mapping[str, str]
    ) -> web.StreamResponse:
        ends_at = time.monotonic() + _timeout_s(request)
        with until(ends_at):
            context = await self._caller_of(request, trace_id)
        max_age = MaxAge()
        call_context.enter(context.call(max_age))
        if form is None:
            raise _Rejected(
                406, InvalidArgument(f"Accept names none of {', '.join(Form)}; name one of them")
            )
        asked = await _asked(request)
        try:
            operation = await self._engine.admit(asked, context, ends_at - time.monotonic())
        except RequestError as refused:
            answer = error_result(refused, trace_id, context.charge)
            headers = {**cors, **limit_headers(context.charge)}
            if form is Form.EVENTS and answer.error_code is not Code.THROTTLED:
                return await self._stream(request, answer, context.caller, headers)
            return _written(answer, form, _status(answer, form), headers)
        headers = {**cors, **limit_headers(context.charge)}
        _check_method(request, operation)
        if form is Form.EVENTS:
            return await self._stream(request, operation, context.caller, headers)
        if operation.type is OperationType.SUBSCRIPTION:
            raise _Rejected(
                400,
                InvalidArgument(
                    "a subscription is a stream; ask with Accept: text/event-stream or by WebSocket"
                ),
            )
        answer = await operation.result()
        headers = {**cors, **limit_headers(context.charge)}
        if (
            request.method == hdrs.METH_GET
            and asked.document_id is not None
            and answer.data is not None
        ):
            return _kept(request, answer, form, max_age, headers)
        return _written(answer, form, _status(answer, form), headers)

    async def _stream(
        self,
        request: web.Request,
        operation: Operation | GraphQLResult,
        caller: Caller,
        cors: Mapping[str, str],
    ) -> web.StreamResponse:
        stream = EventStream(request, cors)
        self._streams.add(stream)
        try:
            return await stream.send(operation, revalidated(self._authenticator, caller))
        finally:
            self._streams.discard(stream)

    async def _caller_of(self, request: web.Request, trace_id: str) -> Context:
        sent = request.headers
        try:
            return await self._context(
                sent.get(hdrs.AUTHORIZATION),
                sent.get("X-API-Key"),
                trace_id,
                _last_event_id(request),
            )
        except GatewayError as fault:
            challenge = (
                {"WWW-Authenticate": "Bearer"} if isinstance(fault, Unauthenticated) else None
            )
            raise _Rejected(HTTP_STATUS[fault.code], fault, challenge) from None

    async def _context(
        self,
        authorization: str | None,
        api_key: str | None,
        trace_id: str,
        last_event_id: str | None = None,
    ) -> Context:
        caller = await self._authenticator.caller(authorization=authorization, api_key=api_key)
        account = self._accounts.get(caller.account_sid)
        if account is None:
            raise Internal("this caller's account is not served here; tell the operator")
        return Context(
            caller, account, trace_id, self._callers.charge(caller), last_event_id or None
        )


def _timeout_s(request: web.Request) -> float:
    try:
        return timeout_of(request.headers.get(TIMEOUT))
    except InvalidArgument as fault:
        raise _Rejected(400, fault) from None


def _last_event_id(request: web.Request) -> str | None:
    """Where an event stream broke off. The header is the browser's own and newer than the address, by which a page that was
    loaded anew can say it: it cannot set the header."""
    return request.headers.get("Last-Event-ID") or request.query.get("lastEventId")


def _is_upgrade(request: web.Request) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def _check_method(request: web.Request, operation: Operation) -> None:
    if request.method == hdrs.METH_GET and operation.type is OperationType.MUTATION:
        raise _Rejected(
            405,
            InvalidArgument("a mutation by GET is refused; send it by POST"),
            {hdrs.ALLOW: "POST"},
        )


async def _asked(request: web.Request) -> GraphQLRequest:
    try:
        if request.method == hdrs.METH_GET:
            return request_of_query(request.query)
        if request.method != hdrs.METH_POST:
            raise _Rejected(
                405,
                InvalidArgument("this method is not served; use POST or GET"),
                {hdrs.ALLOW: _METHODS},
            )
        if not is_json(request.headers.get(hdrs.CONTENT_TYPE, "")):
            raise _Rejected(
                415,
                InvalidArgument(
                    "the body is not said to be JSON; send Content-Type: application/json"
                ),
            )
        return request_of_json(await _body(request))
    except InvalidArgument as fault:
        raise _Rejected(400, fault) from None


async def _body(request: web.Request) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES:
            raise _Rejected(
                413, InvalidArgument(f"the body is larger than {BODY_BYTES} bytes; send less")
            )
    return bytes(body)


def _status(answer: GraphQLResult, form: Form) -> int:
    """In application/json a well-formed request has status 200, whatever became of it; but what was not let in is known as
    such to what stands between, too."""
    return answer.status if form is Form.RESPONSE or answer.error_code is Code.THROTTLED else 200


def _kept(
    request: web.Request,
    answer: GraphQLResult,
    form: Form,
    max_age: MaxAge,
    cors: Mapping[str, str],
) -> web.Response:
    """The answer to a GET of a trusted document, which the caller's own cache may keep while all of it is fresh, and ask
    about afterwards. https://www.rfc-editor.org/rfc/rfc9111"""
    assert answer.data is not None
    # Weak: of what stands beside the data (what the answer cost, for one) it says nothing.
    etag = f'W/"{hashlib.blake2b(answer.data, digest_size=16).hexdigest()}"'
    seconds = int(max_age.fresh_s or 0)
    headers = {
        **cors,
        hdrs.ETAG: etag,
        hdrs.CACHE_CONTROL: f"private, max-age={seconds}" if seconds else "private, no-cache",
        hdrs.VARY: ", ".join(
            filter(None, (cors.get(hdrs.VARY), "Authorization, X-API-Key, Accept"))
        ),
    }
    known = (each.strip() for each in request.headers.get(hdrs.IF_NONE_MATCH, "").split(","))
    if any(each in (etag, etag.removeprefix("W/"), "*") for each in known):
        return web.Response(status=304, headers=headers)
    return _written(answer, form, 200, headers)


def _written(
    answer: GraphQLResult, form: Form | None, status: int, headers: Mapping[str, str]
) -> web.Response:
    media_type = Form.RESPONSE if form is Form.RESPONSE else Form.JSON
    return web.Response(
        body=answer.encoded,
        status=status,
        headers={
            hdrs.CACHE_CONTROL: "no-store",
            **headers,
            hdrs.CONTENT_TYPE: f"{media_type}; charset=utf-8",
        },
    )
