"""What can happen to a room and its participants, and the events. Does no I/O.

Each function returns a `RoomChange`: the new state of the room, and the events in their
order. A room that has ended refuses every change with 53118, except completion, which
Twilio refuses with 53112.
"""

from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import recordings, rules, transcriptions
from gateway.sandbox.world.model import (
    Departure,
    EventName,
    Instant,
    Participant,
    ParticipantStatus,
    Room,
    RoomEnd,
    RoomSettings,
    RoomStatus,
    RoomType,
    Rule,
    Rules,
    Subscription,
    Track,
    TrackKind,
    TrackSettings,
    TranscriptionStatus,
    new_ordinal,
    new_sid,
)
from gateway.sandbox.world.room_change import RoomChange, check_in_progress

# A room ends after 24 hours, even if participants are connected.
# https://www.twilio.com/docs/video/programmable-video-limits
MAX_ROOM_DURATION_S = 24 * 3600

# The limit for the published tracks of all participants together. 0 means no limit.
MAX_TRACKS = {
    RoomType.GROUP: 170,
    RoomType.GROUP_SMALL: 0,
    RoomType.PEER_TO_PEER: 0,
    RoomType.GO: 0,
}


def create(account_sid: str, ordinal: int, settings: RoomSettings, now: Instant) -> RoomChange:
    room = Room(
        sid=new_sid("RM"),
        account_sid=account_sid,
        ordinal=ordinal,
        settings=settings,
        created=now,
        updated_at=now.wall,
        idle_since_s=now.clock_s,
        recording_rules=recordings.initial_rules(settings, now),
    )
    change = RoomChange(room, now)
    change.emit(EventName.ROOM_CREATED)
    return change


def complete(room: Room, now: Instant) -> RoomChange:
    """Disconnects all participants, then ends the room."""
    if not room.is_in_progress:
        raise TwilioError(53112, "Status is invalid: the Room is not in-progress")
    change = RoomChange(room, now)
    _end(change, RoomEnd.VIA_API)
    return change


def join(
    room: Room,
    identity: str,
    tracks: tuple[TrackSettings, ...],
    now: Instant,
    *,
    may_transcribe: bool = True,
) -> RoomChange:
    """Connects a participant and publishes the tracks.

    A connected participant with the same identity is disconnected first. Unless
    `may_transcribe`, the transcription of a transcribed room fails.
    """
    check_in_progress(room)
    change = RoomChange(room, now)
    for duplicate in [other for other in room.connected() if other.identity == identity]:
        _disconnect(change, duplicate, Departure.DUPLICATE_IDENTITY)
    if sum(1 for _ in change.room.connected()) >= room.settings.max_participants:
        raise TwilioError(53105)
    participant = Participant(new_sid("PA"), len(room.participants), identity, now, now.wall)
    change.room = replace(
        change.room, participants=(*change.room.participants, participant), idle_since_s=None
    )
    change.participant = participant
    change.emit(EventName.PARTICIPANT_CONNECTED, participant=participant)
    if room.settings.is_transcribed_on_connect and room.transcription is None:
        status = TranscriptionStatus.STARTED if may_transcribe else TranscriptionStatus.FAILED
        transcriptions.add(change, room.settings.transcription, status)
    for track in tracks:
        participant = _publish(change, participant, track)
    return change


def leave(room: Room, participant: Participant, departure: Departure, now: Instant) -> RoomChange:
    """Disconnects a participant. Changes nothing if it has already left."""
    change = RoomChange(room, now)
    change.participant = participant
    if participant.left_at is None:
        _disconnect(change, participant, departure)
    return change


def set_reconnecting(
    room: Room, participant: Participant, is_reconnecting: bool, now: Instant
) -> RoomChange:
    """Breaks or restores a connection. Twilio sends no callback for that."""
    check_in_progress(room)
    change = RoomChange(room, now)
    change.participant = participant
    if participant.left_at is None and participant.is_reconnecting != is_reconnecting:
        change.update_participant(participant, is_reconnecting=is_reconnecting)
    return change


def anonymize(room: Room, participant: Participant, now: Instant) -> RoomChange:
    """Replaces the identity by the SID. It also works in a room that has ended."""
    change = RoomChange(room, now)
    change.update_participant(participant, identity=participant.sid)
    return change


def set_subscribe_rules(
    room: Room, participant: Participant, new: tuple[Rule, ...], now: Instant
) -> RoomChange:
    if room.settings.type in recordings.WITHOUT_MEDIA_SERVER:
        raise TwilioError(53117)
    check_in_progress(room)
    if participant.left_at is not None:
        raise TwilioError(53204)
    change = RoomChange(room, now)
    created_at = participant.subscribe_rules.created_at or now.wall
    change.update_participant(participant, subscribe_rules=Rules(new, created_at, now.wall))
    return change


def subscriptions(room: Room, participant: Participant) -> list[Subscription]:
    """Returns the tracks that a participant receives, newest first.

    These are the tracks of all other participants that the subscribe rules match.
    """
    if participant.left_at is not None:
        return []
    received = [
        Subscription(publisher, track)
        for publisher in room.connected()
        for track in publisher.tracks
        if publisher.sid != participant.sid
        and rules.match(participant.subscribe_rules.rules, publisher, track)
    ]
    return sorted(received, key=lambda subscription: -subscription.ordinal)


def publish(room: Room, participant: Participant, track: TrackSettings, now: Instant) -> RoomChange:
    check_in_progress(room)
    change = RoomChange(room, now)
    _publish(change, participant, track)
    return change


def unpublish(room: Room, participant: Participant, track: Track, now: Instant) -> RoomChange:
    check_in_progress(room)
    change = RoomChange(room, now)
    remaining = tuple(other for other in participant.tracks if other.sid != track.sid)
    participant = change.update_participant(participant, tracks=remaining)
    change.emit(EventName.TRACK_REMOVED, participant=participant, track=track)
    recordings.stop(change, track)
    return change


def set_track_enabled(
    room: Room, participant: Participant, track: Track, is_enabled: bool, now: Instant
) -> RoomChange:
    """Mutes or unmutes a track. There is no event if the state does not change."""
    check_in_progress(room)
    change = RoomChange(room, now)
    change.participant = participant
    if track.is_enabled != is_enabled:
        new = replace(track, is_enabled=is_enabled, updated_at=now.wall)
        participant = change.replace_track(participant, new)
        name = EventName.TRACK_ENABLED if is_enabled else EventName.TRACK_DISABLED
        change.emit(name, participant=participant, track=new)
    return change


def next_deadline_s(room: Room) -> float | None:
    """Returns when `expire` must run next, on the simulated clock."""
    return min(
        (
            due_s
            for due_s in (_next_timeout_s(room), recordings.next_due_s(room))
            if due_s is not None
        ),
        default=None,
    )


def expire(room: Room, now: Instant) -> RoomChange:
    """Applies the timeouts that are due.

    It completes recordings, and ends the room or the sessions of participants who have
    been connected for too long.
    """
    change = RoomChange(room, now)
    recordings.complete_due(change)
    due_s = _next_timeout_s(room)
    if due_s is None or due_s > now.clock_s:
        return change
    if room.idle_since_s is not None or room.created.clock_s + MAX_ROOM_DURATION_S <= now.clock_s:
        _end(change, RoomEnd.TIMEOUT)
        return change
    for participant in tuple(change.room.connected()):
        if participant.joined.clock_s + room.settings.max_participant_duration_s <= now.clock_s:
            _disconnect(change, participant, Departure.SESSION_TOO_LONG)
    return change


def _next_timeout_s(room: Room) -> float | None:
    """Returns when the room or the first session of a participant times out."""
    if not room.is_in_progress:
        return None
    room_end_s = room.created.clock_s + MAX_ROOM_DURATION_S
    if room.idle_since_s is not None:
        minutes = (
            room.settings.empty_room_timeout_min
            if room.participants
            else room.settings.unused_room_timeout_min
        )
        return min(room_end_s, room.idle_since_s + 60 * minutes)
    first_join_s = min(participant.joined.clock_s for participant in room.connected())
    return min(room_end_s, first_join_s + room.settings.max_participant_duration_s)


def has_status(participant: Participant, status: ParticipantStatus | None, room: Room) -> bool:
    """Whether a list with this Status filter includes the participant.

    Without a filter, a room in progress lists its connected participants and an ended
    room its disconnected ones.
    """
    expected = status or (
        ParticipantStatus.CONNECTED if room.is_in_progress else ParticipantStatus.DISCONNECTED
    )
    return participant.status is expected


def _end(change: RoomChange, reason: RoomEnd) -> None:
    for participant in tuple(change.room.connected()):
        _disconnect(change, participant, Departure.ROOM_ENDED)
    transcriptions.stop(change)
    change.update_room(status=RoomStatus.COMPLETED, ended=change.now, end_reason=reason)
    change.emit(EventName.ROOM_ENDED)


def _disconnect(change: RoomChange, participant: Participant, departure: Departure) -> None:
    tracks = participant.tracks
    participant = change.update_participant(
        participant,
        left_at=change.now.wall,
        departure=departure,
        is_reconnecting=False,
        tracks=(),
    )
    if not any(change.room.connected()):
        change.room = replace(change.room, idle_since_s=change.now.clock_s)
    change.emit(EventName.PARTICIPANT_DISCONNECTED, participant=participant)
    for track in tracks:
        recordings.stop(change, track)


def _publish(
    change: RoomChange, participant: Participant, track_settings: TrackSettings
) -> Participant:
    settings = change.room.settings
    if settings.is_audio_only and track_settings.kind is TrackKind.VIDEO:
        raise TwilioError(53125)
    limit = MAX_TRACKS[settings.type]
    if limit and sum(len(other.tracks) for other in change.room.connected()) >= limit:
        raise TwilioError(53305)
    sid = new_sid("MT")
    name = track_settings.name or sid
    if any(track.name == name for track in participant.tracks):
        raise TwilioError(53304)
    now = change.now.wall
    kind = track_settings.kind
    track = Track(sid, new_ordinal(), kind, name, track_settings.is_enabled, now, now)
    codecs = participant.codecs
    if kind is not TrackKind.DATA:
        codecs = tuple(dict.fromkeys((*codecs, recordings.codec(settings, kind))))
    participant = change.update_participant(
        participant, tracks=(*participant.tracks, track), codecs=codecs
    )
    change.emit(EventName.TRACK_ADDED, participant=participant, track=track)
    if recordings.is_recorded(change.room, participant, track):
        participant = recordings.start(change, participant, track)
    return participant
