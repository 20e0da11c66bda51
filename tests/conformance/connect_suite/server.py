"""ConformanceService behind the gateway's HTTP face: requests say how it answers."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from aiohttp import web
from google.rpc import status_pb2

from gateway.core.callers import Caller
from gateway.core.sids import AccountSid
from gateway.http.origins import Origins
from gateway.rpc.errors import StatusError
from gateway.rpc.http.carrier import HttpCarrier
from gateway.rpc.http.server import RpcHttp
from gateway.rpc.http.timeouts import parse_connect_timeout, parse_grpc_timeout
from gateway.rpc.methods import methods_of
from gateway.rpc.pipeline import Pipeline
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.conformance.connect_suite.messages import new, packed, service


class Anyone(Authenticator):
    """The suite's requests have no credential."""

    async def caller(self, *, authorization: str | None, api_key: str | None) -> Caller:
        return Caller(AccountSid("AC" + "0" * 32), "conformance", frozenset())

    def is_valid(self, caller: Caller) -> bool:
        return True


class ConformanceService:
    """The methods that the suite calls; see the comments in its proto."""

    async def Unary(self, request: Any, carrier: HttpCarrier) -> Any:  # noqa: N802
        return await self._unary("UnaryResponse", request, carrier)

    async def IdempotentUnary(self, request: Any, carrier: HttpCarrier) -> Any:  # noqa: N802
        return await self._unary("IdempotentUnaryResponse", request, carrier)

    async def Unimplemented(self, request: Any, carrier: HttpCarrier) -> Any:  # noqa: N802
        raise StatusError.of(grpc.StatusCode.UNIMPLEMENTED, "not implemented: call another")

    async def ServerStream(  # noqa: N802
        self, request: Any, carrier: HttpCarrier
    ) -> AsyncIterator[Any]:
        definition = request.response_definition
        _set_metadata(definition, carrier)
        info = _request_info(request, carrier)
        for index, data in enumerate(definition.response_data):
            await asyncio.sleep(definition.response_delay_ms / 1000)
            payload = new("ConformancePayload", data=data, request_info=None if index else info)
            yield new("ServerStreamResponse", payload=payload)
        if definition.HasField("error"):
            raise _error(definition.error, () if definition.response_data else (info,))

    async def _unary(self, response: str, request: Any, carrier: HttpCarrier) -> Any:
        definition = request.response_definition
        _set_metadata(definition, carrier)
        info = _request_info(request, carrier)
        await asyncio.sleep(definition.response_delay_ms / 1000)
        if definition.HasField("error"):
            raise _error(definition.error, (info,))
        payload = new("ConformancePayload", data=definition.response_data, request_info=info)
        return new(response, payload=payload)


def _set_metadata(definition: Any, carrier: HttpCarrier) -> None:
    for header in definition.response_headers:
        for value in header.value:
            carrier.headers.add(header.name, value)
    for trailer in definition.response_trailers:
        carrier.trailers.extend((trailer.name, value) for value in trailer.value)


def _request_info(request: Any, carrier: HttpCarrier) -> Any:
    sent = carrier.request
    timeout_s = parse_connect_timeout(sent.headers.get("connect-timeout-ms"))
    if timeout_s is None:
        timeout_s = parse_grpc_timeout(sent.headers.get("grpc-timeout"))
    info = new(
        "ConformancePayload.RequestInfo",
        request_headers=_headers(sent.headers.items()),
        requests=[packed(request)],
        timeout_ms=None if timeout_s is None else round(timeout_s * 1000),
    )
    if sent.method == "GET":
        info.connect_get_info.query_params.extend(_headers(sent.query.items()))
    return info


def _headers(items: Iterable[tuple[str, str]]) -> list[Any]:
    values: dict[str, list[str]] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    return [new("Header", name=name, value=each) for name, each in values.items()]


def _error(error: Any, more: Iterable[Any]) -> StatusError:
    details = [*error.details, *map(packed, more)]
    return StatusError(status_pb2.Status(code=error.code, message=error.message, details=details))


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """Yields the base URL of a server."""
    pipeline = Pipeline(Anyone([]), CallerLimiter())
    methods = methods_of([(service(), ConformanceService())])
    app = web.Application()
    RpcHttp(pipeline, methods, Origins((), allow_loopback=False)).mount(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
