"""What a protocol on HTTP does with a call. Does no I/O.

Protocols have no state: one object serves all requests with its media type.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from google.rpc import status_pb2

from gateway.rpc.calls import CallKind
from gateway.rpc.http.codecs import Codec

Metadata = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response in one piece."""

    body: bytes
    status: int = 200
    media_type: str | None = None
    """None: that of the request."""
    headers: Metadata = ()
    trailers: Metadata = ()
    """Headers in which a name may repeat."""


class Protocol(ABC):
    """One protocol with one codec. Requests and responses have its `media_type`."""

    kinds: ClassVar[frozenset[CallKind]]
    """The calls that it carries."""
    encoding_header: ClassVar[str]
    """The header that names how a request is compressed."""
    accept_encoding_header: ClassVar[str]
    """The header that lists which compressions are accepted."""
    has_cost_in_headers: ClassVar[bool] = False
    """Whether the cost of a call goes into the headers, and not into the trailers."""

    def __init__(self, media_type: str, codec: Codec) -> None:
        self.media_type = media_type
        self.codec = codec

    @abstractmethod
    def timeout_s(self, headers: Mapping[str, str]) -> float | None:
        """Returns the client's timeout; None without one. Raises InvalidArgument."""

    @abstractmethod
    def check_version(self, headers: Mapping[str, str]) -> None:
        """Raises InvalidArgument for a version of the protocol that is not known."""

    @abstractmethod
    async def read(self, chunks: AsyncIterable[bytes]) -> bytes:
        """Returns the request's message. Raises InvalidArgument or StatusError."""

    @abstractmethod
    def respond(
        self, message: bytes | None, error: status_pb2.Status | None, trailers: Metadata
    ) -> HttpResponse:
        """Returns the whole response: a message, an error, or an empty stream."""


class FramedProtocol(Protocol):
    """A protocol whose body has frames: messages, and the end of the call."""

    @abstractmethod
    def frame(self, message: bytes) -> bytes:
        """Returns a message as a part of the body."""

    @abstractmethod
    def end(self, error: status_pb2.Status | None, trailers: Metadata) -> bytes:
        """Returns the last part of the body."""

    def respond(
        self, message: bytes | None, error: status_pb2.Status | None, trailers: Metadata
    ) -> HttpResponse:
        first = b"" if message is None else self.frame(message)
        return HttpResponse(first + self.end(error, trailers))
