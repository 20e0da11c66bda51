"""Twilio's JSON read into core's dataclasses: one way for all of them. Does no I/O.

What a field must be follows from its type in core. Fields that Twilio added are passed over, and null is the same as
missing. Words that it added are read as UNKNOWN and kept in `unknown_words`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from gateway.core.errors import InvalidArgument, TwilioFault, UpstreamUnavailable
from gateway.core.open_enum import WORD_LIMIT, OpenEnum, UnknownWord
from gateway.core.recordings import INT64
from gateway.core.sids import PREFIXES
from gateway.core.transcriptions import Ttid
from gateway.twilio.faults import read_fault
from gateway.twilio.wire.exchange import WireResponse

T = TypeVar("T")

# One resource has at most a dozen words; a list of a million new ones is not worth keeping.
WORDS_LIMIT: Final = 32

Said = Mapping[str, Any]
"""A JSON object as Twilio sent it."""

# The documents let nearly every field be null, SIDs too; what has no default in core is of no use to anybody without it.
# https://github.com/twilio/twilio-oai, spec/json/twilio_video_v1.json
_BOUNDS: Final[Mapping[object, object]] = {
    datetime: Annotated[datetime, msgspec.Meta(tz=True)],
    int: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)],
    Annotated[int, INT64]: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)],
    Ttid: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")],
    **{
        kind: Annotated[str, msgspec.Meta(pattern=rf"\A{prefix}[0-9a-fA-F]{{32}}\Z")]
        for kind, (prefix, _) in PREFIXES.items()
    },
}


class _Field(NamedTuple):
    """A field's type without `| None`; if `is_list`, that of its items. At most one of bounds, part and words is set:
    what a plain value must be, the dataclass it is made of, the words that are known."""

    name: str
    is_list: bool
    bounds: Any = None
    part: Any = None
    words: type[OpenEnum] | None = None


def read_value(answer: WireResponse, kind: type[T], adapt: Callable[[Said], Said]) -> T:
    """Raises the GatewayError that the answer stands for, and UpstreamUnavailable when it cannot be read."""
    return read_said(answer, lambda said: to_core(said, kind, adapt))


def read_said(answer: WireResponse, read: Callable[[Any], T]) -> T:
    """What `read` makes of the answer's JSON."""
    if not 200 <= answer.status < 300:
        raise read_fault(answer.status, answer.headers, answer.body)
    try:
        return read(msgspec.json.decode(answer.body))
    # Beside its own errors the decoder raises ValueError for bad UTF-8 and RecursionError for a tower of brackets. What
    # core refuses was not sent by the caller.
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidArgument) as error:
        raise UpstreamUnavailable(
            "Twilio's answer cannot be read; try again a little later",
            twilio=TwilioFault(None, answer.status),
        ) from error


def to_core(said: object, kind: type[T], adapt: Callable[[Said], Said]) -> T:
    words: list[UnknownWord] = []
    values = _prepared(adapt(said) if isinstance(said, dict) else said, kind, "", words)
    if isinstance(values, dict) and words:
        values["unknown_words"] = [asdict(word) for word in words[:WORDS_LIMIT]]
    return msgspec.convert(values, kind)


def _prepared(said: object, kind: Any, place: str, words: list[UnknownWord]) -> object:
    """The known fields that are not null, each within the bounds of its type. Notes the words that nobody knows."""
    if not isinstance(said, dict):
        return said
    values: dict[str, object] = {}
    for field in _fields_of(kind):
        value = said.get(field.name)
        if value is None:
            continue
        if field.is_list and isinstance(value, list):
            value = [
                _leaf(each, field, f"{place}{field.name}[{n}]", words)
                for n, each in enumerate(value)
            ]
        else:
            value = _leaf(value, field, place + field.name, words)
        values[field.name] = value
    return values


def _leaf(value: object, field: _Field, place: str, words: list[UnknownWord]) -> object:
    if field.bounds is not None:
        return msgspec.convert(value, field.bounds)
    if field.part is not None:
        return _prepared(value, field.part, f"{place}.", words)
    if field.words is not None and isinstance(value, str):
        word = field.words(value)
        if word.name == "UNKNOWN":
            words.append(UnknownWord(place, value[:WORD_LIMIT]))
        return word.value
    return value


@cache
def _fields_of(kind: type[Any]) -> tuple[_Field, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        _field(field.name, hints[field.name])
        for field in fields(kind)
        if field.name != "unknown_words"
    )


def _field(name: str, hint: Any) -> _Field:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    if hint in _BOUNDS:
        return _Field(name, is_list, bounds=_BOUNDS[hint])
    if is_dataclass(hint):
        return _Field(name, is_list, part=hint)
    is_words = isinstance(hint, type) and issubclass(hint, OpenEnum)
    return _Field(name, is_list, words=hint if is_words else None)
