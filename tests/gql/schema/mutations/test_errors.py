"""Which errors of a mutation are data, and what they carry."""

from typing import Any

import pytest

from gateway.core import errors as core
from gateway.core import outcomes
from gateway.core.errors import REASONS, Code, GatewayError, InvalidArgument, Reason, TwilioFault
from gateway.gql.schema.mutations.errors import ERROR_TYPES, MutationErrorCode, mutation_errors
from gateway.gql.schema.mutations.rooms import CompleteRoomInput
from gateway.gql.schema.names import graphql_name
from gateway.gql.schema.refs import RoomRef
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import read_result, room

INPUT = CompleteRoomInput(room=RoomRef(sid=None, unique_name="standup"))
COMPLETE = """mutation($input: CompleteRoomInput!) { completeRoom(input: $input) {
    room { sid } errors { __typename code message field
        ... on NameTaken { room { sid } }
        ... on RoomAlreadyEnded { room { sid } }
        ... on PreconditionFailed { twilioCode }
        ... on OutcomeUnknown { retryWith } } } }"""


def test_every_code_is_a_reason_with_a_type_of_its_own() -> None:
    assert [code.name for code in MutationErrorCode] == [reason.name for reason in ERROR_TYPES]
    assert len(set(ERROR_TYPES.values())) == len(ERROR_TYPES)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            outcomes.RoomAlreadyEnded(read_result(room(7))),
            {"__typename": "RoomAlreadyEnded", "field": ["room"], "room": {"sid": room(7).sid}},
        ),
        (
            outcomes.NameTaken(),
            {"__typename": "NameTaken", "field": None, "room": None},
        ),
        (
            outcomes.not_found(Reason.ROOM_NOT_FOUND),
            {"__typename": "RoomNotFound", "field": ["room"]},
        ),
        (
            outcomes.not_found(Reason.RECORDING_NOT_FOUND),
            {"__typename": "RecordingNotFound", "field": None},
        ),
        (
            core.FailedPrecondition("full: wait", twilio=TwilioFault(53105, 400)),
            {"__typename": "PreconditionFailed", "field": None, "twilioCode": 53105},
        ),
        (
            core.OutcomeUnknown("lost: read first", retry_with="k1"),
            {"__typename": "OutcomeUnknown", "field": None, "retryWith": "k1"},
        ),
        (
            InvalidArgument("the update is empty; give `status`"),
            {"__typename": "InvalidInput", "field": None},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, GatewayError) else "",
)
async def test_an_expected_error_is_data(
    server: GraphQLServer, error: GatewayError, expected: dict[str, Any]
) -> None:
    server.account.rooms.error = error
    data = await server.data(COMPLETE, input={"room": {"uniqueName": "standup"}})
    assert data["completeRoom"] == {
        "room": None,
        "errors": [{"code": error.reason.name, "message": error.text(graphql_name), **expected}],
    }


@pytest.mark.parametrize(
    "code",
    [code for code in Code if not any(reason in ERROR_TYPES for reason in REASONS[code])],
)
async def test_any_other_error_is_an_error_of_the_response(
    server: GraphQLServer, code: Code
) -> None:
    kinds = {kind.code: kind for kind in GatewayError.__subclasses__()}
    server.account.rooms.error = kinds[code]("something else: try again")
    _, body = await server.post(COMPLETE, input={"room": {"uniqueName": "standup"}})
    assert body["data"] == {"completeRoom": None}
    assert body["errors"][0]["extensions"]["reason"] == code


def test_each_wrong_field_is_an_error_of_its_own() -> None:
    fields = InvalidArgument.at(("recording_rules", 0, "kind"), "is wrong; give `max_participants`")
    more = InvalidArgument.at("unique_name", "is empty; give one")
    fields.fields += more.fields

    first, second = mutation_errors(fields, INPUT)
    assert (first.field, second.field) == (["recordingRules", "0", "kind"], ["uniqueName"])
    assert first.message == "recordingRules[0].kind is wrong; give maxParticipants"
