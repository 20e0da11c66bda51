import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rules
from gateway.sandbox.world.model import Participant, Priority, Rule, Track, TrackKind
from gateway.sandbox.world.rules import RECORDING, SUBSCRIBE, Grammar
from tests.sandbox.conftest import instant

ADA = Participant("PA1", 0, "Ada", instant(), instant().wall)
CAM = Track("MT1", 1, TrackKind.VIDEO, "cam", True, instant().wall, instant().wall)
ALL = {"type": "include", "all": True}


def code_of(text: str, grammar: Grammar) -> int:
    with pytest.raises(TwilioError) as caught:
        rules.parse(text, grammar)
    assert caught.value.status == 400
    return caught.value.code


BAD: list[Any] = [
    {},
    {"type": "include"},
    {"all": True},
    {"type": "maybe", "all": True},
    {"type": ["include"], "all": True},
    {"type": "include", "all": False},
    {"type": "include", "all": 1},
    {"type": "include", "all": "true"},
    {"type": "include", "all": True, "kind": "audio"},
    {"type": "include", "kind": "smell"},
    {"type": "include", "kind": None},
    {"type": "include", "kind": ["audio"]},
    {"type": "include", "publisher": 5},
    {"type": "include", "publisher": ""},
    {"type": "include", "track": "\ud800"},
    {"type": "include", "colour": "red"},
    {"type": "include", "all": True, "priority": "urgent"},
    {"type": "include", "all": True, "priority": ["low"]},
    {"type": "include", "priority": "low"},
    "include",
    None,
    [ALL],
]


@pytest.mark.parametrize("grammar", [RECORDING, SUBSCRIBE], ids=["recording", "subscribe"])
@pytest.mark.parametrize("rule", BAD, ids=repr)
def test_one_invalid_rule_refuses_all(grammar: Grammar, rule: Any) -> None:
    assert code_of(json.dumps([ALL, rule]), grammar) == grammar.code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[" * 100_000,
        "{}",
        "5",
        "null",
        '[{"type":"include","kind":"audio","kind":"video"}]',
    ],
)
def test_json_that_is_not_an_array_of_rules_is_refused(text: str) -> None:
    assert (code_of(text, RECORDING), code_of(text, SUBSCRIBE)) == (53120, 53215)


@pytest.mark.parametrize("grammar", [RECORDING, SUBSCRIBE], ids=["recording", "subscribe"])
def test_1_to_20_rules_are_accepted(grammar: Grammar) -> None:
    for count in (1, 19, 20):
        assert len(rules.parse(json.dumps([ALL] * count), grammar)) == count
    for count in (0, 21):
        assert code_of(json.dumps([ALL] * count), grammar) == grammar.code


def test_only_subscribe_rules_have_data_and_priority() -> None:
    data = '[{"type": "exclude", "kind": "data", "priority": "high"}]'

    assert rules.parse(data, SUBSCRIBE) == (Rule(False, TrackKind.DATA, priority=Priority.HIGH),)
    assert code_of('[{"type": "exclude", "kind": "data"}]', RECORDING) == 53120
    assert code_of('[{"type": "exclude", "all": true, "priority": "low"}]', RECORDING) == 53120


@pytest.mark.parametrize(
    ("given_rules", "expected"),
    [
        ((Rule(True),), True),
        ((Rule(False),), False),
        ((Rule(True, TrackKind.AUDIO),), False),
        ((Rule(True, TrackKind.VIDEO, "Ada", "cam"),), True),
        ((Rule(True, publisher="PA1", track="MT1"),), True),
        ((Rule(True, publisher="Ivo"),), False),
        ((Rule(True), Rule(False, TrackKind.VIDEO)), False),
        ((Rule(False, TrackKind.VIDEO), Rule(True)), False),
        ((Rule(True), Rule(False, publisher="Ivo")), True),
        ((), False),
    ],
)
def test_track_matches_if_a_rule_includes_it_and_none_excludes_it(
    given_rules: tuple[Rule, ...], expected: bool
) -> None:
    assert rules.match(given_rules, ADA, CAM) is expected


RULE = st.fixed_dictionaries({"type": st.sampled_from(["include", "exclude"])}).flatmap(
    lambda kind: st.one_of(
        st.just({**kind, "all": True}),
        st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(["audio", "video"]),
                "publisher": st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
                "track": st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            },
        )
        .filter(bool)
        .map(lambda filters: {**kind, **filters}),
    )
)


@given(st.lists(RULE, min_size=1, max_size=20))
@hypothesis_settings(max_examples=30, deadline=None)
def test_rules_round_trip_through_json(written: list[dict[str, Any]]) -> None:
    for grammar in (RECORDING, SUBSCRIBE):
        assert [
            rules.to_json(rule) for rule in rules.parse(json.dumps(written), grammar)
        ] == written
