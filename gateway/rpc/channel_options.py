"""The options of the gRPC server. Each has a test that shows its effect.

https://grpc.github.io/grpc/core/group__grpc__arg__keys.html
"""

from dataclasses import dataclass
from typing import Final

MESSAGE_BYTES: Final = 64 * 1024
METADATA_BYTES: Final = 8 * 1024
STREAMS_PER_CONNECTION: Final = 100


@dataclass(frozen=True, slots=True)
class ConnectionTimings:
    """Times of one connection, in seconds."""

    handshake_s: float = 10.0
    """A client that has not sent its first frame by then is disconnected."""
    ping_after_s: float = 20.0
    """The server pings a client that has sent nothing for this long."""
    ping_timeout_s: float = 10.0
    """A client that has not answered a ping by then is disconnected."""
    min_ping_interval_s: float = 5.0
    """Clients may ping this often: grpc-go does so every 10 s at most. The third ping
    that comes too early closes the connection."""
    max_age_s: float = 30 * 60.0
    """Older connections are renewed, so that clients find new replicas."""
    max_age_grace_s: float = 30.0
    """How long calls on an old connection may go on."""


def channel_options(
    timings: ConnectionTimings, *, is_port_shared: bool
) -> tuple[tuple[str, int], ...]:
    """Returns the options as gRPC takes them.

    `is_port_shared` lets several processes listen on one port.
    """
    return (
        ("grpc.so_reuseport", int(is_port_shared)),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        # gRPC rejects metadata between a soft and this hard limit at random. The soft
        # limit is 8 KiB too, by default.
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.server_handshake_timeout_ms", _ms(timings.handshake_s)),
        # `keepalive_timeout_ms` is not enough: it does not disconnect a client whose
        # kernel acknowledges the ping and whose process does not answer it.
        ("grpc.keepalive_time_ms", _ms(timings.ping_after_s)),
        ("grpc.http2.ping_timeout_ms", _ms(timings.ping_timeout_s)),
        # For both sides: the server pings idle connections, and clients may ping too.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(timings.min_ping_interval_s)),
        ("grpc.max_connection_age_ms", _ms(timings.max_age_s)),
        ("grpc.max_connection_age_grace_ms", _ms(timings.max_age_grace_s)),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
