import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rooms_gateway.v1 import room_pb2 as _room_pb2
from rooms_gateway.v1 import rule_pb2 as _rule_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORDING_STATUS_UNSPECIFIED: _ClassVar[RecordingStatus]
    RECORDING_STATUS_PROCESSING: _ClassVar[RecordingStatus]
    RECORDING_STATUS_COMPLETED: _ClassVar[RecordingStatus]
    RECORDING_STATUS_DELETED: _ClassVar[RecordingStatus]
    RECORDING_STATUS_FAILED: _ClassVar[RecordingStatus]
    RECORDING_STATUS_UNKNOWN: _ClassVar[RecordingStatus]

class ContainerFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTAINER_FORMAT_UNSPECIFIED: _ClassVar[ContainerFormat]
    CONTAINER_FORMAT_MKA: _ClassVar[ContainerFormat]
    CONTAINER_FORMAT_MKV: _ClassVar[ContainerFormat]
    CONTAINER_FORMAT_UNKNOWN: _ClassVar[ContainerFormat]

class MediaCodec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDIA_CODEC_UNSPECIFIED: _ClassVar[MediaCodec]
    MEDIA_CODEC_VP8: _ClassVar[MediaCodec]
    MEDIA_CODEC_VP9: _ClassVar[MediaCodec]
    MEDIA_CODEC_H264: _ClassVar[MediaCodec]
    MEDIA_CODEC_OPUS: _ClassVar[MediaCodec]
    MEDIA_CODEC_PCMU: _ClassVar[MediaCodec]
    MEDIA_CODEC_UNKNOWN: _ClassVar[MediaCodec]
RECORDING_STATUS_UNSPECIFIED: RecordingStatus
RECORDING_STATUS_PROCESSING: RecordingStatus
RECORDING_STATUS_COMPLETED: RecordingStatus
RECORDING_STATUS_DELETED: RecordingStatus
RECORDING_STATUS_FAILED: RecordingStatus
RECORDING_STATUS_UNKNOWN: RecordingStatus
CONTAINER_FORMAT_UNSPECIFIED: ContainerFormat
CONTAINER_FORMAT_MKA: ContainerFormat
CONTAINER_FORMAT_MKV: ContainerFormat
CONTAINER_FORMAT_UNKNOWN: ContainerFormat
MEDIA_CODEC_UNSPECIFIED: MediaCodec
MEDIA_CODEC_VP8: MediaCodec
MEDIA_CODEC_VP9: MediaCodec
MEDIA_CODEC_H264: MediaCodec
MEDIA_CODEC_OPUS: MediaCodec
MEDIA_CODEC_PCMU: MediaCodec
MEDIA_CODEC_UNKNOWN: MediaCodec

class RecordingRule(_message.Message):
    __slots__ = ("effect", "all", "kind", "publisher", "track")
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    effect: _rule_pb2.TrackRuleEffect
    all: bool
    kind: _rule_pb2.TrackKind
    publisher: str
    track: str
    def __init__(self, effect: _Optional[_Union[_rule_pb2.TrackRuleEffect, str]] = ..., all: _Optional[bool] = ..., kind: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., publisher: _Optional[str] = ..., track: _Optional[str] = ...) -> None: ...

class RecordingRules(_message.Message):
    __slots__ = ("room_sid", "rules", "create_time", "update_time", "unknown_words")
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    room_sid: str
    rules: _containers.RepeatedCompositeFieldContainer[_rule_pb2.TrackRule]
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, room_sid: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[_rule_pb2.TrackRule, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class Recording(_message.Message):
    __slots__ = ("sid", "account_sid", "room_sid", "status", "type", "source_sid", "track_name", "container_format", "codec", "size_bytes", "duration", "offset", "create_time", "grouping_sids", "media_external_location", "twilio", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SID_FIELD_NUMBER: _ClassVar[int]
    TRACK_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FORMAT_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUPING_SIDS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_EXTERNAL_LOCATION_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    account_sid: str
    room_sid: str
    status: RecordingStatus
    type: _rule_pb2.TrackKind
    source_sid: str
    track_name: str
    container_format: ContainerFormat
    codec: MediaCodec
    size_bytes: int
    duration: _duration_pb2.Duration
    offset: _duration_pb2.Duration
    create_time: _timestamp_pb2.Timestamp
    grouping_sids: GroupingSids
    media_external_location: str
    twilio: RecordingTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., status: _Optional[_Union[RecordingStatus, str]] = ..., type: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., source_sid: _Optional[str] = ..., track_name: _Optional[str] = ..., container_format: _Optional[_Union[ContainerFormat, str]] = ..., codec: _Optional[_Union[MediaCodec, str]] = ..., size_bytes: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., grouping_sids: _Optional[_Union[GroupingSids, _Mapping]] = ..., media_external_location: _Optional[str] = ..., twilio: _Optional[_Union[RecordingTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class GroupingSids(_message.Message):
    __slots__ = ("room_sid", "participant_sid")
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_SID_FIELD_NUMBER: _ClassVar[int]
    room_sid: str
    participant_sid: str
    def __init__(self, room_sid: _Optional[str] = ..., participant_sid: _Optional[str] = ...) -> None: ...

class RecordingTwilioDetails(_message.Message):
    __slots__ = ("url", "links", "status_callback", "status_callback_method")
    URL_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_METHOD_FIELD_NUMBER: _ClassVar[int]
    url: str
    links: RecordingLinks
    status_callback: str
    status_callback_method: _room_pb2.HttpMethod
    def __init__(self, url: _Optional[str] = ..., links: _Optional[_Union[RecordingLinks, _Mapping]] = ..., status_callback: _Optional[str] = ..., status_callback_method: _Optional[_Union[_room_pb2.HttpMethod, str]] = ...) -> None: ...

class RecordingLinks(_message.Message):
    __slots__ = ("media",)
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    media: str
    def __init__(self, media: _Optional[str] = ...) -> None: ...

class RecordingMedia(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...
