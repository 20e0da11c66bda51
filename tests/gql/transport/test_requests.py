"""The text of GraphQL requests over HTTP."""

import math
from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.gql.execution.document_limits import VARIABLES_BYTES
from gateway.gql.execution.engine import GraphQLRequest
from gateway.gql.transport.requests import (
    MediaType,
    is_json,
    negotiate_media_type,
    new_trace_id,
    parse_body,
    parse_parameters,
    parse_timeout,
    parse_trace_id,
    parse_url_parameters,
)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, MediaType.JSON),
        ("*/*", MediaType.JSON),
        ("application/json", MediaType.JSON),
        ("application/graphql-response+json", MediaType.GRAPHQL_RESPONSE),
        (
            "application/graphql-response+json, application/json;q=0.9",
            MediaType.GRAPHQL_RESPONSE,
        ),
        ("application/json, application/graphql-response+json;q=0.9", MediaType.JSON),
        (
            "application/graphql-response+json;charset=utf-8, */*;q=0.1",
            MediaType.GRAPHQL_RESPONSE,
        ),
        ("text/event-stream", MediaType.EVENT_STREAM),
        ("Text/Event-Stream", MediaType.EVENT_STREAM),
        ("text/html, application/*;q=0.5", MediaType.JSON),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
    ],
)
def test_the_media_type_is_the_one_that_the_client_prefers(
    accept: str | None, media_type: MediaType | None
) -> None:
    assert negotiate_media_type(accept) is media_type


@pytest.mark.parametrize(
    ("content_type", "expected"),
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
def test_a_body_must_be_json_in_utf_8(content_type: str, expected: bool) -> None:
    assert is_json(content_type) is expected


def test_a_body_and_a_url_are_parsed_to_the_same_request() -> None:
    request = GraphQLRequest("{ a }", {"x": 1}, "A")
    body = b'{"query": "{ a }", "variables": {"x": 1}, "operationName": "A", "extensions": {}}'
    assert parse_body(body) == request
    parameters = {"query": "{ a }", "variables": '{"x": 1}', "operationName": "A", "extensions": ""}
    assert parse_url_parameters(parameters) == request


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "query is missing: send a GraphQL document"),
        ({"query": 1}, "query is missing: send a GraphQL document"),
        ({"query": "  "}, "query is missing: send a GraphQL document"),
        ({"query": "{ a }", "variables": [1]}, "variables must be an object"),
        ({"query": "{ a }", "variables": "{}"}, "variables must be an object"),
        ({"query": "{ a }", "operationName": 1}, "operationName must be the name"),
        ({"query": "{ a }", "extensions": "x"}, "extensions must be an object"),
        (
            {"query": "{ a }", "variables": {"x": "y" * VARIABLES_BYTES}},
            "variables must have at most 16384 bytes",
        ),
        ({"documentId": 1}, "documentId must be a string"),
        ({"documentId": "sha256:0", "query": "{ a }"}, "send one of the two"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_parameter_of_the_wrong_type_is_rejected(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_parameters(parameters)


def test_variables_can_reach_their_limit() -> None:
    frame = len(b'{"x":""}')
    parse_parameters({"query": "{ a }", "variables": {"x": "y" * (VARIABLES_BYTES - frame)}})
    with pytest.raises(InvalidArgument):
        parse_parameters(
            {"query": "{ a }", "variables": {"x": "y" * (VARIABLES_BYTES - frame + 1)}}
        )


@pytest.mark.parametrize(
    "traceparent", [None, "", "nonsense", "00-" + "g" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_request_without_a_trace_id_gets_a_new_one(traceparent: str | None) -> None:
    assert len(parse_trace_id(traceparent)) == len(new_trace_id()) == 32
    assert parse_trace_id(traceparent) != parse_trace_id(traceparent)


def test_a_timeout_is_in_milliseconds() -> None:
    assert parse_timeout(None) == math.inf
    assert parse_timeout("1500") == 1.5
    assert parse_timeout("9999999999") == 9_999_999.999


@pytest.mark.parametrize("header", ["", "0", "-1", "1.5", "1e3", "10s", "٣", "10000000000"])
def test_a_timeout_that_is_not_a_positive_whole_number_is_rejected(header: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_timeout(header)
