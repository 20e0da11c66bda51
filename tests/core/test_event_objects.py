"""The objects of events: of every type and from every source."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.event_objects import (
    changed_sid_of,
    failed_operation_of,
    participant_of,
    recording_of,
    room_of,
    track_of,
    with_room_told_by,
)
from gateway.core.events import (
    RecordingOperation,
    RoomChangeKind,
    RoomEvent,
    RoomEventSource,
    RoomEventType,
)
from gateway.core.open_enum import UnknownWord
from gateway.core.participants import Participant, ParticipantStatus, PublishedTrack
from gateway.core.recordings import (
    ContainerFormat,
    GroupingSids,
    MediaCodec,
    Recording,
    RecordingLinks,
    RecordingStatus,
)
from gateway.core.rooms import AccountSid, Ended, Room, RoomSid, RoomStatus, RoomType, VideoCodec
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid, RecordingSid, TrackSid
from gateway.twilio.callbacks import FIELDS
from tests.documented_callbacks import documented_event, lost_from

Types = RoomEventType
ACCOUNT, ROOM = AccountSid("AC" + "0" * 32), RoomSid("RM" + "1" * 32)
ADA, MIC, TAKE = ParticipantSid("PA" + "2" * 32), TrackSid("MT" + "3" * 32), "RT" + "4" * 32
AT = datetime(2026, 11, 20, 12, 0, 0, 195_000, tzinfo=UTC)
END = Ended(RoomStatus.COMPLETED, AT - timedelta(seconds=5), 60)

FULL_ROOM = Room(
    sid=ROOM,
    account_sid=ACCOUNT,
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    unique_name="standup",
    max_participants=7,
    max_participant_duration=14_400,
    empty_room_timeout=5,
    unused_room_timeout=5,
    video_codecs=(VideoCodec.VP8,),
)
FULL_PARTICIPANT = Participant(
    sid=ADA, room_sid=ROOM, account_sid=ACCOUNT, status=ParticipantStatus.DISCONNECTED
)

_ROOM: dict[str, Any] = {
    "room_name": "standup",
    "room_status": RoomStatus.IN_PROGRESS,
    "room_type": RoomType.GROUP,
}
_STAY = _ROOM | {
    "participant_sid": ADA,
    "participant_identity": "ada",
    "participant_status": "connected",
}
_TRACK = _STAY | {"track_sid": MIC, "track_kind": TrackKind.AUDIO}
_RECORDING: dict[str, Any] = {
    "room_name": "standup",
    "room_type": RoomType.GROUP,
    "participant_sid": ADA,
    "participant_identity": "ada",
    "track_kind": TrackKind.AUDIO,
    "track_name": "mic",
    "recording_sid": TAKE,
    "source_sid": MIC,
    "recording_uri": f"/v1/Recordings/{TAKE}",
    "container": "mka",
    "codec": "opus",
    "offset_ms": 5,
}


def event(type_: RoomEventType, **values: Any) -> RoomEvent:
    return RoomEvent(type=type_, account_sid=ACCOUNT, room_sid=ROOM, event_time=AT, **values)


def room(status: RoomStatus = RoomStatus.IN_PROGRESS, **values: Any) -> Room:
    """The room as an event tells it."""
    defaults: dict[str, Any] = {
        "unique_name": "standup",
        "type": RoomType.GROUP,
        "max_participants": None,
        "max_participant_duration": None,
        "empty_room_timeout": None,
        "unused_room_timeout": None,
        "video_codecs": None,
    }
    return Room(sid=ROOM, account_sid=ACCOUNT, status=status, **defaults | values)


def ada(status: ParticipantStatus = ParticipantStatus.CONNECTED, **values: Any) -> Participant:
    return Participant(
        sid=ADA, room_sid=ROOM, account_sid=ACCOUNT, status=status, identity="ada", **values
    )


def mic(**values: Any) -> PublishedTrack:
    return PublishedTrack(
        sid=MIC, participant_sid=ADA, room_sid=ROOM, kind=TrackKind.AUDIO, **values
    )


def take(status: RecordingStatus, **values: Any) -> Recording:
    return Recording(
        sid=RecordingSid(TAKE),
        account_sid=ACCOUNT,
        room_sid=ROOM,
        status=status,
        type=TrackKind.AUDIO,
        source_sid=MIC,
        track_name="mic",
        container_format=ContainerFormat.MKA,
        codec=MediaCodec.OPUS,
        offset=5,
        grouping_sids=GroupingSids(ROOM, ADA),
        url=f"/v1/Recordings/{TAKE}",
        **values,
    )


# Each event with its room, participant, track and recording.
BY_CALLBACK: list[
    tuple[RoomEvent, Room, Participant | None, PublishedTrack | None, Recording | None]
] = [
    (event(Types.ROOM_CREATED, **_ROOM), room(create_time=AT), None, None, None),
    (
        event(Types.ROOM_ENDED, **_ROOM | {"room_status": RoomStatus.COMPLETED}, room_duration=60),
        room(RoomStatus.COMPLETED, end_time=AT, duration=60),
        None,
        None,
        None,
    ),
    (
        event(Types.PARTICIPANT_CONNECTED, **_STAY),
        room(),
        ada(create_time=AT, start_time=AT),
        None,
        None,
    ),
    (
        event(
            Types.PARTICIPANT_DISCONNECTED,
            **_STAY | {"participant_status": "disconnected"},
            participant_duration=9,
        ),
        room(),
        ada(ParticipantStatus.DISCONNECTED, end_time=AT, duration=9),
        None,
        None,
    ),
    (
        event(Types.TRACK_ADDED, **_TRACK),
        room(),
        ada(),
        mic(muted=False, create_time=AT),
        None,
    ),
    (event(Types.TRACK_REMOVED, **_TRACK), room(), ada(), mic(), None),
    (event(Types.TRACK_ENABLED, **_TRACK), room(), ada(), mic(muted=False), None),
    (event(Types.TRACK_DISABLED, **_TRACK), room(), ada(), mic(muted=True), None),
    (
        event(Types.RECORDING_STARTED, **_RECORDING),
        room(),
        None,
        None,
        take(RecordingStatus.PROCESSING, create_time=AT),
    ),
    (
        event(
            Types.RECORDING_COMPLETED,
            **_RECORDING,
            media_uri=f"/v1/Recordings/{TAKE}/Media",
            media_external_location="https://bucket.example/take",
            recording_duration=8,
            recording_size=2**40,
        ),
        room(),
        None,
        None,
        take(
            RecordingStatus.COMPLETED,
            links=RecordingLinks(f"/v1/Recordings/{TAKE}/Media"),
            media_external_location="https://bucket.example/take",
            duration=8,
            size=2**40,
        ),
    ),
    (
        event(Types.RECORDING_FAILED, **_RECORDING, failed_operation="RecordingUpload"),
        room(),
        None,
        None,
        take(RecordingStatus.FAILED),
    ),
]


def test_the_table_has_every_event_of_twilios() -> None:
    types = [case[0].type for case in BY_CALLBACK]
    assert types == [type_ for type_ in Types if type_ is not Types.ROOM_CHANGED]


@pytest.mark.parametrize("source", RoomEventSource)
@pytest.mark.parametrize("case", BY_CALLBACK, ids=lambda case: case[0].type)
def test_an_event_builds_the_objects_that_it_is_about(
    case: tuple[RoomEvent, object, object, object, object], source: RoomEventSource
) -> None:
    """The source does not matter where the event says the same."""
    told, *objects = case
    told = replace(told, room_status=told.room_status or RoomStatus.IN_PROGRESS, source=source)
    assert [room_of(told), participant_of(told), track_of(told), recording_of(told)] == objects


@pytest.mark.parametrize("case", BY_CALLBACK, ids=lambda case: case[0].type)
def test_an_event_needs_nothing_but_the_sids(
    case: tuple[RoomEvent, Room, Participant | None, PublishedTrack | None, Recording | None],
) -> None:
    """Twilio may leave out what it documents, and the reconciler knows less."""
    told, _, participant, track, recording = case
    bare = event(
        told.type,
        source=RoomEventSource.RECONCILED,
        participant_sid=told.participant_sid,
        track_sid=told.track_sid,
        recording_sid=told.recording_sid,
    )
    ended = told.type is Types.ROOM_ENDED
    assert room_of(bare).status is (RoomStatus.COMPLETED if ended else RoomStatus.IN_PROGRESS)
    assert (room_of(bare).type, room_of(bare).unique_name) == (RoomType.UNKNOWN, None)
    for built, expected in (
        (participant_of(bare), participant),
        (track_of(bare), track),
        (recording_of(bare), recording),
    ):
        assert (built and built.sid) == (expected and expected.sid)
    for built, expected in ((participant_of(bare), participant), (recording_of(bare), recording)):
        assert (built and built.status) == (expected and expected.status)


def test_i12_no_event_tells_the_address_of_the_callback() -> None:
    """It contains marks of ours, and every subscriber gets the same bytes."""
    secret = replace(FULL_ROOM, status_callback="https://example.test/callbacks?key=1")
    assert room_of(event(Types.ROOM_CHANGED, room=secret)) == FULL_ROOM


def test_our_own_change_of_a_room_tells_all_of_it() -> None:
    changed = event(
        Types.ROOM_CHANGED,
        source=RoomEventSource.MUTATION,
        change=RoomChangeKind.ROOM,
        room=FULL_ROOM,
    )
    assert room_of(changed) == FULL_ROOM
    created = event(Types.ROOM_CREATED, source=RoomEventSource.MUTATION, room=FULL_ROOM)
    assert room_of(created) == FULL_ROOM
    assert (participant_of(changed), track_of(changed), recording_of(changed)) == (None,) * 3


@pytest.mark.parametrize("change", RoomChangeKind)
def test_our_own_change_takes_its_room_from_an_earlier_event(change: RoomChangeKind) -> None:
    changed = event(
        Types.ROOM_CHANGED,
        source=RoomEventSource.MUTATION,
        change=change,
        participant=FULL_PARTICIPANT,
    )
    assert room_of(changed) == room(RoomStatus.UNKNOWN, unique_name=None, type=RoomType.UNKNOWN)
    assert participant_of(changed) is None
    for case in BY_CALLBACK:
        earlier = case[0]
        status = (
            RoomStatus.COMPLETED if earlier.type is Types.ROOM_ENDED else RoomStatus.IN_PROGRESS
        )
        assert room_of(with_room_told_by(changed, earlier)) == room(status)
    assert room_of(with_room_told_by(changed, replace(changed, room=FULL_ROOM))) == room()


@pytest.mark.parametrize(
    ("change", "sid"),
    [
        (None, None),
        (RoomChangeKind.ROOM, ROOM),
        (RoomChangeKind.RECORDING_RULES, ROOM),
        (RoomChangeKind.PARTICIPANT, ADA),
        (RoomChangeKind.SUBSCRIBE_RULES, ADA),
        (RoomChangeKind.RECORDING, TAKE),
        (RoomChangeKind.TRANSCRIPTION, ADA),
    ],
)
def test_a_change_has_the_sid_of_what_it_changed(
    change: RoomChangeKind | None, sid: str | None
) -> None:
    changed = event(Types.ROOM_CHANGED, change=change, recording_sid=TAKE, changed_sid=ADA)
    assert changed_sid_of(changed) == sid


def test_an_event_keeps_what_it_tells_of_its_room() -> None:
    earlier = event(Types.ROOM_CREATED, room=replace(FULL_ROOM, unique_name="other"))
    told = event(Types.ROOM_ENDED, **_ROOM)
    assert with_room_told_by(told, earlier) == told
    silent = event(Types.ROOM_CHANGED, source=RoomEventSource.MUTATION)
    assert with_room_told_by(silent, silent) == silent


@pytest.mark.parametrize("case", BY_CALLBACK, ids=lambda case: case[0].type)
def test_i9_a_room_whose_end_is_known_is_never_in_progress(
    case: tuple[RoomEvent, object, object, object, object],
) -> None:
    shown = room_of(replace(case[0], room_end=END))
    assert (shown.status, shown.end_time, shown.duration) == (END.status, END.end_time, 60)
    late = event(Types.ROOM_CHANGED, room=FULL_ROOM, room_end=END)
    assert room_of(late) == replace(
        FULL_ROOM, status=END.status, end_time=END.end_time, duration=60
    )


@pytest.mark.parametrize("type_", [Types.PARTICIPANT_CONNECTED, Types.TRACK_REMOVED])
def test_i9_nobody_is_in_a_room_whose_end_is_known(type_: RoomEventType) -> None:
    gone = participant_of(event(type_, **_TRACK, room_end=END))
    assert gone is not None
    assert (gone.status, gone.end_time) == (ParticipantStatus.DISCONNECTED, END.end_time)
    own = participant_of(event(Types.PARTICIPANT_DISCONNECTED, **_STAY, room_end=END))
    assert own is not None
    assert (own.status, own.end_time) == (ParticipantStatus.DISCONNECTED, AT)


def test_room_ended_adds_the_duration_to_an_end_without_one() -> None:
    ended = event(Types.ROOM_ENDED, room_duration=61, room_end=replace(END, duration=None))
    assert (room_of(ended).end_time, room_of(ended).duration) == (END.end_time, 61)
    assert room_of(replace(ended, room_end=END)).duration == 60


@pytest.mark.parametrize(
    ("word", "status", "unknown"),
    [
        ("reconnecting", ParticipantStatus.RECONNECTING, ()),
        ("disconnected", ParticipantStatus.DISCONNECTED, ()),
        ("waiting", ParticipantStatus.UNKNOWN, (UnknownWord("status", "waiting"),)),
        (None, ParticipantStatus.CONNECTED, ()),
    ],
)
def test_a_track_event_has_the_status_of_its_callback(
    word: str | None, status: ParticipantStatus, unknown: tuple[UnknownWord, ...]
) -> None:
    built = participant_of(event(Types.TRACK_ADDED, **_TRACK | {"participant_status": word}))
    assert built == ada(status, unknown_words=unknown)


def test_unknown_words_of_a_recording_are_kept() -> None:
    failed = event(
        Types.RECORDING_FAILED,
        **_RECORDING | {"container": "ogg", "codec": "AV1"},
        failed_operation="RecordingPause",
    )
    built = recording_of(failed)
    assert built is not None
    assert (built.container_format, built.codec) == (ContainerFormat.UNKNOWN, MediaCodec.UNKNOWN)
    assert built.unknown_words == (
        UnknownWord("container_format", "ogg"),
        UnknownWord("codec", "AV1"),
        UnknownWord("failed_operation", "RecordingPause"),
    )
    assert failed_operation_of(failed) is RecordingOperation.UNKNOWN


@pytest.mark.parametrize(
    ("word", "operation"),
    [
        ("RecordingStart", RecordingOperation.START),
        ("RecordingComplete", RecordingOperation.COMPLETE),
        ("RecordingUpload", RecordingOperation.UPLOAD),
        (None, None),
    ],
)
def test_a_failed_recording_tells_at_which_step(
    word: str | None, operation: RecordingOperation | None
) -> None:
    failed = event(Types.RECORDING_FAILED, **_RECORDING, failed_operation=word)
    assert failed_operation_of(failed) is operation


@pytest.mark.parametrize("type_", FIELDS)
def test_nothing_that_twilio_documents_is_lost(type_: RoomEventType) -> None:
    """Each parameter of a callback is found in the event or in one of its objects."""
    told = documented_event(type_)
    shown = (
        room_of(told),
        participant_of(told),
        track_of(told),
        recording_of(told),
        failed_operation_of(told),
        # What stands in the event itself on both faces.
        told.event_time.isoformat(timespec="milliseconds"),
        told.sequence_number,
        recording_of(told) and told.participant_identity,
    )
    assert lost_from(repr(shown), type_) == []
