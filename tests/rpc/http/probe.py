"""The methods of tests.rpc.probe behind Connect and gRPC-Web, on a real HTTP server."""

import base64
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.wrappers_pb2 import StringValue

from gateway.http.origins import Origins
from gateway.rpc.http.server import RpcHttp
from gateway.rpc.limits import Limits, Timings
from gateway.rpc.methods import Method, methods_of
from gateway.rpc.pipeline import Pipeline
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from tests.rpc.conftest import API_KEY
from tests.rpc.probe import LIMIT_S, Methods, stream_methods, unary_methods

AUTH: Final = {"Authorization": f"Bearer {API_KEY}"}
ORIGIN: Final = "https://app.example"
SAFE: Final = {"GetLength", "GetNothing"}


def _service() -> Any:
    methods = Methods()
    names = [*unary_methods(methods), *stream_methods(methods)]
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/service.proto",
        package="tests",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
        service=[descriptor_pb2.ServiceDescriptorProto(name="Service")],
    )
    for name in names:
        method = file.service[0].method.add(
            name=name,
            input_type=".google.protobuf.StringValue",
            output_type=".google.protobuf.StringValue",
            server_streaming=name in stream_methods(methods),
        )
        if name in SAFE:
            method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    file.service[0].method.add(
        name="Upload",
        input_type=".google.protobuf.StringValue",
        output_type=".google.protobuf.StringValue",
        client_streaming=True,
    )
    descriptor_pool.Default().Add(file)
    return descriptor_pool.Default().FindServiceByName("tests.Service")


SERVICE: Final = _service()


def table(methods: Methods) -> Mapping[str, Method]:
    servicer = SimpleNamespace(**unary_methods(methods), **stream_methods(methods))
    return methods_of([(SERVICE, servicer)])


def frame(message: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(message)) + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Returns the flags and the content of each envelope."""
    parts = []
    while body:
        flags, length = struct.unpack_from(">BI", body)
        parts.append((flags, body[5 : 5 + length]))
        body = body[5 + length :]
    return parts


def decoded(text: bytes) -> bytes:
    """Returns the bytes behind the base64 of gRPC-Web.

    The message and the trailers are padded one by one.
    """
    return b"".join(base64.b64decode(text[at : at + 4]) for at in range(0, len(text), 4))


WORD: Final = StringValue(value="word").SerializeToString()


@dataclass(frozen=True)
class HttpProbe:
    base: str
    http: aiohttp.ClientSession
    rpc: RpcHttp

    @asynccontextmanager
    async def request(
        self,
        method: str,
        body: Any,
        content_type: str = "application/json",
        verb: str = "POST",
        **headers: str,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """`headers` may have underscores in place of hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = {"Content-Type": content_type, **AUTH, **named}
        async with self.http.request(
            verb, f"{self.base}/tests.Service/{method}", data=body, headers=all_headers
        ) as response:
            yield response

    async def unary(
        self, method: str, body: bytes = b'"word"', /, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Calls by Connect with JSON. Returns status, body and headers."""
        async with self.request(method, body, **headers) as response:
            return response.status, json.loads(await response.read()), response.headers

    async def stream(self, method: str, body: bytes | None = None, **headers: str) -> list[Any]:
        """Calls by Connect with JSON. Returns messages, and the end of stream last."""
        async with self.request(
            method,
            frame(b'"word"') if body is None else body,
            "application/connect+json",
            **headers,
        ) as response:
            assert response.status == 200
            parts = frames(await response.read())
        assert [flags for flags, _ in parts] == [0] * (len(parts) - 1) + [2]
        return [json.loads(part) for _, part in parts]


@asynccontextmanager
async def serving(
    authenticator: Authenticator,
    methods: Methods,
    limits: Limits = Limits(),
    timings: Timings = Timings(),
) -> AsyncIterator[HttpProbe]:
    pipeline = Pipeline(authenticator, CallerLimiter(), limits, timings)
    rpc = RpcHttp(pipeline, table(methods), Origins([ORIGIN], allow_loopback=False))
    app = web.Application()
    rpc.mount(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield HttpProbe(f"http://127.0.0.1:{runner.addresses[0][1]}", http, rpc)
    finally:
        await runner.cleanup()
