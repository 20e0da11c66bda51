"""Which web pages may use the gateway."""

import pytest

from gateway.http.origins import Cors, Origins

LISTED = "https://app.example"
CORS = Cors(request_headers="last-event-id", response_headers="cost, retry-after")


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


@pytest.mark.parametrize(
    ("listed", "origin", "is_allowed"),
    [
        ("https://app.example", "https://app.example:443", True),
        ("https://app.example:443", "https://app.example", True),
        ("HTTPS://App.Example/", "https://app.example", True),
        ("http://app.example:80", "http://app.example", True),
        ("https://app.example:8443", "https://app.example:8443", True),
        ("https://bücher.example", "https://xn--bcher-kva.example", True),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("capacitor://localhost", "capacitor://localhost", True),
        ("chrome-extension://abcdef", "chrome-extension://abcdef", True),
        ("https://app.example", "http://app.example", False),
        ("https://app.example", "https://app.example:80", False),
        ("http://app.example:443", "https://app.example:443", False),
        ("https://app.example:8443", "https://app.example", False),
        ("https://app.example", "https://app.example.", False),
        ("https://app.example", "https://sub.app.example", False),
        ("https://app.example", "https://app.example@evil.example", False),
        ("https://app.example", "https://evil.example/app.example", False),
        ("https://app.example", "https://app.example/path", False),
        ("https://app.example", "https://app.example, https://evil.example", False),
        ("https://app.example", "https://app.exam\tple", False),
        ("capacitor://localhost", "ionic://localhost", False),
        ("https://strasse.example", "https://xn--strae-oqa.example", False),
    ],
)
def test_a_listed_origin_is_compared_by_scheme_host_and_port(
    listed: str, origin: str, is_allowed: bool
) -> None:
    assert Origins([listed], allow_loopback=False).allow(origin, "other.example") is is_allowed


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        ("https://rooms.example", "rooms.example:443", True),
        ("https://rooms.example:443", "rooms.example", True),
        ("https://rooms.example", "Rooms.Example", True),
        ("https://rooms.example", "10.0.0.7:8080", True),
        ("https://rooms.example:443", None, True),
        # The public URL says that pages of this host have TLS.
        ("http://rooms.example", "rooms.example", False),
        ("http://rooms.example:443", "rooms.example:443", False),
        ("http://rooms.example", "rooms.example:443", False),
        ("https://rooms.example:80", "rooms.example:80", True),
        ("https://rooms.example", "rooms.example:80", True),
        # Other addresses of the gateway, with or without TLS.
        ("http://10.0.0.7:8080", "10.0.0.7:8080", True),
        ("https://inside.example", "inside.example", True),
        ("http://inside.example", "inside.example:80", True),
        ("http://inside.example", "inside.example:443", False),
        ("https://inside.example", "inside.example:80", False),
        ("http://10.0.0.7", "10.0.0.7:8080", False),
        ("http://[fd00::1]:8080", "[fd00::1]:8080", True),
        ("https://evil.example", "rooms.example", False),
        ("https://evil.example", "rooms.example@evil.example", False),
        ("null", "rooms.example", False),
        ("null", "null", False),
        ("file://", "rooms.example", False),
        ("file://inside.example", "inside.example", False),
    ],
)
def test_the_gateways_own_pages_are_known_by_its_host_and_its_public_url(
    origin: str, host: str | None, is_allowed: bool
) -> None:
    origins = Origins(
        (), allow_loopback=False, public_url="https://user@rooms.example/callbacks?x=/"
    )
    assert origins.allow(origin, host) is is_allowed


def test_a_response_names_the_origin_that_may_read_it() -> None:
    assert CORS.headers(LISTED) == {
        "Access-Control-Allow-Origin": LISTED,
        "Access-Control-Expose-Headers": "cost, retry-after",
        "Vary": "Origin",
    }
    assert CORS.headers(None) == {"Vary": "Origin"}


def test_a_preflight_tells_what_a_page_may_send() -> None:
    preflight = CORS.preflight(["x-tenant"])
    headers = preflight.pop("Access-Control-Allow-Headers").split(", ")

    assert preflight == {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Max-Age": "7200",
    }
    assert {"authorization", "x-api-key", "content-type", "last-event-id", "x-tenant"} <= {*headers}
    assert len(set(headers)) == len(headers)


def test_more_headers_are_compared_in_lower_case() -> None:
    origins = Origins((), allow_loopback=False, request_headers=["X-Tenant"])
    assert origins.request_headers == ("x-tenant",)
