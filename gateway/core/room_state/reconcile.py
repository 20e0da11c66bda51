"""What the log says of a room against what Twilio's REST shows of it; the difference, as events. Does no I/O.

The log is never contradicted by what may be older than it: a room or a stay that ended is never begun again, and what was
told within REST_LAG of the question is left alone. Nor is a fact told that happened so lately that its own callback may be
under way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from gateway.core.events import EventSource, RoomEvent, RoomEventType, end_of
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack
from gateway.core.rooms import (
    MAX_PARTICIPANTS,
    AccountSid,
    Ended,
    Room,
    RoomSid,
    RoomStatus,
    RoomType,
    merge_end,
)

# The most we believe that REST lags a callback, or that a callback which comes at all lags REST.
REST_LAG: Final = timedelta(seconds=5)
# A jump beyond this is no row of lost callbacks; the room is looked at all the same.
HOLE_LIMIT: Final = 64

_SWITCHES: Final = {RoomEventType.TRACK_ENABLED: True, RoomEventType.TRACK_DISABLED: False}


@dataclass(frozen=True, slots=True)
class TrackView:
    """`is_enabled` is None while nobody has told. `n`: the newest event of it."""

    is_added: bool = False
    is_removed: bool = False
    is_enabled: bool | None = None
    switched: tuple[datetime, int] | None = None
    """When it was last enabled or disabled, and by which event."""
    n: int = 0


@dataclass(frozen=True, slots=True)
class PersonView:
    """One stay. `is_connected`: its beginning was told. A stay that ended has ended for good: who comes back has another
    SID."""

    is_connected: bool = False
    is_gone: bool = False
    identity: str | None = None
    tracks: Mapping[str, TrackView] = field(default_factory=lambda: MappingProxyType({}))
    n: int = 0


@dataclass(frozen=True, slots=True)
class RoomView:
    """What the log says of one room, so far. The same after any order of its events.

    `missing`: sequence numbers between `lowest` and `highest` that no event had. `n` and `first_n`: the room's newest and
    oldest event.
    """

    sid: RoomSid
    account_sid: AccountSid
    name: str | None = None
    type: RoomType | None = None
    is_created: bool = False
    is_over: bool = False
    is_end_told: bool = False
    """By a room-ended; an end that is our own mutation is still to be told by one."""
    people: Mapping[str, PersonView] = field(default_factory=lambda: MappingProxyType({}))
    lowest: int | None = None
    highest: int | None = None
    missing: frozenset[int] = frozenset()
    n: int = 0
    first_n: int = 0

    @property
    def here(self) -> tuple[str, ...]:
        """Who is in the room, so far as was told."""
        return tuple(sid for sid, person in self.people.items() if not person.is_gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What REST answered; what was not asked for is left empty.

    `at`: when it was asked. `as_of_n`: the log's number REST_LAG earlier, up to which the answer shows everything.
    """

    at: datetime
    as_of_n: int
    room: Room | None = None
    people: tuple[Participant, ...] = ()
    has_all_here: bool = False
    """Whether `people` has everybody who is connected."""
    tracks: Mapping[str, tuple[PublishedTrack, ...]] = field(default_factory=dict)
    """All that these participants publish."""
    missed: Mapping[str, datetime] = field(default_factory=dict)
    """Tracks that an earlier answer did not show either, and when that was: REST has no date of their end."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`events` are what the log misses, in the order of their times. `missing` are participants and tracks that were told of
    and are not shown: it must be found out what became of them. `is_early`: there is more that is too young to be judged."""

    events: tuple[RoomEvent, ...]
    missing: tuple[str, ...]
    is_early: bool


def told(view: RoomView, event: RoomEvent, n: int) -> RoomView:
    """The view after the log's entry n. Harmless when it comes twice."""
    view = replace(
        _numbered(view, event.sequence_number),
        name=event.room_name or view.name,
        type=event.room_type or view.type,
        n=max(view.n, n),
        first_n=min(view.first_n or n, n),
    )
    if end_of(event) is not None:
        return replace(
            view,
            is_over=True,
            is_end_told=view.is_end_told or event.type is RoomEventType.ROOM_ENDED,
        )
    if event.late:
        return view
    if event.type is RoomEventType.ROOM_CREATED:
        return replace(view, is_created=True)
    if event.participant_sid is None or event.recording_sid is not None:
        return view
    person = _person_told(view.people.get(event.participant_sid, PersonView()), event, n)
    return replace(view, people={**view.people, event.participant_sid: person})


def compare(view: RoomView, shown: Shown) -> Difference:
    """What the log misses of what REST showed. Once those events are told, the same answer gives none."""
    found = [*_of_room(view, shown), *_of_people(view, shown), *_of_tracks(view, shown)]
    # A callback that comes is here before then; and what our clock and Twilio's do not agree on is not young for ever.
    ripe = [event for event in found if abs(shown.at - event.at) >= REST_LAG]
    told_in_order = tuple(sorted(ripe, key=lambda event: event.at))
    return Difference(told_in_order, tuple(_missing(view, shown)), len(ripe) < len(found))


def fact_of(event: RoomEvent) -> str:
    """What two leaders who find the same difference both call it: so it is logged once."""
    parts = ["reconciled", event.type, event.room_sid, event.participant_sid, event.track_sid]
    if event.type in _SWITCHES:
        parts.append(event.at.isoformat())
    return " ".join(part or "-" for part in parts)


def room_told(events: Iterable[RoomEvent], status_callback: str) -> Room | None:
    """The room as its events tell it, or None when none says of what type it is.

    Twilio's last answer to a change of ours has everything. Callbacks do not tell limits and timeouts: those are then what
    Twilio gives a room that was created without them.
    """
    room: Room | None = None
    ended: Ended | None = None
    for event in events:
        ended = ended or end_of(event)
        if event.room is not None:
            room = event.room
        elif room is None and event.room_type is not None and event.source is EventSource.CALLBACK:
            room = Room(
                sid=event.room_sid,
                account_sid=event.account_sid,
                status=RoomStatus.IN_PROGRESS,
                type=event.room_type,
                unique_name=event.room_name,
                date_created=event.at if event.type is RoomEventType.ROOM_CREATED else None,
                status_callback=status_callback,
                status_callback_method="POST",
                # https://www.twilio.com/docs/video/api/rooms-resource
                max_participants=MAX_PARTICIPANTS.get(
                    event.room_type, MAX_PARTICIPANTS[RoomType.GROUP]
                ),
                max_participant_duration=14_400,
                empty_room_timeout=5,
                unused_room_timeout=5,
            )
    return None if room is None else merge_end(room, ended)


def _numbered(view: RoomView, number: int | None) -> RoomView:
    if number is None:
        return view
    if view.lowest is None or view.highest is None:
        return replace(view, lowest=number, highest=number)
    if number == view.highest + 1:
        return replace(view, highest=number)
    hole = {
        *range(view.highest + 1, number)[-HOLE_LIMIT:],
        *range(number + 1, view.lowest)[-HOLE_LIMIT:],
    }
    missing = (view.missing | hole) - {number}
    return replace(
        view,
        lowest=min(view.lowest, number),
        highest=max(view.highest, number),
        missing=frozenset(sorted(missing)[-HOLE_LIMIT:]),
    )


def _person_told(person: PersonView, event: RoomEvent, n: int) -> PersonView:
    person = replace(
        person, identity=event.participant_identity or person.identity, n=max(person.n, n)
    )
    if event.type is RoomEventType.PARTICIPANT_CONNECTED:
        return replace(person, is_connected=True)
    if event.type is RoomEventType.PARTICIPANT_DISCONNECTED:
        return replace(person, is_gone=True)
    if event.track_sid is None:
        return person
    track = person.tracks.get(event.track_sid, TrackView())
    track = replace(track, n=max(track.n, n))
    if event.type is RoomEventType.TRACK_ADDED:
        track = replace(track, is_added=True)
    elif event.type is RoomEventType.TRACK_REMOVED:
        track = replace(track, is_removed=True)
    elif event.type in _SWITCHES and (track.switched is None or track.switched <= (event.at, n)):
        track = replace(track, is_enabled=_SWITCHES[event.type], switched=(event.at, n))
    return replace(person, tracks={**person.tracks, event.track_sid: track})


def _event(view: RoomView, type_: RoomEventType, at: datetime, **parts: Any) -> RoomEvent:
    said = {
        "room_name": view.name,
        "room_type": view.type,
        "room_status": RoomStatus.COMPLETED if view.is_over else RoomStatus.IN_PROGRESS,
    }
    return RoomEvent(
        type=type_,
        account_sid=view.account_sid,
        room_sid=view.sid,
        at=at,
        source=EventSource.RECONCILED,
        **said | parts,
    )


def _of_room(view: RoomView, shown: Shown) -> Iterable[RoomEvent]:
    room = shown.room
    if room is None or (not view.n and room.status.is_final):
        # Of a room that came and went without the log, nobody has to be told: an old callback that is sent again may name it.
        return
    said = {"room_name": room.unique_name, "room_type": room.type}
    if not view.is_created and room.date_created is not None:
        yield _event(
            view,
            RoomEventType.ROOM_CREATED,
            room.date_created,
            **said,
            room_status=RoomStatus.IN_PROGRESS,
        )
    if room.status.is_final and not view.is_end_told:
        at = room.end_time or shown.at
        yield _event(
            view,
            RoomEventType.ROOM_ENDED,
            at,
            **said,
            room_status=room.status,
            room_duration=room.duration,
        )


def _of_people(view: RoomView, shown: Shown) -> Iterable[RoomEvent]:
    for person in shown.people:
        known = view.people.get(person.sid, PersonView())
        if known.is_gone:
            continue
        who = {"participant_sid": person.sid, "participant_identity": person.identity}
        began_at = person.start_time or person.date_created
        if not known.is_connected and began_at is not None:
            yield _event(
                view,
                RoomEventType.PARTICIPANT_CONNECTED,
                began_at,
                **who,
                participant_status=ParticipantStatus.CONNECTED.value,
            )
        if person.status is ParticipantStatus.DISCONNECTED:
            yield _event(
                view,
                RoomEventType.PARTICIPANT_DISCONNECTED,
                person.end_time or person.date_updated or shown.at,
                **who,
                participant_status=ParticipantStatus.DISCONNECTED.value,
                participant_duration=person.duration,
            )


def _of_tracks(view: RoomView, shown: Shown) -> Iterable[RoomEvent]:
    for sid, tracks in shown.tracks.items():
        person = view.people.get(sid, PersonView())
        who = {"participant_sid": sid, "participant_identity": person.identity}
        for track in tracks if not person.is_gone else ():
            known = person.tracks.get(track.sid, TrackView())
            what = {"track_sid": track.sid, "track_kind": track.kind, "track_name": track.name}
            if known.is_removed or track.date_created is None:
                continue
            if not known.is_added:
                yield _event(view, RoomEventType.TRACK_ADDED, track.date_created, **who, **what)
            # Nobody tells how a track is when it is published: disabled is worth telling, enabled is what it is taken for.
            is_enabled = True if known.is_enabled is None else known.is_enabled
            if (
                track.enabled is not None
                and track.enabled is not is_enabled
                and known.n <= shown.as_of_n
            ):
                at = track.date_updated or track.date_created
                # Dates in REST have whole seconds: it must not seem older than what it replaces.
                at = at if known.switched is None else max(at, known.switched[0])
                word = (
                    RoomEventType.TRACK_ENABLED if track.enabled else RoomEventType.TRACK_DISABLED
                )
                yield _event(view, word, at, **who, **what)
        for gone in _absent_tracks(person, tracks):
            if gone in shown.missed and person.tracks[gone].n <= shown.as_of_n:
                yield _event(
                    view, RoomEventType.TRACK_REMOVED, shown.missed[gone], **who, track_sid=gone
                )


def _absent_tracks(person: PersonView, shown: tuple[PublishedTrack, ...]) -> list[str]:
    if person.is_gone:
        return []
    published = {track.sid for track in shown}
    return [
        sid for sid, track in person.tracks.items() if not track.is_removed and sid not in published
    ]


def _absent(view: RoomView, shown: Shown) -> Iterable[str]:
    """Who was told to be here and is not shown, and what was told to be published."""
    if shown.has_all_here:
        listed = {person.sid for person in shown.people}
        yield from (sid for sid in view.here if sid not in listed)
    for sid, tracks in shown.tracks.items():
        yield from (
            gone
            for gone in _absent_tracks(view.people.get(sid, PersonView()), tracks)
            if gone not in shown.missed
        )


def _missing(view: RoomView, shown: Shown) -> Iterable[str]:
    """Those of the absent that REST, however much it lags, should have shown."""
    told_at = {sid: person.n for sid, person in view.people.items()}
    told_at |= {
        sid: track.n for person in view.people.values() for sid, track in person.tracks.items()
    }
    return (sid for sid in _absent(view, shown) if told_at[sid] <= shown.as_of_n)
