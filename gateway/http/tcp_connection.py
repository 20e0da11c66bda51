"""The TCP connection under a stream.

It limits how much the kernel and the process buffer for a client that does not read,
and how long the kernel waits for a client that is gone.
"""

import socket

from aiohttp import web

# The kernel's send buffer. Linux doubles it, and without a limit grows it to 4 MB. 128
# kB in flight are 1.3 MB/s with a round trip of 100 ms.
SEND_BUFFER_BYTES = 128 * 1024
# The kernel ends a connection after this time without an acknowledgement, or with a
# closed window. Heartbeats make sure that there is something to acknowledge.
USER_TIMEOUT_MS = 20_000
# The kernel probes a quiet connection this often, to notice a client that has vanished.
PROBE_S = 20
# The most that is written in one piece, and that the process buffers before a stream
# waits.
CHUNK_BYTES = 32 * 1024


class TcpConnection:
    """The connection that a request came over."""

    def __init__(self, request: web.Request) -> None:
        self._transport = request.transport

    def limit_buffers(self) -> None:
        """Sets the limits for a stream, which may stay open for days."""
        if self._transport is None:
            return
        self._transport.set_write_buffer_limits(CHUNK_BYTES)
        handle = self._transport.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # Linux only. Other systems have their own limit. The peer of a Unix socket is
        # on this machine.
        if hasattr(socket, "TCP_USER_TIMEOUT") and handle.family != socket.AF_UNIX:
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def keep_alive(self) -> None:
        """Lets the kernel probe the client while nothing is sent to it.

        For streams without heartbeats of their own.
        """
        if self._transport is None:
            return
        handle = self._transport.get_extra_info("socket")
        if handle.family == socket.AF_UNIX:
            return
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # macOS has another name for the first.
        for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):
            if hasattr(socket, name):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), PROBE_S)

    @property
    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def is_drained(self) -> bool:
        """Whether the kernel has taken all that was written."""
        return (
            self._transport is not None
            and not self.is_closing
            and self._transport.get_write_buffer_size() == 0
        )

    def write_now(self, data: bytes) -> bool:
        """Writes the data at once, without waking up or waiting for any task.

        Returns False, and writes nothing, if the connection is not drained or the data
        are larger than CHUNK_BYTES.
        """
        if self._transport is None or not self.is_drained or len(data) > CHUNK_BYTES:
            return False
        self._transport.write(data)
        return True

    def abort(self) -> None:
        """Ends the connection now. Data that the kernel has not taken are lost."""
        if self._transport is not None:
            self._transport.abort()
