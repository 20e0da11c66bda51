from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import RoomStatus
from gateway.twilio.wire.exchange import WireRequest, encoded, form_of, json_text, without_none


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (RoomStatus.IN_PROGRESS, "in-progress"),
        ("a b&c=ü", "a b&c=ü"),
        (
            datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-02T03:04:05Z",
        ),
        (datetime(2026, 1, 2, 3, 4, 59, 1, tzinfo=UTC), "2026-01-02T03:05:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_each_value_is_sent_in_twilios_form(value: object, word: str) -> None:
    assert form_of([("Name", value), ("Other", None)]) == (("Name", word),)
    assert parse_qsl(encoded([("Name", value), ("Other", None)])) == [("Name", word)]


def test_a_repeated_name_keeps_its_order() -> None:
    assert encoded([("Codec", "VP8"), ("Codec", "opus")]) == "Codec=VP8&Codec=opus"


def test_json_is_sent_without_blanks() -> None:
    assert (
        json_text(without_none({"a": (1, "é"), "b": None, "c": False})) == '{"a":[1,"é"],"c":false}'
    )


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="surrogate"):
        json_text(["\ud800"])


def test_only_a_get_changes_nothing() -> None:
    assert [WireRequest(method, "/", str).is_write for method in ("GET", "POST", "DELETE")] == [
        False,
        True,
        True,
    ]


def test_requests_are_equal_when_they_are_the_same_on_the_wire() -> None:
    assert WireRequest("GET", "/", str) == WireRequest("GET", "/", repr)
    assert WireRequest("GET", "/", str) != WireRequest("GET", "/", str, product="insights")
