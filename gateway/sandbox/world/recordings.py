"""Recordings of a room: which tracks are recorded, from start to media. Does no I/O.

https://www.twilio.com/docs/video/api/recordings-resource
https://www.twilio.com/docs/video/api/recording-rules
"""

from dataclasses import replace

from gateway.sandbox.errors import TwilioError
from gateway.sandbox.world import rules
from gateway.sandbox.world.model import (
    RECORD_ALL,
    RECORD_NOTHING,
    EventName,
    FailedOperation,
    Instant,
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
from gateway.sandbox.world.room_change import RoomChange, check_in_progress

WITHOUT_MEDIA_SERVER = {RoomType.PEER_TO_PEER, RoomType.GO}

# Media were "not found" for 5 to 10 s after the end of a track:
# twilio/video-quickstart-android#187
PROCESSING_S = 5.0


def initial_rules(settings: RoomSettings, now: Instant) -> Rules:
    """Returns the rules that a room is created with.

    Without rules of its own, a room records all or nothing, as
    RecordParticipantsOnConnect says.
    """
    default = RECORD_ALL if settings.is_recorded_on_connect else RECORD_NOTHING
    return Rules(settings.recording_rules or default, now.wall, now.wall)


def set_rules(room: Room, new: tuple[Rule, ...], now: Instant) -> RoomChange:
    """Replaces the rules. Recordings of published tracks start and stop at once."""
    if room.settings.type in WITHOUT_MEDIA_SERVER:
        raise TwilioError(53122)
    check_in_progress(room)
    change = RoomChange(room, now)
    change.room = replace(
        room, recording_rules=replace(room.recording_rules, rules=new, updated_at=now.wall)
    )
    for participant in tuple(change.room.connected()):
        for track in participant.tracks:
            participant = _apply_rules(change, participant, track)
    return change


def _apply_rules(change: RoomChange, participant: Participant, track: Track) -> Participant:
    must_record = is_recorded(change.room, participant, track)
    if must_record and track.recording_sid is None:
        return start(change, participant, track)
    if not must_record and track.recording_sid is not None:
        stop(change, track)
        return change.replace_track(participant, replace(track, recording_sid=None))
    return participant


def is_recorded(room: Room, publisher: Participant, track: Track) -> bool:
    """Whether the rules record a track.

    Data tracks and rooms without a media server are never recorded.
    """
    if track.kind is TrackKind.DATA or room.settings.type in WITHOUT_MEDIA_SERVER:
        return False
    return rules.match(room.recording_rules.rules, publisher, track)


def codec(settings: RoomSettings, kind: TrackKind) -> str:
    return "OPUS" if kind is TrackKind.AUDIO else settings.video_codecs[0]


def start(change: RoomChange, participant: Participant, track: Track) -> Participant:
    recording = _add(change, participant, track)
    participant = change.replace_track(participant, replace(track, recording_sid=recording.sid))
    change.emit_recording_event(EventName.RECORDING_STARTED, recording)
    return participant


def stop(change: RoomChange, track: Track) -> None:
    """Stops the recording of a track, so that it is processed.

    The track has been removed, or the rules no longer include it.
    """
    recording = _active(change.room, track)
    if recording:
        change.update_recording(recording, stopped=change.now)


def fail_track(
    room: Room, participant: Participant, track: Track, operation: FailedOperation, now: Instant
) -> RoomChange:
    """Fails the recording of a published track, which stays published.

    A track that is not recorded gets a recording that failed to start.
    """
    change = RoomChange(room, now)
    _fail(change, _active(room, track) or _add(change, participant, track), operation)
    change.replace_track(participant, replace(track, recording_sid=None))
    return change


def fail(room: Room, recording: Recording, operation: FailedOperation, now: Instant) -> RoomChange:
    """Fails a recording that is in progress or being processed.

    Any other recording stays as it is.
    """
    change = RoomChange(room, now)
    for participant in room.participants:
        for track in participant.tracks:
            if track.recording_sid == recording.sid:
                return fail_track(room, participant, track, operation, now)
    if recording.status is RecordingStatus.PROCESSING:
        _fail(change, recording, operation)
    return change


def delete(room: Room, recording: Recording, now: Instant) -> RoomChange:
    """Deletes the media of a recording and keeps its metadata. It is idempotent."""
    change = RoomChange(room, now)
    change.update_recording(
        recording, status=RecordingStatus.DELETED, stopped=recording.stopped or now
    )
    return change


def next_due_s(room: Room) -> float | None:
    """Returns when `complete_due` must run next, on the simulated clock."""
    return min(
        (_due_s(recording) for recording in room.recordings if _is_processing(recording)),
        default=None,
    )


def complete_due(change: RoomChange) -> None:
    """Completes the recordings whose processing is over."""
    for recording in change.room.recordings:
        if _is_processing(recording) and _due_s(recording) <= change.now.clock_s:
            completed = change.update_recording(recording, status=RecordingStatus.COMPLETED)
            change.emit_recording_event(EventName.RECORDING_COMPLETED, completed)


def _active(room: Room, track: Track) -> Recording | None:
    """Returns the recording in progress of a track, unless it has been deleted."""
    recording = room.recording(track.recording_sid) if track.recording_sid else None
    return recording if recording and recording.status is RecordingStatus.PROCESSING else None


def _is_processing(recording: Recording) -> bool:
    """Whether the recording has stopped and is not complete.

    Twilio's status `processing` also covers a recording in progress.
    """
    return recording.status is RecordingStatus.PROCESSING and recording.stopped is not None


def _due_s(recording: Recording) -> float:
    return recording.stopped.clock_s + PROCESSING_S if recording.stopped else float("inf")


def _add(change: RoomChange, participant: Participant, track: Track) -> Recording:
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
    failed = change.update_recording(recording, status=RecordingStatus.FAILED, stopped=stopped)
    change.emit_recording_event(EventName.RECORDING_FAILED, failed, failed_operation=operation)
