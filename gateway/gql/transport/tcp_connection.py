"""The TCP connection under a stream: what it may hold for a client that does not read, and how long it waits for one that
is gone."""

import socket

from aiohttp import web

# What the kernel keeps for a client that does not read; it doubles this, and would go up to 4 MB by itself. 128 kB under way
# are 1.3 MB/s over a way of 100 ms.
SEND_BYTES = 128 * 1024
# Longer than this without an acknowledgement, or with a window that stays closed, and the kernel ends the connection. The
# heartbeats see to it that there is something to acknowledge.
SILENCE_MS = 20_000
# As much as goes out in one piece, and as we keep ourselves before a stream waits.
PIECE_BYTES = 32 * 1024


class TcpConnection:
    def __init__(self, request: web.Request) -> None:
        self._transport = request.transport

    def limit(self) -> None:
        """For a stream, which may stay for days."""
        if self._transport is None:
            return
        self._transport.set_write_buffer_limits(PIECE_BYTES)
        handle = self._transport.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        # Of Linux; elsewhere the system's own limit on silence holds. A Unix socket has its peer on this machine.
        if hasattr(socket, "TCP_USER_TIMEOUT") and handle.family != socket.AF_UNIX:
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)

    @property
    def is_gone(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def is_clear(self) -> bool:
        """Whether the kernel has taken all that was written."""
        return (
            self._transport is not None
            and not self.is_gone
            and self._transport.get_write_buffer_size() == 0
        )

    def write_at_once(self, data: bytes) -> bool:
        """Writes the data past everybody who waits for the connection, if nobody has to and it is not much."""
        if self._transport is None or not self.is_clear or len(data) > PIECE_BYTES:
            return False
        self._transport.write(data)
        return True

    def abort(self) -> None:
        """Ends it now. What was written and is still here is lost."""
        if self._transport is not None:
            self._transport.abort()
