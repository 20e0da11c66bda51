import base64
from collections.abc import AsyncIterable, AsyncIterator
from itertools import pairwise

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidArgument
from gateway.rpc.errors import StatusError
from gateway.rpc.http.bodies import decoded_text, envelope, read_bare, read_envelope
from tests.rpc.http.probe import frame, frames


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def code_of(reading: object) -> grpc.StatusCode:
    with pytest.raises(StatusError) as refused:
        await reading  # type: ignore[misc]
    return next(code for code in grpc.StatusCode if code.value[0] == refused.value.status.code)


def test_envelope_has_flags_and_length() -> None:
    assert envelope(b"word", 2) == b"\x02\0\0\0\x04word"
    assert frames(envelope(b"a") + envelope(b"")) == [(0, b"a"), (0, b"")]


async def test_read_bare_joins_the_chunks_up_to_the_limit() -> None:
    assert await read_bare(pieces(b"ab", b"cd"), limit=4) == b"abcd"
    assert await code_of(read_bare(pieces(b"ab", b"cde"), 4)) is grpc.StatusCode.RESOURCE_EXHAUSTED


@given(st.binary(max_size=40), st.lists(st.integers(0, 45)))
async def test_read_envelope_takes_any_division_into_chunks(
    message: bytes, cuts: list[int]
) -> None:
    body = frame(message)
    ends = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    chunks = [body[start:end] for start, end in pairwise(ends)]

    assert await read_envelope(pieces(*chunks)) == message


async def test_read_envelope_needs_exactly_one_message() -> None:
    assert await code_of(read_envelope(pieces())) is grpc.StatusCode.UNIMPLEMENTED
    two = read_envelope(pieces(frame(b"a") + frame(b"b")))
    assert await code_of(two) is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("body", [b"\0\0\0", frame(b"word")[:-1]])
async def test_read_envelope_needs_the_whole_message(body: bytes) -> None:
    with pytest.raises(InvalidArgument, match="ends inside a message"):
        await read_envelope(pieces(body))


async def test_read_envelope_checks_the_length_before_the_message() -> None:
    async def announced() -> AsyncIterator[bytes]:
        yield frame(b"12345")[:5]
        raise AssertionError("no more is read")

    assert await code_of(read_envelope(announced(), limit=4)) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_read_envelope_rejects_compression_and_other_flags() -> None:
    assert await code_of(read_envelope(pieces(frame(b"a", 1)))) is grpc.StatusCode.INTERNAL
    with pytest.raises(InvalidArgument, match="flags 2"):
        await read_envelope(pieces(frame(b"a", 2)))


async def joined(chunks: AsyncIterable[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@given(st.lists(st.binary(max_size=10)), st.integers(1, 7))
async def test_decoded_text_takes_padded_pieces_in_any_division(
    parts: list[bytes], size: int
) -> None:
    text = b"".join(map(base64.b64encode, parts))
    chunks = [text[start : start + size] for start in range(0, len(text), size)]

    assert await joined(decoded_text(pieces(*chunks))) == b"".join(parts)


@pytest.mark.parametrize("text", [b"abc", b"ab=c", b"=abc", b"ab\n=", b"a===", b"\xff\xff\xff\xff"])
async def test_decoded_text_rejects_what_is_not_base64(text: bytes) -> None:
    with pytest.raises(InvalidArgument, match="not base64"):
        await joined(decoded_text(pieces(text)))
