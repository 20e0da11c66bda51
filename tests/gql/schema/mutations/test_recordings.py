"""Deleting recordings, and setting a room's recording rules."""

from typing import Any

import pytest

from gateway.core.recordings import NewRecordingRules, RecordedKind, RecordingRule
from gateway.core.rooms import RoomRef
from gateway.core.rules import RuleType
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TAKE

STANDUP = {"uniqueName": "standup"}
DELETE = """mutation($input: DeleteRecordingInput!) { deleteRecording(input: $input) {
    deletedRecordingId errors { code field } } }"""
RULES = """mutation($input: UpdateRecordingRulesInput!) { updateRecordingRules(input: $input) {
    recordingRules { roomSid } errors { code field } } }"""


async def test_delete_recording_may_be_restricted_to_a_room(server: GraphQLServer) -> None:
    for more in ({}, {"room": STANDUP}, {"room": None}):
        data = await server.data(DELETE, input={"recording": TAKE, **more})
        assert data["deleteRecording"] == {"deletedRecordingId": TAKE, "errors": []}
    assert server.account.recordings.calls == [
        ("delete", TAKE),
        ("delete_room_recording", RoomRef(None, "standup"), TAKE),
        ("delete", TAKE),
    ]


async def test_what_is_no_recording_is_not_deleted(server: GraphQLServer) -> None:
    data = await server.data(DELETE, input={"recording": "take"})
    assert data["deleteRecording"] == {
        "deletedRecordingId": None,
        "errors": [{"code": "INVALID_INPUT", "field": ["recording"]}],
    }


async def test_recording_rules_are_replaced(server: GraphQLServer) -> None:
    data = await server.data(
        RULES, input={"room": STANDUP, "rules": [{"include": {"kind": "AUDIO"}}]}
    )
    assert data["updateRecordingRules"]["errors"] == []
    new_rules = NewRecordingRules((RecordingRule(type=RuleType.INCLUDE, kind=RecordedKind.AUDIO),))
    assert server.account.recordings.calls == [
        ("update_rules", RoomRef(None, "standup"), new_rules)
    ]


@pytest.mark.parametrize(
    ("rules", "at_fault"),
    [
        ([], ["rules"]),
        ([{"include": {"track": f"t{n}"}} for n in range(21)], ["rules"]),
        ([{"include": {}}, {"exclude": {}}], ["rules", "1"]),
        ([{"include": {"track": ""}}], ["rules", "0", "include", "track"]),
    ],
)
async def test_wrong_recording_rules_are_rejected(
    server: GraphQLServer, rules: list[dict[str, Any]], at_fault: list[str]
) -> None:
    data = await server.data(RULES, input={"room": STANDUP, "rules": rules})
    assert data["updateRecordingRules"]["errors"] == [{"code": "INVALID_INPUT", "field": at_fault}]
