"""A room with its participants, as a CRDT of last-writer-wins registers. Does no I/O.

A live view starts with a snapshot from Twilio's REST API and applies the events of the
log to it. The order of events means nothing: callbacks overtake each other, are
repeated, and may be older than the snapshot. So the state is the same for every order.
Its knowledge only grows: the end of a room and of a stay is final, the flag of a track
with the later Timestamp wins, and of different values for one fact the least is kept.
https://en.wikipedia.org/wiki/Conflict-free_replicated_data_type
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

ENDED_STAYS: Final = 1_000
"""How many stays that ended some time ago are kept. The oldest are dropped first."""

# An event changes the state up to 15 minutes after its Timestamp, and Twilio's clock
# may be 2 minutes ahead. So no event can belong to a stay that ended more than 20
# minutes before the newest event.
SETTLED: Final = timedelta(minutes=20)

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a participant in a room, with the tracks that it publishes now. A
    stay that has ended has none."""

    participant: Participant
    since: datetime | None
    tracks: tuple[PublishedTrack, ...] = ()

    @property
    def is_present(self) -> bool:
        return self.participant.status is ParticipantStatus.CONNECTED

    @property
    def muted(self) -> bool:
        """Whether the participant publishes no audio track that is enabled."""
        return not any(track.kind is TrackKind.AUDIO and not track.muted for track in self.tracks)

    def page(self, first: int, after: str | None) -> Page[PublishedTrack]:
        """A page of the tracks, after the one with the key `after`. A key is a SID."""
        return _page([(track.sid, track) for track in self.tracks], first, after)


@dataclass(frozen=True, slots=True)
class LiveRoom:
    """A room with its known stays, in the order in which they began.

    A stay that had ended before the view started is unknown, unless the room had ended
    as well.
    """

    room: Room
    stays: tuple[Stay, ...]

    @property
    def present(self) -> tuple[Stay, ...]:
        """The stays of the participants in the room: none once it has ended."""
        return tuple(stay for stay in self.stays if stay.is_present)

    def covers(self, filters: ParticipantFilter) -> bool:
        """Whether all stays that match are known. Those that have ended in a room in
        progress are not."""
        return self.room.status.is_final or ParticipantStatus.DISCONNECTED not in filters.statuses

    def page(self, filters: ParticipantFilter, first: int, after: str | None) -> Page[Stay]:
        """A page of the stays that match, after the one with the key `after`.

        The filters mean what they mean to Twilio.
        """
        matching = [(_key(stay), stay) for stay in self.stays if self._matches(stay, filters)]
        return _page(matching, first, after)

    def find(self, ref: ParticipantRef) -> Stay | None:
        """The stay by its SID, or by the identity of a participant who is in the
        room."""
        if ref.sid is not None:
            return next((stay for stay in self.stays if stay.participant.sid == ref.sid), None)
        return next(
            (stay for stay in self.present if stay.participant.identity == ref.identity), None
        )

    def _matches(self, stay: Stay, filters: ParticipantFilter) -> bool:
        participant, created = stay.participant, stay.participant.create_time
        matches_status = (
            participant.status in filters.statuses
            if filters.statuses
            else (self.room.status.is_final or stay.is_present)
        )
        return (
            matches_status
            and (filters.identity is None or participant.identity == filters.identity)
            and (
                filters.created_after is None
                or (created is not None and created >= filters.created_after)
            )
            and (
                filters.created_before is None
                or (created is not None and created < filters.created_before)
            )
        )


@dataclass(frozen=True, slots=True)
class RoomState:
    """What the snapshot and the events since say about a room.

    The same events, in any order and with any repeats, give the same state.
    """

    room: Room
    ended: Ended | None = None
    stays: Mapping[ParticipantSid, "_StayState"] = field(default_factory=dict)
    newest_at: datetime = _NEVER
    """The Timestamp of the newest event."""

    @classmethod
    def from_snapshot(
        cls, room: Room, participants: Iterable[tuple[Participant, Sequence[PublishedTrack]]]
    ) -> "RoomState":
        stays = {
            participant.sid: _StayState.from_snapshot(participant, tracks)
            for participant, tracks in participants
        }
        return cls(room, None, stays)

    def after(self, *events: RoomEvent) -> "RoomState":
        """The state after these events. Events of other rooms change nothing."""
        state = self
        for event in events:
            state = state._after(event)
        return state

    def _after(self, event: RoomEvent) -> "RoomState":
        if event.room_sid != self.room.sid:
            return self
        state, end = self, end_of(event)
        if end is not None:
            state = replace(state, ended=_least(state.ended, end, _end_order))
        # A late event changes no state, except that the end of a room is final.
        if event.late:
            return state
        state = replace(state, newest_at=max(state.newest_at, event.event_time))
        sid = _participant_of(event)
        if sid is None:
            return state
        stay = state.stays.get(sid) or _StayState.unknown(sid, self.room)
        return replace(state, stays={**state.stays, sid: stay.after(event)})

    def keeping_end_of(self, earlier: "RoomState") -> "RoomState":
        """This state of a newer snapshot, ended if the earlier one was: a room that has
        ended stays ended, even if the snapshot says otherwise."""
        room = earlier.view.room
        if not room.status.is_final:
            return self
        ended = Ended(room.status, room.end_time, room.duration)
        return replace(self, ended=_least(self.ended, ended, _end_order))

    def bounded(self, ended_stays: int = ENDED_STAYS) -> "RoomState":
        """The state without the oldest stays that ended long ago, if there are more
        than `ended_stays`."""
        if len(self.stays) <= ended_stays:
            return self
        settled_at = self.newest_at - SETTLED if self.newest_at > _NEVER else _NEVER
        settled = sorted(
            (stay.leave.at, sid)
            for sid, stay in self.stays.items()
            if stay.leave is not None and stay.leave.at is not None and stay.leave.at < settled_at
        )
        dropped = {sid for _, sid in settled[: max(0, len(settled) - ended_stays)]}
        if not dropped:
            return self
        return replace(
            self, stays={sid: stay for sid, stay in self.stays.items() if sid not in dropped}
        )

    @property
    def view(self) -> LiveRoom:
        """The room as clients see it."""
        room = merge_end(self.room, self.ended)
        stays = [state.stay for state in self.stays.values() if state.is_proven]
        if room.status.is_final:
            stays = [_end_stay(stay, room.end_time) for stay in stays]
        return LiveRoom(room, tuple(sorted(stays, key=_key)))


@dataclass(frozen=True, slots=True)
class _Leave:
    """The end of a stay. It is final: a participant who returns has another SID."""

    at: datetime | None
    duration: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class _LwwFlag:
    """A last-writer-wins register: whether something is off, and since when.

    The later write wins. Of two writes at the same time, the one that says off wins.
    """

    at: datetime
    is_off: bool


@dataclass(frozen=True, slots=True)
class _TrackState:
    """What is known of one track. `snapshot` is None if only events have named it."""

    sid: TrackSid
    snapshot: PublishedTrack | None = None
    kind: TrackKind | None = None
    name: str | None = None
    published_at: datetime | None = None
    published: _LwwFlag | None = None
    enabled: _LwwFlag | None = None

    @classmethod
    def from_snapshot(cls, track: PublishedTrack) -> "_TrackState":
        # An event with a later Timestamp wins. Twilio cuts its dates off to seconds, so
        # they are never too late.
        updated_at = track.update_time or track.create_time or _NEVER
        return cls(
            track.sid,
            track,
            published=_LwwFlag(track.create_time or _NEVER, is_off=False),
            enabled=_LwwFlag(updated_at, is_off=track.muted is True),
        )

    def after(self, event: RoomEvent) -> "_TrackState":
        kind = None if event.track_kind is TrackKind.UNKNOWN else event.track_kind
        state = replace(
            self, kind=_least(self.kind, kind), name=_least(self.name, event.track_name)
        )
        match event.type:
            case RoomEventType.TRACK_ADDED:
                return replace(
                    state,
                    published_at=_least(self.published_at, event.event_time),
                    published=_latest(self.published, _LwwFlag(event.event_time, is_off=False)),
                )
            case RoomEventType.TRACK_REMOVED:
                removed = _LwwFlag(event.event_time, is_off=True)
                return replace(state, published=_latest(self.published, removed))
            case _:
                is_off = event.type is RoomEventType.TRACK_DISABLED
                return replace(
                    state, enabled=_latest(self.enabled, _LwwFlag(event.event_time, is_off))
                )

    @property
    def is_published(self) -> bool:
        return self.published is None or not self.published.is_off

    def track(self, publisher: Participant) -> PublishedTrack:
        track = self.snapshot or PublishedTrack(
            sid=self.sid,
            participant_sid=publisher.sid,
            room_sid=publisher.room_sid,
            kind=self.kind or TrackKind.UNKNOWN,
            name=self.name,
            create_time=self.published_at,
        )
        # A track is enabled until an event says that it is disabled.
        return replace(track, muted=self.enabled is not None and self.enabled.is_off)


@dataclass(frozen=True)
class _StayState:
    """What is known of one stay."""

    snapshot: Participant
    """The participant as Twilio shows it, or with its SID only."""
    identity: str | None = None
    since: datetime | None = None
    leave: _Leave | None = None
    is_proven: bool = False
    """Whether the participant was certainly in the room during the view. A removed
    track does not prove it: it may be the last event of a stay that ended before the
    snapshot."""
    tracks: Mapping[TrackSid, _TrackState] = field(default_factory=dict)

    @classmethod
    def from_snapshot(
        cls, participant: Participant, tracks: Sequence[PublishedTrack]
    ) -> "_StayState":
        return cls(
            participant,
            participant.identity,
            participant.start_time or participant.create_time,
            _leave_of(participant, participant.end_time),
            is_proven=True,
            tracks={track.sid: _TrackState.from_snapshot(track) for track in tracks},
        )

    @classmethod
    def unknown(cls, sid: ParticipantSid, room: Room) -> "_StayState":
        """The state before the first event of a participant that the snapshot lacks."""
        status = ParticipantStatus.CONNECTED
        return cls(
            Participant(sid=sid, room_sid=room.sid, account_sid=room.account_sid, status=status)
        )

    def after(self, event: RoomEvent) -> "_StayState":
        answer, leave = event.participant, self.leave
        if event.type is RoomEventType.PARTICIPANT_DISCONNECTED:
            leave = _least(
                leave, _Leave(event.event_time, event.participant_duration), _leave_order
            )
        elif answer is not None:
            leave = _least(
                leave, _leave_of(answer, answer.end_time or event.event_time), _leave_order
            )
        identity = event.participant_identity if answer is None else answer.identity
        return replace(
            self,
            # An anonymized participant, whose identity is its SID, stays anonymized.
            identity=self.snapshot.sid
            if self.snapshot.sid in (self.identity, identity)
            else _least(self.identity, identity),
            since=_least(self.since, event.event_time if answer is None else answer.start_time),
            leave=leave,
            is_proven=self.is_proven or event.type is not RoomEventType.TRACK_REMOVED,
            tracks=self._tracks_after(event),
        )

    def _tracks_after(self, event: RoomEvent) -> Mapping[TrackSid, _TrackState]:
        if event.type not in _TRACK_EVENTS or event.track_sid is None:
            return self.tracks
        sid = TrackSid(event.track_sid)
        return {**self.tracks, sid: self.tracks.get(sid, _TrackState(sid)).after(event)}

    @cached_property
    def stay(self) -> Stay:
        """The stay in a room in progress. Cached, because most events are about
        others."""
        # Callbacks do not report reconnecting: such a participant counts as connected.
        participant = replace(
            self.snapshot,
            identity=self.identity,
            status=ParticipantStatus.CONNECTED
            if self.leave is None
            else ParticipantStatus.DISCONNECTED,
            create_time=self.snapshot.create_time or self.since,
            start_time=self.snapshot.start_time or self.since,
        )
        if self.leave is not None:
            ended = replace(participant, end_time=self.leave.at, duration=self.leave.duration)
            return Stay(ended, self.since)
        published = sorted(
            (track for track in self.tracks.values() if track.is_published),
            key=lambda track: track.sid,
        )
        return Stay(participant, self.since, tuple(track.track(participant) for track in published))


_PARTICIPANT_EVENTS: Final = frozenset(
    {RoomEventType.PARTICIPANT_CONNECTED, RoomEventType.PARTICIPANT_DISCONNECTED}
)
_TRACK_EVENTS: Final = frozenset(
    {
        RoomEventType.TRACK_ADDED,
        RoomEventType.TRACK_REMOVED,
        RoomEventType.TRACK_ENABLED,
        RoomEventType.TRACK_DISABLED,
    }
)


def _participant_of(event: RoomEvent) -> ParticipantSid | None:
    """The participant whose stay the event changes."""
    if event.participant is not None:
        return event.participant.sid
    if event.type in _PARTICIPANT_EVENTS or event.type in _TRACK_EVENTS:
        return None if event.participant_sid is None else ParticipantSid(event.participant_sid)
    return None


def _leave_of(participant: Participant, at: datetime | None) -> _Leave | None:
    if participant.status is not ParticipantStatus.DISCONNECTED:
        return None
    return _Leave(at, participant.duration)


def _end_stay(stay: Stay, at: datetime | None) -> Stay:
    """The stay after the end of its room."""
    if not stay.is_present:
        return stay
    status = ParticipantStatus.DISCONNECTED
    return Stay(replace(stay.participant, status=status, end_time=at), stay.since)


def _least(one: T | None, other: T | None, order: Any = None) -> T | None:
    """The lesser of two values for one fact, so that their order does not matter."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=order)


def _latest(one: _LwwFlag | None, other: _LwwFlag) -> _LwwFlag:
    return other if one is None else max(one, other)


def _leave_order(leave: _Leave) -> tuple[Any, ...]:
    return leave.at is None, leave.at or _NEVER, leave.duration is None, leave.duration or 0


def _end_order(ended: Ended) -> tuple[Any, ...]:
    end = ended.end_time
    return end is None, end or _NEVER, ended.status, ended.duration is None, ended.duration or 0


def _key(stay: Stay) -> str:
    """Orders the stays of a room. The key stays valid for paging when the stay ends."""
    since = (stay.since or _NEVER).astimezone(UTC).isoformat(timespec="microseconds")
    return f"{since}~{stay.participant.sid}"


def _page(items: Sequence[tuple[str, T]], first: int, after: str | None) -> Page[T]:
    """A page of items with their keys, in the order of the keys."""
    checked_first(first)
    rest = [item for item in items if after is None or item[0] > after]
    page = tuple(rest[:first])
    return Page(page, page[-1][0] if page else None, len(rest) > first)
