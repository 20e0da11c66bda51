from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.sids import PREFIXES, ParticipantSid, checked_sid, is_sid

DIGITS = "0123456789abcdefABCDEF0123456789"


@pytest.mark.parametrize("kind", PREFIXES)
def test_each_kind_has_its_prefix_and_32_hex_digits(kind: Any) -> None:
    for other, (prefix, _) in PREFIXES.items():
        assert is_sid(kind, prefix + DIGITS) is (kind is other)


@pytest.mark.parametrize(
    "text", ["", "PA", "PA" + DIGITS[1:], "PA" + DIGITS + "0", "pa" + DIGITS, f"PA{DIGITS}\n"]
)
def test_other_text_is_refused_with_advice(text: str) -> None:
    assert not is_sid(ParticipantSid, text)
    with pytest.raises(
        InvalidArgument,
        match="participant is not the SID of a participant; give PA and 32 hex digits",
    ):
        checked_sid(ParticipantSid, text, "participant")


def test_a_sid_is_returned_unchanged() -> None:
    assert checked_sid(ParticipantSid, "PA" + DIGITS, "participant") == "PA" + DIGITS
