from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrackRuleEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACK_RULE_EFFECT_UNSPECIFIED: _ClassVar[TrackRuleEffect]
    TRACK_RULE_EFFECT_INCLUDE: _ClassVar[TrackRuleEffect]
    TRACK_RULE_EFFECT_EXCLUDE: _ClassVar[TrackRuleEffect]
    TRACK_RULE_EFFECT_UNKNOWN: _ClassVar[TrackRuleEffect]

class TrackKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACK_KIND_UNSPECIFIED: _ClassVar[TrackKind]
    TRACK_KIND_AUDIO: _ClassVar[TrackKind]
    TRACK_KIND_VIDEO: _ClassVar[TrackKind]
    TRACK_KIND_DATA: _ClassVar[TrackKind]
    TRACK_KIND_UNKNOWN: _ClassVar[TrackKind]

class TrackPriority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACK_PRIORITY_UNSPECIFIED: _ClassVar[TrackPriority]
    TRACK_PRIORITY_HIGH: _ClassVar[TrackPriority]
    TRACK_PRIORITY_STANDARD: _ClassVar[TrackPriority]
    TRACK_PRIORITY_LOW: _ClassVar[TrackPriority]
    TRACK_PRIORITY_UNKNOWN: _ClassVar[TrackPriority]
TRACK_RULE_EFFECT_UNSPECIFIED: TrackRuleEffect
TRACK_RULE_EFFECT_INCLUDE: TrackRuleEffect
TRACK_RULE_EFFECT_EXCLUDE: TrackRuleEffect
TRACK_RULE_EFFECT_UNKNOWN: TrackRuleEffect
TRACK_KIND_UNSPECIFIED: TrackKind
TRACK_KIND_AUDIO: TrackKind
TRACK_KIND_VIDEO: TrackKind
TRACK_KIND_DATA: TrackKind
TRACK_KIND_UNKNOWN: TrackKind
TRACK_PRIORITY_UNSPECIFIED: TrackPriority
TRACK_PRIORITY_HIGH: TrackPriority
TRACK_PRIORITY_STANDARD: TrackPriority
TRACK_PRIORITY_LOW: TrackPriority
TRACK_PRIORITY_UNKNOWN: TrackPriority

class TrackRule(_message.Message):
    __slots__ = ("effect", "all", "kind", "publisher", "track", "priority")
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    effect: TrackRuleEffect
    all: bool
    kind: TrackKind
    publisher: str
    track: str
    priority: TrackPriority
    def __init__(self, effect: _Optional[_Union[TrackRuleEffect, str]] = ..., all: _Optional[bool] = ..., kind: _Optional[_Union[TrackKind, str]] = ..., publisher: _Optional[str] = ..., track: _Optional[str] = ..., priority: _Optional[_Union[TrackPriority, str]] = ...) -> None: ...
