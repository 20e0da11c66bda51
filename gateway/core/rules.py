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
    """The effect of a rule that we set. `RuleEffect` is that of a rule that Twilio
    returns."""

    INCLUDE = "include"
    EXCLUDE = "exclude"


class RuleEffect(OpenEnum):
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
class Rule:
    """A rule in force, as Twilio returns it. Rules that we set are `RecordingRule` and
    `SubscribeRule`, which are validated."""

    type: RuleEffect
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


def check_rule(rule: NewRule, name: str) -> None:
    """Raises InvalidArgument unless the rule selects either all tracks, or those that
    match at least one filter. `name` is what the message calls the rule."""
    filters = [part for part in (rule.kind, rule.publisher, rule.track) if part is not None]
    if rule.all is False:
        raise InvalidArgument(f"{name} has all: false; leave it out or set it to true")
    if rule.all and filters:
        raise InvalidArgument(f"{name} has all and another filter; give all alone")
    if not rule.all and not filters:
        raise InvalidArgument(f"{name} has no filter; give all, kind, publisher or track")
    check_known(rule.kind, f"kind of {name}", "AUDIO, VIDEO or, to subscribe, DATA")
    if rule.publisher is not None:
        check_text(rule.publisher, f"publisher of {name}", give="a participant's SID or identity")
    if rule.track is not None:
        check_text(rule.track, f"track of {name}", give="a track's SID or name")


def check_rules(rules: Sequence[NewRule], argument: str = "recordingRules") -> None:
    """Raises InvalidArgument unless there are 1 to 20 rules and no two select the same
    tracks."""
    if not 1 <= len(rules) <= RULES_LIMIT:
        raise InvalidArgument(f"{argument} has {len(rules)} rules; give 1 to {RULES_LIMIT}")
    types: dict[tuple[object, ...], RuleType] = {}
    for rule in rules:
        selection = (rule.all, rule.kind, rule.publisher, rule.track)
        before = types.get(selection)
        if before is rule.type:
            raise InvalidArgument(f"{argument} has the same rule twice; leave one out")
        if before is not None:
            raise InvalidArgument(
                f"{argument} both includes and excludes the same tracks; "
                "leave one of the two rules out"
            )
        types[selection] = rule.type
