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

class RequestClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_CLASS_UNSPECIFIED: _ClassVar[RequestClass]
    REQUEST_CLASS_END: _ClassVar[RequestClass]
    REQUEST_CLASS_CHANGE: _ClassVar[RequestClass]
    REQUEST_CLASS_READ: _ClassVar[RequestClass]
    REQUEST_CLASS_LIST: _ClassVar[RequestClass]
    REQUEST_CLASS_BACKGROUND: _ClassVar[RequestClass]

class QuotaSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUOTA_SOURCE_UNSPECIFIED: _ClassVar[QuotaSource]
    QUOTA_SOURCE_SHARED: _ClassVar[QuotaSource]
    QUOTA_SOURCE_WAITING: _ClassVar[QuotaSource]
    QUOTA_SOURCE_ALONE: _ClassVar[QuotaSource]
REQUEST_CLASS_UNSPECIFIED: RequestClass
REQUEST_CLASS_END: RequestClass
REQUEST_CLASS_CHANGE: RequestClass
REQUEST_CLASS_READ: RequestClass
REQUEST_CLASS_LIST: RequestClass
REQUEST_CLASS_BACKGROUND: RequestClass
QUOTA_SOURCE_UNSPECIFIED: QuotaSource
QUOTA_SOURCE_SHARED: QuotaSource
QUOTA_SOURCE_WAITING: QuotaSource
QUOTA_SOURCE_ALONE: QuotaSource

class RequestClassQuota(_message.Message):
    __slots__ = ("request_class", "per_second", "burst", "remaining", "waiting", "retry_after", "reset_time")
    REQUEST_CLASS_FIELD_NUMBER: _ClassVar[int]
    PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    RESET_TIME_FIELD_NUMBER: _ClassVar[int]
    request_class: RequestClass
    per_second: float
    burst: int
    remaining: int
    waiting: int
    retry_after: _duration_pb2.Duration
    reset_time: _timestamp_pb2.Timestamp
    def __init__(self, request_class: _Optional[_Union[RequestClass, str]] = ..., per_second: _Optional[float] = ..., burst: _Optional[int] = ..., remaining: _Optional[int] = ..., waiting: _Optional[int] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TwilioQuota(_message.Message):
    __slots__ = ("source", "replicas", "in_flight", "concurrency_limit", "classes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    source: QuotaSource
    replicas: int
    in_flight: int
    concurrency_limit: int
    classes: _containers.RepeatedCompositeFieldContainer[RequestClassQuota]
    def __init__(self, source: _Optional[_Union[QuotaSource, str]] = ..., replicas: _Optional[int] = ..., in_flight: _Optional[int] = ..., concurrency_limit: _Optional[int] = ..., classes: _Optional[_Iterable[_Union[RequestClassQuota, _Mapping]]] = ...) -> None: ...
