"""Limits on connections, and their timeouts and intervals. Does no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How many WebSockets one process has open at once.

    A socket's caller is known only after the handshake. Until then `sockets` alone
    bounds the number, and it counts event streams too.
    """

    sockets: int = 10_000
    sockets_per_caller: int = 5_000


@dataclass(frozen=True, slots=True)
class Timings:
    """Timeouts and intervals, in seconds."""

    deadline_s: float = 10.0
    """No query or mutation takes longer, whatever its client grants."""

    init_timeout_s: float = 5.0
    """How long a WebSocket client has until its `connection_init` is acknowledged."""

    slow_client_s: float = 10.0
    """A stream ends when its client does not read for this long. It may then resume."""

    close_timeout_s: float = 1.0
    """How long a closing WebSocket waits for the client's half of the handshake."""

    websocket_heartbeat_s: float = 20.0

    sse_heartbeat_s: float = 10.0
    """The interval of comments on an event stream that is otherwise quiet."""

    sse_check_s: float = 1.0
    """How often an event stream checks whether its client is still connected.

    aiohttp cancels a handler when its client disconnects only if the whole server is
    configured so.
    """
