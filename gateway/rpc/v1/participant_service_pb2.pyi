import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gateway.rpc.v1 import participant_pb2 as _participant_pb2
from gateway.rpc.v1 import room_pb2 as _room_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListParticipantsRequest(_message.Message):
    __slots__ = ("room", "page_size", "page_token", "statuses", "identity", "created_after", "created_before", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_participant_pb2.ParticipantStatus]
    identity: str
    created_after: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_participant_pb2.ParticipantStatus, str]]] = ..., identity: _Optional[str] = ..., created_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListParticipantsResponse(_message.Message):
    __slots__ = ("participants", "next_page_token", "freshness", "as_of")
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    participants: _containers.RepeatedCompositeFieldContainer[_participant_pb2.Participant]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, participants: _Optional[_Iterable[_Union[_participant_pb2.Participant, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetParticipantRequest(_message.Message):
    __slots__ = ("room", "participant", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetParticipantResponse(_message.Message):
    __slots__ = ("participant", "freshness", "as_of")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class DisconnectParticipantRequest(_message.Message):
    __slots__ = ("room", "participant", "request_id")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    request_id: str
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DisconnectParticipantResponse(_message.Message):
    __slots__ = ("participant",)
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ...) -> None: ...

class AnonymizeParticipantRequest(_message.Message):
    __slots__ = ("room", "participant")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ...) -> None: ...

class AnonymizeParticipantResponse(_message.Message):
    __slots__ = ("participant",)
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    participant: _participant_pb2.Participant
    def __init__(self, participant: _Optional[_Union[_participant_pb2.Participant, _Mapping]] = ...) -> None: ...

class ListPublishedTracksRequest(_message.Message):
    __slots__ = ("room", "participant", "page_size", "page_token", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListPublishedTracksResponse(_message.Message):
    __slots__ = ("published_tracks", "next_page_token", "freshness", "as_of")
    PUBLISHED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    published_tracks: _containers.RepeatedCompositeFieldContainer[_participant_pb2.PublishedTrack]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, published_tracks: _Optional[_Iterable[_Union[_participant_pb2.PublishedTrack, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetPublishedTrackRequest(_message.Message):
    __slots__ = ("room", "participant", "track", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    track: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., track: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetPublishedTrackResponse(_message.Message):
    __slots__ = ("published_track", "freshness", "as_of")
    PUBLISHED_TRACK_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    published_track: _participant_pb2.PublishedTrack
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, published_track: _Optional[_Union[_participant_pb2.PublishedTrack, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class ListSubscribedTracksRequest(_message.Message):
    __slots__ = ("room", "participant", "page_size", "page_token", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListSubscribedTracksResponse(_message.Message):
    __slots__ = ("subscribed_tracks", "next_page_token", "freshness", "as_of")
    SUBSCRIBED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    subscribed_tracks: _containers.RepeatedCompositeFieldContainer[_participant_pb2.SubscribedTrack]
    next_page_token: str
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, subscribed_tracks: _Optional[_Iterable[_Union[_participant_pb2.SubscribedTrack, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetSubscribedTrackRequest(_message.Message):
    __slots__ = ("room", "participant", "track", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    track: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., track: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetSubscribedTrackResponse(_message.Message):
    __slots__ = ("subscribed_track", "freshness", "as_of")
    SUBSCRIBED_TRACK_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    subscribed_track: _participant_pb2.SubscribedTrack
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, subscribed_track: _Optional[_Union[_participant_pb2.SubscribedTrack, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class GetSubscribeRulesRequest(_message.Message):
    __slots__ = ("room", "participant", "read_mask")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetSubscribeRulesResponse(_message.Message):
    __slots__ = ("subscribe_rules", "freshness", "as_of")
    SUBSCRIBE_RULES_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    subscribe_rules: _participant_pb2.SubscribeRules
    freshness: _room_pb2.Freshness
    as_of: str
    def __init__(self, subscribe_rules: _Optional[_Union[_participant_pb2.SubscribeRules, _Mapping]] = ..., freshness: _Optional[_Union[_room_pb2.Freshness, _Mapping]] = ..., as_of: _Optional[str] = ...) -> None: ...

class UpdateSubscribeRulesRequest(_message.Message):
    __slots__ = ("room", "participant", "rules")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    room: str
    participant: str
    rules: _containers.RepeatedCompositeFieldContainer[_participant_pb2.SubscribeRule]
    def __init__(self, room: _Optional[str] = ..., participant: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[_participant_pb2.SubscribeRule, _Mapping]]] = ...) -> None: ...

class UpdateSubscribeRulesResponse(_message.Message):
    __slots__ = ("subscribe_rules",)
    SUBSCRIBE_RULES_FIELD_NUMBER: _ClassVar[int]
    subscribe_rules: _participant_pb2.SubscribeRules
    def __init__(self, subscribe_rules: _Optional[_Union[_participant_pb2.SubscribeRules, _Mapping]] = ...) -> None: ...
