from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.participants import SubscribeRule
from gateway.core.recordings import RecordedKind, RecordingRule
from gateway.core.rules import (
    NewRule,
    RuleType,
    TrackKind,
    TrackPriority,
    TrackRuleEffect,
    check_rules,
)

MAKERS: list[Any] = [RecordingRule, SubscribeRule]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({}, "has no filter; give all, kind, publisher or track"),
        ({"all": False}, "all is false"),
        ({"all": False, "track": "cam"}, "all is false"),
        ({"all": True, "track": "cam"}, "give it alone"),
        ({"all": True, "publisher": "Zoë"}, "give it alone"),
        ({"all": True, "kind": TrackKind.AUDIO}, "give it alone"),
        ({"kind": TrackKind.UNKNOWN}, "kind cannot be UNKNOWN; give AUDIO"),
        ({"publisher": ""}, "publisher is empty"),
        ({"publisher": "x" * 129}, "129 characters"),
        ({"track": "a\nb"}, "track holds a control character"),
    ],
)
def test_a_rule_that_twilio_refuses_is_refused_with_advice(
    make: Any, filters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        make(type=RuleType.INCLUDE, **filters)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("count", [0, 21])
def test_an_empty_list_and_too_many_rules_are_refused(make: Any, count: int) -> None:
    rules = tuple(make(type=RuleType.INCLUDE, track=f"t{n}") for n in range(count))

    with pytest.raises(InvalidArgument, match=f"rules has {count} rules; give 1 to 20"):
        check_rules(rules)


def rules(*wanted: tuple[RuleType, dict[str, Any]]) -> list[NewRule]:
    return [RecordingRule(type=word, **filters) for word, filters in wanted]


IN, OUT = RuleType.INCLUDE, RuleType.EXCLUDE


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ([(IN, {"all": True}), (IN, {"all": True})], r"rules\[1\] repeats an earlier rule"),
        (
            [(IN, {"track": "cam"}), (OUT, {"kind": RecordedKind.AUDIO}), (IN, {"track": "cam"})],
            r"rules\[2\] repeats an earlier rule",
        ),
        ([(IN, {"all": True}), (OUT, {"all": True})], r"rules\[1\] includes or excludes the same"),
        ([(OUT, {"publisher": "Zoë"}), (IN, {"publisher": "Zoë"})], "leave one of the two out"),
    ],
)
def test_contradicting_and_repeated_rules_are_refused(wanted: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        check_rules(rules(*wanted))


def test_a_rule_may_be_an_exception_to_another_one() -> None:
    check_rules(
        rules((IN, {"all": True}), (OUT, {"kind": RecordedKind.VIDEO}), (IN, {"track": "cam"}))
    )


@pytest.mark.parametrize("enum", [TrackRuleEffect, TrackKind, TrackPriority])
def test_a_word_that_twilio_adds_later_is_unknown(
    enum: type[TrackRuleEffect | TrackKind | TrackPriority],
) -> None:
    assert enum("hologram").name == "UNKNOWN"


def test_every_type_of_a_new_rule_is_a_known_effect() -> None:
    assert {word.value for word in TrackRuleEffect} == {word.value for word in RuleType} | {
        "unknown"
    }
