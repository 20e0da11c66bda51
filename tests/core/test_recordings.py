from typing import Any

import pytest

from gateway.core.errors import InvalidArgument
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType, check_rules

ALL = RecordingRule(type=RuleType.INCLUDE, all=True)


@pytest.mark.parametrize(
    "filters",
    [
        {"all": True},
        {"kind": RecordedKind.AUDIO},
        {"publisher": "Zoë"},
        {"track": "cam"},
        {"kind": RecordedKind.VIDEO, "publisher": "Zoë", "track": "cam"},
    ],
)
def test_a_rule_matches_all_or_by_its_filters(filters: dict[str, Any]) -> None:
    assert RecordingRule(type=RuleType.EXCLUDE, **filters).type is RuleType.EXCLUDE


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({}, "no filter"),
        ({"all": False}, "all: false"),
        ({"all": False, "track": "cam"}, "all: false"),
        ({"all": True, "kind": RecordedKind.AUDIO}, "all stands alone"),
    ],
)
def test_a_rule_that_twilio_refuses_is_refused_with_advice(filters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        RecordingRule(type=RuleType.INCLUDE, **filters)


@pytest.mark.parametrize("count", [1, 20])
def test_there_may_be_1_to_20_rules(count: int) -> None:
    check_rules((ALL,) * count)


@pytest.mark.parametrize("count", [0, 21])
def test_no_rule_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match=f"has {count} rules; give 1 to 20"):
        check_rules((ALL,) * count)
