"""The stages of one HTTP request. `http` lists them in order.

A stage returns the response that ends the request, or None to go on. It raises
HttpError for a request that it rejects.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from graphql import OperationType

from gateway.core.bodies import read_bounded
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
from gateway.gql.execution.results import GraphQLResult, error_result
from gateway.gql.schema.context import Context
from gateway.gql.transport.limits import Limits, Timings
from gateway.gql.transport.requests import (
    TIMEOUT_HEADER,
    MediaType,
    is_json,
    parse_body,
    parse_timeout,
    parse_url_parameters,
)
from gateway.gql.transport.sse import EventStream
from gateway.gql.transport.websocket import Socket
from gateway.http.headers import only_value
from gateway.http.origins import Cors, Origins
from gateway.service import call_context
from gateway.service.accounts import Account
from gateway.service.call_context import MaxAge
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.charge import Charge, limit_headers
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.callers.credentials import Credentials
from gateway.service.callers.points import CallerLimiter
from gateway.service.callers.revalidation import revalidated
from gateway.service.flights.deadlines import until

CORS = Cors(
    request_headers="apollo-require-preflight, graphql-require-preflight, "
    "x-apollo-operation-name, apollographql-client-name, apollographql-client-version, "
    "last-event-id, x-request-timeout-ms",
    response_headers="ratelimit, ratelimit-policy, retry-after",
)
_METHODS = "GET, POST, OPTIONS"
_RETRY_MS = 1_000


class HttpError(Exception):
    """Rejects a request with a status of HTTP."""

    def __init__(
        self, status: int, error: GatewayError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers or {}


class Shared:
    """What the stages of all requests use."""

    def __init__(
        self,
        engine: GraphQLEngine,
        authenticator: Authenticator,
        accounts: Mapping[AccountSid, Account],
        limiter: CallerLimiter,
        origins: Origins,
        limits: Limits,
        timings: Timings,
    ) -> None:
        self.engine = engine
        self.authenticator = authenticator
        self.accounts = accounts
        self.limiter = limiter
        self.origins = origins
        self.limits = limits
        self.timings = timings
        self.sockets = ConnectionLimit("WebSockets", limits.sockets, limits.sockets_per_caller)
        self.streams: set[EventStream | Socket] = set()
        self.is_stopping = False

    async def authenticate(
        self, credentials: Credentials, trace_id: str, last_event_id: str | None = None
    ) -> Context:
        """The context of an operation of this caller. Raises GatewayError."""
        caller = await self.authenticator.caller(
            authorization=credentials.authorization, api_key=credentials.api_key
        )
        account = self.accounts.get(caller.account_sid)
        if account is None:
            raise Internal("this caller's account is not served here: tell the operator")
        return Context(caller, account, trace_id, Charge(self.limiter, caller), last_event_id)


@dataclass(slots=True)
class Exchange:
    """One request on its way through the stages.

    A stage sets the attribute it is named for.
    """

    request: web.Request
    cors: Mapping[str, str]
    trace_id: str
    media_type: MediaType | None
    """The media type of the response; None if the client accepts none of ours."""

    timeout_s: float = field(init=False)
    """How long the client waits."""
    deadline: float = field(init=False)
    """When the client stops waiting, by `time.monotonic`."""
    credentials: Credentials = field(init=False)
    context: Context = field(init=False)
    max_age: MaxAge = field(init=False, default_factory=MaxAge)
    graphql_request: GraphQLRequest = field(init=False)
    operation: Operation = field(init=False)

    @property
    def is_upgrade(self) -> bool:
        return self.request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a response to an identified caller."""
        return {**self.cors, **limit_headers(self.context.charge)}


async def check_origin(shared: Shared, exchange: Exchange) -> None:
    """A foreign web page must not use the credentials of its visitor."""
    headers = exchange.request.headers
    try:
        origin = only_value(headers, hdrs.ORIGIN)
    except InvalidArgument as twice:
        exchange.cors = {"Vary": "Origin"}
        raise HttpError(400, twice) from None
    if not shared.origins.allow(origin, headers.get(hdrs.HOST)):
        exchange.cors = {"Vary": "Origin"}
        error = PermissionDenied("this origin is not allowed: ask the operator to allow it")
        raise HttpError(403, error)


async def answer_preflight(shared: Shared, exchange: Exchange) -> web.Response | None:
    """A browser asks which requests of a page are allowed."""
    if exchange.request.method != hdrs.METH_OPTIONS:
        return None
    preflight = CORS.preflight(shared.origins.request_headers)
    return web.Response(status=204, headers={**exchange.cors, **preflight})


async def check_not_stopping(shared: Shared, exchange: Exchange) -> None:
    """Rejects new requests once `aclose` has been called.

    Another replica can serve them.
    """
    if shared.is_stopping:
        error = UpstreamUnavailable("the gateway is stopping: retry", retry_after_ms=_RETRY_MS)
        raise HttpError(503, error)


async def set_deadline(shared: Shared, exchange: Exchange) -> None:
    """Reads the client's timeout."""
    try:
        timeout_s = parse_timeout(exchange.request.headers.get(TIMEOUT_HEADER))
    except InvalidArgument as error:
        raise HttpError(400, error) from None
    exchange.timeout_s = timeout_s
    exchange.deadline = time.monotonic() + timeout_s


async def read_credentials(shared: Shared, exchange: Exchange) -> None:
    """Reads the credentials in the headers. A credential must not be sent twice."""
    try:
        exchange.credentials = Credentials.of_headers(exchange.request.headers.items())
    except Unauthenticated as error:
        raise _rejected(error) from None


def _rejected(error: GatewayError) -> HttpError:
    challenge = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else None
    return HttpError(HTTP_STATUS[error.code], error, challenge)


async def serve_websocket(shared: Shared, exchange: Exchange) -> web.StreamResponse | None:
    """A WebSocket authenticates with its first message."""
    if not exchange.is_upgrade:
        return None
    if len(shared.streams) >= shared.limits.sockets:
        error = Throttled(
            f"this gateway has its {shared.limits.sockets:,} connections open: retry later",
            retry_after_ms=_RETRY_MS,
        )
        raise HttpError(HTTP_STATUS[error.code], error)
    socket = Socket(
        exchange.request,
        shared.engine,
        shared.authenticator,
        shared.authenticate,
        shared.sockets,
        shared.timings,
        exchange.timeout_s,
        exchange.credentials,
    )
    shared.streams.add(socket)
    try:
        return await socket.serve()
    finally:
        shared.streams.discard(socket)


async def identify_caller(shared: Shared, exchange: Exchange) -> None:
    """Checks the credentials in the headers."""
    try:
        with until(exchange.deadline):
            exchange.context = await shared.authenticate(
                exchange.credentials, exchange.trace_id, _last_event_id(exchange.request)
            )
    except GatewayError as error:
        raise _rejected(error) from None
    call_context.enter(exchange.context.call_context(exchange.max_age))


def _last_event_id(request: web.Request) -> str | None:
    """The cursor at which an event stream resumes.

    A browser sets the header when it reconnects. A page that was reloaded cannot set
    it, and puts the cursor into the URL. The header is newer.
    """
    return request.headers.get("Last-Event-ID") or request.query.get("lastEventId") or None


async def check_media_type(shared: Shared, exchange: Exchange) -> None:
    """The client must accept one of the media types of responses."""
    if exchange.media_type is None:
        raise HttpError(406, InvalidArgument(f"Accept must name one of {', '.join(MediaType)}"))


async def read_request(shared: Shared, exchange: Exchange) -> None:
    """Reads the parameters from the URL of a GET or the body of a POST."""
    request = exchange.request
    try:
        match request.method:
            case hdrs.METH_GET:
                exchange.graphql_request = parse_url_parameters(request.query)
            case hdrs.METH_POST:
                if not is_json(request.headers.get(hdrs.CONTENT_TYPE, "")):
                    error = InvalidArgument("Content-Type must be application/json")
                    raise HttpError(415, error)
                exchange.graphql_request = parse_body(await _read_body(request))
            case _:
                error = InvalidArgument("this method is not supported: use POST or GET")
                raise HttpError(405, error, {hdrs.ALLOW: _METHODS})
    except InvalidArgument as error:
        raise HttpError(400, error) from None


async def _read_body(request: web.Request) -> bytes:
    body = await read_bounded(request.content.iter_any(), BODY_BYTES)
    if body is None:
        raise HttpError(413, InvalidArgument(f"the body must have at most {BODY_BYTES} bytes"))
    return body


async def admit_operation(shared: Shared, exchange: Exchange) -> web.StreamResponse | None:
    """Parses and validates the document, and charges the caller for the operation."""
    timeout_s = exchange.deadline - time.monotonic()
    try:
        exchange.operation = await shared.engine.admit(
            exchange.graphql_request, exchange.context, timeout_s
        )
    except RequestError as error:
        result = error_result(error, exchange.trace_id, exchange.context.charge)
        if (
            exchange.media_type is MediaType.EVENT_STREAM
            and result.error_code is not Code.THROTTLED
        ):
            return await _stream(shared, exchange, result)
        return _respond(exchange, result)
    return None


async def check_method(shared: Shared, exchange: Exchange) -> None:
    """A GET must be safe: browsers and proxies repeat it."""
    is_get = exchange.request.method == hdrs.METH_GET
    if is_get and exchange.operation.type is OperationType.MUTATION:
        error = InvalidArgument("a mutation must not be sent by GET: use POST")
        raise HttpError(405, error, {hdrs.ALLOW: "POST"})


async def stream_results(shared: Shared, exchange: Exchange) -> web.StreamResponse | None:
    """Runs any operation as an event stream. A subscription needs one."""
    if exchange.media_type is MediaType.EVENT_STREAM:
        return await _stream(shared, exchange, exchange.operation)
    if exchange.operation.type is OperationType.SUBSCRIPTION:
        error = InvalidArgument(
            "a subscription is a stream: send Accept: text/event-stream, or use a WebSocket"
        )
        raise HttpError(400, error)
    return None


async def _stream(
    shared: Shared, exchange: Exchange, operation: Operation | GraphQLResult
) -> web.StreamResponse:
    stream = EventStream(exchange.request, exchange.headers, shared.timings)
    shared.streams.add(stream)
    try:
        revalidation = revalidated(shared.authenticator, exchange.context.caller)
        return await stream.send(operation, revalidation)
    finally:
        shared.streams.discard(stream)


async def send_result(shared: Shared, exchange: Exchange) -> web.Response:
    """Runs the operation. The response to a GET of a trusted document can be cached."""
    result = await exchange.operation.result()
    if (
        exchange.request.method == hdrs.METH_GET
        and exchange.graphql_request.is_by_digest
        and result.data is not None
    ):
        return _respond_cacheable(exchange, result, result.data)
    return _respond(exchange, result)


def _respond(exchange: Exchange, result: GraphQLResult) -> web.Response:
    """As application/json, a well-formed request has status 200 whatever its result is.

    A throttled request has status 429 in every media type, so that proxies see it too.
    """
    has_own_status = (
        exchange.media_type is MediaType.GRAPHQL_RESPONSE or result.error_code is Code.THROTTLED
    )
    status = result.status if has_own_status else 200
    return json_response(result, exchange.media_type, status, exchange.headers)


def _respond_cacheable(exchange: Exchange, result: GraphQLResult, data: bytes) -> web.Response:
    """A response that the caller's own cache may keep while all of its data are fresh.

    https://www.rfc-editor.org/rfc/rfc9111
    """
    # Weak, because it covers the data only. The cost, for one, may differ.
    etag = f'W/"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    max_age_s = int(exchange.max_age.fresh_s or 0)
    headers = exchange.headers
    vary = filter(None, (headers.get(hdrs.VARY), "Authorization, X-API-Key, Accept"))
    headers |= {
        hdrs.ETAG: etag,
        hdrs.CACHE_CONTROL: f"private, max-age={max_age_s}" if max_age_s else "private, no-cache",
        hdrs.VARY: ", ".join(vary),
    }
    if_none_match = exchange.request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")
    if not {etag, etag.removeprefix("W/"), "*"}.isdisjoint(tag.strip() for tag in if_none_match):
        return web.Response(status=304, headers=headers)
    return json_response(result, exchange.media_type, 200, headers)


def json_response(
    result: GraphQLResult, media_type: MediaType | None, status: int, headers: Mapping[str, str]
) -> web.Response:
    """A response in one piece.

    It is application/json unless the client prefers GraphQL's.
    """
    is_graphql = media_type is MediaType.GRAPHQL_RESPONSE
    content_type = MediaType.GRAPHQL_RESPONSE if is_graphql else MediaType.JSON
    return web.Response(
        body=result.encoded,
        status=status,
        headers={
            hdrs.CACHE_CONTROL: "no-store",
            **headers,
            hdrs.CONTENT_TYPE: f"{content_type}; charset=utf-8",
        },
    )
