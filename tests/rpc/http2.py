"""A client that speaks HTTP/2 frame by frame, as no gRPC library does.

https://www.rfc-editor.org/rfc/rfc9113
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

LIMIT_S: Final = 30

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x4, 0x6, 0x7
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4


@dataclass(frozen=True, slots=True)
class Frame:
    type: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        head = len(self.payload).to_bytes(3) + bytes((self.type, self.flags))
        return head + self.stream.to_bytes(4) + self.payload


class Http2Client:
    """One connection. It answers nothing by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *frames: Frame) -> None:
        self._writer.write(b"".join(frame.encode() for frame in frames))

    def greet(self) -> None:
        """Sends what every client sends first."""
        self._writer.write(PREFACE)
        self.send(Frame(SETTINGS))

    async def frames(self) -> AsyncIterator[Frame]:
        """Yields the server's frames until it closes the connection."""
        async with asyncio.timeout(LIMIT_S):
            try:
                while True:
                    head = await self._reader.readexactly(9)
                    payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                    yield Frame(head[3], head[4], int.from_bytes(head[5:]), payload)
            except (asyncio.IncompleteReadError, ConnectionError):
                return

    async def until(self, type_: int, flags: int = 0) -> Frame:
        """Returns the server's next frame of this type."""
        async for frame in self.frames():
            if (frame.type, frame.flags) == (type_, flags):
                return frame
        raise ConnectionError("the server closed the connection")

    async def until_closed(self) -> list[Frame]:
        """Returns the server's frames until it closes the connection."""
        return [frame async for frame in self.frames()]


def open_call(path: str, stream: int = 1, metadata: Mapping[str, str] | None = None) -> Frame:
    """Returns the frame that opens a call of gRPC."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "gateway",
        "content-type": "application/grpc",
        "te": "trailers",
        **(metadata or {}),
    }
    # Literal fields, without compression. RFC 7541, 6.2.2.
    fields = (
        b"\0%c%b%c%b" % (len(name), name.encode(), len(value), value.encode())
        for name, value in headers.items()
    )
    return Frame(HEADERS, END_HEADERS, stream, b"".join(fields))


def message(data: bytes, stream: int = 1, *, is_last: bool = True) -> Frame:
    """Returns a frame with one message of gRPC."""
    flags = END_STREAM if is_last else 0
    return Frame(DATA, flags, stream, b"\0" + len(data).to_bytes(4) + data)


@asynccontextmanager
async def http2_client(port: int) -> AsyncIterator[Http2Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Http2Client(reader, writer)
    finally:
        writer.close()
