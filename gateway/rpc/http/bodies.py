"""Reads the one request message from a body, bare or in an envelope. Does no I/O.

An envelope is a byte of flags, four bytes of length and the message:
https://connectrpc.com/docs/protocol#streaming-request and gRPC-Web have the same.
"""

import base64
import binascii
import struct
from collections.abc import AsyncIterable
from typing import Final

import grpc

from gateway.core.bodies import read_bounded
from gateway.core.errors import InvalidArgument
from gateway.rpc.errors import StatusError

MESSAGE_BYTES: Final = 64 * 1024
"""As gRPC's server has it."""

_PREFIX: Final = struct.Struct(">BI")
COMPRESSED: Final = 0b1
"""The flag of a compressed message."""


def envelope(message: bytes, flags: int = 0) -> bytes:
    """Returns the message in its envelope."""
    return _PREFIX.pack(flags, len(message)) + message


async def read_bare(chunks: AsyncIterable[bytes], limit: int = MESSAGE_BYTES) -> bytes:
    """Returns the body, which is the message. Raises StatusError above the limit."""
    body = await read_bounded(chunks, limit)
    if body is None:
        raise _too_large(limit)
    return body


async def read_envelope(chunks: AsyncIterable[bytes], limit: int = MESSAGE_BYTES) -> bytes:
    """Returns the only message of the body.

    The announced length is checked before the message is read. Raises StatusError, and
    InvalidArgument for a body that ends early.
    """
    body = bytearray()
    length = 0
    async for chunk in chunks:
        body += chunk
        if len(body) >= _PREFIX.size:
            length = _checked_length(body, limit)
            if len(body) > _PREFIX.size + length:
                raise StatusError.of(
                    grpc.StatusCode.UNIMPLEMENTED, "the body has two messages: send one"
                )
    if not body:
        raise StatusError.of(
            grpc.StatusCode.UNIMPLEMENTED, "the body has no message: send one in an envelope"
        )
    if len(body) < _PREFIX.size + length:
        raise InvalidArgument("the body ends inside a message: send the whole envelope")
    return bytes(body[_PREFIX.size :])


def _checked_length(body: bytearray, limit: int) -> int:
    flags, length = _PREFIX.unpack_from(body)
    if flags & COMPRESSED:
        raise StatusError.of(
            grpc.StatusCode.INTERNAL, "the message is compressed without an encoding: send it plain"
        )
    if flags:
        raise InvalidArgument(f"the envelope has the unknown flags {flags}: send 0")
    if length > limit:
        raise _too_large(limit)
    return int(length)


async def decoded_text(chunks: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    """Yields the bytes behind base64 that may consist of several padded pieces.

    Raises InvalidArgument.
    """
    rest = b""
    async for chunk in chunks:
        text = rest + chunk
        whole = len(text) - len(text) % 4
        rest = text[whole:]
        yield _decode(text[:whole])
    if rest:
        raise _not_base64()


def _decode(text: bytes) -> bytes:
    # Padding ends a piece, and each piece is a multiple of four characters long.
    try:
        return b"".join(base64.b64decode(piece, validate=True) for piece in _pieces(text) if piece)
    except binascii.Error:
        raise _not_base64() from None


def _pieces(text: bytes) -> list[bytes]:
    pieces = []
    start = 0
    while (padding := text.find(b"=", start)) >= 0:
        end = padding + 4 - padding % 4
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]


def _not_base64() -> InvalidArgument:
    return InvalidArgument("the body is not base64: encode it, or use application/grpc-web")


def _too_large(limit: int) -> StatusError:
    return StatusError.of(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"the message is too large: send up to {limit:,} bytes",
    )
