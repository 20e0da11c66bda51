"""Core values to protobuf messages and requests to core values, by name. Does no I/O.

A field is called the same on both sides, so messages need no code of their own: `to_pb` follows the message's
descriptor, `from_pb` follows core's dataclass. Tests hold that no name is missing on either side.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.core.caching import ReadResult
from gateway.core.errors import InvalidArgument
from gateway.core.participants import SubscribeRule
from gateway.core.recordings import RecordingRule
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.rooms.v1 import participant_pb2, recording_pb2, transcription_pb2
from gateway.rpc import enums

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_BESIDE: Final = frozenset({"freshness", "as_of"})
"""What a Seen tells beside its value."""

_TAKEN_AS_THEY_ARE: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Struct"})
"""Protobuf makes them of a datetime and of a mapping."""

# The messages that requests hold.
_CORE_TYPES: Final[Mapping[str, type[Any]]] = {
    recording_pb2.RecordingRule.DESCRIPTOR.full_name: RecordingRule,
    participant_pb2.SubscribeRule.DESCRIPTOR.full_name: SubscribeRule,
    transcription_pb2.TranscriptionsConfiguration.DESCRIPTOR.full_name: TranscriptionsConfiguration,
}


def to_pb(value: object, kind: type[M]) -> M:
    """The message of this kind that shows the value; None is left out. A Seen shows its value, and in a message that has
    the fields for it how good it is."""
    seen, shown = (value, value.value) if isinstance(value, ReadResult) else (None, value)
    parts: dict[str, Any] = {}
    for name, write in _writers(kind.DESCRIPTOR):
        part = getattr(seen, name, None) if name in _BESIDE else getattr(shown, name)
        if part is not None:
            parts[name] = write(part)
    return kind(**parts)


@cache
def _writers(descriptor: Descriptor) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((field.name, _writer(field)) for field in descriptor.fields)


def _writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    write = _writer_of_one(field)
    if field.is_repeated:
        return lambda values: [write(value) for value in values]
    return write


def _writer_of_one(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].to_pb
    if field.message_type is None or field.message_type.full_name in _TAKEN_AS_THEY_ARE:
        return lambda value: value
    kind = GetMessageClass(field.message_type)
    return lambda value: to_pb(value, kind)


def from_pb(message: Message, core_type: type[T], path: str = "") -> T:
    """The core value that a request, or the part of it at `path`, asks for. Fields that core does not have are passed
    over; what is left out is left to core's defaults.

    Raises InvalidArgument for numbers and moments that mean nothing, and whatever core's own checks raise.
    """
    given: dict[str, Any] = {}
    descriptor: Any = message.DESCRIPTOR
    set_fields = {field.name: value for field, value in message.ListFields()}
    for part in fields(core_type):  # type: ignore[arg-type]  # of a dataclass; typing has no name for them
        field = descriptor.fields_by_name[part.name]
        is_required = part.default is MISSING and part.default_factory is MISSING
        if part.name in set_fields:
            given[part.name] = _read(field, set_fields[part.name], path + part.name)
        elif is_required:
            given[part.name] = _left_out(message, field, path + part.name)
    return core_type(**given)


def _left_out(message: Message, field: FieldDescriptor, path: str) -> Any:
    if field.enum_type is not None and not field.is_repeated:
        raise InvalidArgument(
            f"{path} is left out; give one of {enums.TABLES[field.enum_type.full_name].choice}"
        )
    return () if field.is_repeated else getattr(message, field.name)


def _read(field: FieldDescriptor, value: Any, path: str) -> Any:
    if not field.is_repeated:
        return _read_one(field, value, path)
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].from_pb_list(value, path)
    return tuple(_read_one(field, each, f"{path}[{place}]") for place, each in enumerate(value))


def _read_one(field: FieldDescriptor, value: Any, path: str) -> Any:
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].from_pb(value, path)
    if isinstance(value, Timestamp):
        return _moment_of(value, path)
    if field.message_type is not None:
        return from_pb(value, _CORE_TYPES[field.message_type.full_name], f"{path}.")
    return value


def _moment_of(stamp: Timestamp, path: str) -> datetime:
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{path} is no moment; give seconds since 1970 and nanos from 0 to 999999999"
        ) from None
