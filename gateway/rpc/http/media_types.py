"""Which protocol and codec a request uses. Does no I/O."""

from collections.abc import Mapping
from typing import Final

from gateway.rpc.calls import CallKind
from gateway.rpc.http.codecs import CODECS
from gateway.rpc.http.connect import ConnectGet, ConnectStream, ConnectUnary
from gateway.rpc.http.grpc_web import GrpcWeb, GrpcWebText
from gateway.rpc.http.protocol import Protocol

_BASES: Final[tuple[tuple[str, type[Protocol]], ...]] = (
    ("application/", ConnectUnary),
    ("application/connect+", ConnectStream),
    ("application/grpc-web+", GrpcWeb),
    ("application/grpc-web-text+", GrpcWebText),
)
_PROTO: Final = CODECS["proto"]
PROTOCOLS: Final[Mapping[str, Protocol]] = {
    protocol.media_type: protocol
    for protocol in (
        *(kind(base + name, codec) for base, kind in _BASES for name, codec in CODECS.items()),
        GrpcWeb("application/grpc-web", _PROTO),
        GrpcWebText("application/grpc-web-text", _PROTO),
    )
}
"""Every protocol with each codec, by media type."""


def protocol_of_post(content_type: str, kind: CallKind) -> Protocol | None:
    """Returns the protocol of a POST; None if there is none for calls of this kind."""
    name, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    protocol = PROTOCOLS.get(name)
    if protocol is None or kind not in protocol.kinds:
        return None
    charsets = [text for text in parameters if text.startswith("charset=")]
    is_utf8 = all(text.removeprefix("charset=").strip('"') == "utf-8" for text in charsets)
    return protocol if is_utf8 else None


def protocol_of_get(query: Mapping[str, str]) -> Protocol | None:
    """Returns the protocol of a GET; None if the URL names no known encoding."""
    codec = CODECS.get(query.get("encoding", ""))
    return None if codec is None else ConnectGet(query, codec)


def media_types(kind: CallKind) -> str:
    """Returns the media types for calls of this kind, as a header lists them."""
    return ", ".join(
        protocol.media_type for protocol in PROTOCOLS.values() if kind in protocol.kinds
    )
