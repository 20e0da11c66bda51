from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordingRuleType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORDING_RULE_TYPE_UNSPECIFIED: _ClassVar[RecordingRuleType]
    RECORDING_RULE_TYPE_INCLUDE: _ClassVar[RecordingRuleType]
    RECORDING_RULE_TYPE_EXCLUDE: _ClassVar[RecordingRuleType]

class RecordedKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORDED_KIND_UNSPECIFIED: _ClassVar[RecordedKind]
    RECORDED_KIND_AUDIO: _ClassVar[RecordedKind]
    RECORDED_KIND_VIDEO: _ClassVar[RecordedKind]
RECORDING_RULE_TYPE_UNSPECIFIED: RecordingRuleType
RECORDING_RULE_TYPE_INCLUDE: RecordingRuleType
RECORDING_RULE_TYPE_EXCLUDE: RecordingRuleType
RECORDED_KIND_UNSPECIFIED: RecordedKind
RECORDED_KIND_AUDIO: RecordedKind
RECORDED_KIND_VIDEO: RecordedKind

class RecordingRule(_message.Message):
    __slots__ = ("type", "all", "kind", "publisher", "track")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    type: RecordingRuleType
    all: bool
    kind: RecordedKind
    publisher: str
    track: str
    def __init__(self, type: _Optional[_Union[RecordingRuleType, str]] = ..., all: _Optional[bool] = ..., kind: _Optional[_Union[RecordedKind, str]] = ..., publisher: _Optional[str] = ..., track: _Optional[str] = ...) -> None: ...
