import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import insights_pb2 as _insights_pb2
from gateway.rpc.v1 import recording_pb2 as _recording_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListInsightsRoomsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "room_types", "codecs", "room_name", "created_after", "created_before", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROOM_TYPES_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    ROOM_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    room_types: _containers.RepeatedScalarFieldContainer[_room_pb2.RoomType]
    codecs: _containers.RepeatedScalarFieldContainer[_recording_pb2.MediaCodec]
    room_name: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., room_types: _Optional[_Iterable[_Union[_room_pb2.RoomType, str]]] = ..., codecs: _Optional[_Iterable[_Union[_recording_pb2.MediaCodec, str]]] = ..., room_name: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListInsightsRoomsResponse(_message.Message):
    __slots__ = ("rooms", "next_page_token", "freshness", "as_of")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[_insights_pb2.InsightsRoom]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, rooms: _Optional[_Iterable[_Union[_insights_pb2.InsightsRoom, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetInsightsRoomRequest(_message.Message):
    __slots__ = ("room", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetInsightsRoomResponse(_message.Message):
    __slots__ = ("room", "freshness", "as_of")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    room: _insights_pb2.InsightsRoom
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, room: _Optional[_Union[_insights_pb2.InsightsRoom, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class ListInsightsParticipantsRequest(_message.Message):
    __slots__ = ("room", "page_size", "page_token", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListInsightsParticipantsResponse(_message.Message):
    __slots__ = ("participants", "next_page_token", "freshness", "as_of")
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    participants: _containers.RepeatedCompositeFieldContainer[_insights_pb2.InsightsParticipant]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, participants: _Optional[_Iterable[_Union[_insights_pb2.InsightsParticipant, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetInsightsParticipantRequest(_message.Message):
    __slots__ = ("room", "participant", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetInsightsParticipantResponse(_message.Message):
    __slots__ = ("participant", "freshness", "as_of")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    participant: _insights_pb2.InsightsParticipant
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, participant: _Optional[_Union[_insights_pb2.InsightsParticipant, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...
