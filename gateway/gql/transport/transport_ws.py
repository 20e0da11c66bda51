"""The server side of the protocol graphql-transport-ws. Does no I/O.

The socket passes every frame that it receives to a `Session`, and performs the actions
that the session returns.
https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import msgspec

from gateway.core.errors import GatewayError, Throttled, Unauthenticated, UpstreamUnavailable
from gateway.core.limits.rate_limit import Rate, check_rate
from gateway.service.callers.credentials import Credentials, is_credential

PROTOCOL = "graphql-transport-ws"
MAX_OPERATIONS = 50
# A client may start with all its operations at once.
MESSAGE_RATE = Rate(per_s=20, burst=MAX_OPERATIONS + 20)
# Each message of an operation has its id. Clients use a UUID, or count.
MAX_ID_CHARS = 128
# An id in the reason of a close frame is shortened: the frame holds 125 bytes.
_MAX_SHOWN_ID_CHARS = 80


class CloseCode(IntEnum):
    """Codes from 4400 on are those of graphql-transport-ws, the others of RFC 6455."""

    GOING_AWAY = 1001
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_REQUESTS = 4429


class ConnectionInit(msgspec.Struct, frozen=True, tag_field="type", tag="connection_init"):
    payload: msgspec.Raw = msgspec.Raw(b"null")


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping"):
    pass


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    pass


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    id: str
    payload: dict[str, Any]


class Complete(msgspec.Struct, frozen=True, tag_field="type", tag="complete"):
    id: str


Message = ConnectionInit | Ping | Pong | Subscribe | Complete
"""All messages that a client may send."""

_DECODER = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Check the credentials, then call `acknowledge` or `reject`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class StartOperation:
    """Run the operation, then call `complete`, `fail` or `end_stream`."""

    id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RejectOperation:
    """Send an `error` message for an operation that is not started."""

    id: str
    error: GatewayError


@dataclass(frozen=True, slots=True)
class CancelOperation:
    """Cancel the operation. The client expects no further message."""

    id: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: CloseCode
    reason: str


Action = Send | Authenticate | StartOperation | RejectOperation | CancelOperation | Close


class _State(Enum):
    NEW = "new"
    AUTHENTICATING = "authenticating"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Session:
    """One connection. Times are in seconds, of one monotonic clock.

    Credentials in `connection_init` override those of the HTTP headers: a browser
    cannot set headers on a WebSocket.
    """

    def __init__(self, now: float, headers: Credentials, init_timeout_s: float) -> None:
        self.init_deadline = now + init_timeout_s
        """When to call `time_out`, unless the client has its acknowledgement by then.
        """
        self._headers = headers
        self._state = _State.NEW
        self._rate_full_at_us = 0
        self._operations: set[str] = set()

    @property
    def is_acknowledged(self) -> bool:
        return self._state is _State.ACKNOWLEDGED

    @property
    def is_closed(self) -> bool:
        return self._state is _State.CLOSED

    def open(self, subprotocol: str | None) -> list[Action]:
        """Starts the session, with the subprotocol that was negotiated."""
        if subprotocol == PROTOCOL:
            return []
        return self._close(
            CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Subprotocol not acceptable: use {PROTOCOL}"
        )

    def receive(self, text: str | None, now: float) -> list[Action]:
        """Handles one frame of the client. `text` is None for a binary frame."""
        if self.is_closed:
            return []
        decision = check_rate(MESSAGE_RATE, self._rate_full_at_us, int(now * 1_000_000))
        if not decision.is_allowed:
            return self._close(
                CloseCode.TOO_MANY_REQUESTS,
                f"Too many requests: send at most {MESSAGE_RATE.per_s:g} messages a second",
            )
        self._rate_full_at_us = decision.full_at_us
        message = _decode(text)
        match message:
            case None:
                return self._close(
                    CloseCode.BAD_REQUEST, f"Frame is not a message of {PROTOCOL} as JSON text"
                )
            case ConnectionInit():
                return self._init(message.payload)
            case Ping():
                return [Send(b'{"type":"pong"}')]
            case Pong():
                return []
            case Subscribe(id=id_) | Complete(id=id_) if not 1 <= len(id_) <= MAX_ID_CHARS:
                return self._close(
                    CloseCode.BAD_REQUEST, f"Operation id must have 1 to {MAX_ID_CHARS} characters"
                )
            case Subscribe():
                return self._subscribe(message)
            case Complete():
                if message.id not in self._operations:
                    return []
                self._operations.discard(message.id)
                return [CancelOperation(message.id)]

    def _init(self, payload: msgspec.Raw) -> list[Action]:
        entries = _credential_entries(payload)
        if entries is None:
            return self._close(
                CloseCode.BAD_REQUEST,
                "Payload of connection_init is not an object with credentials as strings",
            )
        if self._state is not _State.NEW:
            return self._close(CloseCode.TOO_MANY_REQUESTS, "Too many initialisation requests")
        try:
            credentials = Credentials.of_init(entries)
        except Unauthenticated as error:
            return self.reject(error)
        self._state = _State.AUTHENTICATING
        return [Authenticate(credentials or self._headers)]

    def _subscribe(self, message: Subscribe) -> list[Action]:
        if not self.is_acknowledged:
            return self._close(
                CloseCode.UNAUTHORIZED,
                "Unauthorized: send connection_init and wait for connection_ack",
            )
        if message.id in self._operations:
            return self._close(
                CloseCode.SUBSCRIBER_EXISTS,
                f"Subscriber for {message.id[:_MAX_SHOWN_ID_CHARS]} already exists",
            )
        if len(self._operations) >= MAX_OPERATIONS:
            error = Throttled(
                f"{MAX_OPERATIONS} operations are running on this socket: complete one, "
                "or open another socket"
            )
            return [RejectOperation(message.id, error)]
        self._operations.add(message.id)
        return [StartOperation(message.id, message.payload)]

    def acknowledge(self) -> list[Action]:
        """The credentials are valid."""
        self._state = _State.ACKNOWLEDGED
        return [Send(b'{"type":"connection_ack"}')]

    def reject(self, error: GatewayError) -> list[Action]:
        """The credentials are not valid, or not any more."""
        match error:
            case Unauthenticated():
                code = CloseCode.UNAUTHORIZED
            case Throttled() | UpstreamUnavailable():
                # Clients reconnect after 1013. They give up after 4429, a protocol
                # error.
                code = CloseCode.TRY_AGAIN_LATER
            case _:
                code = CloseCode.FORBIDDEN
        return self._close(code, error.message)

    def time_out(self) -> list[Action]:
        """The clock has reached `init_deadline`."""
        return self._close(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")

    def complete(self, id_: str) -> list[Action]:
        """A query or a mutation has sent its response.

        The client may use the id again.
        """
        self._operations.discard(id_)
        return [Send(_ENCODER.encode({"type": "complete", "id": id_}))]

    def fail(self, id_: str, errors: Sequence[dict[str, Any]]) -> list[Action]:
        """An operation has ended with errors. The client may use the id again."""
        self._operations.discard(id_)
        return [Send(error_message(id_, errors))]

    def end_stream(self) -> list[Action]:
        """A subscription has ended without an error: the gateway is stopping."""
        return self._close(
            CloseCode.GOING_AWAY,
            "the gateway is stopping: reconnect and resume after your last cursor",
        )

    def _close(self, code: CloseCode, reason: str) -> list[Action]:
        if self.is_closed:
            return []
        self._state = _State.CLOSED
        return [Close(code, reason)]


def next_prefix(id_: str) -> bytes:
    """A `next` message up to its payload. The payload and `}` must follow."""
    return b'{"id":%b,"type":"next","payload":' % _ENCODER.encode(id_)


def error_message(id_: str, errors: Sequence[dict[str, Any]]) -> bytes:
    return _ENCODER.encode({"type": "error", "id": id_, "payload": errors})


def _credential_entries(payload: msgspec.Raw) -> list[tuple[str, str]] | None:
    """Returns the credentials of a payload; None for one that is not valid.

    JSON may have a name twice: the standard library's parser tells both.
    """
    try:
        entries = json.loads(bytes(payload), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    if entries is None:
        return []
    if not isinstance(entries, tuple):
        return None
    given = [(name, value) for name, value in entries if is_credential(name) and value is not None]
    return given if all(isinstance(value, str) for _, value in given) else None


def _decode(text: str | None) -> Message | None:
    """None for a frame that is not a message of the protocol."""
    if text is None:
        return None
    try:
        message: Message = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return message
