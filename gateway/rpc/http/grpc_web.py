"""The gRPC-Web protocol. Does no I/O.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
"""

import base64
from collections.abc import AsyncIterable, Mapping
from typing import Final
from urllib.parse import quote

from google.rpc import status_pb2

from gateway.rpc.calls import CallKind
from gateway.rpc.http.bodies import decoded_text, envelope, read_envelope
from gateway.rpc.http.protocol import FramedProtocol, Metadata
from gateway.rpc.http.timeouts import GRPC, parse_grpc_timeout

TRAILERS: Final = 0x80
"""The flag of the frame with the trailers."""

# Printable ASCII other than the percent sign stays as it is.
_PLAIN: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}~"


class GrpcWeb(FramedProtocol):
    kinds = frozenset({CallKind.UNARY, CallKind.STREAM})
    encoding_header = "grpc-encoding"
    accept_encoding_header = "grpc-accept-encoding"

    def timeout_s(self, headers: Mapping[str, str]) -> float | None:
        return parse_grpc_timeout(headers.get(GRPC))

    def check_version(self, headers: Mapping[str, str]) -> None:
        """The protocol has one version, which is in the media type."""

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        return await read_envelope(chunks)

    def frame(self, message: bytes) -> bytes:
        return envelope(message)

    def end(self, error: status_pb2.Status | None, trailers: Metadata) -> bytes:
        entries = [*trailers, *_status(error)]
        return envelope(
            b"".join(f"{name}: {value}\r\n".encode() for name, value in entries), TRAILERS
        )


def _status(error: status_pb2.Status | None) -> Metadata:
    if error is None:
        return (("grpc-status", "0"),)
    entries = [("grpc-status", str(error.code)), ("grpc-message", quote(error.message, _PLAIN))]
    if error.details:
        details = base64.b64encode(error.SerializeToString()).rstrip(b"=").decode()
        entries.append(("grpc-status-details-bin", details))
    return entries


class GrpcWebText(GrpcWeb):
    """gRPC-Web in base64, for browsers that cannot read a binary stream."""

    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        return await read_envelope(decoded_text(chunks))

    def frame(self, message: bytes) -> bytes:
        return base64.b64encode(super().frame(message))

    def end(self, error: status_pb2.Status | None, trailers: Metadata) -> bytes:
        return base64.b64encode(super().end(error, trailers))
