"""The room, participant, track and recording that an event is about. Does no I/O.

Each object is built from the event alone, without a request to Twilio and without a
cache. So every replica gives the same object, and so does every replay of the log. The
status of an object, its times and whether it is muted follow from the event's type. A
field that the event does not tell is None.

https://www.twilio.com/docs/video/api/status-callbacks
"""

from dataclasses import replace
from typing import Final, TypeVar

from gateway.core.events import (
    RecordingOperation,
    RoomChangeKind,
    RoomEvent,
    RoomEventSource,
    RoomEventType,
    end_of,
)
from gateway.core.open_enum import WORD_LIMIT, OpenEnum, UnknownWord
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack
from gateway.core.recordings import (
    ContainerFormat,
    GroupingSids,
    MediaCodec,
    Recording,
    RecordingLinks,
    RecordingStatus,
)
from gateway.core.rooms import Ended, Room, RoomStatus, RoomType, merge_end
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid, RecordingSid, TrackSid

_E = TypeVar("_E", bound=OpenEnum)

_STAY_STATUS: Final = {
    RoomEventType.PARTICIPANT_CONNECTED: ParticipantStatus.CONNECTED,
    RoomEventType.PARTICIPANT_DISCONNECTED: ParticipantStatus.DISCONNECTED,
}
# track-added does not say whether the track is muted. A track counts as unmuted until
# an event mutes it, as in live views. A removed track is neither.
_IS_MUTED: Final = {
    RoomEventType.TRACK_ADDED: False,
    RoomEventType.TRACK_ENABLED: False,
    RoomEventType.TRACK_DISABLED: True,
    RoomEventType.TRACK_REMOVED: None,
}
_RECORDING_STATUS: Final = {
    RoomEventType.RECORDING_STARTED: RecordingStatus.PROCESSING,
    RoomEventType.RECORDING_COMPLETED: RecordingStatus.COMPLETED,
    RoomEventType.RECORDING_FAILED: RecordingStatus.FAILED,
}


def room_of(event: RoomEvent) -> Room:
    """Returns the room, with the status that the log knew when it logged the event.

    A room whose end the log knew is never in progress, whatever a callback that arrived
    later says. Our own mutations of a room tell all of its fields but the callback's
    address: every subscriber gets the same event, and few may see that address. Other
    events tell `sid`, `account_sid`, `unique_name`, `type`, `status`, `end_time` and
    `duration`, and room-created tells `create_time` too.
    """
    end = _end_of(event)
    if event.room is not None:
        return replace(merge_end(event.room, end), status_callback=None)
    # Twilio's callbacks about recordings have no RoomStatus. A mutation can be about a
    # recording of a room that the log has forgotten.
    is_mutation = event.source is RoomEventSource.MUTATION
    silent = RoomStatus.UNKNOWN if is_mutation else RoomStatus.IN_PROGRESS
    return Room(
        sid=event.room_sid,
        account_sid=event.account_sid,
        status=end.status if end is not None else event.room_status or silent,
        type=event.room_type or RoomType.UNKNOWN,
        unique_name=event.room_name,
        create_time=event.event_time if event.type is RoomEventType.ROOM_CREATED else None,
        end_time=None if end is None else end.end_time,
        duration=None if end is None else end.duration,
        max_participants=None,
        max_participant_duration=None,
        empty_room_timeout=None,
        unused_room_timeout=None,
        video_codecs=None,
    )


def participant_of(event: RoomEvent) -> Participant | None:
    """Returns the participant of a participant or track event; None for other events.

    Tells `sid`, `room_sid`, `account_sid`, `identity` and `status`. The start of the
    stay is told when it begins, its end and duration when it ends. In a track event,
    the status is what Twilio's callback said. The end of a room that the log knew ended
    the stay as well.
    """
    if event.type not in _STAY_STATUS and event.type not in _IS_MUTED:
        return None
    assert event.participant_sid is not None, "RoomEvent requires it"
    told, unknown = _known(ParticipantStatus, "status", event.participant_status)
    status = _STAY_STATUS.get(event.type)
    is_start = event.type is RoomEventType.PARTICIPANT_CONNECTED
    is_end = event.type is RoomEventType.PARTICIPANT_DISCONNECTED
    end_time = event.event_time if is_end else None
    if event.room_end is not None and not is_end:
        status, end_time = ParticipantStatus.DISCONNECTED, event.room_end.end_time
    return Participant(
        sid=ParticipantSid(event.participant_sid),
        room_sid=event.room_sid,
        account_sid=event.account_sid,
        status=status or told or ParticipantStatus.CONNECTED,
        identity=event.participant_identity,
        create_time=event.event_time if is_start else None,
        start_time=event.event_time if is_start else None,
        end_time=end_time,
        duration=event.participant_duration,
        unknown_words=() if status is not None else unknown,
    )


def track_of(event: RoomEvent) -> PublishedTrack | None:
    """Returns the track of a track event; None for other events.

    Tells the SIDs, `kind` and `muted`, which is None for a removed track. track-added
    tells `create_time` too. Twilio's callbacks do not name the track.
    """
    if event.type not in _IS_MUTED:
        return None
    assert event.participant_sid is not None, "RoomEvent requires it"
    assert event.track_sid is not None, "RoomEvent requires it"
    return PublishedTrack(
        sid=TrackSid(event.track_sid),
        participant_sid=ParticipantSid(event.participant_sid),
        room_sid=event.room_sid,
        kind=event.track_kind or TrackKind.UNKNOWN,
        name=event.track_name,
        muted=_IS_MUTED[event.type],
        create_time=event.event_time if event.type is RoomEventType.TRACK_ADDED else None,
    )


def recording_of(event: RoomEvent) -> Recording | None:
    """Returns the recording of a recording event; None for other events.

    The addresses are Twilio's and relative. `size`, `duration`, the media's address and
    its external location are told when the recording is complete. recording-started
    tells `create_time`.
    """
    status = _RECORDING_STATUS.get(event.type)
    if status is None:
        return None
    assert event.recording_sid is not None, "RoomEvent requires it"
    container, unknown_container = _known(ContainerFormat, "container_format", event.container)
    codec, unknown_codec = _known(MediaCodec, "codec", event.codec)
    _, unknown_operation = _known(RecordingOperation, "failed_operation", event.failed_operation)
    participant_sid = event.participant_sid
    return Recording(
        sid=RecordingSid(event.recording_sid),
        account_sid=event.account_sid,
        room_sid=event.room_sid,
        status=status,
        type=event.track_kind or TrackKind.UNKNOWN,
        source_sid=event.source_sid,
        track_name=event.track_name,
        container_format=container,
        codec=codec,
        size=event.recording_size,
        duration=event.recording_duration,
        offset=event.offset_ms,
        create_time=event.event_time if event.type is RoomEventType.RECORDING_STARTED else None,
        grouping_sids=GroupingSids(
            event.room_sid, None if participant_sid is None else ParticipantSid(participant_sid)
        ),
        media_external_location=event.media_external_location,
        url=event.recording_uri,
        links=None if event.media_uri is None else RecordingLinks(event.media_uri),
        unknown_words=(*unknown_container, *unknown_codec, *unknown_operation),
    )


def failed_operation_of(event: RoomEvent) -> RecordingOperation | None:
    """Returns the step at which a recording failed, if the event tells it."""
    return _known(RecordingOperation, "failed_operation", event.failed_operation)[0]


def changed_sid_of(event: RoomEvent) -> str | None:
    """Returns the SID or ttid of what a room-changed is about. Rules have no SID: for
    them it is that of the room or the participant.

    None for other events, and for a transcription if Twilio's response was lost.
    """
    match event.change:
        case None:
            return None
        case RoomChangeKind.ROOM | RoomChangeKind.RECORDING_RULES:
            return event.room_sid
        case RoomChangeKind.RECORDING:
            return event.recording_sid
        case _:
            return event.changed_sid


def with_room_told_by(event: RoomEvent, earlier: RoomEvent) -> RoomEvent:
    """Returns the event with the name, type and status of its room, if it lacks them.

    Twilio's answer to a mutation of a participant, of rules or of a recording does not
    tell them. `earlier` is another event of the same room.
    """
    room = room_of(earlier)
    known_type = None if room.type is RoomType.UNKNOWN else room.type
    known_status = None if room.status is RoomStatus.UNKNOWN else room.status
    return replace(
        event,
        room_name=event.room_name or room.unique_name,
        room_type=event.room_type or known_type,
        room_status=event.room_status or known_status,
    )


def _end_of(event: RoomEvent) -> Ended | None:
    """The end of the room. The first one that the log knew is final."""
    own = end_of(event)
    if event.room_end is None or own is None or event.room_end.duration is not None:
        return event.room_end or own
    return replace(event.room_end, duration=own.duration)


def _known(
    cls: type[_E], field: str, word: str | None
) -> tuple[_E | None, tuple[UnknownWord, ...]]:
    """The member for Twilio's word, and the word itself if this release does not know
    it."""
    if word is None:
        return None, ()
    member = cls(word)
    return member, (UnknownWord(field, word[:WORD_LIMIT]),) if member.name == "UNKNOWN" else ()
