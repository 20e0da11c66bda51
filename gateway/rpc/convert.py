"""Converts core values to protobuf messages, and requests to core values. Does no I/O.

A field has the same name on both sides, except those in `CORE_NAMES`. So no message
needs code of its own: `to_pb` follows the message's descriptor, `from_pb` follows the
fields of the core dataclass. Tests check that no name is missing on either side.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.core.caching import ReadResult
from gateway.core.errors import InvalidArgument, Path, Violations, below
from gateway.core.participants import SubscribeRule
from gateway.core.recordings import RecordingRule
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.rpc import enums
from gateway.rpc.v1 import participant_pb2, recording_pb2, room_pb2, transcription_pb2

M = TypeVar("M", bound=Message)
T = TypeVar("T")

# Fields that come from a ReadResult, if there is one, not from the value inside.
_RESULT_FIELDS: Final = frozenset({"freshness", "as_of"})
# Messages that protobuf itself makes from a datetime or a mapping.
_CONVERTED_BY_PROTOBUF: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Struct"})
CORE_NAMES: Final[Mapping[str, str]] = {
    "effect": "type",
    "retry_after": "retry_after_ms",
    "signed": "is_signed",
    "size_bytes": "size",
    "stale": "is_stale",
    "ttl": "ttl_s",
    "valid": "is_valid",
    "watched_room": "room_sid",
}
"""Fields whose name in core differs."""
_PB_NAMES: Final[Mapping[str, str]] = {core: name for name, core in CORE_NAMES.items()}
UNITS: Final[Mapping[str, tuple[int, str]]] = {
    "empty_room_timeout": (60_000, "minutes"),
    "unused_room_timeout": (60_000, "minutes"),
    "offset": (1, "milliseconds"),
    "retry_after": (1, "milliseconds"),
}
"""The units of durations in core, in milliseconds, and their names. Others are in
seconds."""
_SECONDS: Final = (1_000, "seconds")
# The first field of a path, its index in a list, and the rest of the path.
_PATH: Final = re.compile(r"([^.\[]*)((?:\[\d+\])?)\.?(.*)")
# https://protobuf.dev/reference/protobuf/google.protobuf/#duration
_DURATION_LIMIT_S: Final = 315_576_000_000
# The core type of every message inside a request.
_CORE_TYPES: Final[Mapping[str, type[Any]]] = {
    recording_pb2.RecordingRule.DESCRIPTOR.full_name: RecordingRule,
    participant_pb2.SubscribeRule.DESCRIPTOR.full_name: SubscribeRule,
    transcription_pb2.TranscriptionsConfiguration.DESCRIPTOR.full_name: TranscriptionsConfiguration,
}


def to_pb(value: object, message_class: type[M]) -> M:
    """Returns the message with the fields of this value. Fields that are None stay
    unset.

    A ReadResult gives the fields of the value inside, and `freshness` and `as_of` where
    the message has them.
    """
    result, inner = (value, value.value) if isinstance(value, ReadResult) else (None, value)
    fields_: dict[str, Any] = {}
    for name, core_name, encode in _encoders(message_class.DESCRIPTOR):
        if name in _RESULT_FIELDS:
            part = getattr(inner if result is None else result, name, None)
        else:
            # Core has the fields of `twilio` beside the others.
            part = inner if name == "twilio" else getattr(inner, core_name)
        if part is not None:
            fields_[name] = encode(part)
    return message_class(**fields_)


@cache
def _encoders(descriptor: Descriptor) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    return tuple(
        (
            field.name,
            CORE_NAMES.get(field.name, field.name),
            _unknown_words_encoder(descriptor)
            if field.name == "unknown_words"
            else _encoder(field),
        )
        for field in descriptor.fields
    )


def _unknown_words_encoder(descriptor: Descriptor) -> Callable[[Any], Any]:
    return lambda words: [
        room_pb2.UnknownWord(
            field=_shown_path(descriptor, word.field) or word.field, word=word.word
        )
        for word in words
    ]


def _shown_path(descriptor: Descriptor, path: str) -> str | None:
    """Returns where a message shows the field of core at this path, if it does.

    `rules[1].type` is `rules[1].effect`.
    """
    name, index, rest = _PATH.fullmatch(path).groups()  # type: ignore[union-attr]  # fits any text
    for field in descriptor.fields:
        if CORE_NAMES.get(field.name, field.name) == name:
            below = _shown_path(field.message_type, rest) if field.message_type and rest else rest
            return f"{field.name}{index}.{below}" if below else f"{field.name}{index}"
    details: Any = descriptor.fields_by_name.get("twilio")
    below = None if details is None else _shown_path(details.message_type, path)
    return None if below is None else f"twilio.{below}"


def _encoder(field: FieldDescriptor) -> Callable[[Any], Any]:
    encode = _item_encoder(field)
    if field.is_repeated:
        return lambda values: [encode(value) for value in values]
    return encode


def _item_encoder(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return enums.table_of(field).to_pb
    if field.message_type is None or field.message_type.full_name in _CONVERTED_BY_PROTOBUF:
        return lambda value: value
    if field.message_type is Duration.DESCRIPTOR:
        unit_ms, _ = UNITS.get(field.name, _SECONDS)
        return lambda value: _duration_to_pb(value * unit_ms)
    message_class = GetMessageClass(field.message_type)
    return lambda value: to_pb(value, message_class)


def _duration_to_pb(value_ms: int) -> Duration:
    """Returns the duration, or the longest one that the message can hold: Twilio's
    numbers have 64 bits."""
    limit_ms = _DURATION_LIMIT_S * 1_000
    duration = Duration()
    duration.FromMilliseconds(max(-limit_ms, min(value_ms, limit_ms)))
    return duration


def from_pb(message: Message, core_type: type[T]) -> T:
    """Returns the core value in a request, or in a part of a request.

    Ignores fields that the core type does not have. Unset fields get the defaults of
    the core type. Raises InvalidArgument for unknown enum numbers and invalid
    timestamps, and for what the checks of the core type refuse, with all these fields.
    """
    wrong, values = Violations(), dict[str, Any]()
    descriptor: Any = message.DESCRIPTOR
    set_fields = {field.name: value for field, value in message.ListFields()}
    # Typing has no name for the type of a dataclass.
    for part in fields(core_type):  # type: ignore[arg-type]
        name = part.name if part.name in descriptor.fields_by_name else _PB_NAMES[part.name]
        field = descriptor.fields_by_name[name]
        is_required = part.default is MISSING and part.default_factory is MISSING
        with wrong.collect():
            if name in set_fields:
                values[part.name] = _decode(field, set_fields[name])
            elif is_required:
                values[part.name] = _decode_unset(message, field)
    return wrong.build(core_type, values)


def _decode_unset(message: Message, field: FieldDescriptor) -> Any:
    if field.enum_type is not None and not field.is_repeated:
        choices = enums.table_of(field).choices
        raise InvalidArgument.at(field.name, f"is not set: set it to one of {choices}")
    return () if field.is_repeated else getattr(message, field.name)


def _decode(field: FieldDescriptor, value: Any) -> Any:
    path: Path = (field.name,)
    if not field.is_repeated:
        return _decode_item(field, value, path)
    if field.enum_type is not None:
        return enums.table_of(field).from_pb_list(value, path)
    wrong, items = Violations(), []
    for index, item in enumerate(value):
        with wrong.collect():
            items.append(_decode_item(field, item, (*path, index)))
    wrong.raise_any()
    return tuple(items)


def _decode_item(field: FieldDescriptor, value: Any, path: Path) -> Any:
    if field.enum_type is not None:
        return enums.table_of(field).from_pb(value, path)
    if isinstance(value, Timestamp):
        return _decode_timestamp(value, path)
    if isinstance(value, Duration):
        return decode_duration(value, path)
    if field.message_type is not None:
        with below(*path):
            return from_pb(value, _CORE_TYPES[field.message_type.full_name])
    return value


def _decode_timestamp(timestamp: Timestamp, path: Path) -> datetime:
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument.at(
            path,
            "is not a valid timestamp: "
            "set seconds for a year from 1 to 9999, and nanos from 0 to 999999999",
        ) from None


def decode_duration(duration: Duration, path: Path) -> int:
    """Returns the duration of the field at `path`, in core's unit.

    Raises InvalidArgument unless it is a whole number of that unit.
    """
    unit_ms, unit = UNITS.get(str(path[-1]), _SECONDS)
    total_ns = duration.seconds * 1_000_000_000 + duration.nanos
    count, rest_ns = divmod(total_ns, unit_ms * 1_000_000)
    if rest_ns or duration.nanos >= 1_000_000_000:
        raise InvalidArgument.at(path, f"is not a whole number of {unit}: round it to one")
    return count
