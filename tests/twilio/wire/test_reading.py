from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import pytest

from gateway.core.errors import InvalidArgument, UpstreamUnavailable
from gateway.core.open_enum import UnknownWord
from gateway.core.recordings import INT64
from gateway.core.rooms import RoomStatus
from gateway.core.sids import RoomSid
from gateway.twilio.wire.reading import WORDS_LIMIT, read_said, read_value, to_core
from tests.twilio.wire.documents import answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    status: RoomStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    sid: RoomSid
    size: Annotated[int, INT64] | None = None
    count: int | None = None
    at: datetime | None = None
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    words: tuple[RoomStatus, ...] = ()
    unknown_words: tuple[UnknownWord, ...] = ()


SID = "RM" + "0" * 32


def test_each_field_is_read_by_its_type() -> None:
    said = {
        "sid": SID,
        "size": 2**40,
        "count": 1,
        "at": "2026-01-02T03:04:05Z",
        "words": ["failed"],
        "new": 1,
    }

    assert read_value(answer(said), Whole, lambda said: said) == Whole(
        sid=RoomSid(SID),
        size=2**40,
        count=1,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        words=(RoomStatus.FAILED,),
    )


def test_unknown_words_are_kept_with_their_place() -> None:
    said = {
        "sid": SID,
        "part": {"status": "a"},
        "parts": [{"status": "completed"}, {"status": "b"}],
        "words": ["failed", "c", "unknown"],
    }

    assert to_core(said, Whole, lambda said: said).unknown_words == (
        UnknownWord("part.status", "a"),
        UnknownWord("parts[1].status", "b"),
        UnknownWord("words[1]", "c"),
        UnknownWord("words[2]", "unknown"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 2**31},
        {"size": 2**63},
        {"sid": "RM"},
        {"at": "2026-01-02T03:04:05"},
        {"parts": [1]},
        {"words": [None]},
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        to_core({"sid": SID, **wrong}, Whole, lambda said: said)


def test_what_core_refuses_in_an_answer_is_not_the_callers_fault() -> None:
    def refuse(_: object) -> None:
        raise InvalidArgument("a hint is longer than 100 characters; shorten it")

    with pytest.raises(UpstreamUnavailable, match="cannot be read"):
        read_said(answer({}), refuse)


def test_a_flood_of_new_words_is_not_kept() -> None:
    said = {"sid": SID, "words": ["x" * 200] * 1000}
    found = to_core(said, Whole, lambda said: said)

    assert len(found.words) == 1000
    assert found.unknown_words == tuple(
        UnknownWord(f"words[{n}]", "x" * 128) for n in range(WORDS_LIMIT)
    )
