"""Participants, their tracks, and the parameters of requests about them. Does no I/O.

https://www.twilio.com/docs/video/api/participants
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.core.errors import InvalidArgument
from gateway.core.open_enum import OpenEnum, UnknownWord
from gateway.core.rules import RuleType, TrackPriority, TrackRule, check_rule, check_rules
from gateway.core.rules import TrackKind as TrackKind
from gateway.core.sids import AccountSid, ParticipantSid, RoomSid, TrackSid, checked_sid, is_sid
from gateway.core.validation import check_known, check_statuses, check_text, check_zones


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
    """One stay of a person in a room.

    `duration` (in seconds) and `end_time` are set when the stay has ended. When a
    participant is anonymized, the identity becomes the SID. Twilio's answer to that has
    no links.
    """

    sid: ParticipantSid
    room_sid: RoomSid
    account_sid: AccountSid
    status: ParticipantStatus
    identity: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    url: str | None = None
    links: ParticipantLinks | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class ParticipantRef:
    """A reference to a participant: its SID (in any status), or the identity of a
    connected participant. Exactly one of the two is set."""

    sid: ParticipantSid | None
    identity: str | None

    @classmethod
    def of(cls, text: str, field: str = "participant") -> "ParticipantRef":
        """Parses a reference. A text in the form of a SID is a SID. Raises
        InvalidArgument when the text can be neither a SID nor an identity."""
        if is_sid(ParticipantSid, text):
            return cls(ParticipantSid(text), None)
        return cls(None, checked_identity(text, field))


def checked_identity(text: str, field: str) -> str:
    """Returns the identity unchanged. Raises InvalidArgument when it cannot be one."""
    check_text(text, field, give="a SID (PA and 32 hex digits) or an identity")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantFilter:
    """Which participants a list contains.

    Without statuses, Twilio lists the connected participants of a room in progress, and
    all participants of an ended room. `created_after` is inclusive, `created_before` is
    exclusive.
    """

    statuses: tuple[ParticipantStatus, ...] = ()
    identity: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        check_statuses(self.statuses)
        if self.identity is not None:
            check_text(self.identity, "identity", give="an identity, or leave it out")
        check_zones(created_after=self.created_after, created_before=self.created_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTrack:
    """A track that a participant sends."""

    sid: TrackSid
    participant_sid: ParticipantSid
    room_sid: RoomSid
    kind: TrackKind
    name: str | None = None
    muted: bool | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedTrack:
    """A track that `participant_sid` receives and `publisher_sid` sends."""

    sid: TrackSid
    participant_sid: ParticipantSid
    room_sid: RoomSid
    kind: TrackKind
    publisher_sid: ParticipantSid | None = None
    name: str | None = None
    muted: bool | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    url: str | None = None
    unknown_words: tuple[UnknownWord, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackRef:
    """A reference to a published track: its SID or its name. Exactly one of the two is
    set.

    Twilio cannot look up a subscribed track by name, so those have their SID only.
    """

    sid: TrackSid | None
    name: str | None

    @classmethod
    def of(cls, text: str, field: str = "track") -> "TrackRef":
        """Parses a reference. A text in the form of a SID is a SID. Raises
        InvalidArgument when the text can be neither a SID nor a name."""
        if is_sid(TrackSid, text):
            return cls(TrackSid(text), None)
        return cls(None, checked_track_name(text, field))


def checked_track_name(text: str, field: str) -> str:
    """Returns the name unchanged. Raises InvalidArgument when it cannot be one."""
    check_text(text, field, give="a SID (MT and 32 hex digits) or a track's name")
    return text


def checked_track_sid(text: str, field: str = "track") -> TrackSid:
    """Returns the SID of a subscribed track. Raises InvalidArgument."""
    return checked_sid(TrackSid, text, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRule:
    """Includes or excludes all tracks, or those that match every given filter.

    `priority` is no filter: it is the priority of the tracks that match. Raises
    InvalidArgument for a rule that Twilio would refuse.
    """

    type: RuleType
    all: bool | None = None
    kind: TrackKind | None = None
    publisher: str | None = None
    track: str | None = None
    priority: TrackPriority | None = None

    def __post_init__(self) -> None:
        check_rule(self)
        check_known(self.priority, "priority")
        if self.all and self.priority is not None:
            raise InvalidArgument.at("all", "stands beside `priority`; give it alone")


@dataclass(frozen=True, slots=True)
class NewSubscribeRules:
    """The rules that replace all subscribe rules of a participant."""

    rules: tuple[SubscribeRule, ...]

    def __post_init__(self) -> None:
        check_rules(self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeRules:
    """The rules in force. The dates are None until the rules are changed for the first
    time."""

    participant_sid: ParticipantSid
    room_sid: RoomSid
    rules: tuple[TrackRule, ...] = ()
    create_time: datetime | None = None
    update_time: datetime | None = None
    unknown_words: tuple[UnknownWord, ...] = ()
