"""Reads Twilio's JSON into the dataclasses of `core`. Does no I/O.

The type of a field in `core` says what its value must be. Unknown fields are ignored,
and null counts as missing. An unknown word of an enum is read as UNKNOWN and kept in
`unknown_words`. A value that does not fit is read as null if the field may be null:
one odd value must not hide a page of resources. Its name is noted in the response.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
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
from gateway.core.recordings import INT32_MAX, INT64, INT64_MAX
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
    int: Annotated[int, msgspec.Meta(ge=0, le=INT32_MAX)],
    Annotated[int, INT64]: Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)],
    Ttid: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")],
    **{
        kind: Annotated[str, msgspec.Meta(pattern=rf"\A{prefix}[0-9a-fA-F]{{32}}\Z")]
        for kind, (prefix, _) in PREFIXES.items()
    },
}


# Values that JSON can have and that a face cannot show.
_JSON_DEPTH_LIMIT: Final = 16


class _Field(NamedTuple):
    """How one field is read.

    If `is_list`, the rest describes its items. At most one of these is set: `bounds` is
    what a plain value must be, `part` the dataclass of a nested object, `words` the
    enum of its words. If `is_nullable`, a value that does not fit is read as None. If
    `is_required`, an object without a value cannot be read.
    """

    name: str
    is_list: bool
    bounds: Any = None
    part: Any = None
    words: type[OpenEnum] | None = None
    is_nullable: bool = False
    is_required: bool = True


class UnreadableField(ValueError):
    """The field at `path` is missing, or its value does not fit it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def read_resource(
    response: WireResponse, kind: type[T], adapt: Callable[[JsonObject], JsonObject]
) -> T:
    """Returns the resource in the body, as a `kind`.

    `adapt` maps Twilio's spelling to that of `core`. Raises what `read_json` raises.
    """
    return read_json(
        response, lambda document: convert(document, kind, adapt, "", response.unreadable)
    )


def read_json(response: WireResponse, read: Callable[[Any], T]) -> T:
    """Returns what `read` makes of the decoded body.

    Raises the GatewayError of a status other than 2xx, and UpstreamUnavailable when the
    body is not JSON or `read` refuses it. Its message names the field.
    """
    if not 200 <= response.status < 300:
        raise read_error(response.status, response.headers, response.body)
    try:
        return read(msgspec.json.decode(response.body))
    # The decoder also raises ValueError for bad UTF-8 and RecursionError for deep
    # nesting. `core` raises InvalidArgument, but here the caller did not send the
    # value.
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidArgument) as error:
        reason = ""
        if isinstance(error, UnreadableField) and error.path:
            response.unreadable.append(error.path)
            reason = f", because its field {error.path} is missing or has an unexpected value"
        raise UpstreamUnavailable(
            f"Twilio's response could not be read{reason}: try again later",
            twilio=TwilioFault(None, response.status),
        ) from error


def convert(
    document: object,
    kind: type[T],
    adapt: Callable[[JsonObject], JsonObject],
    path: str = "",
    unreadable: list[str] | None = None,
) -> T:
    """Returns a decoded JSON object as a `kind`.

    `path` is where the object is in its response. Adds the paths of fields that are
    read as null to `unreadable`. Raises UnreadableField for a value that does not fit a
    field that cannot be null, and what `kind` itself raises.
    """
    if not isinstance(document, dict):
        raise UnreadableField(path)
    reader = _Reader(f"{path}." if path else "", [] if unreadable is None else unreadable)
    values = reader.values(adapt(document), kind, "")
    if reader.unknown:
        values["unknown_words"] = tuple(reader.unknown[:UNKNOWN_WORDS_LIMIT])
    return kind(**values)


class _Reader:
    """Reads the values of one resource. `unknown` are the words that no enum has."""

    def __init__(self, prefix: str, unreadable: list[str]) -> None:
        self._prefix = prefix
        self._unreadable = unreadable
        self.unknown: list[UnknownWord] = []

    def values(self, document: object, kind: Any, path: str) -> dict[str, Any]:
        """Returns the values of the fields that are not null, each checked."""
        if not isinstance(document, dict):
            raise UnreadableField(self._prefix + path.removesuffix("."))
        values: dict[str, Any] = {}
        for field in _fields_of(kind):
            value = document.get(field.name)
            if value is not None:
                try:
                    values[field.name] = self._value(value, field, path + field.name)
                    continue
                except (UnreadableField, InvalidArgument) as error:
                    at = self._prefix + path + field.name
                    where = error.path if isinstance(error, UnreadableField) else at
                    if not field.is_nullable:
                        raise UnreadableField(where) from error
                    self._unreadable.append(where)
                    values[field.name] = None
            elif field.is_required:
                raise UnreadableField(self._prefix + path + field.name)
        return values

    def _value(self, value: object, field: _Field, path: str) -> object:
        if not field.is_list:
            return self._item(value, field, path)
        if not isinstance(value, list):
            raise UnreadableField(self._prefix + path)
        return tuple(self._item(item, field, f"{path}[{n}]") for n, item in enumerate(value))

    def _item(self, value: object, field: _Field, path: str) -> object:
        if field.part is not None:
            return field.part(**self.values(value, field.part, f"{path}."))
        if field.words is not None and isinstance(value, str):
            word = field.words(value)
            if word.name == "UNKNOWN":
                self.unknown.append(UnknownWord(path, value[:WORD_LIMIT]))
            return word
        try:
            # A word that is not text fits no enum.
            checked = msgspec.convert(value, str if field.words is not None else field.bounds)
            if isinstance(checked, datetime):
                # A year outside of 1 to 9999 in UTC cannot be shown by gRPC.
                checked.astimezone(UTC)
            elif isinstance(checked, dict):
                _check_json(checked, _JSON_DEPTH_LIMIT)
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            raise UnreadableField(self._prefix + path) from error
        return checked


def _check_json(value: object, depth: int) -> None:
    """Raises ValueError for a value that GraphQL or gRPC cannot show: one that is
    nested too deeply, or an integer of more than 64 bits."""
    if depth < 0:
        raise ValueError("nested too deeply")
    if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:
        raise ValueError("an integer of more than 64 bits")
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _check_json(part, depth - 1)


@cache
def _fields_of(kind: type[Any]) -> tuple[_Field, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        _field(field, hints[field.name]) for field in fields(kind) if field.name != "unknown_words"
    )


def _field(field: Field[Any], hint: Any) -> _Field:
    is_required = field.default is MISSING and field.default_factory is MISSING
    is_nullable = False
    if get_origin(hint) in (Union, UnionType):
        is_nullable = NoneType in get_args(hint)
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    is_enum = isinstance(hint, type) and issubclass(hint, OpenEnum)
    is_part = hint not in _BOUNDS and is_dataclass(hint)
    return _Field(
        field.name,
        is_list,
        bounds=None if is_enum or is_part else _BOUNDS.get(hint, hint),
        part=hint if is_part else None,
        words=hint if is_enum else None,
        is_nullable=is_nullable,
        is_required=is_required,
    )
