"""The Connect protocol. Does no I/O. https://connectrpc.com/docs/protocol"""

import base64
import binascii
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from gateway.core.errors import InvalidArgument
from gateway.rpc.calls import CallKind
from gateway.rpc.errors import StatusError
from gateway.rpc.http.bodies import envelope, read_bare, read_envelope
from gateway.rpc.http.codecs import Codec
from gateway.rpc.http.protocol import FramedProtocol, HttpResponse, Metadata, Protocol
from gateway.rpc.http.timeouts import CONNECT, parse_connect_timeout

VERSION_HEADER: Final = "Connect-Protocol-Version"
END_OF_STREAM: Final = 0b10
"""The flag of the last envelope of a stream."""

HTTP_STATUS: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
"""https://connectrpc.com/docs/protocol#error-codes"""

_CODES: Final = {status.value[0]: status for status in grpc.StatusCode}


def error_response(error: status_pb2.Status, status: int | None = None) -> HttpResponse:
    """Returns the error as JSON, with the HTTP status of its code or the given one.

    `Retry-After` is in whole seconds, rounded up.
    """
    code = _CODES[error.code]
    headers = []
    if code is grpc.StatusCode.UNAUTHENTICATED:
        headers.append(("WWW-Authenticate", "Bearer"))
    retry = error_details_pb2.RetryInfo()
    if any(detail.Unpack(retry) for detail in error.details):
        headers.append(("Retry-After", str(-(-retry.retry_delay.ToMilliseconds() // 1000))))
    return HttpResponse(
        msgspec.json.encode(error_to_json(error)),
        HTTP_STATUS[code] if status is None else status,
        "application/json",
        headers,
    )


def error_to_json(error: status_pb2.Status) -> dict[str, Any]:
    """Returns the error as Connect's JSON has it.

    https://connectrpc.com/docs/protocol#error-end-stream
    """
    code = _CODES[error.code]
    name = "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()
    json: dict[str, Any] = {"code": name, "message": error.message}
    if error.details:
        json["details"] = [_detail_to_json(detail) for detail in error.details]
    return json


def _detail_to_json(detail: AnyMessage) -> dict[str, Any]:
    """Returns the detail's type and bytes, and its fields for a person who debugs."""
    value = base64.b64encode(detail.value).rstrip(b"=").decode()
    json: dict[str, Any] = {"type": detail.TypeName(), "value": value}
    descriptor = Default().FindMessageTypeByName(detail.TypeName())
    message = GetMessageClass(descriptor).FromString(detail.value)
    json["debug"] = MessageToDict(message)
    return json


class _Connect(Protocol):
    def timeout_s(self, headers: Mapping[str, str]) -> float | None:
        return parse_connect_timeout(headers.get(CONNECT))

    def check_version(self, headers: Mapping[str, str]) -> None:
        # The header is optional, so that plain HTTP clients work.
        if headers.get(VERSION_HEADER, "1") != "1":
            raise InvalidArgument(f"{VERSION_HEADER} must be 1: send 1, or leave it out")


class ConnectUnary(_Connect):
    kinds = frozenset({CallKind.UNARY})
    encoding_header = "Content-Encoding"
    accept_encoding_header = "Accept-Encoding"
    has_cost_in_headers = True

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        return await read_bare(chunks)

    def respond(
        self, message: bytes | None, error: status_pb2.Status | None, trailers: Metadata
    ) -> HttpResponse:
        marked = tuple((f"trailer-{name}", value) for name, value in trailers)
        if error is not None:
            return replace(error_response(error), trailers=marked)
        assert message is not None
        return HttpResponse(message, trailers=marked)


class ConnectGet(ConnectUnary):
    """A unary call whose request is in the URL. It serves one request.

    https://connectrpc.com/docs/protocol#unary-get-request
    """

    def __init__(self, query: Mapping[str, str], codec: Codec) -> None:
        super().__init__(f"application/{codec.name}", codec)
        self._query = query

    def check_version(self, headers: Mapping[str, str]) -> None:
        super().check_version(headers)
        if self._query.get("connect", "v1") != "v1":
            raise InvalidArgument("connect must be v1: send v1, or leave it out")
        if self._query.get("compression", "identity") != "identity":
            raise StatusError.of(
                grpc.StatusCode.UNIMPLEMENTED,
                "compression must be identity: send the message plain",
            )

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        message = self._query.get("message")
        if message is None:
            raise InvalidArgument("message is missing: send the request in this parameter")
        if self._query.get("base64") != "1":
            return message.encode()
        try:
            return base64.b64decode(message + "=" * (-len(message) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidArgument("message is not base64: encode it, or leave out base64") from None


class ConnectStream(_Connect, FramedProtocol):
    kinds = frozenset({CallKind.STREAM})
    encoding_header = "Connect-Content-Encoding"
    accept_encoding_header = "Connect-Accept-Encoding"

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        return await read_envelope(chunks)

    def frame(self, message: bytes) -> bytes:
        return envelope(message)

    def end(self, error: status_pb2.Status | None, trailers: Metadata) -> bytes:
        json: dict[str, Any] = {} if error is None else {"error": error_to_json(error)}
        if trailers:
            metadata: dict[str, list[str]] = {}
            for name, value in trailers:
                metadata.setdefault(name, []).append(value)
            json["metadata"] = metadata
        return envelope(msgspec.json.encode(json), END_OF_STREAM)
