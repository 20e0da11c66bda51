import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rooms_gateway.v1 import room_pb2 as _room_pb2
from rooms_gateway.v1 import rule_pb2 as _rule_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ParticipantStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTICIPANT_STATUS_UNSPECIFIED: _ClassVar[ParticipantStatus]
    PARTICIPANT_STATUS_CONNECTED: _ClassVar[ParticipantStatus]
    PARTICIPANT_STATUS_DISCONNECTED: _ClassVar[ParticipantStatus]
    PARTICIPANT_STATUS_RECONNECTING: _ClassVar[ParticipantStatus]
    PARTICIPANT_STATUS_UNKNOWN: _ClassVar[ParticipantStatus]
PARTICIPANT_STATUS_UNSPECIFIED: ParticipantStatus
PARTICIPANT_STATUS_CONNECTED: ParticipantStatus
PARTICIPANT_STATUS_DISCONNECTED: ParticipantStatus
PARTICIPANT_STATUS_RECONNECTING: ParticipantStatus
PARTICIPANT_STATUS_UNKNOWN: ParticipantStatus

class Participant(_message.Message):
    __slots__ = ("sid", "room_sid", "account_sid", "status", "identity", "create_time", "update_time", "start_time", "end_time", "duration", "twilio", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    room_sid: str
    account_sid: str
    status: ParticipantStatus
    identity: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    twilio: ParticipantTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., account_sid: _Optional[str] = ..., status: _Optional[_Union[ParticipantStatus, str]] = ..., identity: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., twilio: _Optional[_Union[ParticipantTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class ParticipantTwilioDetails(_message.Message):
    __slots__ = ("url", "links")
    URL_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    url: str
    links: ParticipantLinks
    def __init__(self, url: _Optional[str] = ..., links: _Optional[_Union[ParticipantLinks, _Mapping]] = ...) -> None: ...

class ParticipantLinks(_message.Message):
    __slots__ = ("published_tracks", "subscribed_tracks", "subscribe_rules", "anonymize")
    PUBLISHED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_TRACKS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_RULES_FIELD_NUMBER: _ClassVar[int]
    ANONYMIZE_FIELD_NUMBER: _ClassVar[int]
    published_tracks: str
    subscribed_tracks: str
    subscribe_rules: str
    anonymize: str
    def __init__(self, published_tracks: _Optional[str] = ..., subscribed_tracks: _Optional[str] = ..., subscribe_rules: _Optional[str] = ..., anonymize: _Optional[str] = ...) -> None: ...

class PublishedTrack(_message.Message):
    __slots__ = ("sid", "participant_sid", "room_sid", "kind", "name", "muted", "create_time", "update_time", "twilio", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    participant_sid: str
    room_sid: str
    kind: _rule_pb2.TrackKind
    name: str
    muted: bool
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    twilio: PublishedTrackTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., participant_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., kind: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., name: _Optional[str] = ..., muted: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., twilio: _Optional[_Union[PublishedTrackTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class PublishedTrackTwilioDetails(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class PresentParticipant(_message.Message):
    __slots__ = ("participant", "since", "tracks", "muted")
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    participant: Participant
    since: _timestamp_pb2.Timestamp
    tracks: _containers.RepeatedCompositeFieldContainer[PublishedTrack]
    muted: bool
    def __init__(self, participant: _Optional[_Union[Participant, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tracks: _Optional[_Iterable[_Union[PublishedTrack, _Mapping]]] = ..., muted: _Optional[bool] = ...) -> None: ...

class RoomPresence(_message.Message):
    __slots__ = ("room_sid", "as_of", "participant_count", "participants")
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    room_sid: str
    as_of: str
    participant_count: int
    participants: _containers.RepeatedCompositeFieldContainer[PresentParticipant]
    def __init__(self, room_sid: _Optional[str] = ..., as_of: _Optional[str] = ..., participant_count: _Optional[int] = ..., participants: _Optional[_Iterable[_Union[PresentParticipant, _Mapping]]] = ...) -> None: ...

class SubscribedTrack(_message.Message):
    __slots__ = ("sid", "participant_sid", "room_sid", "kind", "publisher_sid", "name", "muted", "create_time", "update_time", "twilio", "unknown_words")
    SID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MUTED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TWILIO_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    participant_sid: str
    room_sid: str
    kind: _rule_pb2.TrackKind
    publisher_sid: str
    name: str
    muted: bool
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    twilio: SubscribedTrackTwilioDetails
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, sid: _Optional[str] = ..., participant_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., kind: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., publisher_sid: _Optional[str] = ..., name: _Optional[str] = ..., muted: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., twilio: _Optional[_Union[SubscribedTrackTwilioDetails, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...

class SubscribedTrackTwilioDetails(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

class SubscribeRule(_message.Message):
    __slots__ = ("effect", "all", "kind", "publisher", "track", "priority")
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    effect: _rule_pb2.TrackRuleEffect
    all: bool
    kind: _rule_pb2.TrackKind
    publisher: str
    track: str
    priority: _rule_pb2.TrackPriority
    def __init__(self, effect: _Optional[_Union[_rule_pb2.TrackRuleEffect, str]] = ..., all: _Optional[bool] = ..., kind: _Optional[_Union[_rule_pb2.TrackKind, str]] = ..., publisher: _Optional[str] = ..., track: _Optional[str] = ..., priority: _Optional[_Union[_rule_pb2.TrackPriority, str]] = ...) -> None: ...

class SubscribeRules(_message.Message):
    __slots__ = ("participant_sid", "room_sid", "rules", "create_time", "update_time", "unknown_words")
    PARTICIPANT_SID_FIELD_NUMBER: _ClassVar[int]
    ROOM_SID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_WORDS_FIELD_NUMBER: _ClassVar[int]
    participant_sid: str
    room_sid: str
    rules: _containers.RepeatedCompositeFieldContainer[_rule_pb2.TrackRule]
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    unknown_words: _containers.RepeatedCompositeFieldContainer[_room_pb2.UnknownWord]
    def __init__(self, participant_sid: _Optional[str] = ..., room_sid: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[_rule_pb2.TrackRule, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unknown_words: _Optional[_Iterable[_Union[_room_pb2.UnknownWord, _Mapping]]] = ...) -> None: ...
