"""What may happen to one room, and the events it gives. Does no I/O.

Each function answers a `Turn`: the room afterwards and the events in their order. A room that has ended refuses every
change with 53118, except its end, which Twilio refuses with 53112.
"""

from dataclasses import replace
from typing import Any

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.model import (
    Event,
    EventName,
    FailedOperation,
    Moment,
    Participant,
    ParticipantStatus,
    Recording,
    Room,
    RoomSettings,
    RoomStatus,
    RoomType,
    Track,
    TrackKind,
    TrackSettings,
    new_sid,
)

# A room is ended after 24 hours whoever is in it. https://www.twilio.com/docs/video/programmable-video-limits
ROOM_LIFE_S = 24 * 3600

# Tracks of all participants together in a group room; 0 means no limit.
MAX_TRACKS = {RoomType.GROUP: 170, RoomType.GROUP_SMALL: 0, RoomType.PEER_TO_PEER: 0, RoomType.GO: 0}


class Turn:
    """One change of one room at one moment: collects the new state and the events."""

    def __init__(self, room: Room, now: Moment) -> None:
        self.room = room
        self.now = now
        self.events: list[Event] = []
        self.participant: Participant | None = None
        self._finished: list[tuple[Participant, Track]] = []

    def change(self, **changes: Any) -> None:
        self.room = replace(self.room, updated_at=self.now.wall, **changes)

    def change_participant(self, participant: Participant, **changes: Any) -> Participant:
        new = replace(participant, updated_at=self.now.wall, **changes)
        everyone = tuple(new if each.sid == new.sid else each for each in self.room.participants)
        # The room's own date_updated does not move when its people do.
        self.room = replace(self.room, participants=everyone)
        self.participant = new
        return new

    def tell(self, name: EventName, **parts: Any) -> None:
        sequence = self.room.next_sequence
        self.room = replace(self.room, next_sequence=sequence + 1)
        self.events.append(Event(name, self.now.wall, self.room, sequence, **parts))

    def tell_recording(self, name: EventName, participant: Participant, track: Track, **parts: Any) -> None:
        parts["recording"] = track.recording
        self.events.append(Event(name, self.now.wall, self.room, participant=participant, track=track, **parts))

    def finish_recording_of(self, participant: Participant, track: Track) -> None:
        if track.recording:
            self._finished.append((participant, track))

    def done(self) -> "Turn":
        """Recordings complete after everything else: their media is written last, after room-ended even."""
        for participant, track in self._finished:
            self.tell_recording(EventName.RECORDING_COMPLETED, participant, track)
        self._finished.clear()
        return self


def create(account_sid: str, ordinal: int, settings: RoomSettings, now: Moment) -> Turn:
    room = Room(new_sid("RM"), account_sid, ordinal, settings, now, now.wall, now.clock_s)
    turn = Turn(room, now)
    turn.tell(EventName.ROOM_CREATED)
    return turn


def complete(room: Room, now: Moment) -> Turn:
    """Everybody is disconnected, then the room ends."""
    if not room.is_in_progress:
        raise TwilioError(53112, "Status is invalid: the Room is not in-progress")
    turn = Turn(room, now)
    for participant in tuple(room.connected()):
        _disconnect(turn, participant)
    turn.change(status=RoomStatus.COMPLETED, ended_at=now.wall)
    turn.tell(EventName.ROOM_ENDED)
    return turn.done()


def join(room: Room, identity: str, tracks: tuple[TrackSettings, ...], now: Moment) -> Turn:
    """Somebody connects and publishes; whoever had the identity is disconnected first."""
    _open(room)
    turn = Turn(room, now)
    for same in [each for each in room.connected() if each.identity == identity]:
        _disconnect(turn, same)
    if sum(1 for _ in turn.room.connected()) >= room.settings.max_participants:
        raise TwilioError(53105)
    participant = Participant(new_sid("PA"), len(room.participants), identity, now, now.wall)
    turn.room = replace(turn.room, participants=(*turn.room.participants, participant), idle_since_s=None)
    turn.participant = participant
    turn.tell(EventName.PARTICIPANT_CONNECTED, participant=participant)
    for track in tracks:
        participant = _publish(turn, participant, track)
    return turn.done()


def leave(room: Room, participant: Participant, now: Moment) -> Turn:
    """Changes nothing for a participant who has left already."""
    turn = Turn(room, now)
    turn.participant = participant
    if participant.left_at is None:
        _disconnect(turn, participant)
    return turn.done()


def publish(room: Room, participant: Participant, track: TrackSettings, now: Moment) -> Turn:
    _open(room)
    turn = Turn(room, now)
    _publish(turn, participant, track)
    return turn


def unpublish(room: Room, participant: Participant, track: Track, now: Moment) -> Turn:
    _open(room)
    turn = Turn(room, now)
    rest = tuple(each for each in participant.tracks if each.sid != track.sid)
    participant = turn.change_participant(participant, tracks=rest)
    turn.tell(EventName.TRACK_REMOVED, participant=participant, track=track)
    turn.finish_recording_of(participant, track)
    return turn.done()


def switch(room: Room, participant: Participant, track: Track, is_enabled: bool, now: Moment) -> Turn:
    """Mutes or unmutes; a track that is so already gives no event."""
    _open(room)
    turn = Turn(room, now)
    turn.participant = participant
    if track.is_enabled != is_enabled:
        new = replace(track, is_enabled=is_enabled)
        participant = _replace_track(turn, participant, new)
        name = EventName.TRACK_ENABLED if is_enabled else EventName.TRACK_DISABLED
        turn.tell(name, participant=participant, track=new)
    return turn


def fail_recording(room: Room, participant: Participant, track: Track, operation: FailedOperation, now: Moment) -> Turn:
    """The recording of a track breaks off; the track goes on without one."""
    turn = Turn(room, now)
    recorded = track if track.recording else replace(track, recording=Recording(new_sid("RT"), now.wall))
    participant = _replace_track(turn, participant, replace(track, recording=None))
    turn.tell_recording(EventName.RECORDING_FAILED, participant, recorded, failed_operation=operation)
    return turn


def next_deadline_s(room: Room) -> float | None:
    """When `expire` has to look at the room next, on the pushable clock."""
    if not room.is_in_progress:
        return None
    life = room.created.clock_s + ROOM_LIFE_S
    if room.idle_since_s is not None:
        minutes = room.settings.empty_room_timeout_min if room.participants else room.settings.unused_room_timeout_min
        return min(life, room.idle_since_s + 60 * minutes)
    session_s = room.settings.max_participant_duration_s
    return min(life, min(each.joined.clock_s for each in room.connected()) + session_s)


def expire(room: Room, now: Moment) -> Turn:
    """Ends what is due: the room, or the sessions of participants who stayed too long."""
    due_s = next_deadline_s(room)
    if due_s is None or due_s > now.clock_s:
        return Turn(room, now)
    if room.idle_since_s is not None or room.created.clock_s + ROOM_LIFE_S <= now.clock_s:
        return complete(room, now)
    turn = Turn(room, now)
    for participant in tuple(room.connected()):
        if participant.joined.clock_s + room.settings.max_participant_duration_s <= now.clock_s:
            _disconnect(turn, participant)
    return turn.done()


def has_status(participant: Participant, status: ParticipantStatus | None, room: Room) -> bool:
    """Without a status: the connected ones of a room in progress, the disconnected ones of another."""
    wanted = status or (ParticipantStatus.CONNECTED if room.is_in_progress else ParticipantStatus.DISCONNECTED)
    return participant.status is wanted


def is_recorded(settings: RoomSettings, identity: str, kind: TrackKind, name: str) -> bool:
    """Some rule includes the track and none excludes it. Data is never recorded, nor is a room without media server."""
    if kind is TrackKind.DATA or settings.type in (RoomType.GO, RoomType.PEER_TO_PEER):
        return False
    hits = [
        rule.is_include
        for rule in settings.recording_rules
        if rule.kind in (None, kind) and rule.publisher in (None, identity) and rule.track in (None, name)
    ]
    is_included = any(hits) or (settings.is_recorded_on_connect and not settings.recording_rules)
    return is_included and all(hits)


def _open(room: Room) -> None:
    if not room.is_in_progress:
        raise TwilioError(53118)


def _disconnect(turn: Turn, participant: Participant) -> None:
    tracks = participant.tracks
    participant = turn.change_participant(participant, left_at=turn.now.wall, tracks=())
    if not any(turn.room.connected()):
        turn.room = replace(turn.room, idle_since_s=turn.now.clock_s)
    turn.tell(EventName.PARTICIPANT_DISCONNECTED, participant=participant)
    for track in tracks:
        turn.finish_recording_of(participant, track)


def _publish(turn: Turn, participant: Participant, wanted: TrackSettings) -> Participant:
    settings = turn.room.settings
    if settings.is_audio_only and wanted.kind is TrackKind.VIDEO:
        raise TwilioError(53125)
    limit = MAX_TRACKS[settings.type]
    if limit and sum(len(each.tracks) for each in turn.room.connected()) >= limit:
        raise TwilioError(53305)
    sid = new_sid("MT")
    name = wanted.name or sid
    if any(each.name == name for each in participant.tracks):
        raise TwilioError(53304)
    recorded = is_recorded(settings, participant.identity, wanted.kind, name)
    recording = Recording(new_sid("RT"), turn.now.wall) if recorded else None
    track = Track(sid, wanted.kind, name, wanted.is_enabled, recording)
    participant = turn.change_participant(participant, tracks=(*participant.tracks, track))
    turn.tell(EventName.TRACK_ADDED, participant=participant, track=track)
    if recording:
        turn.tell_recording(EventName.RECORDING_STARTED, participant, track)
    return participant


def _replace_track(turn: Turn, participant: Participant, new: Track) -> Participant:
    tracks = tuple(new if each.sid == new.sid else each for each in participant.tracks)
    return turn.change_participant(participant, tracks=tracks)
