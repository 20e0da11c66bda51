from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.rooms import RoomStatus
from gateway.twilio.wire.exchange import WireRequest, encode_query, form_of, json_text, without_none


@pytest.mark.parametrize(
    ("value", "text"),
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
def test_value_is_sent_as_twilio_expects_it(value: object, text: str) -> None:
    assert form_of([("Name", value), ("Other", None)]) == (("Name", text),)
    assert parse_qsl(encode_query([("Name", value), ("Other", None)])) == [("Name", text)]


def test_repeated_parameter_keeps_its_order() -> None:
    assert encode_query([("Codec", "VP8"), ("Codec", "opus")]) == "Codec=VP8&Codec=opus"


def test_json_text_has_no_blanks() -> None:
    assert (
        json_text(without_none({"a": (1, "é"), "b": None, "c": False})) == '{"a":[1,"é"],"c":false}'
    )


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="surrogate"):
        json_text(["\ud800"])


def test_every_method_except_get_is_a_write() -> None:
    assert [WireRequest(method, "/", str).is_write for method in ("GET", "POST", "DELETE")] == [
        False,
        True,
        True,
    ]


def test_equality_of_requests_ignores_their_readers() -> None:
    assert WireRequest("GET", "/", str) == WireRequest("GET", "/", repr)
    assert WireRequest("GET", "/", str) != WireRequest("GET", "/", str, product="insights")
