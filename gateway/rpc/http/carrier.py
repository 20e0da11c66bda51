"""Calls that HTTP carries: reads the request and writes the response."""

import asyncio
import time
from collections.abc import Iterable, Mapping

import grpc
from aiohttp import hdrs, web
from google.protobuf.message import Message
from google.rpc import status_pb2
from multidict import CIMultiDict

from gateway.core.addresses import Network, network_of
from gateway.http.tcp_connection import TcpConnection
from gateway.rpc.calls import Disconnected
from gateway.rpc.errors import StatusError
from gateway.rpc.http.protocol import FramedProtocol, HttpResponse, Protocol
from gateway.rpc.limits import Timings
from gateway.rpc.methods import Method
from gateway.service.streams.encoded import EncodedMessage


def to_aiohttp(response: HttpResponse, headers: CIMultiDict[str]) -> web.Response:
    """Returns the response with its own headers and the given ones."""
    if response.media_type is not None:
        headers[hdrs.CONTENT_TYPE] = response.media_type
    headers.update(response.headers)
    headers.extend(response.trailers)
    return web.Response(body=response.body, status=response.status, headers=headers)


class HttpCarrier:
    """One call of an HTTP client.

    `headers` and `trailers` are those of the response. Call `finish` once the pipeline
    has returned.
    """

    def __init__(
        self,
        request: web.Request,
        protocol: Protocol,
        method: Method,
        headers: Mapping[str, str],
        timings: Timings,
    ) -> None:
        self._arrived_at = time.monotonic()
        self.request = request
        self._protocol = protocol
        self._method = method
        self._timings = timings
        self._connection = TcpConnection(request)
        self._stream: web.StreamResponse | None = None
        self._error: status_pb2.Status | None = None
        self.headers = CIMultiDict(headers)
        self.headers[hdrs.CONTENT_TYPE] = protocol.media_type
        self.headers[hdrs.CACHE_CONTROL] = "no-store"
        self.trailers: list[tuple[str, str]] = []

    def metadata(self) -> Iterable[tuple[str, str]]:
        return ((name.lower(), value) for name, value in self.request.headers.items())

    def network(self) -> Network:
        return network_of(self.request.remote or "")

    def remaining_s(self) -> float | None:
        timeout_s = self._protocol.timeout_s(self.request.headers)
        if timeout_s is None:
            return None
        return max(0.0, self._arrived_at + timeout_s - time.monotonic())

    async def receive(self) -> Message:
        self._protocol.check_version(self.request.headers)
        self._check_encoding()
        data = await self._protocol.read(self.request.content.iter_any())
        return self._protocol.codec.decode(data, self._method.request_class)

    def _check_encoding(self) -> None:
        encoding = self.request.headers.get(self._protocol.encoding_header)
        if encoding and encoding != "identity":
            self.headers[self._protocol.accept_encoding_header] = "identity"
            raise StatusError.of(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{self._protocol.encoding_header} must be identity: send the message plain",
            )

    async def send(self, message: Message | EncodedMessage) -> None:
        assert isinstance(self._protocol, FramedProtocol)
        frame = self._protocol.frame(self._encode(message))
        try:
            if self._stream is None:
                self._stream = await self._start()
            await self._stream.write(frame)
        except ConnectionError:
            raise Disconnected from None

    async def _start(self) -> web.StreamResponse:
        self._connection.limit_buffers()
        self._connection.keep_alive()
        self.headers["X-Accel-Buffering"] = "no"  # nginx would hold messages back
        stream = web.StreamResponse(headers=self.headers)
        await stream.prepare(self.request)
        return stream

    def report_cost(self, entries: Iterable[tuple[str, str]]) -> None:
        if self._protocol.has_cost_in_headers:
            self.headers.update(entries)
        else:
            self.trailers.extend(entries)

    async def fail(self, status: status_pb2.Status) -> None:
        self._error = status

    async def finish(self, message: Message | None = None) -> web.StreamResponse:
        """Returns the response of a unary call, or ends that of a stream.

        A client that does not take the end of a stream in time is disconnected.
        """
        if self._stream is None:
            encoded = None if message is None or self._error is not None else self._encode(message)
            return to_aiohttp(
                self._protocol.respond(encoded, self._error, self.trailers), self.headers
            )
        assert isinstance(self._protocol, FramedProtocol)
        try:
            async with asyncio.timeout(self._timings.final_status_s):
                await self._stream.write(self._protocol.end(self._error, self.trailers))
                await self._stream.write_eof()
        except TimeoutError:
            self._connection.abort()
        except ConnectionError:
            pass  # The client has left.
        return self._stream

    def _encode(self, message: Message | EncodedMessage) -> bytes:
        return self._protocol.codec.encode(message, self._method.response_class)
