from typing import Any

import pytest

from gateway.core.rooms import RoomStatus, RoomType


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("in_progress", RoomStatus.IN_PROGRESS),
        ("completed", RoomStatus.COMPLETED),
        ("unknown", RoomStatus.UNKNOWN),
    ],
)
def test_underscores_of_insights_equal_hyphens_of_video(word: str, known: RoomStatus) -> None:
    assert RoomStatus(word) is known


def test_every_room_type_is_known_in_both_spellings() -> None:
    for known in RoomType:
        assert RoomType(known.replace("-", "_")) is known


@pytest.mark.parametrize("word", ["", "paused", "IN-PROGRESS", None, 1, "x" * 1_000_000])
def test_any_other_word_is_unknown(word: Any) -> None:
    assert RoomStatus(word) is RoomStatus.UNKNOWN
