"""Compares a room's log with what Twilio's REST API shows. Does no I/O.

The result is the events that the log lacks. Three rules keep REST, which lags, from
contradicting the log:

- A room or a participant that ended does not begin again. Only a beginning that the log
  lacks is added, with its own time.
- A fact that the log learned after the position up to which REST is current stands.
- A change younger than the lag is left to its own callback, which may still arrive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.core.events import RoomEvent, RoomEventSource, RoomEventType
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack
from gateway.core.room_state.history import SWITCHES, RoomHistory, StayHistory, TrackHistory
from gateway.core.rooms import Room, RoomStatus

# The longest that REST is assumed to lag a callback, or a callback to lag REST.
REST_LAG: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What Twilio's REST API shows. Parts that were not requested are empty.

    `at` is when the request was made. The response shows everything that the log has up
    to the log number `as_of_n`, which is the newest one of REST_LAG earlier.
    """

    at: datetime
    as_of_n: int
    room: Room | None = None
    participants: tuple[Participant, ...] = ()
    has_all_present: bool = False
    """Whether `participants` has every connected participant."""
    tracks: Mapping[str, tuple[PublishedTrack, ...]] = field(default_factory=dict)
    """All published tracks, by participant SID."""
    absent_since: Mapping[str, datetime] = field(default_factory=dict)
    """Tracks that an earlier response did not show either, with the time of that
    request. REST has no date for the end of a track."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the log lacks of an observation.

    `events` are sorted by time. `missing` are the SIDs of participants and tracks that
    are in the log and that REST does not show: another request has to find out what
    became of them. `has_recent` means that there are changes too young to be judged.
    `present` are the participants of an observation that has all of them.
    """

    events: tuple[RoomEvent, ...] = ()
    missing: tuple[str, ...] = ()
    has_recent: bool = False
    present: tuple[str, ...] = ()


NO_DIFFERENCE: Final = Difference()


def compare(history: RoomHistory, observation: Observation, rest_lag: timedelta) -> Difference:
    """Returns what the log lacks of the observation.

    Once its events are in the log, the same observation gives no event.
    """
    found = [
        *_room_events(history, observation),
        *_participant_events(history, observation),
        *_track_events(history, observation),
    ]
    # The distance is absolute: if Twilio's clock is ahead of ours, an event must not
    # stay recent for ever.
    ripe = [event for event in found if abs(observation.at - event.event_time) >= rest_lag]
    present = observation.participants if observation.has_all_present else ()
    return Difference(
        tuple(sorted(ripe, key=lambda event: event.event_time)),
        tuple(_missing(history, observation)),
        len(ripe) < len(found),
        tuple(participant.sid for participant in present),
    )


def absent_tracks(stay: StayHistory, published: Iterable[PublishedTrack]) -> list[str]:
    """Returns the SIDs of tracks that the log has as published, except `published`."""
    if stay.has_left:
        return []
    listed = {track.sid for track in published}
    return [sid for sid, track in stay.tracks.items() if not track.is_removed and sid not in listed]


def fact_id(event: RoomEvent) -> str:
    """Returns the deduplication key of a reconciled event.

    Two leaders that find the same fact give it the same key, so it is logged once.
    """
    parts = ["reconciled", event.type, event.room_sid, event.participant_sid, event.track_sid]
    if event.type in SWITCHES:
        parts.append(event.event_time.isoformat())
    return " ".join(part or "-" for part in parts)


def _event(history: RoomHistory, type_: RoomEventType, at: datetime, **parts: Any) -> RoomEvent:
    room = {
        "room_name": history.name,
        "room_type": history.type,
        "room_status": RoomStatus.COMPLETED if history.has_ended else RoomStatus.IN_PROGRESS,
    }
    return RoomEvent(
        type=type_,
        account_sid=history.account_sid,
        room_sid=history.sid,
        event_time=at,
        source=RoomEventSource.RECONCILED,
        **room | parts,
    )


def _room_events(history: RoomHistory, observation: Observation) -> Iterable[RoomEvent]:
    room = observation.room
    if room is None or (not history.last_n and room.status.is_final):
        # A room that began and ended without any event stays out of the log. An old
        # callback that is sent again can name such a room.
        return
    parts = {"room_name": room.unique_name, "room_type": room.type}
    if not history.is_created and room.create_time is not None:
        yield _event(
            history,
            RoomEventType.ROOM_CREATED,
            room.create_time,
            **parts,
            room_status=RoomStatus.IN_PROGRESS,
        )
    if room.status.is_final and not history.is_end_logged:
        yield _event(
            history,
            RoomEventType.ROOM_ENDED,
            room.end_time or observation.at,
            **parts,
            room_status=room.status,
            room_duration=room.duration,
        )


def _participant_events(history: RoomHistory, observation: Observation) -> Iterable[RoomEvent]:
    for participant in observation.participants:
        stay = history.stays.get(participant.sid, StayHistory())
        if stay.has_left and (stay.has_joined or not history.lacks_joins):
            continue
        parts = {
            "participant_sid": participant.sid,
            "participant_identity": participant.identity,
        }
        joined_at = participant.start_time or participant.create_time
        if not stay.has_joined and joined_at is not None:
            yield _event(
                history,
                RoomEventType.PARTICIPANT_CONNECTED,
                joined_at,
                **parts,
                participant_status=ParticipantStatus.CONNECTED.value,
            )
        if participant.status is ParticipantStatus.DISCONNECTED and not stay.has_left:
            yield _event(
                history,
                RoomEventType.PARTICIPANT_DISCONNECTED,
                participant.end_time or participant.update_time or observation.at,
                **parts,
                participant_status=ParticipantStatus.DISCONNECTED.value,
                participant_duration=participant.duration,
            )


def _track_events(history: RoomHistory, observation: Observation) -> Iterable[RoomEvent]:
    for participant_sid, tracks in observation.tracks.items():
        stay = history.stays.get(participant_sid, StayHistory())
        participant: dict[str, Any] = {
            "participant_sid": participant_sid,
            "participant_identity": stay.identity,
        }
        for track in tracks if not stay.has_left else ():
            track_history = stay.tracks.get(track.sid, TrackHistory())
            if track_history.is_removed or track.create_time is None:
                continue
            parts = participant | {
                "track_sid": track.sid,
                "track_kind": track.kind,
                "track_name": track.name,
            }
            if not track_history.is_added:
                yield _event(history, RoomEventType.TRACK_ADDED, track.create_time, **parts)
            if (switch := _switch(track, track_history, observation.as_of_n)) is not None:
                yield _event(history, *switch, **parts)
        for sid in absent_tracks(stay, tracks):
            since = observation.absent_since.get(sid)
            if since is not None and stay.tracks[sid].last_n <= observation.as_of_n:
                gone = stay.tracks[sid]
                parts = participant | {
                    "track_sid": sid,
                    "track_kind": gone.kind,
                    "track_name": gone.name,
                }
                yield _event(history, RoomEventType.TRACK_REMOVED, since, **parts)


def _switch(
    track: PublishedTrack, history: TrackHistory, as_of_n: int
) -> tuple[RoomEventType, datetime] | None:
    """Returns the type and the time of the event that enabled or disabled the track.

    None if the log agrees with REST, or knows something newer. track-added does not say
    whether the track is enabled. Subscribers assume that it is, so only a disabled
    track needs another event.
    """
    was_enabled = True if history.is_enabled is None else history.is_enabled
    if (
        track.muted is None
        or track.muted is not was_enabled
        or track.create_time is None
        or history.last_n > as_of_n
    ):
        return None
    at = track.update_time or track.create_time
    if history.last_switch is not None:
        # REST's dates are whole seconds. The event must not look older than the one
        # before it.
        at = max(at, history.last_switch[0])
    return (RoomEventType.TRACK_DISABLED if track.muted else RoomEventType.TRACK_ENABLED), at


def _absent(history: RoomHistory, observation: Observation) -> Iterable[str]:
    """Yields participants and tracks that the log has and REST does not show."""
    if observation.has_all_present:
        listed = {participant.sid for participant in observation.participants}
        yield from (sid for sid in history.present if sid not in listed)
    for participant_sid, tracks in observation.tracks.items():
        stay = history.stays.get(participant_sid, StayHistory())
        yield from (
            sid for sid in absent_tracks(stay, tracks) if sid not in observation.absent_since
        )


def _missing(history: RoomHistory, observation: Observation) -> Iterable[str]:
    """Yields those absent for longer than REST can lag."""
    last_n = {sid: stay.last_n for sid, stay in history.stays.items()}
    for stay in history.stays.values():
        last_n |= {sid: track.last_n for sid, track in stay.tracks.items()}
    return (sid for sid in _absent(history, observation) if last_n[sid] <= observation.as_of_n)
