"""Serves Connect and gRPC-Web on the HTTP port."""

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc
from aiohttp import hdrs, web
from google.rpc import status_pb2
from multidict import CIMultiDict

from gateway.core.errors import InvalidArgument, PermissionDenied, UpstreamUnavailable
from gateway.http.headers import only_value
from gateway.http.origins import Cors, Origins
from gateway.rpc.calls import Call, CallKind, Disconnected
from gateway.rpc.errors import StatusError, error_to_pb
from gateway.rpc.http.carrier import HttpCarrier, to_aiohttp
from gateway.rpc.http.connect import error_response
from gateway.rpc.http.media_types import media_types, protocol_of_get, protocol_of_post
from gateway.rpc.http.protocol import Protocol
from gateway.rpc.methods import Method
from gateway.rpc.pipeline import Pipeline

CORS: Final = Cors(
    request_headers="connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, "
    "x-user-agent",
    response_headers="grpc-status, grpc-message, grpc-status-details-bin, "
    "cost, ratelimit, ratelimit-policy, retry-after",
)
_RETRY_MS: Final = 1_000
# Of any service whose name has a package, so that a wrong one is an error of Connect.
_ANY_METHOD: Final = r"/{service:\w+(?:\.\w+)+}/{method}"


class HttpRefusal(Exception):
    """Rejects a request by a status of HTTP, before it is a call of any protocol."""

    def __init__(
        self, http_status: int, error: status_pb2.Status, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error.message)
        self.http_status = http_status
        self.error = error
        self.headers = headers or {}


class RpcHttp:
    """Every method at the path that gRPC has for it.

    It is safe from forged cross-site requests: credentials are in headers that a
    foreign page cannot set without a preflight.
    """

    def __init__(self, pipeline: Pipeline, methods: Mapping[str, Method], origins: Origins) -> None:
        self._pipeline = pipeline
        self._methods = methods
        self._origins = origins
        self._is_stopping = False

    def mount(self, app: web.Application) -> None:
        app.router.add_route(hdrs.METH_ANY, _ANY_METHOD, self.handle)

    def close(self) -> None:
        """Rejects new calls. Streams end when their feeds do."""
        self._is_stopping = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Responds to one request."""
        headers = CIMultiDict(Vary="Origin")
        try:
            self._check_origin(request)
            headers.update(CORS.headers(request.headers.get(hdrs.ORIGIN)))
            if request.method == hdrs.METH_OPTIONS:
                headers.update(CORS.preflight(self._origins.request_headers))
                return web.Response(status=204, headers=headers)
            self._check_not_stopping()
            method = self._method(request)
            protocol = _protocol(request, method)
        except HttpRefusal as refusal:
            headers.update(refusal.headers)
            return to_aiohttp(error_response(refusal.error, refusal.http_status), headers)
        try:
            return await self._call(
                method, HttpCarrier(request, protocol, method, headers, self._pipeline.timings)
            )
        except asyncio.CancelledError as cancelled:
            # The client has disconnected. The traceback refers to all objects below,
            # which only the garbage collector would free.
            raise cancelled.with_traceback(None) from None

    async def _call(self, method: Method, carrier: HttpCarrier) -> web.StreamResponse:
        call = Call(method.path, method.kind, carrier)
        response = None
        try:
            if method.kind is CallKind.UNARY:
                response = await self._pipeline.unary(
                    call, lambda request: method.call(request, carrier)
                )
            else:
                await self._pipeline.stream(call, lambda request: method.call(request, carrier))
        except Disconnected:
            pass
        return await carrier.finish(response)

    def _check_origin(self, request: web.Request) -> None:
        """A foreign web page must not use the credentials of its visitor."""
        try:
            origin = only_value(request.headers, hdrs.ORIGIN)
        except InvalidArgument as twice:
            raise HttpRefusal(400, error_to_pb(twice)) from None
        host = request.headers.get(hdrs.HOST)
        if not self._origins.allow(origin, host):
            error = PermissionDenied("this origin is not allowed: ask the operator to allow it")
            raise HttpRefusal(403, error_to_pb(error))

    def _check_not_stopping(self) -> None:
        """Another replica can serve the call."""
        if self._is_stopping:
            error = UpstreamUnavailable("the gateway is stopping: retry", retry_after_ms=_RETRY_MS)
            raise HttpRefusal(503, error_to_pb(error))

    def _method(self, request: web.Request) -> Method:
        method = self._methods.get(request.path)
        if method is None:
            raise _refusal(
                404, grpc.StatusCode.UNIMPLEMENTED, "no such service or method: see the protos"
            )
        return method


def _protocol(request: web.Request, method: Method) -> Protocol:
    # Clients read "unknown" from these statuses when a response has no JSON.
    unknown = grpc.StatusCode.UNKNOWN
    has_get = method.is_safe and method.kind is CallKind.UNARY
    match request.method:
        case hdrs.METH_POST:
            protocol = protocol_of_post(request.headers.get(hdrs.CONTENT_TYPE, ""), method.kind)
            if protocol is None:
                accepted = media_types(method.kind)
                raise _refusal(
                    415,
                    unknown,
                    f"Content-Type must be one of {accepted}",
                    {"Accept-Post": accepted},
                )
            return protocol
        case hdrs.METH_GET if has_get:
            protocol = protocol_of_get(request.query)
            if protocol is None:
                raise _refusal(415, unknown, "encoding must be json or proto in the URL")
            return protocol
    allowed = "GET, POST" if has_get else "POST"
    raise _refusal(
        405, unknown, f"this HTTP method is not allowed: use {allowed}", {hdrs.ALLOW: allowed}
    )


def _refusal(
    http_status: int,
    code: grpc.StatusCode,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> HttpRefusal:
    return HttpRefusal(http_status, StatusError.of(code, message).status, headers)
