"""One call on its way through the stages, and what carries it. Does no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol

from google.protobuf.message import Message
from google.rpc import status_pb2

from gateway.core.addresses import Network
from gateway.service.callers.charge import Charge
from gateway.service.streams.encoded import EncodedMessage

# Methods for load balancers and tools, which send no credential. They reveal nothing
# about any account.
PUBLIC: Final = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)


class CallKind(Enum):
    """One message each way, a stream of responses, or a stream each way."""

    UNARY = auto()
    STREAM = auto()
    CONVERSATION = auto()


class Disconnected(Exception):
    """The client has left. The call ends, and nothing more can be sent."""


class Carrier(Protocol):
    """The transport of one call: gRPC, or a protocol on HTTP.

    The stages and the pipeline know no other side of a transport.
    """

    def metadata(self) -> Iterable[tuple[str, str | bytes]]:
        """The client's metadata, with lower-case names."""

    def network(self) -> Network:
        """Returns the network of the client."""

    def remaining_s(self) -> float | None:
        """Returns the time until the client's deadline; None without one.

        Raises InvalidArgument for a timeout that cannot be read.
        """

    async def receive(self) -> Message:
        """Returns the request. Raises InvalidArgument, DecodeError or StatusError."""

    async def send(self, message: Message | EncodedMessage) -> None:
        """Sends one message of a stream, and waits until there is room for the next.

        Raises Disconnected.
        """

    def report_cost(self, entries: Iterable[tuple[str, str]]) -> None:
        """Adds entries about the call's cost to what the client gets at the end."""

    async def fail(self, status: status_pb2.Status) -> None:
        """Ends the call with this status. May raise what ends the method."""


@dataclass(slots=True)
class Call:
    """One call on its way through the stages.

    `identify_caller` sets `charge`, and `decode_request` sets `request`. The pipeline
    sets `response` once the method of a unary call has returned.
    """

    method: str
    kind: CallKind
    carrier: Carrier
    request: Any = None
    response: Message | None = None
    charge: Charge | None = None

    @property
    def is_public(self) -> bool:
        return self.method.startswith(PUBLIC)
