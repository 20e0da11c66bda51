"""Which web pages may use the gateway."""

import pytest

from gateway.http.origins import Cors, Origins

LISTED = "https://app.example"
CORS = Cors(request_headers="authorization, content-type", response_headers="cost, retry-after")


@pytest.mark.parametrize(
    ("origin", "host", "in_service", "in_development"),
    [
        (None, "gateway.example", True, True),
        (LISTED, "gateway.example", True, True),
        ("https://gateway.example", "gateway.example", True, True),
        ("http://localhost:5173", "127.0.0.1:8080", False, True),
        ("http://127.0.0.1:1", "127.0.0.1:8080", False, True),
        ("http://[::1]:1", "127.0.0.1:8080", False, True),
        ("http://localhost.evil.example", "127.0.0.1:8080", False, False),
        ("http://127.0.0.1.evil.example", "127.0.0.1:8080", False, False),
        ("https://app.example.evil.example", "gateway.example", False, False),
        ("http://app.example", "gateway.example", False, False),
        ("null", "gateway.example", False, False),
        ("file://localhost", "127.0.0.1:8080", False, False),
        ("", None, False, False),
        ("http://[", "127.0.0.1:8080", False, False),
    ],
)
def test_the_list_is_exact_and_loopback_origins_are_for_development(
    origin: str | None, host: str | None, in_service: bool, in_development: bool
) -> None:
    assert Origins([LISTED + "/"], allow_loopback=False).allow(origin, host) is in_service
    assert Origins([LISTED], allow_loopback=True).allow(origin, host) is in_development


def test_a_response_names_the_origin_that_may_read_it() -> None:
    assert CORS.headers(LISTED) == {
        "Access-Control-Allow-Origin": LISTED,
        "Access-Control-Expose-Headers": "cost, retry-after",
        "Vary": "Origin",
    }
    assert CORS.headers(None) == {"Vary": "Origin"}


def test_a_preflight_is_told_what_a_page_may_send() -> None:
    assert CORS.preflight == {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Max-Age": "7200",
    }
