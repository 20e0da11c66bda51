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
    __slots__ = ("jwt", "identity", "room", "expires_at")
    JWT_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    jwt: str
    identity: str
    room: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, jwt: _Optional[str] = ..., identity: _Optional[str] = ..., room: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("is_valid", "problem", "sentence", "twilio_code", "facts")
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    TWILIO_CODE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    is_valid: bool
    problem: TokenProblem
    sentence: str
    twilio_code: int
    facts: TokenFacts
    def __init__(self, is_valid: _Optional[bool] = ..., problem: _Optional[_Union[TokenProblem, str]] = ..., sentence: _Optional[str] = ..., twilio_code: _Optional[int] = ..., facts: _Optional[_Union[TokenFacts, _Mapping]] = ...) -> None: ...

class TokenFacts(_message.Message):
    __slots__ = ("api_key_sid", "account_sid", "region", "identity", "room", "begins_at", "expires_at", "is_signed")
    API_KEY_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    BEGINS_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    IS_SIGNED_FIELD_NUMBER: _ClassVar[int]
    api_key_sid: str
    account_sid: str
    region: str
    identity: str
    room: str
    begins_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    is_signed: bool
    def __init__(self, api_key_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., region: _Optional[str] = ..., identity: _Optional[str] = ..., room: _Optional[str] = ..., begins_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_signed: _Optional[bool] = ...) -> None: ...
