import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TokenProblem(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_PROBLEM_UNSPECIFIED: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_NOT_A_JWT: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_WRONG_HEADER: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_OTHER_ACCOUNT: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_OTHER_REGION: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_OTHER_API_KEY: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_BAD_SIGNATURE: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_BAD_EXPIRY: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_EXPIRED: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_NOT_YET_VALID: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_NO_IDENTITY: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_BAD_IDENTITY: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_NO_VIDEO_GRANT: _ClassVar[TokenProblem]
    TOKEN_PROBLEM_OTHER_ROOM: _ClassVar[TokenProblem]
TOKEN_PROBLEM_UNSPECIFIED: TokenProblem
TOKEN_PROBLEM_NOT_A_JWT: TokenProblem
TOKEN_PROBLEM_WRONG_HEADER: TokenProblem
TOKEN_PROBLEM_OTHER_ACCOUNT: TokenProblem
TOKEN_PROBLEM_OTHER_REGION: TokenProblem
TOKEN_PROBLEM_OTHER_API_KEY: TokenProblem
TOKEN_PROBLEM_BAD_SIGNATURE: TokenProblem
TOKEN_PROBLEM_BAD_EXPIRY: TokenProblem
TOKEN_PROBLEM_EXPIRED: TokenProblem
TOKEN_PROBLEM_NOT_YET_VALID: TokenProblem
TOKEN_PROBLEM_NO_IDENTITY: TokenProblem
TOKEN_PROBLEM_BAD_IDENTITY: TokenProblem
TOKEN_PROBLEM_NO_VIDEO_GRANT: TokenProblem
TOKEN_PROBLEM_OTHER_ROOM: TokenProblem

class AccessToken(_message.Message):
    __slots__ = ("jwt", "identity", "room", "expire_time")
    JWT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    jwt: str
    identity: str
    room: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, jwt: _Optional[str] = ..., identity: _Optional[str] = ..., room: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TokenExplanation(_message.Message):
    __slots__ = ("valid", "problem", "sentence", "twilio_code", "facts")
    VALID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    TWILIO_CODE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    problem: TokenProblem
    sentence: str
    twilio_code: int
    facts: TokenFacts
    def __init__(self, valid: _Optional[bool] = ..., problem: _Optional[_Union[TokenProblem, str]] = ..., sentence: _Optional[str] = ..., twilio_code: _Optional[int] = ..., facts: _Optional[_Union[TokenFacts, _Mapping]] = ...) -> None: ...

class TokenFacts(_message.Message):
    __slots__ = ("api_key_sid", "account_sid", "region", "identity", "room", "begin_time", "expire_time", "signed")
    API_KEY_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    api_key_sid: str
    account_sid: str
    region: str
    identity: str
    room: str
    begin_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    signed: bool
    def __init__(self, api_key_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., region: _Optional[str] = ..., identity: _Optional[str] = ..., room: _Optional[str] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signed: _Optional[bool] = ...) -> None: ...
