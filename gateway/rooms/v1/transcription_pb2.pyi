from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

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
