"""Participants, the tracks they publish and subscribe to, and what may be asked about them. Does no I/O.

https://www.twilio.com/docs/video/api/participants
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import OpenEnum, UnknownWord
from gateway.core.rules import Rule, RuleType, TrackPriority, check_rule, check_rules
from gateway.core.rules import TrackKind as TrackKind
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid, TrackSid, checked_sid, is_sid
from gateway.core.validation import check_known, check_text, check_zones


class ParticipantStatus(OpenEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ParticipantLinks:
    published_tracks: str | None = None
    subscribed_tracks: str | None = None
    subscribe_rules: str | None = None
    anonymize: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One stay of somebody in a room. `duration`, in seconds, and `end_time` come with the end. Once anonymized, the
    identity is the SID, and links are left out of that answer."""

    sid: ParticipantSid
    room_sid: RoomSid
    account_sid: AccountSid
    status: ParticipantStatus
    identity: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    url: str | None = None
    links: ParticipantLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class ParticipantRef:
    """How a caller names a participant: by SID (in any state) or by the identity of one who is connected. Just one of the
    two is set."""

    sid: ParticipantSid | None
    identity: str | None

    @classmethod
    def of(cls, text: str) -> "ParticipantRef":
        """What has a SID's form is a SID. Raises InvalidArgument for what can be neither."""
        if is_sid(ParticipantSid, text):
            return cls(ParticipantSid(text), None)
        check_text(text, "participant", give="a SID (PA and 32 hex digits) or an identity")
        return cls(None, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantFilter:
    """Which participants a list shows. Without a status Twilio shows those connected while the room is in progress, and
    all who were there once it is over. `created_after` includes its moment, `created_before` does not."""

    status: ParticipantStatus | None = None
    identity: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        check_known(self.status, "status", "CONNECTED, DISCONNECTED or RECONNECTING")
        if self.identity is not None:
            check_text(self.identity, "identity", give="an identity, or leave it out")
        check_zones(createdAfter=self.created_after, createdBefore=self.created_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTrack:
    sid: TrackSid
    participant_sid: ParticipantSid
    room_sid: RoomSid
    kind: TrackKind
    name: str | None = None
    enabled: bool | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedTrack:
    """`participant_sid` is who receives the track, `publisher_sid` who sends it."""

    sid: TrackSid
    participant_sid: ParticipantSid
    room_sid: RoomSid
    kind: TrackKind
    publisher_sid: ParticipantSid | None = None
    name: str | None = None
    enabled: bool | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackRef:
    """How a caller names a published track: by SID or by name. Just one of the two is set. A subscribed track has no name
    at Twilio that could be asked for: it is named by SID."""

    sid: TrackSid | None
    name: str | None

    @classmethod
    def of(cls, text: str) -> "TrackRef":
        """What has a SID's form is a SID. Raises InvalidArgument for what can be neither."""
        if is_sid(TrackSid, text):
            return cls(TrackSid(text), None)
        check_text(text, "track", give="a SID (MT and 32 hex digits) or a track's name")
        return cls(None, text)


def checked_track_sid(text: str) -> TrackSid:
    """A subscribed track's SID, or InvalidArgument."""
    return checked_sid(TrackSid, text, "track")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRule:
    """Subscribes to or leaves out either all tracks, or those that match every filter given. `priority` filters nothing:
    it goes with the filters."""

    type: RuleType
    all: bool | None = None
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None
    priority: TrackPriority | None = None

    def __post_init__(self) -> None:
        check_rule(self, "a subscribe rule")
        check_known(self.priority, "priority of a subscribe rule", "HIGH, STANDARD or LOW")
        if self.all and self.priority is not None:
            raise InvalidArgument("a subscribe rule has all beside priority; all stands alone")


@dataclass(frozen=True, slots=True)
class NewSubscribeRules:
    """What a participant is to subscribe to from now on: these rules take the place of all before."""

    rules: tuple[SubscribeRule, ...]

    def __post_init__(self) -> None:
        check_rules(self.rules, "rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRules:
    """The rules in force. No dates until somebody has changed them."""

    participant_sid: ParticipantSid
    room_sid: RoomSid
    rules: tuple[Rule, ...] = ()
    date_created: datetime | None = None
    date_updated: datetime | None = None
    unknown_words: tuple[UnknownWord, ...] = ()
