"""What may happen to one room and to the people in it, and the events it gives. Does no I/O.

Each function answers a `RoomChange`: the room afterwards and the events in their order. A room that has ended refuses every
change with 53118, except its end, which Twilio refuses with 53112.
"""

from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import recordings, rules, transcriptions
from gateway.sandbox.world.model import (
    Departure,
    EventName,
    Moment,
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
from gateway.sandbox.world.room_change import RoomChange, check_open

# A room is ended after 24 hours whoever is in it. https://www.twilio.com/docs/video/programmable-video-limits
ROOM_LIFE_S = 24 * 3600

# Tracks of all participants together in a group room; 0 means no limit.
MAX_TRACKS = {
    RoomType.GROUP: 170,
    RoomType.GROUP_SMALL: 0,
    RoomType.PEER_TO_PEER: 0,
    RoomType.GO: 0,
}


def create(account_sid: str, ordinal: int, settings: RoomSettings, now: Moment) -> RoomChange:
    first_rules = recordings.first_rules(settings, now)
    room = Room(
        new_sid("RM"), account_sid, ordinal, settings, now, now.wall, now.clock_s, first_rules
    )
    change = RoomChange(room, now)
    change.tell(EventName.ROOM_CREATED)
    return change


def complete(room: Room, now: Moment) -> RoomChange:
    """Everybody is disconnected, then the room ends."""
    if not room.is_in_progress:
        raise TwilioError(53112, "Status is invalid: the Room is not in-progress")
    change = RoomChange(room, now)
    _end(change, RoomEnd.VIA_API)
    return change


def join(
    room: Room,
    identity: str,
    tracks: tuple[TrackSettings, ...],
    now: Moment,
    *,
    may_transcribe: bool = True,
) -> RoomChange:
    """Somebody connects and publishes; whoever had the identity is disconnected first."""
    check_open(room)
    change = RoomChange(room, now)
    for same in [each for each in room.connected() if each.identity == identity]:
        _disconnect(change, same, Departure.DUPLICATE_IDENTITY)
    if sum(1 for _ in change.room.connected()) >= room.settings.max_participants:
        raise TwilioError(53105)
    participant = Participant(new_sid("PA"), len(room.participants), identity, now, now.wall)
    change.room = replace(
        change.room, participants=(*change.room.participants, participant), idle_since_s=None
    )
    change.participant = participant
    change.tell(EventName.PARTICIPANT_CONNECTED, participant=participant)
    if room.settings.is_transcribed_on_connect and room.transcription is None:
        status = TranscriptionStatus.STARTED if may_transcribe else TranscriptionStatus.FAILED
        transcriptions.begin(change, room.settings.transcription, status)
    for track in tracks:
        participant = _publish(change, participant, track)
    return change


def leave(room: Room, participant: Participant, departure: Departure, now: Moment) -> RoomChange:
    """Changes nothing for a participant who has left already."""
    change = RoomChange(room, now)
    change.participant = participant
    if participant.left_at is None:
        _disconnect(change, participant, departure)
    return change


def set_reconnecting(
    room: Room, participant: Participant, is_reconnecting: bool, now: Moment
) -> RoomChange:
    """The connection of a participant breaks, or is back. Twilio sends no callback for either."""
    check_open(room)
    change = RoomChange(room, now)
    change.participant = participant
    if participant.left_at is None and participant.is_reconnecting != is_reconnecting:
        change.change_participant(participant, is_reconnecting=is_reconnecting)
    return change


def anonymize(room: Room, participant: Participant, now: Moment) -> RoomChange:
    """The SID takes the identity's place, also in a room that has ended."""
    change = RoomChange(room, now)
    change.change_participant(participant, identity=participant.sid)
    return change


def set_subscribe_rules(
    room: Room, participant: Participant, new: tuple[Rule, ...], now: Moment
) -> RoomChange:
    if room.settings.type in recordings.WITHOUT_MEDIA_SERVER:
        raise TwilioError(53117)
    check_open(room)
    if participant.left_at is not None:
        raise TwilioError(53204)
    change = RoomChange(room, now)
    created_at = participant.subscribe_rules.created_at or now.wall
    change.change_participant(participant, subscribe_rules=Rules(new, created_at, now.wall))
    return change


def subscriptions(room: Room, participant: Participant) -> list[Subscription]:
    """What a participant receives of the others, newest first: everything, unless the rules say otherwise."""
    if participant.left_at is not None:
        return []
    found = [
        Subscription(publisher, track)
        for publisher in room.connected()
        for track in publisher.tracks
        if publisher.sid != participant.sid
        and rules.do_match(participant.subscribe_rules.rules, publisher, track)
    ]
    return sorted(found, key=lambda each: -each.ordinal)


def publish(room: Room, participant: Participant, track: TrackSettings, now: Moment) -> RoomChange:
    check_open(room)
    change = RoomChange(room, now)
    _publish(change, participant, track)
    return change


def unpublish(room: Room, participant: Participant, track: Track, now: Moment) -> RoomChange:
    check_open(room)
    change = RoomChange(room, now)
    rest = tuple(each for each in participant.tracks if each.sid != track.sid)
    participant = change.change_participant(participant, tracks=rest)
    change.tell(EventName.TRACK_REMOVED, participant=participant, track=track)
    recordings.stop(change, track)
    return change


def set_track_enabled(
    room: Room, participant: Participant, track: Track, is_enabled: bool, now: Moment
) -> RoomChange:
    """Mutes or unmutes; a track that is so already gives no event."""
    check_open(room)
    change = RoomChange(room, now)
    change.participant = participant
    if track.is_enabled != is_enabled:
        new = replace(track, is_enabled=is_enabled, updated_at=now.wall)
        participant = change.replace_track(participant, new)
        name = EventName.TRACK_ENABLED if is_enabled else EventName.TRACK_DISABLED
        change.tell(name, participant=participant, track=new)
    return change


def next_deadline_s(room: Room) -> float | None:
    """When `expire` has to look at the room next, on the pushable clock."""
    return min(
        (
            due_s
            for due_s in (_end_of_stay_s(room), recordings.next_due_s(room))
            if due_s is not None
        ),
        default=None,
    )


def expire(room: Room, now: Moment) -> RoomChange:
    """Does what is due: ends the room, or the sessions of participants who stayed too long; completes recordings."""
    change = RoomChange(room, now)
    recordings.complete_due(change)
    due_s = _end_of_stay_s(room)
    if due_s is None or due_s > now.clock_s:
        return change
    if room.idle_since_s is not None or room.created.clock_s + ROOM_LIFE_S <= now.clock_s:
        _end(change, RoomEnd.TIMEOUT)
        return change
    for participant in tuple(change.room.connected()):
        if participant.joined.clock_s + room.settings.max_participant_duration_s <= now.clock_s:
            _disconnect(change, participant, Departure.SESSION_TOO_LONG)
    return change


def _end_of_stay_s(room: Room) -> float | None:
    """When the room ends by itself, or the first of its participants has to leave."""
    if not room.is_in_progress:
        return None
    life = room.created.clock_s + ROOM_LIFE_S
    if room.idle_since_s is not None:
        minutes = (
            room.settings.empty_room_timeout_min
            if room.participants
            else room.settings.unused_room_timeout_min
        )
        return min(life, room.idle_since_s + 60 * minutes)
    session_s = room.settings.max_participant_duration_s
    return min(life, min(each.joined.clock_s for each in room.connected()) + session_s)


def has_status(participant: Participant, status: ParticipantStatus | None, room: Room) -> bool:
    """Without a status: the connected ones of a room in progress, the disconnected ones of another."""
    wanted = status or (
        ParticipantStatus.CONNECTED if room.is_in_progress else ParticipantStatus.DISCONNECTED
    )
    return participant.status is wanted


def _end(change: RoomChange, reason: RoomEnd) -> None:
    for participant in tuple(change.room.connected()):
        _disconnect(change, participant, Departure.ROOM_ENDED)
    transcriptions.end(change)
    change.change(status=RoomStatus.COMPLETED, ended=change.now, end_reason=reason)
    change.tell(EventName.ROOM_ENDED)


def _disconnect(change: RoomChange, participant: Participant, departure: Departure) -> None:
    tracks = participant.tracks
    gone = {
        "left_at": change.now.wall,
        "departure": departure,
        "is_reconnecting": False,
        "tracks": (),
    }
    participant = change.change_participant(participant, **gone)
    if not any(change.room.connected()):
        change.room = replace(change.room, idle_since_s=change.now.clock_s)
    change.tell(EventName.PARTICIPANT_DISCONNECTED, participant=participant)
    for track in tracks:
        recordings.stop(change, track)


def _publish(change: RoomChange, participant: Participant, wanted: TrackSettings) -> Participant:
    settings = change.room.settings
    if settings.is_audio_only and wanted.kind is TrackKind.VIDEO:
        raise TwilioError(53125)
    limit = MAX_TRACKS[settings.type]
    if limit and sum(len(each.tracks) for each in change.room.connected()) >= limit:
        raise TwilioError(53305)
    sid = new_sid("MT")
    name = wanted.name or sid
    if any(each.name == name for each in participant.tracks):
        raise TwilioError(53304)
    now = change.now.wall
    track = Track(sid, new_ordinal(), wanted.kind, name, wanted.is_enabled, now, now)
    codec = () if wanted.kind is TrackKind.DATA else (recordings.codec(settings, wanted.kind),)
    codecs = tuple(dict.fromkeys((*participant.codecs, *codec)))
    participant = change.change_participant(
        participant, tracks=(*participant.tracks, track), codecs=codecs
    )
    change.tell(EventName.TRACK_ADDED, participant=participant, track=track)
    if recordings.is_recorded(change.room, participant, track):
        participant = recordings.start(change, participant, track)
    return participant
