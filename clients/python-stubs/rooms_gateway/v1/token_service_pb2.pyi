import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from rooms_gateway.v1 import token_pb2 as _token_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MintAccessTokenRequest(_message.Message):
    __slots__ = ("identity", "room", "ttl")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    identity: str
    room: str
    ttl: _duration_pb2.Duration
    def __init__(self, identity: _Optional[str] = ..., room: _Optional[str] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MintAccessTokenResponse(_message.Message):
    __slots__ = ("access_token",)
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    access_token: _token_pb2.AccessToken
    def __init__(self, access_token: _Optional[_Union[_token_pb2.AccessToken, _Mapping]] = ...) -> None: ...

class ExplainTokenRequest(_message.Message):
    __slots__ = ("token", "room")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    token: str
    room: str
    def __init__(self, token: _Optional[str] = ..., room: _Optional[str] = ...) -> None: ...

class ExplainTokenResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: _token_pb2.TokenExplanation
    def __init__(self, explanation: _Optional[_Union[_token_pb2.TokenExplanation, _Mapping]] = ...) -> None: ...
