import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TranscriptionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSCRIPTION_STATUS_UNSPECIFIED: _ClassVar[TranscriptionStatus]
    TRANSCRIPTION_STATUS_STARTED: _ClassVar[TranscriptionStatus]
    TRANSCRIPTION_STATUS_STOPPED: _ClassVar[TranscriptionStatus]
    TRANSCRIPTION_STATUS_FAILED: _ClassVar[TranscriptionStatus]
    TRANSCRIPTION_STATUS_UNKNOWN: _ClassVar[TranscriptionStatus]
TRANSCRIPTION_STATUS_UNSPECIFIED: TranscriptionStatus
TRANSCRIPTION_STATUS_STARTED: TranscriptionStatus
TRANSCRIPTION_STATUS_STOPPED: TranscriptionStatus
TRANSCRIPTION_STATUS_FAILED: TranscriptionStatus
TRANSCRIPTION_STATUS_UNKNOWN: TranscriptionStatus

class TranscriptionsConfiguration(_message.Message):
    __slots__ = ("transcription_engine", "speech_model", "language_code", "partial_results", "profanity_filter", "hints", "enable_automatic_punctuation")
    TRANSCRIPTION_ENGINE_FIELD_NUMBER: _ClassVar[int]
    SPEECH_MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_RESULTS_FIELD_NUMBER: _ClassVar[int]
    PROFANITY_FILTER_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    ENABLE_AUTOMATIC_PUNCTUATION_FIELD_NUMBER: _ClassVar[int]
    transcription_engine: str
    speech_model: str
    language_code: str
    partial_results: bool
    profanity_filter: bool
    hints: _containers.RepeatedScalarFieldContainer[str]
    enable_automatic_punctuation: bool
    def __init__(self, transcription_engine: _Optional[str] = ..., speech_model: _Optional[str] = ..., language_code: _Optional[str] = ..., partial_results: _Optional[bool] = ..., profanity_filter: _Optional[bool] = ..., hints: _Optional[_Iterable[str]] = ..., enable_automatic_punctuation: _Optional[bool] = ...) -> None: ...

class Transcription(_message.Message):
    __slots__ = ("ttid", "account_sid", "room_sid", "status", "source_sid", "create_time", "update_time", "start_time", "end_time", "duration", "configuration", "twilio", "unknown_words")
    TTID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    ttid: str
    account_sid: str
    room_sid: str
    status: TranscriptionStatus
    source_sid: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    configuration: TranscriptionsConfiguration
    twilio: TranscriptionTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, ttid: _Optional[str] = ..., account_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., status: _Optional[_Union[TranscriptionStatus, str]] = ..., source_sid: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., configuration: _Optional[_Union[TranscriptionsConfiguration, _Mapping]] = ..., twilio: _Optional[_Union[TranscriptionTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class TranscriptionTwilioDetails(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...
