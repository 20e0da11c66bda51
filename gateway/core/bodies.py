"""Reads the body of a request or a response up to a limit.

Does no I/O: the caller passes the chunks.
"""

from collections.abc import AsyncIterable


async def read_bounded(chunks: AsyncIterable[bytes], limit: int) -> bytes | None:
    """The whole body; None as soon as it has more than `limit` bytes.

    A Content-Length header is not trusted: the sender may leave it out or be wrong.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
