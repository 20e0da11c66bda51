import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cursors import NO_TAG, CursorCodec, LogPosition, tag_of
from gateway.core.errors import InvalidArgument

ACCOUNT = "AC" + "0" * 32
POSITION = LogPosition(
    "0123456789abcdef", 1_763_600_000_000_123, tag_of(b'{"type":"room-created"}')
)
CODEC = CursorCodec(("secret",), ACCOUNT)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

positions = st.builds(
    LogPosition,
    st.binary(min_size=8, max_size=8).map(bytes.hex),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=8, max_size=8),
)

Encode = Callable[[CursorCodec], str]
Decode = Callable[[CursorCodec, str], object]
KINDS: dict[str, tuple[Encode, Decode, object]] = {
    "log": (
        lambda codec: codec.log_cursor(POSITION),
        lambda codec, cursor: codec.log_position(cursor),
        POSITION,
    ),
    "page": (
        lambda codec: codec.page_cursor(b"PageToken=PB123"),
        lambda codec, cursor: codec.page_position(cursor),
        b"PageToken=PB123",
    ),
    "live": (
        lambda codec: codec.list_cursor("RM1", "2026~PA1"),
        lambda codec, cursor: codec.list_key("RM1", cursor),
        "2026~PA1",
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@given(positions)
def test_a_log_position_has_exactly_one_cursor(position: LogPosition) -> None:
    cursor = CODEC.log_cursor(position)

    assert CODEC.log_position(cursor) == position
    assert CODEC.log_cursor(position) == CursorCodec(("secret",), ACCOUNT).log_cursor(position)
    assert CODEC.log_cursor(position) == cursor
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,96}", cursor)


@given(st.binary(min_size=1, max_size=200))
def test_a_page_cursor_carries_any_position(position: bytes) -> None:
    assert CODEC.page_position(CODEC.page_cursor(position)) == position


@given(st.text(min_size=1, max_size=60), st.text(max_size=40))
def test_a_live_cursor_carries_any_key(key: str, list_id: str) -> None:
    assert CODEC.list_key(list_id, CODEC.list_cursor(list_id, key)) == key


@every_kind
@given(data=st.data())
def test_a_cursor_with_one_changed_character_is_refused(kind: str, data: st.DataObject) -> None:
    encode, decode, _ = KINDS[kind]
    cursor = encode(CODEC)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from(ALPHABET.replace(cursor[at], "")))

    with pytest.raises(InvalidArgument, match="leave it out"):
        decode(CODEC, cursor[:at] + other + cursor[at + 1 :])


@every_kind
@given(text=st.text(max_size=120))
def test_any_other_text_is_refused(kind: str, text: str) -> None:
    _, decode, _ = KINDS[kind]
    with pytest.raises(InvalidArgument, match=r"(after|page_token) is not a .*leave it out"):
        decode(CODEC, text)


@every_kind
@pytest.mark.parametrize("spelling", ["{}=", " {}", "{}\n", "{}A", "{}AAAA", "A" * 9000])
def test_a_cursor_has_one_spelling_only(kind: str, spelling: str) -> None:
    encode, decode, _ = KINDS[kind]
    with pytest.raises(InvalidArgument):
        decode(CODEC, spelling.format(encode(CODEC)))


@every_kind
def test_i12_a_cursor_of_another_account_or_secret_is_refused(kind: str) -> None:
    encode, decode, _ = KINDS[kind]
    cursor = encode(CODEC)

    for other in (CursorCodec(("secret",), "AC" + "1" * 32), CursorCodec(("other",), ACCOUNT)):
        assert encode(other) != cursor
        with pytest.raises(InvalidArgument):
            decode(other, cursor)


@every_kind
def test_during_a_rotation_both_secrets_are_accepted_and_the_new_one_is_used(kind: str) -> None:
    encode, decode, plain = KINDS[kind]
    rotating = CursorCodec(("new", "secret"), ACCOUNT)

    assert decode(rotating, encode(CODEC)) == plain
    assert encode(rotating) == encode(CursorCodec(("new",), ACCOUNT))


@every_kind
@pytest.mark.parametrize("other", KINDS)
def test_a_cursor_of_another_kind_is_refused(kind: str, other: str) -> None:
    (_, decode, _), (encode, _, _) = KINDS[kind], KINDS[other]
    if kind != other:
        with pytest.raises(InvalidArgument):
            decode(CODEC, encode(CODEC))


def test_a_live_cursor_of_another_list_is_refused() -> None:
    cursor = CODEC.list_cursor("RM1", "PA1")
    with pytest.raises(InvalidArgument, match="not a cursor of this list"):
        CODEC.list_key("RM2", cursor)


@every_kind
def test_a_cursor_shows_nothing_of_its_content(kind: str) -> None:
    """Neither itself nor by likeness: neighbouring places have unlike cursors."""
    neighbours: dict[str, Callable[[int], str]] = {
        "log": lambda n: CODEC.log_cursor(LogPosition(POSITION.epoch, n, NO_TAG)),
        "page": lambda n: CODEC.page_cursor(b"PageToken=PB%030d" % n),
        "live": lambda n: CODEC.list_cursor("RM1", f"2026-11-20T12:00:00~PA{n:032}"),
    }
    first, second = (neighbours[kind](n) for n in (1, 2))
    same = sum(left == right for left, right in zip(first, second, strict=True))
    assert same < len(first) / 3


def test_the_tag_of_an_entry_depends_on_all_its_bytes() -> None:
    assert len(tag_of(b"")) == len(NO_TAG)
    assert tag_of(b"entry") != tag_of(b"entry ")
    assert tag_of(b"entry") != NO_TAG
