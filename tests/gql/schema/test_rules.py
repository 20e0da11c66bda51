"""Rules for tracks, in force and in inputs."""

from typing import Any

import pytest

from gateway.core import rules
from gateway.core.errors import InvalidArgument
from gateway.core.participants import SubscribeRule
from gateway.core.recordings import NewRecordingRules, RecordedKind, RecordingRule
from gateway.gql.schema.input_enums import RecordedKindInput, TrackKindInput, TrackPriorityInput
from gateway.gql.schema.rules import (
    RecordingRuleInput,
    RecordingRuleMatch,
    SubscribeRuleInput,
    SubscribeRuleMatch,
    TrackRule,
)
from gateway.gql.schema.scalars import JSON
from gateway.gql.schema.types import build_view
from tests.gql.conftest import GraphQLServer


def test_rule_view_shows_every_condition_of_the_rule() -> None:
    rule = rules.TrackRule(
        type=rules.TrackRuleEffect.INCLUDE,
        kind=rules.TrackKind.VIDEO,
        publisher="ada",
        track="screen",
        priority=rules.TrackPriority.LOW,
    )
    assert build_view(TrackRule, rule) == TrackRule(
        type=rules.TrackRuleEffect.INCLUDE,
        all=None,
        kind=rules.TrackKind.VIDEO,
        publisher="ada",
        track="screen",
        priority=rules.TrackPriority.LOW,
    )


def test_a_match_selects_the_tracks_of_a_rule() -> None:
    include = RecordingRuleMatch(kind=RecordedKindInput.VIDEO, publisher="ada")
    assert RecordingRuleInput(include=include).to_core() == RecordingRule(
        type=rules.RuleType.INCLUDE, kind=RecordedKind.VIDEO, publisher="ada"
    )
    exclude = SubscribeRuleMatch(kind=TrackKindInput.DATA, priority=TrackPriorityInput.LOW)
    assert SubscribeRuleInput(exclude=exclude).to_core() == SubscribeRule(
        type=rules.RuleType.EXCLUDE, kind=rules.TrackKind.DATA, priority=rules.TrackPriority.LOW
    )


def test_a_match_without_fields_selects_all_tracks() -> None:
    match = RecordingRuleMatch(kind=None)
    assert RecordingRuleInput(exclude=match).to_core() == RecordingRule(
        type=rules.RuleType.EXCLUDE, all=True
    )


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (
            {"type": "include", "kind": "audio", "all": None},
            SubscribeRule(type=rules.RuleType.INCLUDE, kind=rules.TrackKind.AUDIO),
        ),
        ({"type": "exclude", "all": True}, SubscribeRule(type=rules.RuleType.EXCLUDE, all=True)),
        (
            {"type": "include", "publisher": "ada", "track": "cam", "priority": "high"},
            SubscribeRule(
                type=rules.RuleType.INCLUDE,
                publisher="ada",
                track="cam",
                priority=rules.TrackPriority.HIGH,
            ),
        ),
    ],
)
def test_a_rule_in_the_words_of_twilio(words: Any, rule: SubscribeRule) -> None:
    assert SubscribeRuleInput(twilio=JSON(words)).to_core() == rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"twilio": "include"}, "rules[1].twilio is not an object; give one such as"),
        ({"twilio": {"all": True}}, "rules[1].twilio.type is missing; give include or exclude"),
        (
            {"twilio": {"type": "skip"}},
            "rules[1].twilio.type is an unknown word; give include or exclude",
        ),
        (
            {"twilio": {"type": "include", "kind": "smell"}},
            "rules[1].twilio.kind is an unknown word; give audio or video",
        ),
        (
            {"twilio": {"type": "include", "kind": ["audio"]}},
            "rules[1].twilio.kind is not a text; give a text",
        ),
        (
            {"twilio": {"type": "include", "all": "true"}},
            "rules[1].twilio.all is not true; give true, or leave it out",
        ),
        (
            {"twilio": {"type": "include", "knd": "audio"}},
            "rules[1].twilio.knd has an unknown name; give type, all, kind, publisher, track",
        ),
        (
            {"twilio": {"type": "include", "s3cret word": 1}},
            "rules[1].twilio has an unknown name; give type",
        ),
        ({"twilio": {"type": "include"}}, "rules[1].twilio has no filter; give"),
        ({"include": {"track": ""}}, "rules[1].include.track is empty; give"),
    ],
    ids=str,
)
async def test_a_bad_rule_is_rejected_with_its_path(
    server: GraphQLServer, rule: Any, message: str
) -> None:
    query = """mutation($rules: [RecordingRuleInput!]!) {
        updateRecordingRules(input: {room: {uniqueName: "standup"}, rules: $rules}) {
            errors { message } } }"""
    data = await server.data(query, rules=[{"include": {}}, rule])
    [error] = data["updateRecordingRules"]["errors"]
    assert message in error["message"]
    assert server.account.recordings.calls == []


async def test_twilio_words_may_stand_in_the_document(server: GraphQLServer) -> None:
    await server.data(
        """mutation { updateRecordingRules(input: {room: {uniqueName: "standup"}, rules: [
            { twilio: { type: "include", all: true } }]}) { errors { message } } }"""
    )
    assert server.account.recordings.calls[-1][-1] == NewRecordingRules(
        (RecordingRule(type=rules.RuleType.INCLUDE, all=True),)
    )


@pytest.mark.parametrize(
    "rule", [{}, {"include": {}, "exclude": {}}, {"include": None}, {"type": "INCLUDE"}]
)
async def test_a_rule_has_exactly_one_field(server: GraphQLServer, rule: Any) -> None:
    query = """mutation($rules: [SubscribeRuleInput!]!) {
        updateSubscribeRules(input: {room: {uniqueName: "standup"},
            participant: {identity: "ada"}, rules: $rules}) { errors { message } } }"""
    _, body = await server.post(query, rules=[rule])
    assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}


def test_priority_alone_selects_no_tracks() -> None:
    rule = SubscribeRuleInput(include=SubscribeRuleMatch(priority=TrackPriorityInput.HIGH))
    with pytest.raises(InvalidArgument, match="priority is alone; give kind"):
        rule.to_core()
