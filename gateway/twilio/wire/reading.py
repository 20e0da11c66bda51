"""Reads Twilio's JSON into the dataclasses of `core`. Does no I/O.

The type of a field in `core` says what its value must be. Unknown fields are ignored,
and null counts as missing. An unknown word of an enum is read as UNKNOWN and kept in
`unknown_words`.
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
from gateway.twilio.faults import read_error
from gateway.twilio.wire.exchange import WireResponse

T = TypeVar("T")

# At most this many unknown words are kept for a resource, which has a dozen words at
# most.
UNKNOWN_WORDS_LIMIT: Final = 32

JsonObject = Mapping[str, Any]
"""A decoded JSON object."""

# Twilio's schema allows null for nearly every field, also for SIDs. A field without a
# default in `core` is one that a resource is useless without.
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
    """How one field is read.

    If `is_list`, the rest describes its items. At most one of these is set: `bounds` is
    what a plain value must be, `part` the dataclass of a nested object, `words` the
    enum of its words.
    """

    name: str
    is_list: bool
    bounds: Any = None
    part: Any = None
    words: type[OpenEnum] | None = None


def read_resource(
    response: WireResponse, kind: type[T], adapt: Callable[[JsonObject], JsonObject]
) -> T:
    """Returns the resource in the body, as a `kind`.

    `adapt` maps Twilio's spelling to that of `core`. Raises what `read_json` raises.
    """
    return read_json(response, lambda document: convert(document, kind, adapt))


def read_json(response: WireResponse, read: Callable[[Any], T]) -> T:
    """Returns what `read` makes of the decoded body.

    Raises the GatewayError of a status other than 2xx, and UpstreamUnavailable when the
    body is not JSON or `read` refuses it.
    """
    if not 200 <= response.status < 300:
        raise read_error(response.status, response.headers, response.body)
    try:
        return read(msgspec.json.decode(response.body))
    # The decoder also raises ValueError for bad UTF-8 and RecursionError for deep
    # nesting. `core` raises InvalidArgument, but here the caller did not send the
    # value.
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidArgument) as error:
        raise UpstreamUnavailable(
            "Twilio's response could not be read: try again later",
            twilio=TwilioFault(None, response.status),
        ) from error


def convert(document: object, kind: type[T], adapt: Callable[[JsonObject], JsonObject]) -> T:
    """Returns a decoded JSON object as a `kind`.

    Raises msgspec.ValidationError for a value that does not fit its field, and what
    `kind` itself raises.
    """
    unknown: list[UnknownWord] = []
    values = _prepare(
        adapt(document) if isinstance(document, dict) else document, kind, "", unknown
    )
    if isinstance(values, dict) and unknown:
        values["unknown_words"] = [asdict(word) for word in unknown[:UNKNOWN_WORDS_LIMIT]]
    return msgspec.convert(values, kind)


def _prepare(document: object, kind: Any, path: str, unknown: list[UnknownWord]) -> object:
    """Returns the known fields that are not null, each checked against its bounds.

    Adds unknown words to `unknown`, with the path of their field.
    """
    if not isinstance(document, dict):
        return document
    values: dict[str, object] = {}
    for field in _fields_of(kind):
        value = document.get(field.name)
        if value is None:
            continue
        if field.is_list and isinstance(value, list):
            value = [
                _prepare_value(item, field, f"{path}{field.name}[{n}]", unknown)
                for n, item in enumerate(value)
            ]
        else:
            value = _prepare_value(value, field, path + field.name, unknown)
        values[field.name] = value
    return values


def _prepare_value(value: object, field: _Field, path: str, unknown: list[UnknownWord]) -> object:
    if field.bounds is not None:
        return msgspec.convert(value, field.bounds)
    if field.part is not None:
        return _prepare(value, field.part, f"{path}.", unknown)
    if field.words is not None and isinstance(value, str):
        word = field.words(value)
        if word.name == "UNKNOWN":
            unknown.append(UnknownWord(path, value[:WORD_LIMIT]))
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
    is_enum = isinstance(hint, type) and issubclass(hint, OpenEnum)
    return _Field(name, is_list, words=hint if is_enum else None)
