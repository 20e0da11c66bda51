"""Bodies of limited size."""

from collections.abc import AsyncIterator

import pytest

from gateway.core.bodies import read_bounded


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("parts", [(), (b"",), (b"abc", b"de")])
async def test_a_body_up_to_the_limit_is_read_as_a_whole(parts: tuple[bytes, ...]) -> None:
    assert await read_bounded(chunks(*parts), 5) == b"".join(parts)


async def test_reading_stops_at_the_chunk_that_exceeds_the_limit() -> None:
    body = chunks(b"abc", b"def", b"never read")
    assert await read_bounded(body, 5) is None
    assert await anext(body) == b"never read"
