"""What is recorded of a room: by its rules, from a track's first second to its media. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource and https://www.twilio.com/docs/video/api/recording-rules
"""

from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rules
from gateway.sandbox.world.model import (
    RECORD_ALL,
    RECORD_NOTHING,
    EventName,
    FailedOperation,
    Moment,
    Participant,
    Recording,
    RecordingStatus,
    Room,
    RoomSettings,
    RoomType,
    Rule,
    Rules,
    Track,
    TrackKind,
    new_ordinal,
    new_sid,
)
from gateway.sandbox.world.room_change import RoomChange, check_open

WITHOUT_MEDIA_SERVER = {RoomType.PEER_TO_PEER, RoomType.GO}

# Media were "not found" for 5 to 10 seconds after the end: twilio/video-quickstart-android#187
PROCESSING_S = 5.0


def first_rules(settings: RoomSettings, now: Moment) -> Rules:
    """The rules that a room is created with: its own, or the ones that RecordParticipantsOnConnect stands for."""
    standard = RECORD_ALL if settings.is_recorded_on_connect else RECORD_NOTHING
    return Rules(settings.recording_rules or standard, now.wall, now.wall)


def set_rules(room: Room, new: tuple[Rule, ...], now: Moment) -> RoomChange:
    """Replaces the rules: recordings of published tracks start and stop at once."""
    if room.settings.type in WITHOUT_MEDIA_SERVER:
        raise TwilioError(53122)
    check_open(room)
    change = RoomChange(room, now)
    change.room = replace(
        room, recording_rules=replace(room.recording_rules, rules=new, updated_at=now.wall)
    )
    for participant in tuple(change.room.connected()):
        for track in participant.tracks:
            participant = _follow_rules(change, participant, track)
    return change


def _follow_rules(change: RoomChange, participant: Participant, track: Track) -> Participant:
    is_wanted = is_recorded(change.room, participant, track)
    if is_wanted and track.recording_sid is None:
        return start(change, participant, track)
    if not is_wanted and track.recording_sid is not None:
        stop(change, track)
        return change.replace_track(participant, replace(track, recording_sid=None))
    return participant


def is_recorded(room: Room, publisher: Participant, track: Track) -> bool:
    """Data is never recorded, nor is a room without a media server."""
    if track.kind is TrackKind.DATA or room.settings.type in WITHOUT_MEDIA_SERVER:
        return False
    return rules.do_match(room.recording_rules.rules, publisher, track)


def codec(settings: RoomSettings, kind: TrackKind) -> str:
    return "OPUS" if kind is TrackKind.AUDIO else settings.video_codecs[0]


def start(change: RoomChange, participant: Participant, track: Track) -> Participant:
    recording = _new(change, participant, track)
    participant = change.replace_track(participant, replace(track, recording_sid=recording.sid))
    change.tell_recording(EventName.RECORDING_STARTED, recording)
    return participant


def stop(change: RoomChange, track: Track) -> None:
    """The track is gone, or no longer wanted: what there is of it is processed."""
    recording = _running(change.room, track)
    if recording:
        change.change_recording(recording, stopped=change.now)


def fail_track(
    room: Room, participant: Participant, track: Track, operation: FailedOperation, now: Moment
) -> RoomChange:
    """The recording of a track breaks off, or does not even start; the track goes on without one."""
    change = RoomChange(room, now)
    _fail(change, _running(room, track) or _new(change, participant, track), operation)
    change.replace_track(participant, replace(track, recording_sid=None))
    return change


def fail(room: Room, recording: Recording, operation: FailedOperation, now: Moment) -> RoomChange:
    """Changes nothing unless it is being processed."""
    change = RoomChange(room, now)
    for participant in room.participants:
        for track in participant.tracks:
            if track.recording_sid == recording.sid:
                return fail_track(room, participant, track, operation, now)
    if recording.status is RecordingStatus.PROCESSING:
        _fail(change, recording, operation)
    return change


def delete(room: Room, recording: Recording, now: Moment) -> RoomChange:
    """Its media are gone, what is known about it stays. Deleting twice is deleting once."""
    change = RoomChange(room, now)
    change.change_recording(
        recording, status=RecordingStatus.DELETED, stopped=recording.stopped or now
    )
    return change


def next_due_s(room: Room) -> float | None:
    """When `complete_due` has to look at the room next, on the pushable clock."""
    return min(
        (_due_s(recording) for recording in room.recordings if _is_processed(recording)),
        default=None,
    )


def complete_due(change: RoomChange) -> None:
    for recording in change.room.recordings:
        if _is_processed(recording) and _due_s(recording) <= change.now.clock_s:
            done = change.change_recording(recording, status=RecordingStatus.COMPLETED)
            change.tell_recording(EventName.RECORDING_COMPLETED, done)


def _running(room: Room, track: Track) -> Recording | None:
    """None as well for one that was deleted while it ran."""
    recording = room.recording(track.recording_sid) if track.recording_sid else None
    return recording if recording and recording.status is RecordingStatus.PROCESSING else None


def _is_processed(recording: Recording) -> bool:
    return recording.status is RecordingStatus.PROCESSING and recording.stopped is not None


def _due_s(recording: Recording) -> float:
    return recording.stopped.clock_s + PROCESSING_S if recording.stopped else float("inf")


def _new(change: RoomChange, participant: Participant, track: Track) -> Recording:
    recording = Recording(
        sid=new_sid("RT"),
        ordinal=new_ordinal(),
        participant_sid=participant.sid,
        track_sid=track.sid,
        track_name=track.name,
        kind=track.kind,
        codec=codec(change.room.settings, track.kind),
        started_at=change.now.wall,
    )
    change.add_recording(recording)
    return recording


def _fail(change: RoomChange, recording: Recording, operation: FailedOperation) -> None:
    stopped = recording.stopped or change.now
    failed = change.change_recording(recording, status=RecordingStatus.FAILED, stopped=stopped)
    change.tell_recording(EventName.RECORDING_FAILED, failed, failed_operation=operation)
