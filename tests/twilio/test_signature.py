import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from gateway.twilio.signature import is_valid, sign, signed_text

VECTORS = json.loads(
    (Path(__file__).parents[1] / "samples" / "signature_vectors.json").read_text()
)["vectors"]
URL = "https://gw.example.com/callbacks/twilio"
FORM = [("RoomSid", "RM1"), ("StatusCallbackEvent", "room-ended")]

texts = st.text(max_size=12)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
hosts = st.sampled_from(["gw.example.com", "127.0.0.1", "localhost"])
ports = st.sampled_from(["", ":443", ":80", ":8443"])
paths = st.sampled_from(
    ["", "/", "/callbacks/twilio", "/a%2Fb/", "/callbacks?tenant=t1&x=", "/?'=%27"]
)
urls = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), hosts, ports, paths)
forms = st.lists(st.tuples(names, names), max_size=8)


def test_number_of_vectors() -> None:
    assert len(VECTORS) == 26


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vector(vector: dict[str, Any]) -> None:
    body = vector.get("raw_body")

    valid = is_valid(
        [vector["auth_token"]],
        vector["url_as_seen_by_receiver"],
        [(name, value) for name, value in vector["method_params"]],
        vector["x_twilio_signature"],
        body=None if body is None else body.encode(),
    )

    assert valid is vector["must_validate"]


@given(urls, forms)
@settings(max_examples=100)
def test_sign_agrees_with_twilios_library(url: str, form: list[tuple[str, str]]) -> None:
    assert sign("token", url, form) == RequestValidator("token").compute_signature(
        url, MultiDict(form)
    )


@given(urls, urls, forms, st.booleans())
@settings(max_examples=200)
def test_is_valid_agrees_with_twilios_library(
    signed: str, called: str, form: list[tuple[str, str]], same: bool
) -> None:
    called = signed if same else called
    signature = sign("token", signed, form)

    assert is_valid(["token"], called, form, signature) is RequestValidator("token").validate(
        called, MultiDict(form), signature
    )


@given(
    st.text(),
    st.lists(st.tuples(texts, texts), max_size=4),
    st.none() | st.text(),
    st.none() | st.binary(),
)
@settings(max_examples=200)
def test_is_valid_never_raises(
    url: str, form: list[tuple[str, str]], signature: str | None, body: bytes | None
) -> None:
    assert is_valid(["token"], url, form, signature, body=body) is False


@pytest.mark.parametrize(
    "url",
    [
        "https://[",
        "https://[::1",
        "//",
        "https://h:port/",
        "https://h:99999999/",
        "\ud800",
        "https://@/?bodySHA256=é#",
    ],
)
def test_malformed_url_is_compared_unchanged(url: str) -> None:
    assert not is_valid(["token"], url, FORM, "x")


def test_any_of_two_tokens_is_accepted() -> None:
    signature = sign("old", URL, FORM)

    assert is_valid(["new", "old"], URL, FORM, signature)
    assert not is_valid(["new"], URL, FORM, signature)


def test_nothing_is_valid_without_a_token() -> None:
    assert not is_valid([], URL, FORM, sign("", URL, FORM))
    assert not is_valid([""], URL, FORM, sign("", URL, FORM))


@pytest.mark.parametrize("signature", [None, "", " ", "é", "\ud800", "A" * 100_000])
def test_missing_or_malformed_signature_is_invalid(signature: str | None) -> None:
    assert not is_valid(["token"], URL, FORM, signature)


@pytest.mark.parametrize(
    "called",
    [
        "https://user:p%40ss@gw.example.com/callbacks/twilio",
        "https://user:p@ss@gw.example.com:443/callbacks/twilio#rc=5&rp=all",
        "https://gw.example.com/callbacks/twilio#rc=5&rp=all",
    ],
)
def test_credentials_and_fragment_of_the_url_are_ignored(called: str) -> None:
    assert is_valid(["token"], called, FORM, sign("token", URL, FORM))


def test_port_of_an_ipv6_host_may_be_signed_or_not() -> None:
    for signed in ("https://[::1]/cb", "https://[::1]:8443/cb"):
        assert is_valid(["token"], "https://[::1]:8443/cb", FORM, sign("token", signed, FORM))


def test_repeated_field_counts_once_in_any_order() -> None:
    assert signed_text([("b", "2"), ("a", "1"), ("b", "1"), ("b", "2")]) == "a1b1b2"


def test_empty_and_blank_values_are_signed() -> None:
    signature = sign("token", URL, [("RoomName", " "), ("Empty", "")])

    assert is_valid(["token"], URL, [("Empty", ""), ("RoomName", " ")], signature)
    assert not is_valid(["token"], URL, [("Empty", ""), ("RoomName", "")], signature)


@pytest.mark.parametrize("body", [None, b"", b'{"other": 1}'])
def test_body_must_match_the_signed_hash(body: bytes | None) -> None:
    url = f"{URL}?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

    assert not is_valid(["token"], url, [], sign("token", url, []), body=body)


def test_two_different_body_hashes_match_no_body() -> None:
    whole = b'{"property": "value", "boolean": true}'
    url = f"{URL}?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    both = f"{url}&bodySHA256=00"

    assert is_valid(["token"], url, [], sign("token", url, []), body=whole)
    assert not is_valid(["token"], both, [], sign("token", both, []), body=whole)


def test_forms_with_the_same_text_share_a_signature() -> None:
    assert sign("token", URL, [("A", "1"), ("B", "2")]) == sign("token", URL, [("A", "1B2")])
