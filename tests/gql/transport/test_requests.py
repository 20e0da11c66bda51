"""GraphQL over HTTP as text."""

import math
from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.gql.execution.document_limits import VARIABLES_BYTES
from gateway.gql.execution.engine import GraphQLRequest
from gateway.gql.transport.requests import (
    Form,
    form_of,
    is_json,
    request_of,
    request_of_json,
    request_of_query,
    timeout_of,
    trace_id_of,
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.JSON),
        ("*/*", Form.JSON),
        ("application/json", Form.JSON),
        ("application/graphql-response+json", Form.RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", Form.RESPONSE),
        ("application/json, application/graphql-response+json;q=0.9", Form.JSON),
        ("application/graphql-response+json;charset=utf-8, */*;q=0.1", Form.RESPONSE),
        ("text/event-stream", Form.EVENTS),
        ("Text/Event-Stream", Form.EVENTS),
        ("text/html, application/*;q=0.5", Form.JSON),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
    ],
)
def test_the_form_is_what_the_client_likes_best(accept: str | None, form: Form | None) -> None:
    assert form_of(accept) is form


@pytest.mark.parametrize(
    ("content_type", "is_so"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"', True),
        ("application/json; charset=utf-16", False),
        ("text/plain", False),
        ("", False),
        ("application/json-patch+json", False),
    ],
)
def test_a_body_is_json_in_utf_8(content_type: str, is_so: bool) -> None:
    assert is_json(content_type) is is_so


def test_a_body_and_a_url_ask_for_the_same() -> None:
    asked = GraphQLRequest("{ a }", {"x": 1}, "A")
    assert (
        request_of_json(
            b'{"query": "{ a }", "variables": {"x": 1}, "operationName": "A", "extensions": {}}'
        )
        == asked
    )
    assert (
        request_of_query(
            {"query": "{ a }", "variables": '{"x": 1}', "operationName": "A", "extensions": ""}
        )
        == asked
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"query": 1},
        {"query": "  "},
        {"query": "{ a }", "variables": [1]},
        {"query": "{ a }", "variables": "{}"},
        {"query": "{ a }", "operationName": 1},
        {"query": "{ a }", "extensions": "x"},
        {"query": "{ a }", "variables": {"x": "y" * VARIABLES_BYTES}},
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_parameter_of_the_wrong_type_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        request_of(given)


def test_variables_may_reach_their_limit() -> None:
    frame = len(b'{"x":""}')
    request_of({"query": "{ a }", "variables": {"x": "y" * (VARIABLES_BYTES - frame)}})
    with pytest.raises(InvalidArgument):
        request_of({"query": "{ a }", "variables": {"x": "y" * (VARIABLES_BYTES - frame + 1)}})


@pytest.mark.parametrize(
    "traceparent", [None, "", "nonsense", "00-" + "g" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_request_without_a_trace_gets_one(traceparent: str | None) -> None:
    assert len(trace_id_of(traceparent)) == 32
    assert trace_id_of(traceparent) != trace_id_of(traceparent)


def test_a_timeout_is_whole_milliseconds() -> None:
    assert (timeout_of(None), timeout_of("1500"), timeout_of("9999999999")) == (
        math.inf,
        1.5,
        9_999_999.999,
    )


@pytest.mark.parametrize("header", ["", "0", "-1", "1.5", "1e3", "10s", "٣", "10000000000"])
def test_another_timeout_is_refused(header: str) -> None:
    with pytest.raises(InvalidArgument):
        timeout_of(header)
