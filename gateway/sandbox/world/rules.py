"""Recording rules and subscribe rules: their JSON and their matching. Does no I/O.

https://www.twilio.com/docs/video/api/recording-rules
https://www.twilio.com/docs/video/api/track-subscriptions
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.forms import is_unicode
from gateway.sandbox.world.model import Participant, Priority, Rule, Track, TrackKind

MAX_RULES = 20
FILTERS = frozenset({"kind", "publisher", "track"})


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one kind of rules may contain, and the error code of invalid rules."""

    name: str
    code: int
    kinds: frozenset[str]
    has_priority: bool

    def error(self, reason: str) -> TwilioError:
        return TwilioError(self.code, f"Invalid {self.name} Rule(s): {reason}")


RECORDING = Grammar("Recording", 53120, frozenset({"audio", "video"}), has_priority=False)
SUBSCRIBE = Grammar("Subscribe", 53215, frozenset(TrackKind), has_priority=True)


def parse(text: str, grammar: Grammar) -> tuple[Rule, ...]:
    """Parses a JSON array of 1 to 20 rules. One invalid rule makes all invalid."""
    try:
        rules = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as exc:
        raise grammar.error("the rules are not valid JSON") from exc
    if not isinstance(rules, list) or not 1 <= len(rules) <= MAX_RULES:
        raise grammar.error(f"the rules must be a JSON array of 1 to {MAX_RULES} objects")
    return tuple(_rule(rule, grammar) for rule in rules)


class _Object(dict[str, Any]):
    """A JSON object. `has_repeats` says whether a name occurs twice."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.has_repeats = len(self) < len(pairs)


def _rule(rule: Any, grammar: Grammar) -> Rule:
    """Parses one rule: either `all: true`, or any of kind, publisher and track."""
    if not isinstance(rule, _Object) or rule.get("type") not in ("include", "exclude"):
        raise grammar.error("a rule must be an object whose type is include or exclude")
    if rule.has_repeats:
        raise grammar.error("a rule must not repeat a filter")
    is_include = rule["type"] == "include"
    priority = _priority(rule, grammar)
    filters = {name: value for name, value in rule.items() if name not in ("type", "priority")}
    if list(filters) == ["all"] and filters["all"] is True:
        return Rule(is_include, priority=priority)
    if not filters or not FILTERS.issuperset(filters):
        raise grammar.error("a rule needs all: true, or any of kind, publisher and track")
    if not all(
        isinstance(value, str) and value and is_unicode(value) for value in filters.values()
    ):
        raise grammar.error("kind, publisher and track must be non-empty strings")
    if "kind" in filters and filters["kind"] not in grammar.kinds:
        raise grammar.error(f"kind must be one of {', '.join(sorted(grammar.kinds))}")
    kind = TrackKind(filters["kind"]) if "kind" in filters else None
    return Rule(is_include, kind, filters.get("publisher"), filters.get("track"), priority)


def _priority(rule: dict[str, Any], grammar: Grammar) -> Priority | None:
    if "priority" not in rule:
        return None
    if not grammar.has_priority or rule["priority"] not in tuple(Priority):
        raise grammar.error("priority must be low, standard or high, in subscribe rules only")
    return Priority(rule["priority"])


def match(rules: Iterable[Rule], publisher: Participant, track: Track) -> bool:
    """Whether at least one rule includes the track and none excludes it."""
    includes = [rule.is_include for rule in rules if _matches(rule, publisher, track)]
    return any(includes) and all(includes)


def _matches(rule: Rule, publisher: Participant, track: Track) -> bool:
    return (
        rule.kind in (None, track.kind)
        and rule.publisher in (None, publisher.identity, publisher.sid)
        and rule.track in (None, track.name, track.sid)
    )


def to_json(rule: Rule) -> dict[str, Any]:
    """Returns a rule as JSON, without the filters that it does not have.

    An example in Twilio's documents has null for them, which Twilio's schema forbids.
    """
    filters = {"kind": rule.kind, "publisher": rule.publisher, "track": rule.track}
    fields = {
        "type": "include" if rule.is_include else "exclude",
        **filters,
        "priority": rule.priority,
        "all": None if any(filters.values()) else True,
    }
    return {name: value for name, value in fields.items() if value is not None}
