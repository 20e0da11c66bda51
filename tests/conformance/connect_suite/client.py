"""Sends a test case of the conformance suite, and reads the response.

It shares no code with the gateway.
"""

import base64
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message
from google.rpc import status_pb2
from multidict import CIMultiDict

from tests.conformance.connect_suite.messages import PACKAGE, message_class, new, unpacked

UNARY: Final = 1  # of StreamType
METHODS: Final = {UNARY: "Unary", 3: "ServerStream"}
# https://connectrpc.com/docs/protocol#http-to-error-code, and gRPC has the same.
CODE_OF_HTTP: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
UNKNOWN: Final = 2
CODES: Final = (
    *("canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found"),
    *("already_exists", "permission_denied", "resource_exhausted", "failed_precondition"),
    *("aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss"),
    "unauthenticated",
)
END_OF_STREAM, TRAILERS = 2, 0x80


class CaseClient:
    """Sends cases by one protocol with one codec. `protocol` is connect, grpc-web or
    grpc-web-text."""

    def __init__(self, http: aiohttp.ClientSession, base: str, protocol: str, codec: str) -> None:
        self._http = http
        self._base = base
        self._protocol = protocol
        self._codec = codec

    async def send(self, case: Any) -> Any:
        """Returns the ClientResponseResult of a ClientCompatRequest."""
        is_unary = case.stream_type == UNARY
        if case.HasField("raw_request"):
            return await self._send_raw(case.raw_request, is_unary)
        service = case.service or f"{PACKAGE}.ConformanceService"
        path = f"/{service}/{case.method or METHODS[case.stream_type]}"
        [request] = map(unpacked, case.request_messages)
        response = f"{type(request).__name__.removesuffix('Request')}Response"
        headers = CIMultiDict(
            (header.name, value) for header in case.request_headers for value in header.value
        )
        if case.HasField("timeout_ms"):
            name, unit = ("Connect-Timeout-Ms", "") if self._is_connect else ("grpc-timeout", "m")
            headers[name] = f"{case.timeout_ms}{unit}"
        if self._is_connect:
            headers["Connect-Protocol-Version"] = "1"
        if case.use_get_http_method:
            query = {
                "connect": "v1",
                "encoding": self._codec,
                "base64": "1",
                "message": base64.urlsafe_b64encode(self._encode(request)).decode().rstrip("="),
            }
            return await self._request("GET", path, headers, None, is_unary, response, query)
        headers["Content-Type"] = self._media_type(is_unary)
        body = self._encode(request)
        if not (self._is_connect and is_unary):
            body = _frame(0, body)
        if self._protocol == "grpc-web-text":
            body = base64.b64encode(body)
        return await self._request("POST", path, headers, body, is_unary, response)

    async def _send_raw(self, raw: Any, is_unary: bool) -> Any:
        headers = CIMultiDict(
            (header.name, value) for header in raw.headers for value in header.value
        )
        body = b"".join(_frame(item.flags, _contents(item.payload)) for item in raw.stream.items)
        if raw.HasField("unary"):
            body = _contents(raw.unary)
        response = "UnaryResponse" if is_unary else "ServerStreamResponse"
        return await self._request(raw.verb, raw.uri, headers, body, is_unary, response)

    @property
    def _is_connect(self) -> bool:
        return self._protocol == "connect"

    def _media_type(self, is_unary: bool) -> str:
        if self._is_connect:
            return f"application/{'' if is_unary else 'connect+'}{self._codec}"
        return f"application/{self._protocol}+{self._codec}"

    async def _request(
        self,
        verb: str,
        path: str,
        headers: CIMultiDict[str],
        body: bytes | None,
        is_unary: bool,
        response: str,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        async with self._http.request(
            verb, self._base + path, headers=headers, data=body, params=query
        ) as reply:
            data = await reply.read()
        kind = message_class(response)
        is_bare = self._is_connect and is_unary
        if reply.status != 200:
            assert is_bare or not reply.content_type.startswith("application/grpc-web")
            result = new("ClientResponseResult")
            error = json.loads(data) if reply.content_type == "application/json" else {}
            result.error.CopyFrom(
                _error_of_json(error)
                if is_bare and "code" in error
                else new("Error", code=CODE_OF_HTTP.get(reply.status, UNKNOWN))
            )
        elif is_bare:
            result = new("ClientResponseResult", payloads=[self._decode(data, kind)])
        else:
            result = self._read_frames(data, kind)
        result.http_status_code = reply.status
        for name, value in reply.headers.items():
            if is_bare and name.lower().startswith("trailer-"):
                _add(result.response_trailers, name[8:], value)
            else:
                _add(result.response_headers, name, value)
        return result

    def _read_frames(self, data: bytes, kind: type[Message]) -> Any:
        if self._protocol == "grpc-web-text":
            data = b"".join(base64.b64decode(data[at : at + 4]) for at in range(0, len(data), 4))
        *messages, (flags, end) = _frames(data)
        assert all(flag == 0 for flag, _ in messages)
        result = new(
            "ClientResponseResult", payloads=[self._decode(part, kind) for _, part in messages]
        )
        if self._is_connect:
            assert flags == END_OF_STREAM
            fields = json.loads(end)
            if "error" in fields:
                result.error.CopyFrom(_error_of_json(fields["error"]))
            for name, values in fields.get("metadata", {}).items():
                for value in values:
                    _add(result.response_trailers, name, value)
            return result
        assert flags == TRAILERS
        status: dict[str, str] = {}
        for line in end.decode("ascii").removesuffix("\r\n").split("\r\n"):
            name, value = line.split(": ", 1)
            assert name == name.lower()
            if name.startswith("grpc-"):
                status[name] = value
            else:
                _add(result.response_trailers, name, value)
        if status["grpc-status"] != "0":
            result.error.CopyFrom(_error_of_trailers(status))
        return result

    def _encode(self, message: Message) -> bytes:
        if self._codec == "json":
            return json_format.MessageToJson(message).encode()
        return message.SerializeToString()

    def _decode(self, data: bytes, kind: type[Message]) -> Any:
        message: Any = kind()
        if self._codec == "json":
            json_format.Parse(data, message)
        else:
            message.ParseFromString(data)
        return message.payload


def _error_of_json(error: Mapping[str, Any]) -> Any:
    details = [
        any_pb2.Any(
            type_url=f"type.googleapis.com/{detail['type']}",
            value=base64.b64decode(detail["value"] + "=="),
        )
        for detail in error.get("details", ())
    ]
    code = CODES.index(error["code"]) + 1
    return new("Error", code=code, message=error.get("message"), details=details)


def _error_of_trailers(status: Mapping[str, str]) -> Any:
    code, message = int(status["grpc-status"]), unquote(status["grpc-message"])
    details: Iterable[any_pb2.Any] = ()
    if "grpc-status-details-bin" in status:
        encoded = base64.b64decode(status["grpc-status-details-bin"] + "==")
        whole = status_pb2.Status.FromString(encoded)
        assert (whole.code, whole.message) == (code, message)
        details = whole.details
    return new("Error", code=code, message=message, details=details)


def _contents(contents: Any) -> bytes:
    match contents.WhichOneof("data"):
        case "binary_message":
            return bytes(contents.binary_message.value)
        case "text":
            return str(contents.text).encode()
    return bytes(contents.binary)


def _add(headers: Any, name: str, value: str) -> None:
    for header in headers:
        if header.name.lower() == name.lower():
            header.value.append(value)
            return
    headers.add(name=name, value=[value])


def _frame(flags: int, message: bytes) -> bytes:
    return struct.pack(">BI", flags, len(message)) + message


def _frames(body: bytes) -> list[tuple[int, bytes]]:
    parts = []
    while body:
        flags, length = struct.unpack_from(">BI", body)
        assert len(body) >= 5 + length
        parts.append((flags, body[5 : 5 + length]))
        body = body[5 + length :]
    return parts
