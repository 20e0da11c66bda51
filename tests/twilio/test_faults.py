import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Code, GatewayError
from gateway.twilio.faults import MEANINGS, read_error

# The codes of rooms in Twilio's error dictionary that REST responses can have.
ROOM_CODES = [*range(53100, 53104), *range(53105, 53121), *range(53122, 53128)]
# Those of participants, rules and transcriptions. Only client SDKs get the others.
BELOW_A_ROOM = [53200, 53201, 53202, 53204, 53206, 53209, 53215, 53676]

DATE = "Fri, 20 Nov 2026 10:00:00 GMT"


def fault(status: int, document: object = None, **headers: str) -> GatewayError:
    return read_error(status, headers, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (53119, Code.QUOTA_EXCEEDED),
        (53206, Code.QUOTA_EXCEEDED),
        (20429, Code.QUOTA_EXCEEDED),
        (53676, Code.QUOTA_EXCEEDED),
        (53112, Code.FAILED_PRECONDITION),
        (53209, Code.FAILED_PRECONDITION),
        (53204, Code.NOT_FOUND),
        (53117, Code.INVALID_ARGUMENT),
        (53120, Code.INVALID_ARGUMENT),
        (53122, Code.INVALID_ARGUMENT),
        (53200, Code.INVALID_ARGUMENT),
        (53215, Code.INVALID_ARGUMENT),
        (53118, Code.FAILED_PRECONDITION),
        (53113, Code.ALREADY_EXISTS),
        (53101, Code.INVALID_ARGUMENT),
        (53107, Code.INVALID_ARGUMENT),
        (53126, Code.INVALID_ARGUMENT),
        (53111, Code.UPSTREAM_REJECTED),
        (20404, Code.NOT_FOUND),
        (20003, Code.UPSTREAM_REJECTED),
        (53103, Code.UPSTREAM_UNAVAILABLE),
        (70002, Code.CURSOR_EXPIRED),
        (12345, Code.UPSTREAM_REJECTED),
    ],
)
def test_code_decides_whatever_the_status_is(code: int, expected: Code) -> None:
    for status in (400, 409, 422):
        error = fault(status, {"code": code, "message": "x", "status": status})
        assert error.code is expected
        assert error.twilio is not None
        assert (error.twilio.code, error.twilio.status) == (code, status)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, Code.UPSTREAM_UNAVAILABLE),
        (304, Code.UPSTREAM_UNAVAILABLE),
        (400, Code.UPSTREAM_REJECTED),
        (401, Code.UPSTREAM_REJECTED),
        (403, Code.UPSTREAM_REJECTED),
        (404, Code.NOT_FOUND),
        (405, Code.UPSTREAM_REJECTED),
        (429, Code.QUOTA_EXCEEDED),
        (500, Code.UPSTREAM_UNAVAILABLE),
        (503, Code.UPSTREAM_UNAVAILABLE),
        (599, Code.UPSTREAM_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad</html>", b'{"message":"An error occurred"}', b'{"code":null}']
)
def test_status_decides_without_a_code(status: int, expected: Code, body: bytes) -> None:
    error = read_error(status, {}, body)

    assert error.code is expected
    assert error.twilio is not None
    assert (error.twilio.code, error.twilio.status) == (None, status)


@pytest.mark.parametrize("code", ["53113", 53113])
def test_code_may_be_a_string(code: object) -> None:
    assert fault(400, {"code": code}).code is Code.ALREADY_EXISTS


@pytest.mark.parametrize(
    "code", [True, False, 53113.0, -1, 0, 10**30, "x", "", "٥٣١١٣", [53113], {"a": 1}]
)
def test_malformed_code_is_none(code: object) -> None:
    error = fault(400, {"code": code})

    assert error.code is Code.UPSTREAM_REJECTED
    assert error.twilio is not None
    assert error.twilio.code is None


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 60_000,
        b'"\xff"',
        b"[]",
        b"null",
        b"1",
        b'{"code":53113' + b" " * 70_000 + b"}",
    ],
    ids=lambda body: str(body[:8]),
)
def test_malformed_or_huge_body_is_ignored(body: bytes) -> None:
    assert read_error(404, {}, body).code is Code.NOT_FOUND


@given(
    st.integers(100, 999),
    st.dictionaries(st.text(max_size=12), st.text(max_size=12)),
    st.binary(max_size=40),
)
@settings(max_examples=100)
def test_any_response_is_read(status: int, headers: dict[str, str], body: bytes) -> None:
    assert isinstance(read_error(status, headers, body), GatewayError)


@pytest.mark.parametrize("code", MEANINGS)
def test_every_message_says_what_to_do(code: int) -> None:
    message = MEANINGS[code].text

    assert ": " in message
    assert not message.endswith(".")
    assert message.isprintable()


def test_every_documented_code_has_a_meaning() -> None:
    assert [code for code in [*ROOM_CODES, *BELOW_A_ROOM] if code not in MEANINGS] == []


def test_message_of_twilio_is_not_passed_on() -> None:
    document = {
        "code": 20404,
        "message": "The requested resource /Rooms/Secret Talk was not found",
        "more_info": "Secret",
    }
    error = fault(404, document)

    assert "Secret" not in f"{error} {error.message} {error.twilio}"


def test_more_info_of_twilio_is_passed_on() -> None:
    page = "https://www.twilio.com/docs/errors/20404"
    error = fault(404, {"code": 20404, "more_info": page})

    assert error.twilio is not None
    assert error.twilio.more_info == page


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example.com/docs/errors/1",
        "javascript:1",
        5,
        None,
        "https://www.twilio.com/docs/\n",
    ],
)
def test_other_more_info_is_not_passed_on(page: object) -> None:
    error = fault(404, {"code": 20404, "more_info": page})

    assert error.twilio is not None
    assert error.twilio.more_info is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2000),
        ({"retry-after": " 2 "}, 2000),
        ({"RETRY-AFTER": "0"}, 0),
        ({"Retry-After": "86400"}, 60_000),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:03 GMT", "Date": DATE}, 3000),
        ({"Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Fri, 20 Nov 2099 10:00:00 GMT", "Date": DATE}, 60_000),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:03 GMT"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:03 GMT", "Date": "never"}, None),
        ({"Retry-After": "Fri, 99 Nov 2026 10:00:03 GMT", "Date": DATE}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:03 -0000", "Date": DATE}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(
    headers: dict[str, str], expected: int | None
) -> None:
    assert read_error(429, headers, b"").retry_after_ms == expected


def test_refusal_has_no_retry_after() -> None:
    assert read_error(400, {"Retry-After": "2"}, b"").retry_after_ms is None
