import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cursors import NO_TAG, CursorCodec, LogPosition, derive_key, tag_of
from gateway.core.errors import InvalidArgument

ACCOUNT = "AC" + "0" * 32
PLACE = LogPosition("0123456789abcdef", 1_763_600_000_000_123, tag_of(b'{"type":"room-created"}'))
SEALER = CursorCodec(("secret",), ACCOUNT)

positions = st.builds(
    LogPosition,
    st.binary(min_size=8, max_size=8).map(bytes.hex),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=8, max_size=8),
)


@given(positions)
def test_a_cursor_says_its_place_and_a_place_has_one_cursor(position: LogPosition) -> None:
    cursor = SEALER.cursor(position)

    assert SEALER.position(cursor) == position
    assert SEALER.cursor(position) == CursorCodec(("secret",), ACCOUNT).cursor(position) == cursor
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,96}", cursor)


@given(positions, st.data())
def test_a_cursor_changed_in_one_bit_is_refused(position: LogPosition, data: st.DataObject) -> None:
    cursor = SEALER.cursor(position)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").filter(
            lambda c: c != cursor[at]
        )
    )

    with pytest.raises(InvalidArgument, match="not a cursor of this gateway"):
        SEALER.position(cursor[:at] + other + cursor[at + 1 :])


@given(st.text(max_size=120))
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidArgument, match="leave it out"):
        SEALER.position(text)


@pytest.mark.parametrize("spelling", ["{}=", " {}", "{}\n", "{}A", "{}AAAA", "A" * 5000])
def test_a_cursor_has_one_spelling_only(spelling: str) -> None:
    with pytest.raises(InvalidArgument):
        SEALER.position(spelling.format(SEALER.cursor(PLACE)))


def test_a_cursor_of_another_account_or_secret_is_refused() -> None:
    cursor = SEALER.cursor(PLACE)

    for other in (CursorCodec(("secret",), "AC" + "1" * 32), CursorCodec(("other",), ACCOUNT)):
        with pytest.raises(InvalidArgument):
            other.position(cursor)


def test_during_a_rotation_both_secrets_are_accepted_and_the_new_one_is_used() -> None:
    rotating = CursorCodec(("new", "secret"), ACCOUNT)

    assert rotating.position(SEALER.cursor(PLACE)) == PLACE
    assert rotating.cursor(PLACE) == CursorCodec(("new",), ACCOUNT).cursor(PLACE)


def test_neighbouring_places_show_nothing_of_how_near_they_are() -> None:
    first, second = (SEALER.cursor(LogPosition(PLACE.epoch, n, NO_TAG)) for n in (1, 2))

    assert sum(left == right for left, right in zip(first, second, strict=True)) < len(first) / 3


def test_a_page_token_is_no_cursor_and_a_cursor_no_page_token() -> None:
    token = SEALER.page_token(b"PB123")

    assert SEALER.page_position(token) == b"PB123"
    with pytest.raises(InvalidArgument):
        SEALER.position(token)
    with pytest.raises(InvalidArgument, match="not a page cursor"):
        SEALER.page_position(SEALER.cursor(PLACE))


@given(st.binary(min_size=1, max_size=200))
def test_a_page_token_carries_any_position(position: bytes) -> None:
    assert SEALER.page_position(SEALER.page_token(position)) == position


def test_keys_are_derived_as_rfc_5869_says() -> None:
    def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
        key, block, out = hmac.digest(salt, secret, hashlib.sha256), b"", b""
        for counter in range(1, length // 32 + 2):
            block = hmac.digest(key, block + info + bytes([counter]), hashlib.sha256)
            out += block
        return out[:length]

    # Test case 1 of RFC 5869, for the few lines above; then ours against them.
    assert (
        hkdf(bytes(range(13)), b"\x0b" * 22, bytes(range(0xF0, 0xFA)), 42)
        .hex()
        .startswith("3cb25f25faacd57a90434f64d0362f2a")
    )
    assert derive_key("secret", "cursor:AC") == hkdf(b"rooms-gateway", b"secret", b"cursor:AC", 32)


def test_the_tag_of_an_entry_follows_every_byte_of_it() -> None:
    assert len(tag_of(b"")) == len(NO_TAG)
    assert tag_of(b"entry") != tag_of(b"entry ")
    assert tag_of(b"entry") != NO_TAG
