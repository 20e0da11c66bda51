"""Removing and anonymizing participants, and setting their subscribe rules."""

from typing import Any

import pytest

from gateway.core.errors import Reason
from gateway.core.outcomes import ParticipantAlreadyLeft, not_found
from gateway.core.participants import NewSubscribeRules, SubscribeRule
from gateway.core.rules import RuleType, TrackKind, TrackPriority
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, room_sid

REFS = {"room": {"uniqueName": "standup"}, "participant": {"identity": "ada"}}
DISCONNECT = """mutation($input: DisconnectParticipantInput!) {
    disconnectParticipant(input: $input) { participant { identity status freshness { source } }
        errors { __typename field ... on ParticipantAlreadyLeft { participant { sid } } } } }"""
ANONYMIZE = """mutation($input: AnonymizeParticipantInput!) {
    anonymizeParticipant(input: $input) { participant { identity } errors { code } } }"""
RULES = """mutation($input: UpdateSubscribeRulesInput!) {
    updateSubscribeRules(input: $input) { subscribeRules { participantSid }
        errors { code field } } }"""


async def test_a_participant_can_be_disconnected(server: GraphQLServer) -> None:
    data = await server.data(DISCONNECT, input=REFS)
    assert data["disconnectParticipant"] == {
        "participant": {"identity": "ada", "status": "DISCONNECTED", "freshness": None},
        "errors": [],
    }


async def test_a_participant_can_be_anonymized_by_sid_or_id(server: GraphQLServer) -> None:
    for sid in (ADA, f"{room_sid(1)}:{ADA}"):
        data = await server.data(ANONYMIZE, input={**REFS, "participant": {"sid": sid}})
        assert data["anonymizeParticipant"] == {"participant": {"identity": ADA}, "errors": []}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            not_found(Reason.PARTICIPANT_NOT_FOUND),
            {"__typename": "ParticipantNotFound", "field": ["participant"]},
        ),
        (not_found(Reason.ROOM_NOT_FOUND), {"__typename": "RoomNotFound", "field": ["room"]}),
        (
            ParticipantAlreadyLeft(),
            {
                "__typename": "ParticipantAlreadyLeft",
                "field": ["participant"],
                "participant": None,
            },
        ),
    ],
    ids=["participant", "room", "left"],
)
async def test_what_cannot_be_disconnected_is_an_error_as_data(
    server: GraphQLServer, error: Exception, expected: dict[str, Any]
) -> None:
    server.account.participants.error = error
    data = await server.data(DISCONNECT, input=REFS)
    assert data["disconnectParticipant"] == {"participant": None, "errors": [expected]}


async def test_subscribe_rules_are_validated_before_they_are_sent(server: GraphQLServer) -> None:
    match = {"kind": "VIDEO", "publisher": "bob", "track": "screen", "priority": "LOW"}
    rules = [{"include": match}, {"exclude": {}}]
    data = await server.data(RULES, input={**REFS, "rules": rules})
    assert data["updateSubscribeRules"]["errors"] == []
    new_rules = NewSubscribeRules(
        (
            SubscribeRule(
                type=RuleType.INCLUDE,
                kind=TrackKind.VIDEO,
                publisher="bob",
                track="screen",
                priority=TrackPriority.LOW,
            ),
            SubscribeRule(type=RuleType.EXCLUDE, all=True),
        )
    )
    assert server.account.participants.calls[-1][-1] == new_rules


@pytest.mark.parametrize(
    ("rules", "at_fault"),
    [
        ([], ["rules"]),
        ([{"include": {"track": f"t{n}"}} for n in range(21)], ["rules"]),
        ([{"include": {}}] * 2, ["rules", "1"]),
        ([{"twilio": {"type": "include"}}], ["rules", "0", "twilio"]),
        ([{"include": {"track": ""}}], ["rules", "0", "include", "track"]),
        ([{"exclude": {"publisher": "x" * 129}}], ["rules", "0", "exclude", "publisher"]),
    ],
)
async def test_wrong_subscribe_rules_are_rejected(
    server: GraphQLServer, rules: list[dict[str, Any]], at_fault: list[str]
) -> None:
    data = await server.data(RULES, input={**REFS, "rules": rules})
    assert data["updateSubscribeRules"] == {
        "subscribeRules": None,
        "errors": [{"code": "INVALID_INPUT", "field": at_fault}],
    }
