"""Live views: a room with its people as the log tells it, folded over a snapshot. Does no I/O.

The order in which events come is no order at all: callbacks overtake each other, are repeated, and begin before the snapshot
they are folded over. So nothing here depends on it. What is known of a thing only ever grows: an end and a leave are final,
of two words about a track the one with the later Timestamp counts, and of several accounts of one fact the least is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

from gateway.core.events import RoomEvent, RoomEventType, end_of
from gateway.core.paging import Page, checked_first
from gateway.core.participants import (
    Participant,
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    PublishedTrack,
)
from gateway.core.rooms import Ended, Room, merge_end
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid, TrackSid

T = TypeVar("T")

GONE_LIMIT: Final = 1_000
"""So many of those who left some time ago are remembered; the others' stays are forgotten, the oldest first."""

# An event changes state up to 15 minutes after its Timestamp, and its clock may be 2 minutes ahead. Who left longer before
# what was heard last cannot be told of any more as somebody who comes.
SETTLED: Final = timedelta(minutes=20)

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody's stay in a room: who, since when, and the tracks they send now, none after they left."""

    participant: Participant
    since: datetime | None
    tracks: tuple[PublishedTrack, ...] = ()

    @property
    def is_here(self) -> bool:
        return self.participant.status is ParticipantStatus.CONNECTED

    def page(self, first: int, after: str | None) -> Page[PublishedTrack]:
        """A page of the tracks after the one with the key `after`. The keys are their SIDs."""
        return _page([(track.sid, track) for track in self.tracks], first, after)


@dataclass(frozen=True, slots=True)
class LiveRoom:
    """A room with the stays in it that are known, in the order in which they began.

    Of stays that were over when the watching began nothing is known, unless the room itself was.
    """

    room: Room
    stays: tuple[Stay, ...]

    @property
    def present(self) -> tuple[Stay, ...]:
        return tuple(stay for stay in self.stays if stay.is_here)

    def knows(self, wanted: ParticipantFilter) -> bool:
        """Whether all who fit the filter are known here: those who left a room in progress are not."""
        return self.room.status.is_final or wanted.status is not ParticipantStatus.DISCONNECTED

    def page(self, wanted: ParticipantFilter, first: int, after: str | None) -> Page[Stay]:
        """A page of the stays that fit the filter, after the one with the key `after`. The
        filter means what it means to Twilio."""
        return _page(
            [(_place(stay), stay) for stay in self.stays if self._fits(stay, wanted)], first, after
        )

    def stay(self, who: ParticipantRef) -> Stay | None:
        """By SID, or by the identity of one who is here."""
        if who.sid is not None:
            return next((stay for stay in self.stays if stay.participant.sid == who.sid), None)
        return next(
            (stay for stay in self.present if stay.participant.identity == who.identity), None
        )

    def _fits(self, stay: Stay, wanted: ParticipantFilter) -> bool:
        who, created = stay.participant, stay.participant.date_created
        fits_status = (
            (self.room.status.is_final or stay.is_here)
            if wanted.status is None
            else who.status is wanted.status
        )
        return (
            fits_status
            and (wanted.identity is None or who.identity == wanted.identity)
            and (
                wanted.created_after is None
                or (created is not None and created >= wanted.created_after)
            )
            and (
                wanted.created_before is None
                or (created is not None and created < wanted.created_before)
            )
        )


@dataclass(frozen=True, slots=True)
class RoomState:
    """All that is known of a room, from the snapshot and from the events since.

    `after` gives the same for any order of the same events, with or without repeats.
    """

    room: Room
    ended: Ended | None = None
    known: Mapping[ParticipantSid, "_StayState"] = field(default_factory=dict)
    heard_at: datetime = _NEVER

    @classmethod
    def of(
        cls, room: Room, people: Iterable[tuple[Participant, Sequence[PublishedTrack]]]
    ) -> "RoomState":
        return cls(room, None, {who.sid: _StayState.of(who, tracks) for who, tracks in people})

    def after(self, *events: RoomEvent) -> "RoomState":
        folded = self
        for event in events:
            folded = folded._after(event)
        return folded

    def _after(self, event: RoomEvent) -> "RoomState":
        if event.room_sid != self.room.sid:
            return self
        folded, end = self, end_of(event)
        if end is not None:
            folded = replace(folded, ended=_least(folded.ended, end, _end_key))
        # A late event changes no state, but that a room's end is final.
        if event.late:
            return folded
        folded = replace(folded, heard_at=max(folded.heard_at, event.at))
        who = _concerned(event)
        if who is None:
            return folded
        known = folded.known.get(who) or _StayState.unseen(who, self.room)
        return replace(folded, known={**folded.known, who: known.after(event)})

    def ending_as(self, earlier: "RoomState") -> "RoomState":
        """Of a newer snapshot: a room that was over before is over still, whatever the snapshot says."""
        room = earlier.live.room
        if not room.status.is_final:
            return self
        return replace(
            self,
            ended=_least(self.ended, Ended(room.status, room.end_time, room.duration), _end_key),
        )

    def bounded(self) -> "RoomState":
        """Without the oldest of those who are long gone, if they have become too many. Everything else stays as it is."""
        if len(self.known) <= GONE_LIMIT:
            return self
        settled_at = self.heard_at - SETTLED if self.heard_at > _NEVER else _NEVER
        gone = sorted(
            (known.left.at, sid)
            for sid, known in self.known.items()
            if known.left is not None and known.left.at is not None and known.left.at < settled_at
        )
        dropped = {sid for _, sid in gone[: max(0, len(gone) - GONE_LIMIT)]}
        return replace(
            self, known={sid: known for sid, known in self.known.items() if sid not in dropped}
        )

    @property
    def live(self) -> LiveRoom:
        room = merge_end(self.room, self.ended)
        stays = [known.stay for known in self.known.values() if known.was_here]
        if room.status.is_final:
            stays = [_over(stay, room.end_time) for stay in stays]
        return LiveRoom(room, tuple(sorted(stays, key=_place)))


def presence(live: LiveRoom) -> tuple[Stay, ...]:
    """Who is in the room: nobody once it is over."""
    return live.present


@dataclass(frozen=True, slots=True)
class _Left:
    """The end of a stay. Final: somebody who comes back has another SID."""

    at: datetime | None
    duration: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class _LwwFlag:
    """Whether something is off, as said at a moment. The later word counts; of two of one moment, the one that says off."""

    at: datetime
    is_off: bool


@dataclass(frozen=True, slots=True)
class _TrackState:
    sid: TrackSid
    told: PublishedTrack | None = None
    """As the snapshot has it."""
    kind: TrackKind | None = None
    name: str | None = None
    published_at: datetime | None = None
    published: _LwwFlag | None = None
    enabled: _LwwFlag | None = None

    @classmethod
    def of(cls, track: PublishedTrack) -> "_TrackState":
        # What is said of it with a later Timestamp counts. Twilio's dates are cut off to seconds: never later than they say.
        updated_at = track.date_updated or track.date_created or _NEVER
        return cls(
            track.sid,
            track,
            published=_LwwFlag(track.date_created or _NEVER, is_off=False),
            enabled=_LwwFlag(updated_at, is_off=track.enabled is False),
        )

    def after(self, event: RoomEvent) -> "_TrackState":
        known = replace(
            self,
            kind=_least(
                self.kind, None if event.track_kind is TrackKind.UNKNOWN else event.track_kind
            ),
            name=_least(self.name, event.track_name),
        )
        match event.type:
            case RoomEventType.TRACK_ADDED:
                published_at = _least(self.published_at, event.at)
                return replace(
                    known,
                    published_at=published_at,
                    published=_later(self.published, _LwwFlag(event.at, is_off=False)),
                )
            case RoomEventType.TRACK_REMOVED:
                return replace(
                    known, published=_later(self.published, _LwwFlag(event.at, is_off=True))
                )
            case _:
                is_off = event.type is RoomEventType.TRACK_DISABLED
                return replace(known, enabled=_later(self.enabled, _LwwFlag(event.at, is_off)))

    @property
    def is_here(self) -> bool:
        return self.published is None or not self.published.is_off

    def track(self, who: Participant) -> PublishedTrack:
        track = self.told or PublishedTrack(
            sid=self.sid,
            participant_sid=who.sid,
            room_sid=who.room_sid,
            kind=self.kind or TrackKind.UNKNOWN,
            name=self.name,
            date_created=self.published_at,
        )
        # A track is enabled until it is said to be disabled.
        return replace(track, enabled=self.enabled is None or not self.enabled.is_off)


@dataclass(frozen=True)
class _StayState:
    """What is known of one stay."""

    told: Participant
    """As the snapshot has it, or only who it is."""
    identity: str | None = None
    since: datetime | None = None
    left: _Left | None = None
    was_here: bool = False
    """Whether anything proves it: that a track was removed does not, for it may be the last that is heard of somebody whose
    leave was heard before the snapshot."""
    tracks: Mapping[TrackSid, _TrackState] = field(default_factory=dict)

    @classmethod
    def of(cls, who: Participant, tracks: Sequence[PublishedTrack]) -> "_StayState":
        return cls(
            who,
            who.identity,
            who.start_time or who.date_created,
            _left(who, who.end_time),
            was_here=True,
            tracks={track.sid: _TrackState.of(track) for track in tracks},
        )

    @classmethod
    def unseen(cls, sid: ParticipantSid, room: Room) -> "_StayState":
        status = ParticipantStatus.CONNECTED
        return cls(
            Participant(sid=sid, room_sid=room.sid, account_sid=room.account_sid, status=status)
        )

    def after(self, event: RoomEvent) -> "_StayState":
        answered, left = event.participant, self.left
        if event.type is RoomEventType.PARTICIPANT_DISCONNECTED:
            left = _least(left, _Left(event.at, event.participant_duration), _left_key)
        elif answered is not None:
            left = _least(left, _left(answered, answered.end_time or event.at), _left_key)
        told_of = event.participant_identity if answered is None else answered.identity
        return replace(
            self,
            # Anonymized once is anonymized for good.
            identity=self.told.sid
            if self.told.sid in (self.identity, told_of)
            else _least(self.identity, told_of),
            since=_least(self.since, event.at if answered is None else answered.start_time),
            left=left,
            was_here=self.was_here or event.type is not RoomEventType.TRACK_REMOVED,
            tracks=self._tracks_after(event),
        )

    def _tracks_after(self, event: RoomEvent) -> Mapping[TrackSid, _TrackState]:
        if event.type not in _TRACK or event.track_sid is None:
            return self.tracks
        sid = TrackSid(event.track_sid)
        return {**self.tracks, sid: self.tracks.get(sid, _TrackState(sid)).after(event)}

    @cached_property
    def stay(self) -> Stay:
        """While the room is in progress. Kept, for most events are about somebody else."""
        # Callbacks do not tell of reconnecting: who does so is still there.
        status = (
            ParticipantStatus.CONNECTED if self.left is None else ParticipantStatus.DISCONNECTED
        )
        who = replace(
            self.told,
            identity=self.identity,
            status=status,
            date_created=self.told.date_created or self.since,
            start_time=self.told.start_time or self.since,
        )
        if self.left is not None:
            return Stay(
                replace(who, end_time=self.left.at, duration=self.left.duration), self.since
            )
        here = sorted(
            (known for known in self.tracks.values() if known.is_here), key=lambda known: known.sid
        )
        return Stay(who, self.since, tuple(known.track(who) for known in here))


_PEOPLE: Final = frozenset(
    {RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.PARTICIPANT_DISCONNECTED}
)
_TRACK: Final = frozenset(
    {
        RoomEventType.TRACK_ADDED,
        RoomEventType.TRACK_REMOVED,
        RoomEventType.TRACK_ENABLED,
        RoomEventType.TRACK_DISABLED,
    }
)


def _concerned(event: RoomEvent) -> ParticipantSid | None:
    """Whose stay the event changes."""
    if event.participant is not None:
        return event.participant.sid
    if event.type in _PEOPLE or event.type in _TRACK:
        return None if event.participant_sid is None else ParticipantSid(event.participant_sid)
    return None


def _left(who: Participant, at: datetime | None) -> _Left | None:
    return _Left(at, who.duration) if who.status is ParticipantStatus.DISCONNECTED else None


def _over(stay: Stay, at: datetime | None) -> Stay:
    """A stay in a room that has ended."""
    if not stay.is_here:
        return stay
    return Stay(
        replace(stay.participant, status=ParticipantStatus.DISCONNECTED, end_time=at), stay.since
    )


def _least(one: T | None, other: T | None, key: Any = None) -> T | None:
    """What is known of a fact; of two accounts of it the lesser one, so that it does not matter which came first."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=key)


def _later(one: _LwwFlag | None, other: _LwwFlag) -> _LwwFlag:
    return other if one is None else max(one, other)


def _left_key(left: _Left) -> tuple[Any, ...]:
    return left.at is None, left.at or _NEVER, left.duration is None, left.duration or 0


def _end_key(ended: Ended) -> tuple[Any, ...]:
    end = ended.end_time
    return end is None, end or _NEVER, ended.status, ended.duration is None, ended.duration or 0


def _place(stay: Stay) -> str:
    """Orders the stays of a room. Stays valid as a page key when the stay has ended."""
    since = (stay.since or _NEVER).astimezone(UTC).isoformat(timespec="microseconds")
    return f"{since}~{stay.participant.sid}"


def _page(placed: Sequence[tuple[str, T]], first: int, after: str | None) -> Page[T]:
    checked_first(first)
    rest = [item for item in placed if after is None or item[0] > after]
    shown = tuple(rest[:first])
    return Page(shown, shown[-1][0] if shown else None, len(rest) > first)
