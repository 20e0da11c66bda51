import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import recording_pb2 as _recording_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from gateway.rpc.v1 import rule_pb2 as _rule_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRoomRecordingsRequest(_message.Message):
    __slots__ = ("room", "page_size", "page_token", "statuses", "source_sid", "created_after", "created_before", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_recording_pb2.RecordingStatus]
    source_sid: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_recording_pb2.RecordingStatus, str]]] = ..., source_sid: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRoomRecordingsResponse(_message.Message):
    __slots__ = ("recordings", "next_page_token", "freshness", "as_of")
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    recordings: _containers.RepeatedCompositeFieldContainer[_recording_pb2.Recording]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, recordings: _Optional[_Iterable[_Union[_recording_pb2.Recording, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetRoomRecordingRequest(_message.Message):
    __slots__ = ("room", "recording", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    recording: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., recording: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRoomRecordingResponse(_message.Message):
    __slots__ = ("recording", "freshness", "as_of")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    recording: _recording_pb2.Recording
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, recording: _Optional[_Union[_recording_pb2.Recording, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class DeleteRoomRecordingRequest(_message.Message):
    __slots__ = ("room", "recording")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    room: str
    recording: str
    def __init__(self, room: _Optional[str] = ..., recording: _Optional[str] = ...) -> None: ...

class DeleteRoomRecordingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRecordingsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "statuses", "source_sid", "created_after", "created_before", "grouping_sids", "media_type", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GROUPING_SIDS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_recording_pb2.RecordingStatus]
    source_sid: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    grouping_sids: _containers.RepeatedScalarFieldContainer[str]
    media_type: _rule_pb2.TrackKind
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_recording_pb2.RecordingStatus, str]]] = ..., source_sid: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., grouping_sids: _Optional[_Iterable[str]] = ..., media_type: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRecordingsResponse(_message.Message):
    __slots__ = ("recordings", "next_page_token", "freshness", "as_of")
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    recordings: _containers.RepeatedCompositeFieldContainer[_recording_pb2.Recording]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, recordings: _Optional[_Iterable[_Union[_recording_pb2.Recording, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetRecordingRequest(_message.Message):
    __slots__ = ("recording", "read_mask")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    recording: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, recording: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRecordingResponse(_message.Message):
    __slots__ = ("recording", "freshness", "as_of")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    recording: _recording_pb2.Recording
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, recording: _Optional[_Union[_recording_pb2.Recording, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class DeleteRecordingRequest(_message.Message):
    __slots__ = ("recording",)
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    recording: str
    def __init__(self, recording: _Optional[str] = ...) -> None: ...

class DeleteRecordingResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRecordingMediaRequest(_message.Message):
    __slots__ = ("recording", "read_mask")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    recording: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, recording: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRecordingMediaResponse(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: _recording_pb2.RecordingMedia
    def __init__(self, media: _Optional[_Union[_recording_pb2.RecordingMedia, _Mapping]] = ...) -> None: ...

class GetRecordingRulesRequest(_message.Message):
    __slots__ = ("room", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRecordingRulesResponse(_message.Message):
    __slots__ = ("recording_rules", "freshness", "as_of")
    RECORDING_RULES_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    recording_rules: _recording_pb2.RecordingRules
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, recording_rules: _Optional[_Union[_recording_pb2.RecordingRules, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class UpdateRecordingRulesRequest(_message.Message):
    __slots__ = ("room", "rules")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    room: str
    rules: _containers.RepeatedCompositeFieldContainer[_recording_pb2.RecordingRule]
    def __init__(self, room: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[_recording_pb2.RecordingRule, _Mapping]]] = ...) -> None: ...

class UpdateRecordingRulesResponse(_message.Message):
    __slots__ = ("recording_rules",)
    RECORDING_RULES_FIELD_NUMBER: _ClassVar[int]
    recording_rules: _recording_pb2.RecordingRules
    def __init__(self, recording_rules: _Optional[_Union[_recording_pb2.RecordingRules, _Mapping]] = ...) -> None: ...
