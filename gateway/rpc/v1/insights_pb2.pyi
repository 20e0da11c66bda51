import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import recording_pb2 as _recording_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoomCreatedMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_CREATED_METHOD_UNSPECIFIED: _ClassVar[RoomCreatedMethod]
    ROOM_CREATED_METHOD_SDK: _ClassVar[RoomCreatedMethod]
    ROOM_CREATED_METHOD_AD_HOC: _ClassVar[RoomCreatedMethod]
    ROOM_CREATED_METHOD_API: _ClassVar[RoomCreatedMethod]
    ROOM_CREATED_METHOD_UNKNOWN: _ClassVar[RoomCreatedMethod]

class RoomEndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_END_REASON_UNSPECIFIED: _ClassVar[RoomEndReason]
    ROOM_END_REASON_API: _ClassVar[RoomEndReason]
    ROOM_END_REASON_TIMEOUT: _ClassVar[RoomEndReason]
    ROOM_END_REASON_UNKNOWN: _ClassVar[RoomEndReason]

class InsightsProcessingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSIGHTS_PROCESSING_STATE_UNSPECIFIED: _ClassVar[InsightsProcessingState]
    INSIGHTS_PROCESSING_STATE_NOT_STARTED: _ClassVar[InsightsProcessingState]
    INSIGHTS_PROCESSING_STATE_IN_PROGRESS: _ClassVar[InsightsProcessingState]
    INSIGHTS_PROCESSING_STATE_COMPLETE: _ClassVar[InsightsProcessingState]
    INSIGHTS_PROCESSING_STATE_TIMEOUT: _ClassVar[InsightsProcessingState]
    INSIGHTS_PROCESSING_STATE_UNKNOWN: _ClassVar[InsightsProcessingState]

class EdgeLocation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EDGE_LOCATION_UNSPECIFIED: _ClassVar[EdgeLocation]
    EDGE_LOCATION_ASHBURN: _ClassVar[EdgeLocation]
    EDGE_LOCATION_DUBLIN: _ClassVar[EdgeLocation]
    EDGE_LOCATION_FRANKFURT: _ClassVar[EdgeLocation]
    EDGE_LOCATION_SINGAPORE: _ClassVar[EdgeLocation]
    EDGE_LOCATION_SYDNEY: _ClassVar[EdgeLocation]
    EDGE_LOCATION_SAO_PAULO: _ClassVar[EdgeLocation]
    EDGE_LOCATION_ROAMING: _ClassVar[EdgeLocation]
    EDGE_LOCATION_UMATILLA: _ClassVar[EdgeLocation]
    EDGE_LOCATION_TOKYO: _ClassVar[EdgeLocation]
    EDGE_LOCATION_UNKNOWN: _ClassVar[EdgeLocation]

class InsightsParticipantStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSIGHTS_PARTICIPANT_STATUS_UNSPECIFIED: _ClassVar[InsightsParticipantStatus]
    INSIGHTS_PARTICIPANT_STATUS_IN_PROGRESS: _ClassVar[InsightsParticipantStatus]
    INSIGHTS_PARTICIPANT_STATUS_CONNECTED: _ClassVar[InsightsParticipantStatus]
    INSIGHTS_PARTICIPANT_STATUS_COMPLETED: _ClassVar[InsightsParticipantStatus]
    INSIGHTS_PARTICIPANT_STATUS_DISCONNECTED: _ClassVar[InsightsParticipantStatus]
    INSIGHTS_PARTICIPANT_STATUS_UNKNOWN: _ClassVar[InsightsParticipantStatus]
ROOM_CREATED_METHOD_UNSPECIFIED: RoomCreatedMethod
ROOM_CREATED_METHOD_SDK: RoomCreatedMethod
ROOM_CREATED_METHOD_AD_HOC: RoomCreatedMethod
ROOM_CREATED_METHOD_API: RoomCreatedMethod
ROOM_CREATED_METHOD_UNKNOWN: RoomCreatedMethod
ROOM_END_REASON_UNSPECIFIED: RoomEndReason
ROOM_END_REASON_API: RoomEndReason
ROOM_END_REASON_TIMEOUT: RoomEndReason
ROOM_END_REASON_UNKNOWN: RoomEndReason
INSIGHTS_PROCESSING_STATE_UNSPECIFIED: InsightsProcessingState
INSIGHTS_PROCESSING_STATE_NOT_STARTED: InsightsProcessingState
INSIGHTS_PROCESSING_STATE_IN_PROGRESS: InsightsProcessingState
INSIGHTS_PROCESSING_STATE_COMPLETE: InsightsProcessingState
INSIGHTS_PROCESSING_STATE_TIMEOUT: InsightsProcessingState
INSIGHTS_PROCESSING_STATE_UNKNOWN: InsightsProcessingState
EDGE_LOCATION_UNSPECIFIED: EdgeLocation
EDGE_LOCATION_ASHBURN: EdgeLocation
EDGE_LOCATION_DUBLIN: EdgeLocation
EDGE_LOCATION_FRANKFURT: EdgeLocation
EDGE_LOCATION_SINGAPORE: EdgeLocation
EDGE_LOCATION_SYDNEY: EdgeLocation
EDGE_LOCATION_SAO_PAULO: EdgeLocation
EDGE_LOCATION_ROAMING: EdgeLocation
EDGE_LOCATION_UMATILLA: EdgeLocation
EDGE_LOCATION_TOKYO: EdgeLocation
EDGE_LOCATION_UNKNOWN: EdgeLocation
INSIGHTS_PARTICIPANT_STATUS_UNSPECIFIED: InsightsParticipantStatus
INSIGHTS_PARTICIPANT_STATUS_IN_PROGRESS: InsightsParticipantStatus
INSIGHTS_PARTICIPANT_STATUS_CONNECTED: InsightsParticipantStatus
INSIGHTS_PARTICIPANT_STATUS_COMPLETED: InsightsParticipantStatus
INSIGHTS_PARTICIPANT_STATUS_DISCONNECTED: InsightsParticipantStatus
INSIGHTS_PARTICIPANT_STATUS_UNKNOWN: InsightsParticipantStatus

class InsightsRoom(_message.Message):
    __slots__ = ("room_sid", "account_sid", "room_name", "room_type", "room_status", "create_time", "end_time", "created_method", "end_reason", "max_participants", "unique_participants", "unique_participant_identities", "concurrent_participants", "max_concurrent_participants", "codecs", "media_region", "edge_location", "duration", "total_participant_duration", "total_recording_duration", "processing_state", "recording_enabled", "twilio", "unknown_words")
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_NAME_FIELD_NUMBER: _ClassVar[int]
    ROOM_TYPE_FIELD_NUMBER: _ClassVar[int]
    ROOM_STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_METHOD_FIELD_NUMBER: _ClassVar[int]
    END_REASON_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_PARTICIPANT_IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    EDGE_LOCATION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PARTICIPANT_DURATION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RECORDING_DURATION_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_STATE_FIELD_NUMBER: _ClassVar[int]
    RECORDING_ENABLED_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    room_sid: str
    account_sid: str
    room_name: str
    room_type: _room_pb2.RoomType
    room_status: _room_pb2.RoomStatus
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    created_method: RoomCreatedMethod
    end_reason: RoomEndReason
    max_participants: int
    unique_participants: int
    unique_participant_identities: int
    concurrent_participants: int
    max_concurrent_participants: int
    codecs: _containers.RepeatedScalarFieldContainer[_recording_pb2.MediaCodec]
    media_region: str
    edge_location: EdgeLocation
    duration: _duration_pb2.Duration
    total_participant_duration: _duration_pb2.Duration
    total_recording_duration: _duration_pb2.Duration
    processing_state: InsightsProcessingState
    recording_enabled: bool
    twilio: InsightsRoomTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, room_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., room_name: _Optional[str] = ..., room_type: _Optional[_Union[_room_pb2.RoomType, str]] = ..., room_status: _Optional[_Union[_room_pb2.RoomStatus, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_method: _Optional[_Union[RoomCreatedMethod, str]] = ..., end_reason: _Optional[_Union[RoomEndReason, str]] = ..., max_participants: _Optional[int] = ..., unique_participants: _Optional[int] = ..., unique_participant_identities: _Optional[int] = ..., concurrent_participants: _Optional[int] = ..., max_concurrent_participants: _Optional[int] = ..., codecs: _Optional[_Iterable[_Union[_recording_pb2.MediaCodec, str]]] = ..., media_region: _Optional[str] = ..., edge_location: _Optional[_Union[EdgeLocation, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_participant_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_recording_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., processing_state: _Optional[_Union[InsightsProcessingState, str]] = ..., recording_enabled: _Optional[bool] = ..., twilio: _Optional[_Union[InsightsRoomTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class InsightsRoomTwilioDetails(_message.Message):
    __slots__ = ("url", "links", "status_callback", "status_callback_method")
    URL_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_METHOD_FIELD_NUMBER: _ClassVar[int]
    url: str
    links: InsightsLinks
    status_callback: str
    status_callback_method: _room_pb2.HttpMethod
    def __init__(self, url: _Optional[str] = ..., links: _Optional[_Union[InsightsLinks, _Mapping]] = ..., status_callback: _Optional[str] = ..., status_callback_method: _Optional[_Union[_room_pb2.HttpMethod, str]] = ...) -> None: ...

class InsightsLinks(_message.Message):
    __slots__ = ("participants",)
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    participants: str
    def __init__(self, participants: _Optional[str] = ...) -> None: ...

class InsightsParticipant(_message.Message):
    __slots__ = ("participant_sid", "room_sid", "account_sid", "participant_identity", "status", "join_time", "leave_time", "duration", "end_reason", "error_code", "error_code_url", "codecs", "media_region", "edge_location", "properties", "publisher_info", "twilio", "unknown_words")
    PARTICIPANT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    LEAVE_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    END_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_URL_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    EDGE_LOCATION_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_INFO_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    participant_sid: str
    room_sid: str
    account_sid: str
    participant_identity: str
    status: InsightsParticipantStatus
    join_time: _timestamp_pb2.Timestamp
    leave_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    end_reason: str
    error_code: int
    error_code_url: str
    codecs: _containers.RepeatedScalarFieldContainer[_recording_pb2.MediaCodec]
    media_region: str
    edge_location: EdgeLocation
    properties: _struct_pb2.Struct
    publisher_info: _struct_pb2.Struct
    twilio: InsightsParticipantTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, participant_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., participant_identity: _Optional[str] = ..., status: _Optional[_Union[InsightsParticipantStatus, str]] = ..., join_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., leave_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_reason: _Optional[str] = ..., error_code: _Optional[int] = ..., error_code_url: _Optional[str] = ..., codecs: _Optional[_Iterable[_Union[_recording_pb2.MediaCodec, str]]] = ..., media_region: _Optional[str] = ..., edge_location: _Optional[_Union[EdgeLocation, str]] = ..., properties: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., publisher_info: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., twilio: _Optional[_Union[InsightsParticipantTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class InsightsParticipantTwilioDetails(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...
