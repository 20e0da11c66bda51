from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from rooms_gateway.v1 import room_pb2 as _room_pb2
from rooms_gateway.v1 import transcription_pb2 as _transcription_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListTranscriptionsRequest(_message.Message):
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

class ListTranscriptionsResponse(_message.Message):
    __slots__ = ("transcriptions", "next_page_token", "freshness", "as_of")
    TRANSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    transcriptions: _containers.RepeatedCompositeFieldContainer[_transcription_pb2.Transcription]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, transcriptions: _Optional[_Iterable[_Union[_transcription_pb2.Transcription, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetTranscriptionRequest(_message.Message):
    __slots__ = ("room", "transcription", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    transcription: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., transcription: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetTranscriptionResponse(_message.Message):
    __slots__ = ("transcription", "freshness", "as_of")
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    transcription: _transcription_pb2.Transcription
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, transcription: _Optional[_Union[_transcription_pb2.Transcription, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class StartTranscriptionRequest(_message.Message):
    __slots__ = ("room", "configuration", "request_id")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    room: str
    configuration: _transcription_pb2.TranscriptionsConfiguration
    request_id: str
    def __init__(self, room: _Optional[str] = ..., configuration: _Optional[_Union[_transcription_pb2.TranscriptionsConfiguration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StartTranscriptionResponse(_message.Message):
    __slots__ = ("transcription",)
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    transcription: _transcription_pb2.Transcription
    def __init__(self, transcription: _Optional[_Union[_transcription_pb2.Transcription, _Mapping]] = ...) -> None: ...

class UpdateTranscriptionRequest(_message.Message):
    __slots__ = ("room", "transcription", "status", "configuration")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    room: str
    transcription: str
    status: _transcription_pb2.TranscriptionStatus
    configuration: _transcription_pb2.TranscriptionsConfiguration
    def __init__(self, room: _Optional[str] = ..., transcription: _Optional[str] = ..., status: _Optional[_Union[_transcription_pb2.TranscriptionStatus, str]] = ..., configuration: _Optional[_Union[_transcription_pb2.TranscriptionsConfiguration, _Mapping]] = ...) -> None: ...

class UpdateTranscriptionResponse(_message.Message):
    __slots__ = ("transcription",)
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    transcription: _transcription_pb2.Transcription
    def __init__(self, transcription: _Optional[_Union[_transcription_pb2.Transcription, _Mapping]] = ...) -> None: ...
