"""Headers that may be sent once only."""

import pytest
from multidict import CIMultiDict

from gateway.core.errors import InvalidArgument
from gateway.http.headers import only_value


def test_a_header_is_read_if_it_is_sent_once() -> None:
    headers = CIMultiDict([("origin", "https://a.example"), ("Host", "b.example")])

    assert only_value(headers, "Origin") == "https://a.example"
    assert only_value(headers, "X-Twilio-Signature") is None


def test_a_header_that_is_sent_twice_is_refused_even_with_equal_values() -> None:
    headers = CIMultiDict([("Origin", "https://a.example"), ("origin", "https://a.example")])

    with pytest.raises(InvalidArgument, match="Origin is sent twice: send it once"):
        only_value(headers, "Origin")
