"""The table of errors, and how each one is shown."""

import pytest
from graphql import GraphQLError
from structlog.testing import capture_logs

from gateway.core.errors import Code, GatewayError, Internal, QuotaExceeded, TwilioFault
from gateway.gql.execution.errors import STATUS, WORDS, Refused, fault_of, shown
from tests.gql.conftest import Served, room


@pytest.mark.parametrize("code", Code)
def test_every_error_has_a_graphql_word_and_a_status(code: Code) -> None:
    assert code in WORDS
    assert code in STATUS


def test_words_tell_errors_apart() -> None:
    assert len(set(WORDS.values())) == len(Code)


@pytest.mark.parametrize("kind", GatewayError.__subclasses__())
def test_an_error_of_ours_keeps_its_code(kind: type[GatewayError]) -> None:
    [error] = Refused.of(kind("do this")).errors
    told = shown(error, "trace")
    assert told["extensions"]["code"] == WORDS[kind.code]
    assert told["extensions"]["retryable"] is kind.is_retryable
    assert told["message"] == "do this"


def test_what_twilio_said_is_told_beside_the_code() -> None:
    fault = QuotaExceeded(
        "too many", retry_after_ms=250, twilio=TwilioFault(20429, 429, "https://twilio.com/20429")
    )
    told = shown(GraphQLError("", original_error=fault), "trace")
    assert told["extensions"] == {
        "code": "QUOTA_EXCEEDED",
        "retryable": True,
        "retryAfterMs": 250,
        "traceId": "trace",
        "twilio": {"code": 20429, "status": 429, "moreInfo": "https://twilio.com/20429"},
    }


async def test_a_bug_is_told_without_its_contents_and_logged_without_them(served: Served) -> None:
    served.account.rooms.failure = KeyError("rgk_secret")
    with capture_logs() as logs:
        error = await served.error('{ room(ref: "standup") { sid } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["path"] == ["room"]
    assert "secret" not in str(error)
    [line] = logs
    assert (line["error"], line["trace_id"]) == ("KeyError", error["extensions"]["traceId"])
    assert "conftest.py" in line["at"][-1]
    assert "secret" not in str(line)


async def test_a_value_that_does_not_fit_its_type_is_our_bug(served: Served) -> None:
    served.account.rooms.known = [room(duration=2**40)]
    error = await served.error('{ room(ref: "standup") { duration } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize(
    ("query", "variables", "advice"),
    [
        ("{", {}, "correct the document"),
        ("{ room(ref: true) { sid } }", {}, "give a string"),
        ("{ castle { sid } }", {}, "see the schema"),
        ("{ room { sid } }", {}, "give a value"),
        ("{ rooms(status: OPEN) { nodes { sid } } }", {}, "give one of the enum's words"),
        (
            "query($s: RoomStatus!) { rooms(status: $s) { nodes { sid } } }",
            {"s": "OPEN"},
            "give one of the enum's words",
        ),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
            {"n": "many"},
            "give a whole number",
        ),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { sid } } }",
            {"n": 2**31},
            "give a whole number",
        ),
        ("query($n: Int!) { rooms(first: $n) { nodes { sid } } }", {}, "give a value"),
        ("query($n: Int = 5) { rooms(first: $n) { nodes { sid } } }", {"n": None}, "give a value"),
        (
            "query($d: DateTime) { rooms(createdAfter: $d) { nodes { sid } } }",
            {"d": "soon"},
            "must be ISO 8601",
        ),
        (
            "query($d: DateTime) { rooms(createdAfter: $d) { nodes { sid } } }",
            {"d": "2026-11-20T12:00:00"},
            "end it",
        ),
        (
            "mutation { createRoom(input: {maxParticipants: 51}) { sid } }",
            {},
            "give a whole number from 1 to 50",
        ),
        ("mutation { createRoom(input: {castle: 51}) { sid } }", {}, "see the schema"),
        ("subscription { roomEvents(types: []) { cursor } }", {}, "Accept: text/event-stream"),
    ],
)
async def test_what_a_caller_wrote_wrongly_is_bad_user_input_and_says_what_to_do(
    served: Served, query: str, variables: dict[str, object], advice: str
) -> None:
    error = await served.error(query, **variables)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert advice in error["message"]


async def test_a_long_word_of_the_caller_is_not_echoed_in_full(served: Served) -> None:
    assert len((await served.error("{ " + "a" * 60_000 + " }"))["message"]) < 500


def test_a_refusal_of_a_refusal_is_itself() -> None:
    refused = Refused([GraphQLError("x")])
    assert Refused.of(refused) is refused
    assert isinstance(fault_of(Refused.of(ValueError()).errors[0]), Internal)
