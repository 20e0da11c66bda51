from datetime import UTC, datetime

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import RoomStatus, VideoCodec
from gateway.core.validation import (
    check_known,
    check_range,
    check_text,
    check_zones,
    in_text,
    one_of,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("text", ["x", "x" * 128, "a/b ..", "Zoë 🎉", " "])
def test_printable_text_of_1_to_128_characters_passes(text: str) -> None:
    check_text(text, "identity", give="an identity")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "identity is empty; give an identity"),
        ("x" * 129, "identity has 129 characters"),
        ("a\x00", "identity holds a control character; remove it"),
        ("\ud800", "control character"),
    ],
)
def test_other_text_is_refused_with_advice(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        check_text(text, "identity", give="an identity")


def test_a_number_must_be_in_range_if_there_is_one() -> None:
    for value in (None, 1, 60):
        check_range(value, 1, 60, "timeout")
    with pytest.raises(
        InvalidArgument, match="timeout is 61; give a whole number from 1 to 60 minutes"
    ):
        check_range(61, 1, 60, "timeout", " minutes")


def test_a_time_needs_a_zone() -> None:
    check_zones(created_after=AT, created_before=None)
    with pytest.raises(InvalidArgument, match="created_before has no time zone; end it with Z"):
        check_zones(created_after=AT, created_before=AT.replace(tzinfo=None))


def test_the_member_unknown_is_refused() -> None:
    for word in (None, RoomStatus.FAILED):
        check_known(word, "status")
    with pytest.raises(
        InvalidArgument,
        match="status cannot be UNKNOWN; give IN_PROGRESS, COMPLETED or FAILED",
    ):
        check_known(RoomStatus.UNKNOWN, "status")


def test_a_message_has_the_choices_by_the_names_of_the_enum() -> None:
    assert one_of(RoomStatus.FAILED) == in_text(RoomStatus.FAILED) == "`RoomStatus.FAILED`"
    assert one_of(*VideoCodec) == "`VideoCodec.VP8`, `VideoCodec.H264` or `VideoCodec.UNKNOWN`"
