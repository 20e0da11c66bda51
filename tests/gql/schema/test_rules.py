"""Rules in force."""

from gateway.core import rules
from gateway.gql.schema.rules import TrackRule
from gateway.gql.schema.types import build_view


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
