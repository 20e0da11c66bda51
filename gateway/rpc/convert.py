"""Converts core values to protobuf messages, and requests to core values. Does no I/O.

A field has the same name on both sides, except those in `CORE_NAMES`. So no message
needs code of its own: `to_pb` follows the message's descriptor, `from_pb` follows the
fields of the core dataclass. Tests check that no name is missing on either side.
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
from gateway.core.errors import InvalidArgument, Path, below
from gateway.core.participants import SubscribeRule
from gateway.core.recordings import RecordingRule
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.rpc import enums
from gateway.rpc.v1 import participant_pb2, recording_pb2, transcription_pb2

M = TypeVar("M", bound=Message)
T = TypeVar("T")

# Fields that come from a ReadResult, not from the value inside.
_RESULT_FIELDS: Final = frozenset({"freshness", "as_of"})
# Messages that protobuf itself makes from a datetime or a mapping.
_CONVERTED_BY_PROTOBUF: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Struct"})
# Fields whose name in core differs.
CORE_NAMES: Final[Mapping[str, str]] = {
    "date_created": "create_time",
    "date_updated": "update_time",
    "fetched_at": "fetch_time",
    "floor_at": "history_start_time",
    "begins_at": "begin_time",
    "expires_at": "expire_time",
    "reset_at": "reset_time",
    "under_way": "in_flight",
    "duration_sec": "duration",
    "total_participant_duration_sec": "total_participant_duration",
    "total_recording_duration_sec": "total_recording_duration",
}
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
        part = getattr(result, name, None) if name in _RESULT_FIELDS else getattr(inner, core_name)
        if part is not None:
            fields_[name] = encode(part)
    return message_class(**fields_)


@cache
def _encoders(descriptor: Descriptor) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    return tuple(
        (field.name, CORE_NAMES.get(field.name, field.name), _encoder(field))
        for field in descriptor.fields
    )


def _encoder(field: FieldDescriptor) -> Callable[[Any], Any]:
    encode = _item_encoder(field)
    if field.is_repeated:
        return lambda values: [encode(value) for value in values]
    return encode


def _item_encoder(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].to_pb
    if field.message_type is None or field.message_type.full_name in _CONVERTED_BY_PROTOBUF:
        return lambda value: value
    message_class = GetMessageClass(field.message_type)
    return lambda value: to_pb(value, message_class)


def from_pb(message: Message, core_type: type[T]) -> T:
    """Returns the core value in a request, or in a part of a request.

    Ignores fields that the core type does not have. Unset fields get the defaults of
    the core type. Raises InvalidArgument for unknown enum numbers and invalid
    timestamps, and whatever the checks of the core type raise.
    """
    values: dict[str, Any] = {}
    descriptor: Any = message.DESCRIPTOR
    set_fields = {field.name: value for field, value in message.ListFields()}
    # Typing has no name for the type of a dataclass.
    for part in fields(core_type):  # type: ignore[arg-type]
        field = descriptor.fields_by_name[part.name]
        is_required = part.default is MISSING and part.default_factory is MISSING
        if part.name in set_fields:
            values[part.name] = _decode(field, set_fields[part.name])
        elif is_required:
            values[part.name] = _decode_unset(message, field)
    return core_type(**values)


def _decode_unset(message: Message, field: FieldDescriptor) -> Any:
    if field.enum_type is not None and not field.is_repeated:
        choices = enums.TABLES[field.enum_type.full_name].choices
        raise InvalidArgument.at(field.name, f"is not set: set it to one of {choices}")
    return () if field.is_repeated else getattr(message, field.name)


def _decode(field: FieldDescriptor, value: Any) -> Any:
    path: Path = (field.name,)
    if not field.is_repeated:
        return _decode_item(field, value, path)
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].from_pb_list(value, path)
    return tuple(_decode_item(field, item, (*path, index)) for index, item in enumerate(value))


def _decode_item(field: FieldDescriptor, value: Any, path: Path) -> Any:
    if field.enum_type is not None:
        return enums.TABLES[field.enum_type.full_name].from_pb(value, path)
    if isinstance(value, Timestamp):
        return _decode_timestamp(value, path)
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
