import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
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

class FollowedBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FOLLOWED_BY_UNSPECIFIED: _ClassVar[FollowedBy]
    FOLLOWED_BY_CALLBACKS: _ClassVar[FollowedBy]
    FOLLOWED_BY_POLLED: _ClassVar[FollowedBy]
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
FOLLOWED_BY_UNSPECIFIED: FollowedBy
FOLLOWED_BY_CALLBACKS: FollowedBy
FOLLOWED_BY_POLLED: FollowedBy

class UnknownWord(_message.Message):
    __slots__ = ("field", "word")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    field: str
    word: str
    def __init__(self, field: _Optional[str] = ..., word: _Optional[str] = ...) -> None: ...

class Room(_message.Message):
    __slots__ = ("sid", "account_sid", "status", "type", "unique_name", "date_created", "date_updated", "end_time", "duration", "status_callback", "status_callback_method", "max_participants", "max_participant_duration", "max_concurrent_published_tracks", "empty_room_timeout", "unused_room_timeout", "record_participants_on_connect", "video_codecs", "media_region", "audio_only", "large_room", "url", "links", "freshness", "as_of", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    DATE_CREATED_FIELD_NUMBER: _ClassVar[int]
    DATE_UPDATED_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_FIELD_NUMBER: _ClassVar[int]
    STATUS_CALLBACK_METHOD_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANT_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_PUBLISHED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    EMPTY_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RECORD_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    VIDEO_CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ONLY_FIELD_NUMBER: _ClassVar[int]
    LARGE_ROOM_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    account_sid: str
    status: RoomStatus
    type: RoomType
    unique_name: str
    date_created: _timestamp_pb2.Timestamp
    date_updated: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    duration: int
    status_callback: str
    status_callback_method: str
    max_participants: int
    max_participant_duration: int
    max_concurrent_published_tracks: int
    empty_room_timeout: int
    unused_room_timeout: int
    record_participants_on_connect: bool
    video_codecs: _containers.RepeatedScalarFieldContainer[VideoCodec]
    media_region: str
    audio_only: bool
    large_room: bool
    url: str
    links: RoomLinks
    freshness: Freshness
    as_of: str
    unknown_words: _containers.RepeatedCompositeFieldContainer[UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., status: _Optional[_Union[RoomStatus, str]] = ..., type: _Optional[_Union[RoomType, str]] = ..., unique_name: _Optional[str] = ..., date_created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., date_updated: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[int] = ..., status_callback: _Optional[str] = ..., status_callback_method: _Optional[str] = ..., max_participants: _Optional[int] = ..., max_participant_duration: _Optional[int] = ..., max_concurrent_published_tracks: _Optional[int] = ..., empty_room_timeout: _Optional[int] = ..., unused_room_timeout: _Optional[int] = ..., record_participants_on_connect: _Optional[bool] = ..., video_codecs: _Optional[_Iterable[_Union[VideoCodec, str]]] = ..., media_region: _Optional[str] = ..., audio_only: _Optional[bool] = ..., large_room: _Optional[bool] = ..., url: _Optional[str] = ..., links: _Optional[_Union[RoomLinks, _Mapping]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ..., as_of: _Optional[str] = ..., unknown_words: _Optional[_Iterable[_Union[UnknownWord, _Mapping]]] = ...) -> None: ...

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

class Freshness(_message.Message):
    __slots__ = ("fetched_at", "is_stale", "source")
    FETCHED_AT_FIELD_NUMBER: _ClassVar[int]
    IS_STALE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    fetched_at: _timestamp_pb2.Timestamp
    is_stale: bool
    source: FollowedBy
    def __init__(self, fetched_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_stale: _Optional[bool] = ..., source: _Optional[_Union[FollowedBy, str]] = ...) -> None: ...
