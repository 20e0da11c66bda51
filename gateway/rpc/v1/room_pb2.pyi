import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoomStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_STATUS_UNSPECIFIED: _ClassVar[RoomStatus]
    ROOM_STATUS_IN_PROGRESS: _ClassVar[RoomStatus]
    ROOM_STATUS_COMPLETED: _ClassVar[RoomStatus]
    ROOM_STATUS_FAILED: _ClassVar[RoomStatus]
    ROOM_STATUS_UNKNOWN: _ClassVar[RoomStatus]

class RoomType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_TYPE_UNSPECIFIED: _ClassVar[RoomType]
    ROOM_TYPE_GROUP: _ClassVar[RoomType]
    ROOM_TYPE_GROUP_SMALL: _ClassVar[RoomType]
    ROOM_TYPE_PEER_TO_PEER: _ClassVar[RoomType]
    ROOM_TYPE_GO: _ClassVar[RoomType]
    ROOM_TYPE_UNKNOWN: _ClassVar[RoomType]

class VideoCodec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIDEO_CODEC_UNSPECIFIED: _ClassVar[VideoCodec]
    VIDEO_CODEC_VP8: _ClassVar[VideoCodec]
    VIDEO_CODEC_H264: _ClassVar[VideoCodec]
    VIDEO_CODEC_UNKNOWN: _ClassVar[VideoCodec]

class HttpMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HTTP_METHOD_UNSPECIFIED: _ClassVar[HttpMethod]
    HTTP_METHOD_GET: _ClassVar[HttpMethod]
    HTTP_METHOD_POST: _ClassVar[HttpMethod]
    HTTP_METHOD_HEAD: _ClassVar[HttpMethod]
    HTTP_METHOD_PUT: _ClassVar[HttpMethod]
    HTTP_METHOD_PATCH: _ClassVar[HttpMethod]
    HTTP_METHOD_DELETE: _ClassVar[HttpMethod]
    HTTP_METHOD_UNKNOWN: _ClassVar[HttpMethod]

class FreshnessSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRESHNESS_SOURCE_UNSPECIFIED: _ClassVar[FreshnessSource]
    FRESHNESS_SOURCE_CALLBACKS: _ClassVar[FreshnessSource]
    FRESHNESS_SOURCE_POLLED: _ClassVar[FreshnessSource]
ROOM_STATUS_UNSPECIFIED: RoomStatus
ROOM_STATUS_IN_PROGRESS: RoomStatus
ROOM_STATUS_COMPLETED: RoomStatus
ROOM_STATUS_FAILED: RoomStatus
ROOM_STATUS_UNKNOWN: RoomStatus
ROOM_TYPE_UNSPECIFIED: RoomType
ROOM_TYPE_GROUP: RoomType
ROOM_TYPE_GROUP_SMALL: RoomType
ROOM_TYPE_PEER_TO_PEER: RoomType
ROOM_TYPE_GO: RoomType
ROOM_TYPE_UNKNOWN: RoomType
VIDEO_CODEC_UNSPECIFIED: VideoCodec
VIDEO_CODEC_VP8: VideoCodec
VIDEO_CODEC_H264: VideoCodec
VIDEO_CODEC_UNKNOWN: VideoCodec
HTTP_METHOD_UNSPECIFIED: HttpMethod
HTTP_METHOD_GET: HttpMethod
HTTP_METHOD_POST: HttpMethod
HTTP_METHOD_HEAD: HttpMethod
HTTP_METHOD_PUT: HttpMethod
HTTP_METHOD_PATCH: HttpMethod
HTTP_METHOD_DELETE: HttpMethod
HTTP_METHOD_UNKNOWN: HttpMethod
FRESHNESS_SOURCE_UNSPECIFIED: FreshnessSource
FRESHNESS_SOURCE_CALLBACKS: FreshnessSource
FRESHNESS_SOURCE_POLLED: FreshnessSource

class UnknownWord(_message.Message):
    __slots__ = ("field", "word")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    field: str
    word: str
    def __init__(self, field: _Optional[str] = ..., word: _Optional[str] = ...) -> None: ...

class Freshness(_message.Message):
    __slots__ = ("fetch_time", "stale", "source")
    FETCH_TIME_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    fetch_time: _timestamp_pb2.Timestamp
    stale: bool
    source: FreshnessSource
    def __init__(self, fetch_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stale: _Optional[bool] = ..., source: _Optional[_Union[FreshnessSource, str]] = ...) -> None: ...

class Room(_message.Message):
    __slots__ = ("sid", "account_sid", "unique_name", "status", "type", "create_time", "update_time", "end_time", "duration", "max_participants", "max_participant_duration", "empty_room_timeout", "unused_room_timeout", "max_concurrent_published_tracks", "record_participants_on_connect", "video_codecs", "media_region", "audio_only", "large_room", "twilio", "freshness", "as_of", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANT_DURATION_FIELD_NUMBER: _ClassVar[int]
    EMPTY_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_PUBLISHED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    RECORD_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    VIDEO_CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ONLY_FIELD_NUMBER: _ClassVar[int]
    LARGE_ROOM_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    account_sid: str
    unique_name: str
    status: RoomStatus
    type: RoomType
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    max_participants: int
    max_participant_duration: _duration_pb2.Duration
    empty_room_timeout: _duration_pb2.Duration
    unused_room_timeout: _duration_pb2.Duration
    max_concurrent_published_tracks: int
    record_participants_on_connect: bool
    video_codecs: _containers.RepeatedScalarFieldContainer[VideoCodec]
    media_region: str
    audio_only: bool
    large_room: bool
    twilio: RoomTwilioDetails
    freshness: Freshness
    as_of: str
    unknown_words: _containers.RepeatedCompositeFieldContainer[UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., unique_name: _Optional[str] = ..., status: _Optional[_Union[RoomStatus, str]] = ..., type: _Optional[_Union[RoomType, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_participants: _Optional[int] = ..., max_participant_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., empty_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unused_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_concurrent_published_tracks: _Optional[int] = ..., record_participants_on_connect: _Optional[bool] = ..., video_codecs: _Optional[_Iterable[_Union[VideoCodec, str]]] = ..., media_region: _Optional[str] = ..., audio_only: _Optional[bool] = ..., large_room: _Optional[bool] = ..., twilio: _Optional[_Union[RoomTwilioDetails, _Mapping]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ..., as_of: _Optional[str] = ..., unknown_words: _Optional[_Iterable[_Union[UnknownWord, _Mapping]]] = ...) -> None: ...

class RoomTwilioDetails(_message.Message):
    __slots__ = ("url", "links", "status_callback", "status_callback_method")
    URL_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_METHOD_FIELD_NUMBER: _ClassVar[int]
    url: str
    links: RoomLinks
    status_callback: str
    status_callback_method: HttpMethod
    def __init__(self, url: _Optional[str] = ..., links: _Optional[_Union[RoomLinks, _Mapping]] = ..., status_callback: _Optional[str] = ..., status_callback_method: _Optional[_Union[HttpMethod, str]] = ...) -> None: ...

class RoomLinks(_message.Message):
    __slots__ = ("participants", "recordings", "recording_rules", "transcriptions")
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    RECORDING_RULES_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    participants: str
    recordings: str
    recording_rules: str
    transcriptions: str
    def __init__(self, participants: _Optional[str] = ..., recordings: _Optional[str] = ..., recording_rules: _Optional[str] = ..., transcriptions: _Optional[str] = ...) -> None: ...
