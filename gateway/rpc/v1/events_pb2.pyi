import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import participant_pb2 as _participant_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from gateway.rpc.v1 import rule_pb2 as _rule_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoomEventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_EVENT_TYPE_UNSPECIFIED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_ROOM_CREATED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_ROOM_ENDED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_PARTICIPANT_CONNECTED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_PARTICIPANT_DISCONNECTED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_TRACK_ADDED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_TRACK_REMOVED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_TRACK_ENABLED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_TRACK_DISABLED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_RECORDING_STARTED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_RECORDING_COMPLETED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_RECORDING_FAILED: _ClassVar[RoomEventType]
    ROOM_EVENT_TYPE_ROOM_CHANGED: _ClassVar[RoomEventType]

class EventSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_SOURCE_UNSPECIFIED: _ClassVar[EventSource]
    EVENT_SOURCE_CALLBACK: _ClassVar[EventSource]
    EVENT_SOURCE_MUTATION: _ClassVar[EventSource]
    EVENT_SOURCE_RECONCILED: _ClassVar[EventSource]

class Changed(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGED_UNSPECIFIED: _ClassVar[Changed]
    CHANGED_ROOM: _ClassVar[Changed]
    CHANGED_PARTICIPANT: _ClassVar[Changed]
    CHANGED_SUBSCRIBE_RULES: _ClassVar[Changed]
    CHANGED_RECORDING_RULES: _ClassVar[Changed]
    CHANGED_RECORDING: _ClassVar[Changed]
    CHANGED_TRANSCRIPTION: _ClassVar[Changed]

class StreamMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_MODE_UNSPECIFIED: _ClassVar[StreamMode]
    STREAM_MODE_LIVE: _ClassVar[StreamMode]
    STREAM_MODE_RESUMED: _ClassVar[StreamMode]
    STREAM_MODE_RESYNC: _ClassVar[StreamMode]

class ResyncReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESYNC_REASON_UNSPECIFIED: _ClassVar[ResyncReason]
    RESYNC_REASON_EPOCH: _ClassVar[ResyncReason]
    RESYNC_REASON_ROLLED_BACK: _ClassVar[ResyncReason]
    RESYNC_REASON_TRIMMED: _ClassVar[ResyncReason]
    RESYNC_REASON_DIVERGED: _ClassVar[ResyncReason]
ROOM_EVENT_TYPE_UNSPECIFIED: RoomEventType
ROOM_EVENT_TYPE_ROOM_CREATED: RoomEventType
ROOM_EVENT_TYPE_ROOM_ENDED: RoomEventType
ROOM_EVENT_TYPE_PARTICIPANT_CONNECTED: RoomEventType
ROOM_EVENT_TYPE_PARTICIPANT_DISCONNECTED: RoomEventType
ROOM_EVENT_TYPE_TRACK_ADDED: RoomEventType
ROOM_EVENT_TYPE_TRACK_REMOVED: RoomEventType
ROOM_EVENT_TYPE_TRACK_ENABLED: RoomEventType
ROOM_EVENT_TYPE_TRACK_DISABLED: RoomEventType
ROOM_EVENT_TYPE_RECORDING_STARTED: RoomEventType
ROOM_EVENT_TYPE_RECORDING_COMPLETED: RoomEventType
ROOM_EVENT_TYPE_RECORDING_FAILED: RoomEventType
ROOM_EVENT_TYPE_ROOM_CHANGED: RoomEventType
EVENT_SOURCE_UNSPECIFIED: EventSource
EVENT_SOURCE_CALLBACK: EventSource
EVENT_SOURCE_MUTATION: EventSource
EVENT_SOURCE_RECONCILED: EventSource
CHANGED_UNSPECIFIED: Changed
CHANGED_ROOM: Changed
CHANGED_PARTICIPANT: Changed
CHANGED_SUBSCRIBE_RULES: Changed
CHANGED_RECORDING_RULES: Changed
CHANGED_RECORDING: Changed
CHANGED_TRANSCRIPTION: Changed
STREAM_MODE_UNSPECIFIED: StreamMode
STREAM_MODE_LIVE: StreamMode
STREAM_MODE_RESUMED: StreamMode
STREAM_MODE_RESYNC: StreamMode
RESYNC_REASON_UNSPECIFIED: ResyncReason
RESYNC_REASON_EPOCH: ResyncReason
RESYNC_REASON_ROLLED_BACK: ResyncReason
RESYNC_REASON_TRIMMED: ResyncReason
RESYNC_REASON_DIVERGED: ResyncReason

class RoomEvent(_message.Message):
    __slots__ = ("type", "account_sid", "room_sid", "room_name", "at", "sequence_number", "source", "late", "room_status", "room_type", "room_duration", "participant", "track", "recording", "room", "changed", "changed_participant")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_NAME_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    ROOM_STATUS_FIELD_NUMBER: _ClassVar[int]
    ROOM_TYPE_FIELD_NUMBER: _ClassVar[int]
    ROOM_DURATION_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    type: RoomEventType
    account_sid: str
    room_sid: str
    room_name: str
    at: _timestamp_pb2.Timestamp
    sequence_number: int
    source: EventSource
    late: bool
    room_status: _room_pb2.RoomStatus
    room_type: _room_pb2.RoomType
    room_duration: int
    participant: EventParticipant
    track: EventTrack
    recording: EventRecording
    room: _room_pb2.Room
    changed: Changed
    changed_participant: _participant_pb2.Participant
    def __init__(self, type: _Optional[_Union[RoomEventType, str]] = ..., account_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., room_name: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence_number: _Optional[int] = ..., source: _Optional[_Union[EventSource, str]] = ..., late: _Optional[bool] = ..., room_status: _Optional[_Union[_room_pb2.RoomStatus, str]] = ..., room_type: _Optional[_Union[_room_pb2.RoomType, str]] = ..., room_duration: _Optional[int] = ..., participant: _Optional[_Union[EventParticipant, _Mapping]] = ..., track: _Optional[_Union[EventTrack, _Mapping]] = ..., recording: _Optional[_Union[EventRecording, _Mapping]] = ..., room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ..., changed: _Optional[_Union[Changed, str]] = ..., changed_participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ...) -> None: ...

class LoggedEvent(_message.Message):
    __slots__ = ("cursor", "event")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    event: RoomEvent
    def __init__(self, cursor: _Optional[str] = ..., event: _Optional[_Union[RoomEvent, _Mapping]] = ...) -> None: ...

class EventParticipant(_message.Message):
    __slots__ = ("sid", "identity", "status", "duration")
    SID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    sid: str
    identity: str
    status: str
    duration: int
    def __init__(self, sid: _Optional[str] = ..., identity: _Optional[str] = ..., status: _Optional[str] = ..., duration: _Optional[int] = ...) -> None: ...

class EventTrack(_message.Message):
    __slots__ = ("sid", "kind", "name")
    SID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    sid: str
    kind: _rule_pb2.TrackKind
    name: str
    def __init__(self, sid: _Optional[str] = ..., kind: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., name: _Optional[str] = ...) -> None: ...

class EventRecording(_message.Message):
    __slots__ = ("sid", "source_sid", "uri", "container", "codec", "offset_ms", "media_uri", "media_external_location", "duration", "size", "failed_operation")
    SID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SID_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_URI_FIELD_NUMBER: _ClassVar[int]
    MEDIA_EXTERNAL_LOCATION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FAILED_OPERATION_FIELD_NUMBER: _ClassVar[int]
    sid: str
    source_sid: str
    uri: str
    container: str
    codec: str
    offset_ms: int
    media_uri: str
    media_external_location: str
    duration: int
    size: int
    failed_operation: str
    def __init__(self, sid: _Optional[str] = ..., source_sid: _Optional[str] = ..., uri: _Optional[str] = ..., container: _Optional[str] = ..., codec: _Optional[str] = ..., offset_ms: _Optional[int] = ..., media_uri: _Optional[str] = ..., media_external_location: _Optional[str] = ..., duration: _Optional[int] = ..., size: _Optional[int] = ..., failed_operation: _Optional[str] = ...) -> None: ...

class StreamStarted(_message.Message):
    __slots__ = ("mode", "room_sid", "floor_at")
    MODE_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    FLOOR_AT_FIELD_NUMBER: _ClassVar[int]
    mode: StreamMode
    room_sid: str
    floor_at: _timestamp_pb2.Timestamp
    def __init__(self, mode: _Optional[_Union[StreamMode, str]] = ..., room_sid: _Optional[str] = ..., floor_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Bookmark(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Gap(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResyncRequired(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: ResyncReason
    def __init__(self, reason: _Optional[_Union[ResyncReason, str]] = ...) -> None: ...
