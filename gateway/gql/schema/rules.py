"""Rules for tracks: what a room records, and what a participant subscribes to."""

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic, TypeVar

import strawberry
from strawberry import UNSET

from gateway.core import participants, recordings
from gateway.core import rules as core
from gateway.core.errors import InvalidArgument, below
from gateway.gql.schema import enums as enums  # registers the enums before any type uses one
from gateway.gql.schema.input_enums import (
    RecordedKindInput,
    TrackKindInput,
    TrackPriorityInput,
    core_member,
)
from gateway.gql.schema.scalars import JSON
from gateway.gql.schema.types import view_of

R = TypeVar("R", recordings.RecordingRule, participants.SubscribeRule)

_TWILIO: Final = (
    'A rule in Twilio\'s own words, such as `{"type": "include", "kind": "audio"}`, for '
    "programs that have such rules already."
)


@view_of(core.TrackRule)
@strawberry.type
class TrackRule:
    type: core.TrackRuleEffect = strawberry.field(
        name="effect",
    )
    all: bool | None
    kind: core.TrackKind | None
    publisher: str | None
    track: str | None
    priority: core.TrackPriority | None


@strawberry.input(
    description="Selects the tracks that match every field that is set; all tracks when none is."
)
class RecordingRuleMatch:
    kind: RecordedKindInput | None = UNSET
    publisher: str | None = UNSET
    track: str | None = UNSET


@strawberry.input(
    description="Selects the tracks that match every field that is set; all tracks when none is. "
    "`priority` selects nothing: it is the priority of the selected tracks."
)
class SubscribeRuleMatch:
    kind: TrackKindInput | None = UNSET
    publisher: str | None = UNSET
    track: str | None = UNSET
    priority: TrackPriorityInput | None = strawberry.field(
        default=UNSET,
    )


class _RuleInput(Generic[R]):
    """Base of both rule inputs, which have the same fields of different types."""

    core_type: ClassVar[Any]
    include: Any
    exclude: Any
    twilio: JSON | None

    def to_core(self) -> R:
        """Raises InvalidArgument."""
        for type_, match in (("include", self.include), ("exclude", self.exclude)):
            if match:
                with below(type_):
                    return self._rule({"type": type_, **_words(match)})
        with below("twilio"):
            return self._rule(self.twilio)

    def _rule(self, words: object) -> R:
        rule: R = self.core_type(**_checked(self.core_type, words))
        return rule


@strawberry.input(
    one_of=True, description="A rule that says which tracks a room records. Set exactly one field."
)
class RecordingRuleInput(_RuleInput[recordings.RecordingRule]):
    core_type = recordings.RecordingRule

    include: RecordingRuleMatch | None = strawberry.field(
        default=UNSET, description="Records these tracks."
    )
    exclude: RecordingRuleMatch | None = strawberry.field(
        default=UNSET, description="Does not record these tracks."
    )
    twilio: JSON | None = strawberry.field(default=UNSET, description=_TWILIO)


@strawberry.input(
    one_of=True,
    description="A rule that says which tracks a participant receives. Set exactly one field.",
)
class SubscribeRuleInput(_RuleInput[participants.SubscribeRule]):
    core_type = participants.SubscribeRule

    include: SubscribeRuleMatch | None = strawberry.field(
        default=UNSET, description="The participant receives these tracks."
    )
    exclude: SubscribeRuleMatch | None = strawberry.field(
        default=UNSET, description="The participant does not receive these tracks."
    )
    twilio: JSON | None = strawberry.field(default=UNSET, description=_TWILIO)


def _words(match: RecordingRuleMatch | SubscribeRuleMatch) -> dict[str, object]:
    """The match in Twilio's words."""
    words = {
        field.name: getattr(match, field.name)
        for field in fields(match)
        if getattr(match, field.name) not in (UNSET, None)
    }
    if words.keys() == {"priority"}:
        raise InvalidArgument.at("priority", "is alone; give `kind`, `publisher` or `track` too")
    words = {
        name: value if isinstance(value, str) else core_member(value).value
        for name, value in words.items()
    }
    return words or {"all": True}


_ENUMS: Final[Mapping[tuple[type, str], type[StrEnum]]] = {
    (recordings.RecordingRule, "type"): core.RuleType,
    (recordings.RecordingRule, "kind"): recordings.RecordedKind,
    (participants.SubscribeRule, "type"): core.RuleType,
    (participants.SubscribeRule, "kind"): core.TrackKind,
    (participants.SubscribeRule, "priority"): core.TrackPriority,
}
_NAME: Final = re.compile(r"[A-Za-z_]{1,32}")
_EXAMPLE: Final = '{"type": "include", "all": true}'


def _checked(core_type: Any, words: object) -> dict[str, Any]:
    """The attributes of a core rule, from a rule in Twilio's words."""
    if not isinstance(words, dict):
        raise InvalidArgument.at((), f"is not an object; give one such as {_EXAMPLE}")
    names = [field.name for field in fields(core_type)]
    checked: dict[str, Any] = {}
    for name, value in words.items():
        if name not in names:
            path = (name,) if _NAME.fullmatch(name) else ()
            raise InvalidArgument.at(path, f"has an unknown name; give {', '.join(names)}")
        if value is not None:
            checked[name] = _checked_word(core_type, name, value)
    if "type" not in checked:
        raise InvalidArgument.at("type", "is missing; give include or exclude")
    return checked


def _checked_word(core_type: Any, name: str, value: object) -> object:
    if name == "all" and not isinstance(value, bool):
        raise InvalidArgument.at(name, "is not true; give true, or leave it out")
    if name != "all" and not isinstance(value, str):
        raise InvalidArgument.at(name, "is not a text; give a text")
    enum = _ENUMS.get((core_type, name))
    if enum is None:
        return value
    members = {member.value: member for member in enum if member.name != "UNKNOWN"}
    if value not in members:
        raise InvalidArgument.at(name, f"is an unknown word; give {' or '.join(members)}")
    return members[str(value)]
