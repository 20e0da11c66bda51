import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rooms_gateway.v1 import events_pb2 as _events_pb2
from rooms_gateway.v1 import participant_pb2 as _participant_pb2
from rooms_gateway.v1 import recording_pb2 as _recording_pb2
from rooms_gateway.v1 import room_pb2 as _room_pb2
from rooms_gateway.v1 import transcription_pb2 as _transcription_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetRoomRequest(_message.Message):
    __slots__ = ("room", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRoomResponse(_message.Message):
    __slots__ = ("room",)
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: _room_pb2.Room
    def __init__(self, room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ...) -> None: ...

class BatchGetRoomsRequest(_message.Message):
    __slots__ = ("rooms", "read_mask")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedScalarFieldContainer[str]
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, rooms: _Optional[_Iterable[str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchGetRoomsResponse(_message.Message):
    __slots__ = ("rooms", "missing")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[_room_pb2.Room]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rooms: _Optional[_Iterable[_Union[_room_pb2.Room, _Mapping]]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class ListRoomsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "statuses", "unique_name", "created_after", "created_before", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_room_pb2.RoomStatus]
    unique_name: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_room_pb2.RoomStatus, str]]] = ..., unique_name: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRoomsResponse(_message.Message):
    __slots__ = ("rooms", "next_page_token", "freshness", "as_of")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[_room_pb2.Room]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, rooms: _Optional[_Iterable[_Union[_room_pb2.Room, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class CreateRoomRequest(_message.Message):
    __slots__ = ("unique_name", "type", "max_participants", "max_participant_duration", "empty_room_timeout", "unused_room_timeout", "record_participants_on_connect", "recording_rules", "video_codecs", "media_region", "audio_only", "transcribe_participants_on_connect", "transcriptions_configuration", "large_room", "request_id")
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANT_DURATION_FIELD_NUMBER: _ClassVar[int]
    EMPTY_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RECORD_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    RECORDING_RULES_FIELD_NUMBER: _ClassVar[int]
    VIDEO_CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ONLY_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBE_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTIONS_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    LARGE_ROOM_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    unique_name: str
    type: _room_pb2.RoomType
    max_participants: int
    max_participant_duration: _duration_pb2.Duration
    empty_room_timeout: _duration_pb2.Duration
    unused_room_timeout: _duration_pb2.Duration
    record_participants_on_connect: bool
    recording_rules: _containers.RepeatedCompositeFieldContainer[_recording_pb2.RecordingRule]
    video_codecs: _containers.RepeatedScalarFieldContainer[_room_pb2.VideoCodec]
    media_region: str
    audio_only: bool
    transcribe_participants_on_connect: bool
    transcriptions_configuration: _transcription_pb2.TranscriptionsConfiguration
    large_room: bool
    request_id: str
    def __init__(self, unique_name: _Optional[str] = ..., type: _Optional[_Union[_room_pb2.RoomType, str]] = ..., max_participants: _Optional[int] = ..., max_participant_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., empty_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unused_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., record_participants_on_connect: _Optional[bool] = ..., recording_rules: _Optional[_Iterable[_Union[_recording_pb2.RecordingRule, _Mapping]]] = ..., video_codecs: _Optional[_Iterable[_Union[_room_pb2.VideoCodec, str]]] = ..., media_region: _Optional[str] = ..., audio_only: _Optional[bool] = ..., transcribe_participants_on_connect: _Optional[bool] = ..., transcriptions_configuration: _Optional[_Union[_transcription_pb2.TranscriptionsConfiguration, _Mapping]] = ..., large_room: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateRoomResponse(_message.Message):
    __slots__ = ("room", "created")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    room: _room_pb2.Room
    created: bool
    def __init__(self, room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class EnsureRoomRequest(_message.Message):
    __slots__ = ("unique_name", "type", "max_participants", "max_participant_duration", "empty_room_timeout", "unused_room_timeout", "record_participants_on_connect", "recording_rules", "video_codecs", "media_region", "audio_only", "transcribe_participants_on_connect", "transcriptions_configuration", "large_room")
    UNIQUE_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARTICIPANT_DURATION_FIELD_NUMBER: _ClassVar[int]
    EMPTY_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNUSED_ROOM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RECORD_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    RECORDING_RULES_FIELD_NUMBER: _ClassVar[int]
    VIDEO_CODECS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_REGION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ONLY_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBE_PARTICIPANTS_ON_CONNECT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTIONS_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    LARGE_ROOM_FIELD_NUMBER: _ClassVar[int]
    unique_name: str
    type: _room_pb2.RoomType
    max_participants: int
    max_participant_duration: _duration_pb2.Duration
    empty_room_timeout: _duration_pb2.Duration
    unused_room_timeout: _duration_pb2.Duration
    record_participants_on_connect: bool
    recording_rules: _containers.RepeatedCompositeFieldContainer[_recording_pb2.RecordingRule]
    video_codecs: _containers.RepeatedScalarFieldContainer[_room_pb2.VideoCodec]
    media_region: str
    audio_only: bool
    transcribe_participants_on_connect: bool
    transcriptions_configuration: _transcription_pb2.TranscriptionsConfiguration
    large_room: bool
    def __init__(self, unique_name: _Optional[str] = ..., type: _Optional[_Union[_room_pb2.RoomType, str]] = ..., max_participants: _Optional[int] = ..., max_participant_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., empty_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unused_room_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., record_participants_on_connect: _Optional[bool] = ..., recording_rules: _Optional[_Iterable[_Union[_recording_pb2.RecordingRule, _Mapping]]] = ..., video_codecs: _Optional[_Iterable[_Union[_room_pb2.VideoCodec, str]]] = ..., media_region: _Optional[str] = ..., audio_only: _Optional[bool] = ..., transcribe_participants_on_connect: _Optional[bool] = ..., transcriptions_configuration: _Optional[_Union[_transcription_pb2.TranscriptionsConfiguration, _Mapping]] = ..., large_room: _Optional[bool] = ...) -> None: ...

class EnsureRoomResponse(_message.Message):
    __slots__ = ("room", "created")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    room: _room_pb2.Room
    created: bool
    def __init__(self, room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class CompleteRoomRequest(_message.Message):
    __slots__ = ("room", "request_id")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    room: str
    request_id: str
    def __init__(self, room: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CompleteRoomResponse(_message.Message):
    __slots__ = ("room",)
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: _room_pb2.Room
    def __init__(self, room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ...) -> None: ...

class ListRoomEventsRequest(_message.Message):
    __slots__ = ("room", "page_size", "page_token", "types", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    page_size: int
    page_token: str
    types: _containers.RepeatedScalarFieldContainer[_events_pb2.RoomEventType]
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., types: _Optional[_Iterable[_Union[_events_pb2.RoomEventType, str]]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListRoomEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_events_pb2.LoggedEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_events_pb2.LoggedEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetRoomPresenceRequest(_message.Message):
    __slots__ = ("room", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetRoomPresenceResponse(_message.Message):
    __slots__ = ("presence",)
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    presence: _participant_pb2.RoomPresence
    def __init__(self, presence: _Optional[_Union[_participant_pb2.RoomPresence, _Mapping]] = ...) -> None: ...

class BatchGetRoomPresencesRequest(_message.Message):
    __slots__ = ("rooms", "read_mask")
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedScalarFieldContainer[str]
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, rooms: _Optional[_Iterable[str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchGetRoomPresencesResponse(_message.Message):
    __slots__ = ("presences", "unknown", "missing")
    PRESENCES_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    presences: _containers.RepeatedCompositeFieldContainer[_participant_pb2.RoomPresence]
    unknown: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, presences: _Optional[_Iterable[_Union[_participant_pb2.RoomPresence, _Mapping]]] = ..., unknown: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRoomRequest(_message.Message):
    __slots__ = ("room",)
    ROOM_FIELD_NUMBER: _ClassVar[int]
    room: str
    def __init__(self, room: _Optional[str] = ...) -> None: ...

class WatchRoomResponse(_message.Message):
    __slots__ = ("cursor", "room", "participants")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    room: _room_pb2.Room
    participants: _containers.RepeatedCompositeFieldContainer[_participant_pb2.PresentParticipant]
    def __init__(self, cursor: _Optional[str] = ..., room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ..., participants: _Optional[_Iterable[_Union[_participant_pb2.PresentParticipant, _Mapping]]] = ...) -> None: ...

class WatchRoomEventsRequest(_message.Message):
    __slots__ = ("room", "types", "after")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    room: str
    types: _containers.RepeatedScalarFieldContainer[_events_pb2.RoomEventType]
    after: str
    def __init__(self, room: _Optional[str] = ..., types: _Optional[_Iterable[_Union[_events_pb2.RoomEventType, str]]] = ..., after: _Optional[str] = ...) -> None: ...

class WatchRoomEventsResponse(_message.Message):
    __slots__ = ("cursor", "prev", "started", "event", "bookmark", "gap", "resync_required")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PREV_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    RESYNC_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    prev: str
    started: _events_pb2.StreamStarted
    event: _events_pb2.RoomEvent
    bookmark: _events_pb2.Bookmark
    gap: _events_pb2.Gap
    resync_required: _events_pb2.ResyncRequired
    def __init__(self, cursor: _Optional[str] = ..., prev: _Optional[str] = ..., started: _Optional[_Union[_events_pb2.StreamStarted, _Mapping]] = ..., event: _Optional[_Union[_events_pb2.RoomEvent, _Mapping]] = ..., bookmark: _Optional[_Union[_events_pb2.Bookmark, _Mapping]] = ..., gap: _Optional[_Union[_events_pb2.Gap, _Mapping]] = ..., resync_required: _Optional[_Union[_events_pb2.ResyncRequired, _Mapping]] = ...) -> None: ...
