"""The tables of errors, and the format of an error in a response."""

import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs

from gateway.core.errors import Code, GatewayError, Internal, QuotaExceeded, TwilioFault
from gateway.gql.execution.errors import (
    GRAPHQL_CODE,
    HTTP_STATUS,
    RequestError,
    format_error,
    to_gateway_error,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import room


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_graphql_code_and_a_status(code: Code) -> None:
    assert code in GRAPHQL_CODE
    assert code in HTTP_STATUS


def test_every_code_has_a_graphql_code_of_its_own() -> None:
    assert len(set(GRAPHQL_CODE.values())) == len(Code)


@pytest.mark.parametrize("kind", GatewayError.__subclasses__())
def test_a_wrapped_gateway_error_keeps_its_code(kind: type[GatewayError]) -> None:
    [error] = RequestError.wrap(kind("do this")).errors
    formatted = format_error(error, "trace")
    assert formatted["extensions"]["code"] == GRAPHQL_CODE[kind.code]
    assert formatted["extensions"]["retryable"] is kind.is_retryable
    assert formatted["message"] == "do this"


def test_extensions_have_the_error_of_twilio() -> None:
    error = QuotaExceeded(
        "too many", retry_after_ms=250, twilio=TwilioFault(20429, 429, "https://twilio.com/20429")
    )
    formatted = format_error(GraphQLError("", original_error=error), "trace")
    assert formatted["extensions"] == {
        "code": "QUOTA_EXCEEDED",
        "reason": "QUOTA_EXCEEDED",
        "retryable": True,
        "retryAfterMs": 250,
        "traceId": "trace",
        "twilio": {"code": 20429, "status": 429, "moreInfo": "https://twilio.com/20429"},
    }


async def test_an_internal_error_is_reported_and_logged_without_its_text(
    server: GraphQLServer,
) -> None:
    server.account.rooms.error = KeyError("rgk_secret")
    with capture_logs() as logs:
        error = await server.error('{ room(ref: {uniqueName: "standup"}) { sid } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["path"] == ["room"]
    assert "secret" not in str(error)
    [line] = logs
    assert (line["error"], line["trace_id"]) == ("KeyError", error["extensions"]["traceId"])
    assert "fakes.py" in line["at"][-1]
    assert "secret" not in str(line)


async def test_a_result_that_cannot_be_serialized_is_an_internal_error(
    server: GraphQLServer,
) -> None:
    server.account.rooms.stored = [room(duration=2**40)]
    error = await server.error('{ room(ref: {uniqueName: "standup"}) { durationSeconds } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize(
    ("query", "variables", "advice"),
    [
        ("{", {}, "correct the document"),
        ("{ node(id: true) { id } }", {}, "send a string"),
        ("{ room(ref: true) { sid } }", {}, "send an object"),
        ("{ room(ref: {}) { sid } }", {}, "set exactly one field"),
        ("{ castle { sid } }", {}, "see the schema"),
        ("{ room { sid } }", {}, "send a value"),
        (
            "{ rooms(filter: {statuses: [OPEN]}) { nodes { sid } } }",
            {},
            "send one of the enum's values",
        ),
        (
            "query($s: RoomStatusInput!) { rooms(filter: {statuses: [$s]}) { nodes { sid } } }",
            {"s": "OPEN"},
            "send one of the enum's values",
        ),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
            {"n": "many"},
            "send a whole number",
        ),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
            {"n": 2**31},
            "send a whole number",
        ),
        ("query($n: Int!) { rooms(first: $n) { nodes { sid } } }", {}, "send a value"),
        ("query($i: ID! = 5) { node(id: $i) { id } }", {"i": None}, "send a value"),
        (
            "query($d: DateTime) { rooms(filter: {createdAfter: $d}) { nodes { sid } } }",
            {"d": "soon"},
            "must be ISO 8601",
        ),
        (
            "query($d: DateTime) { rooms(filter: {createdAfter: $d}) { nodes { sid } } }",
            {"d": "2026-11-20T12:00:00"},
            "end it",
        ),
        ("{ rooms(first: 101) { nodes { sid } } }", {}, "give a whole number from 1 to 100"),
        ("mutation { createRoom(input: {castle: 51}) { room { sid } } }", {}, "see the schema"),
        (
            "subscription { roomEvents(filter: {types: []}) { cursor } }",
            {},
            "Accept: text/event-stream",
        ),
    ],
)
async def test_a_mistake_of_the_caller_is_bad_user_input_and_the_message_says_what_to_do(
    server: GraphQLServer, query: str, variables: dict[str, object], advice: str
) -> None:
    error = await server.error(query, **variables)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert advice in error["message"]


async def test_a_message_does_not_quote_a_long_text_of_the_caller(server: GraphQLServer) -> None:
    assert len((await server.error("{ " + "a" * 60_000 + " }"))["message"]) < 500


def test_wrapping_a_request_error_returns_the_same_error() -> None:
    error = RequestError([GraphQLError("x")])
    assert RequestError.wrap(error) is error
    assert isinstance(to_gateway_error(RequestError.wrap(ValueError()).errors[0]), Internal)
