"""Recording rules and subscribe rules: how they are written, and which tracks they match. Does no I/O.

https://www.twilio.com/docs/video/api/recording-rules and https://www.twilio.com/docs/video/api/track-subscriptions
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
    """What one kind of rules may say, and the code for those that say something else."""

    name: str
    code: int
    kinds: frozenset[str]
    has_priority: bool

    def refuse(self, why: str) -> TwilioError:
        return TwilioError(self.code, f"Invalid {self.name} Rule(s): {why}")


RECORDING = Grammar("Recording", 53120, frozenset({"audio", "video"}), has_priority=False)
SUBSCRIBE = Grammar("Subscribe", 53215, frozenset(TrackKind), has_priority=True)


def parse(text: str, grammar: Grammar) -> tuple[Rule, ...]:
    """A JSON array of 1 to 20 rules; a single bad one refuses them all."""
    try:
        rules = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as exc:
        raise grammar.refuse("they are not JSON") from exc
    if not isinstance(rules, list) or not 1 <= len(rules) <= MAX_RULES:
        raise grammar.refuse(f"a JSON array of 1 to {MAX_RULES} rules is needed")
    return tuple(_rule(rule, grammar) for rule in rules)


class _Object(dict[str, Any]):
    """Remembers that a name came twice, which a dict would hide."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.has_repeats = len(self) < len(pairs)


def _rule(rule: Any, grammar: Grammar) -> Rule:
    """`all` stands alone and only as true; otherwise any of kind, publisher and track, each once."""
    if not isinstance(rule, _Object) or rule.get("type") not in ("include", "exclude"):
        raise grammar.refuse("a rule is an object with type include or exclude")
    if rule.has_repeats:
        raise grammar.refuse("a rule names each filter once")
    is_include = rule["type"] == "include"
    priority = _priority(rule, grammar)
    filters = {name: value for name, value in rule.items() if name not in ("type", "priority")}
    if list(filters) == ["all"] and filters["all"] is True:
        return Rule(is_include, priority=priority)
    if not filters or not FILTERS.issuperset(filters):
        raise grammar.refuse("a rule has all: true, or any of kind, publisher and track")
    if not all(
        isinstance(value, str) and value and is_unicode(value) for value in filters.values()
    ):
        raise grammar.refuse("filters are texts")
    if "kind" in filters and filters["kind"] not in grammar.kinds:
        raise grammar.refuse(f"kind is one of {', '.join(sorted(grammar.kinds))}")
    kind = TrackKind(filters["kind"]) if "kind" in filters else None
    return Rule(is_include, kind, filters.get("publisher"), filters.get("track"), priority)


def _priority(rule: dict[str, Any], grammar: Grammar) -> Priority | None:
    if "priority" not in rule:
        return None
    if not grammar.has_priority or rule["priority"] not in tuple(Priority):
        raise grammar.refuse(
            "priority is one of low, standard and high, and for subscribe rules only"
        )
    return Priority(rule["priority"])


def do_match(rules: Iterable[Rule], publisher: Participant, track: Track) -> bool:
    """Some rule includes the track and none excludes it."""
    hits = [rule.is_include for rule in rules if _fits(rule, publisher, track)]
    return any(hits) and all(hits)


def _fits(rule: Rule, publisher: Participant, track: Track) -> bool:
    return (
        rule.kind in (None, track.kind)
        and rule.publisher in (None, publisher.identity, publisher.sid)
        and rule.track in (None, track.name, track.sid)
    )


def to_json(rule: Rule) -> dict[str, Any]:
    """Only what the rule says. An example in Twilio's documents shows null for the rest, which its schema forbids."""
    filters = {"kind": rule.kind, "publisher": rule.publisher, "track": rule.track}
    is_all = not any(filters.values())
    said = {
        "type": "include" if rule.is_include else "exclude",
        **filters,
        "priority": rule.priority,
    }
    return {
        name: value for name, value in {**said, "all": is_all or None}.items() if value is not None
    }
