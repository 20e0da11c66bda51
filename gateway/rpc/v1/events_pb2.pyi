import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import participant_pb2 as _participant_pb2
from gateway.rpc.v1 import recording_pb2 as _recording_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
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

class RoomEventSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_EVENT_SOURCE_UNSPECIFIED: _ClassVar[RoomEventSource]
    ROOM_EVENT_SOURCE_CALLBACK: _ClassVar[RoomEventSource]
    ROOM_EVENT_SOURCE_MUTATION: _ClassVar[RoomEventSource]
    ROOM_EVENT_SOURCE_RECONCILED: _ClassVar[RoomEventSource]

class RecordingOperation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORDING_OPERATION_UNSPECIFIED: _ClassVar[RecordingOperation]
    RECORDING_OPERATION_START: _ClassVar[RecordingOperation]
    RECORDING_OPERATION_COMPLETE: _ClassVar[RecordingOperation]
    RECORDING_OPERATION_UPLOAD: _ClassVar[RecordingOperation]
    RECORDING_OPERATION_UNKNOWN: _ClassVar[RecordingOperation]

class RoomChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROOM_CHANGE_KIND_UNSPECIFIED: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_ROOM: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_PARTICIPANT: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_SUBSCRIBE_RULES: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_RECORDING_RULES: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_RECORDING: _ClassVar[RoomChangeKind]
    ROOM_CHANGE_KIND_TRANSCRIPTION: _ClassVar[RoomChangeKind]

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
ROOM_EVENT_SOURCE_UNSPECIFIED: RoomEventSource
ROOM_EVENT_SOURCE_CALLBACK: RoomEventSource
ROOM_EVENT_SOURCE_MUTATION: RoomEventSource
ROOM_EVENT_SOURCE_RECONCILED: RoomEventSource
RECORDING_OPERATION_UNSPECIFIED: RecordingOperation
RECORDING_OPERATION_START: RecordingOperation
RECORDING_OPERATION_COMPLETE: RecordingOperation
RECORDING_OPERATION_UPLOAD: RecordingOperation
RECORDING_OPERATION_UNKNOWN: RecordingOperation
ROOM_CHANGE_KIND_UNSPECIFIED: RoomChangeKind
ROOM_CHANGE_KIND_ROOM: RoomChangeKind
ROOM_CHANGE_KIND_PARTICIPANT: RoomChangeKind
ROOM_CHANGE_KIND_SUBSCRIBE_RULES: RoomChangeKind
ROOM_CHANGE_KIND_RECORDING_RULES: RoomChangeKind
ROOM_CHANGE_KIND_RECORDING: RoomChangeKind
ROOM_CHANGE_KIND_TRANSCRIPTION: RoomChangeKind
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
    __slots__ = ("room", "event_time", "sequence_number", "source", "late", "room_created", "room_ended", "participant_connected", "participant_disconnected", "track_added", "track_removed", "track_enabled", "track_disabled", "recording_started", "recording_completed", "recording_failed", "room_changed")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    ROOM_CREATED_FIELD_NUMBER: _ClassVar[int]
    ROOM_ENDED_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    TRACK_ADDED_FIELD_NUMBER: _ClassVar[int]
    TRACK_REMOVED_FIELD_NUMBER: _ClassVar[int]
    TRACK_ENABLED_FIELD_NUMBER: _ClassVar[int]
    TRACK_DISABLED_FIELD_NUMBER: _ClassVar[int]
    RECORDING_STARTED_FIELD_NUMBER: _ClassVar[int]
    RECORDING_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    RECORDING_FAILED_FIELD_NUMBER: _ClassVar[int]
    ROOM_CHANGED_FIELD_NUMBER: _ClassVar[int]
    room: _room_pb2.Room
    event_time: _timestamp_pb2.Timestamp
    sequence_number: int
    source: RoomEventSource
    late: bool
    room_created: RoomCreated
    room_ended: RoomEnded
    participant_connected: ParticipantConnected
    participant_disconnected: ParticipantDisconnected
    track_added: TrackAdded
    track_removed: TrackRemoved
    track_enabled: TrackEnabled
    track_disabled: TrackDisabled
    recording_started: RecordingStarted
    recording_completed: RecordingCompleted
    recording_failed: RecordingFailed
    room_changed: RoomChanged
    def __init__(self, room: _Optional[_Union[_room_pb2.Room, _Mapping]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence_number: _Optional[int] = ..., source: _Optional[_Union[RoomEventSource, str]] = ..., late: _Optional[bool] = ..., room_created: _Optional[_Union[RoomCreated, _Mapping]] = ..., room_ended: _Optional[_Union[RoomEnded, _Mapping]] = ..., participant_connected: _Optional[_Union[ParticipantConnected, _Mapping]] = ..., participant_disconnected: _Optional[_Union[ParticipantDisconnected, _Mapping]] = ..., track_added: _Optional[_Union[TrackAdded, _Mapping]] = ..., track_removed: _Optional[_Union[TrackRemoved, _Mapping]] = ..., track_enabled: _Optional[_Union[TrackEnabled, _Mapping]] = ..., track_disabled: _Optional[_Union[TrackDisabled, _Mapping]] = ..., recording_started: _Optional[_Union[RecordingStarted, _Mapping]] = ..., recording_completed: _Optional[_Union[RecordingCompleted, _Mapping]] = ..., recording_failed: _Optional[_Union[RecordingFailed, _Mapping]] = ..., room_changed: _Optional[_Union[RoomChanged, _Mapping]] = ...) -> None: ...

class RoomCreated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RoomEnded(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ParticipantConnected(_message.Message):
    __slots__ = ("participant",)
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ...) -> None: ...

class ParticipantDisconnected(_message.Message):
    __slots__ = ("participant",)
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ...) -> None: ...

class TrackAdded(_message.Message):
    __slots__ = ("participant", "track")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    track: _participant_pb2.PublishedTrack
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., track: _Optional[_Union[_participant_pb2.PublishedTrack, _Mapping]] = ...) -> None: ...

class TrackRemoved(_message.Message):
    __slots__ = ("participant", "track")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    track: _participant_pb2.PublishedTrack
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., track: _Optional[_Union[_participant_pb2.PublishedTrack, _Mapping]] = ...) -> None: ...

class TrackEnabled(_message.Message):
    __slots__ = ("participant", "track")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    track: _participant_pb2.PublishedTrack
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., track: _Optional[_Union[_participant_pb2.PublishedTrack, _Mapping]] = ...) -> None: ...

class TrackDisabled(_message.Message):
    __slots__ = ("participant", "track")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    track: _participant_pb2.PublishedTrack
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., track: _Optional[_Union[_participant_pb2.PublishedTrack, _Mapping]] = ...) -> None: ...

class RecordingStarted(_message.Message):
    __slots__ = ("recording", "participant_identity")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    recording: _recording_pb2.Recording
    participant_identity: str
    def __init__(self, recording: _Optional[_Union[_recording_pb2.Recording, _Mapping]] = ..., participant_identity: _Optional[str] = ...) -> None: ...

class RecordingCompleted(_message.Message):
    __slots__ = ("recording", "participant_identity")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    recording: _recording_pb2.Recording
    participant_identity: str
    def __init__(self, recording: _Optional[_Union[_recording_pb2.Recording, _Mapping]] = ..., participant_identity: _Optional[str] = ...) -> None: ...

class RecordingFailed(_message.Message):
    __slots__ = ("recording", "failed_operation", "participant_identity")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    FAILED_OPERATION_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    recording: _recording_pb2.Recording
    failed_operation: RecordingOperation
    participant_identity: str
    def __init__(self, recording: _Optional[_Union[_recording_pb2.Recording, _Mapping]] = ..., failed_operation: _Optional[_Union[RecordingOperation, str]] = ..., participant_identity: _Optional[str] = ...) -> None: ...

class RoomChanged(_message.Message):
    __slots__ = ("change", "changed_participant", "deleted_recording_sid", "changed_sid")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    DELETED_RECORDING_SID_FIELD_NUMBER: _ClassVar[int]
    CHANGED_SID_FIELD_NUMBER: _ClassVar[int]
    change: RoomChangeKind
    changed_participant: _participant_pb2.Participant
    deleted_recording_sid: str
    changed_sid: str
    def __init__(self, change: _Optional[_Union[RoomChangeKind, str]] = ..., changed_participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., deleted_recording_sid: _Optional[str] = ..., changed_sid: _Optional[str] = ...) -> None: ...

class LoggedEvent(_message.Message):
    __slots__ = ("cursor", "event")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    event: RoomEvent
    def __init__(self, cursor: _Optional[str] = ..., event: _Optional[_Union[RoomEvent, _Mapping]] = ...) -> None: ...

class StreamStarted(_message.Message):
    __slots__ = ("mode", "watched_room", "history_start_time")
    MODE_FIELD_NUMBER: _ClassVar[int]
    WATCHED_ROOM_FIELD_NUMBER: _ClassVar[int]
    HISTORY_START_TIME_FIELD_NUMBER: _ClassVar[int]
    mode: StreamMode
    watched_room: str
    history_start_time: _timestamp_pb2.Timestamp
    def __init__(self, mode: _Optional[_Union[StreamMode, str]] = ..., watched_room: _Optional[str] = ..., history_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
