import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import pytest

from gateway.core.errors import InvalidArgument, UpstreamUnavailable
from gateway.core.open_enum import UnknownWord
from gateway.core.recordings import INT64
from gateway.core.rooms import RoomStatus
from gateway.core.sids import RoomSid
from gateway.twilio.wire.reading import (
    UNKNOWN_WORDS_LIMIT,
    UnreadableField,
    convert,
    read_json,
    read_resource,
)
from tests.twilio.wire.documents import response


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


def test_field_is_read_by_its_type() -> None:
    document = {
        "sid": SID,
        "size": 2**40,
        "count": 1,
        "at": "2026-01-02T03:04:05Z",
        "words": ["failed"],
        "new": 1,
    }

    assert read_resource(response(document), Whole, lambda document: document) == Whole(
        sid=RoomSid(SID),
        size=2**40,
        count=1,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        words=(RoomStatus.FAILED,),
    )


def test_unknown_words_are_kept_with_their_path() -> None:
    document = {
        "sid": SID,
        "part": {"status": "a"},
        "parts": [{"status": "completed"}, {"status": "b"}],
        "words": ["failed", "c", "unknown"],
    }

    assert convert(document, Whole, lambda document: document).unknown_words == (
        UnknownWord("part.status", "a"),
        UnknownWord("parts[1].status", "b"),
        UnknownWord("words[1]", "c"),
        UnknownWord("words[2]", "unknown"),
    )


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"count": 2**31}, "count"),
        ({"size": 2**63}, "size"),
        ({"at": "2026-01-02T03:04:05"}, "at"),
        ({"at": "9999-12-31T23:59:59-05:00"}, "at"),
        ({"part": 1}, "part"),
    ],
    ids=str,
)
def test_value_that_does_not_fit_is_null_where_the_field_may_be(
    wrong: dict[str, object], path: str
) -> None:
    unreadable: list[str] = []
    document = {"sid": SID, **wrong}

    assert convert(document, Whole, lambda found: found, "rows[3]", unreadable) == Whole(
        sid=RoomSid(SID)
    )
    assert unreadable == [f"rows[3].{path}"]


def test_odd_value_of_a_part_leaves_its_other_values() -> None:
    unreadable: list[str] = []
    document = {"sid": SID, "parts": [{"status": 1}, {"status": "failed"}]}
    whole = convert(document, Whole, lambda found: found, "", unreadable)

    assert whole.parts == (Part(), Part(status=RoomStatus.FAILED))
    assert unreadable == ["parts[0].status"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"sid": "RM"}, "sid"),
        ({"sid": None}, "sid"),
        ({"parts": [1]}, "parts[0]"),
        ({"words": [None]}, "words[0]"),
        ({"words": "failed"}, "words"),
    ],
    ids=str,
)
def test_value_of_a_field_that_cannot_be_null_is_refused(
    wrong: dict[str, object], path: str
) -> None:
    with pytest.raises(UnreadableField) as refused:
        convert({"sid": SID, **wrong}, Whole, lambda document: document)
    assert refused.value.path == path
    answer = response({"sid": SID, **wrong})
    with pytest.raises(UpstreamUnavailable, match=f"its field {re.escape(path)} is"):
        read_resource(answer, Whole, lambda document: document)
    assert answer.unreadable == [path]


def test_value_that_core_refuses_is_upstream_unavailable() -> None:
    def refuse(_: object) -> None:
        raise InvalidArgument("a hint is longer than 100 characters; shorten it")

    with pytest.raises(UpstreamUnavailable, match="could not be read"):
        read_json(response({}), refuse)


def test_number_of_unknown_words_is_bounded() -> None:
    document = {"sid": SID, "words": ["x" * 200] * 1000}
    whole = convert(document, Whole, lambda document: document)

    assert len(whole.words) == 1000
    assert whole.unknown_words == tuple(
        UnknownWord(f"words[{n}]", "x" * 128) for n in range(UNKNOWN_WORDS_LIMIT)
    )
