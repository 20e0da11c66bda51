"""Rules that select the tracks to record or to subscribe to. Does no I/O.

https://www.twilio.com/docs/video/api/recording-rules
https://www.twilio.com/docs/video/api/track-subscriptions
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import OpenEnum
from gateway.core.validation import check_known, check_text

RULES_LIMIT = 20


class RuleType(StrEnum):
    """The effect of a rule that we set. `TrackRuleEffect` is that of a rule that Twilio
    returns."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


class TrackRuleEffect(OpenEnum):
    INCLUDE = "include"
    EXCLUDE = "exclude"
    UNKNOWN = "unknown"


class TrackKind(OpenEnum):
    AUDIO = "audio"
    VIDEO = "video"
    DATA = "data"
    UNKNOWN = "unknown"


class TrackPriority(OpenEnum):
    """https://www.twilio.com/docs/video/tutorials/using-track-priority-api"""

    HIGH = "high"
    STANDARD = "standard"
    LOW = "low"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRule:
    """A rule in force, as Twilio returns it. Rules that we set are `RecordingRule` and
    `SubscribeRule`, which are validated."""

    type: TrackRuleEffect
    all: bool | None = None
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None
    priority: TrackPriority | None = None
    """Subscribe rules only."""


class NewRule(Protocol):
    """A rule that we set: a `RecordingRule` or a `SubscribeRule`."""

    @property
    def type(self) -> RuleType: ...
    @property
    def all(self) -> bool | None: ...
    @property
    def kind(self) -> StrEnum | None: ...
    @property
    def publisher(self) -> str | None: ...
    @property
    def track(self) -> str | None: ...


def check_rule(rule: NewRule) -> None:
    """Raises InvalidArgument unless the rule selects either all tracks, or those that
    match at least one filter."""
    filters = [part for part in (rule.kind, rule.publisher, rule.track) if part is not None]
    if rule.all is False:
        raise InvalidArgument.at("all", "is false; leave it out or set it to true")
    if rule.all and filters:
        raise InvalidArgument.at("all", "stands beside another filter; give it alone")
    if not rule.all and not filters:
        raise InvalidArgument.at((), "has no filter; give `all`, `kind`, `publisher` or `track`")
    check_known(rule.kind, "kind")
    if rule.publisher is not None:
        check_text(rule.publisher, "publisher", give="a participant's SID or identity")
    if rule.track is not None:
        check_text(rule.track, "track", give="a track's SID or name")


def check_rules(rules: Sequence[NewRule], field: str = "rules") -> None:
    """Raises InvalidArgument unless there are 1 to 20 rules and no two select the same
    tracks."""
    if not 1 <= len(rules) <= RULES_LIMIT:
        raise InvalidArgument.at(field, f"has {len(rules)} rules; give 1 to {RULES_LIMIT}")
    types: dict[tuple[object, ...], RuleType] = {}
    for index, rule in enumerate(rules):
        selection = (rule.all, rule.kind, rule.publisher, rule.track)
        before = types.get(selection)
        if before is rule.type:
            raise InvalidArgument.at((field, index), "repeats an earlier rule; leave it out")
        if before is not None:
            raise InvalidArgument.at(
                (field, index),
                "includes or excludes the same tracks as an earlier rule that does the opposite; "
                "leave one of the two out",
            )
        types[selection] = rule.type
