from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.core.caching import FollowedBy, Provenance, Seen
from gateway.core.errors import InvalidArgument
from gateway.core.events import (
    Bookmark,
    Delivered,
    EventSource,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
    TrackKind,
)
from gateway.core.recordings import RecordedKind, RecordingRule, RuleType
from gateway.core.rooms import (
    AccountSid,
    NewRoom,
    Room,
    RoomFilter,
    RoomLinks,
    RoomSid,
    RoomStatus,
    RoomType,
    VideoCodec,
)
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.core.words import UnknownWord
from gateway.rooms.v1 import events_pb2, recording_pb2, room_pb2, transcription_pb2
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rpc import convert

AT = datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)
LINKS = RoomLinks(participants="p", recordings="r", recording_rules="rr", transcriptions="t")
ROOM = Room(
    sid=RoomSid("RM" + "1" * 32),
    account_sid=AccountSid("AC" + "2" * 32),
    status=RoomStatus.COMPLETED,
    type=RoomType.PEER_TO_PEER,
    unique_name="a/b",
    date_created=AT,
    date_updated=AT + timedelta(seconds=1),
    end_time=AT + timedelta(seconds=2),
    duration=2,
    status_callback="https://example.org/callbacks",
    status_callback_method="POST",
    max_participants=10,
    max_participant_duration=14400,
    max_concurrent_published_tracks=170,
    empty_room_timeout=5,
    unused_room_timeout=6,
    record_participants_on_connect=True,
    video_codecs=(VideoCodec.VP8, VideoCodec.H264),
    media_region="ie1",
    audio_only=True,
    enable_turn=True,
    large_room=True,
    url="https://video.twilio.com/v1/Rooms/RM1",
    links=LINKS,
    unknown_words=(UnknownWord("media_region", "moon1"),),
)
BARE = Room(
    sid=ROOM.sid,
    account_sid=ROOM.account_sid,
    status=RoomStatus.IN_PROGRESS,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)
EVENT = RoomEvent(
    type=RoomEventType.ROOM_ENDED,
    account_sid=ROOM.account_sid,
    room_sid=ROOM.sid,
    at=AT,
    source=EventSource.RECONCILED,
    late=True,
    room_name="daily",
    sequence_number=7,
    room_status=RoomStatus.COMPLETED,
    room_type=RoomType.GROUP,
    room_duration=60,
    participant_sid="PA1",
    participant_identity="ann",
    participant_status="disconnected",
    participant_duration=59,
    track_sid="MT1",
    track_kind=TrackKind.VIDEO,
    track_name="camera",
    recording_sid="RT1",
    source_sid="MT1",
    recording_uri="/v1/Recordings/RT1",
    container="mka",
    codec="opus",
    offset_ms=5_000_000_000,
    media_uri="/v1/Recordings/RT1/Media",
    media_external_location="https://example.org/RT1",
    recording_duration=58,
    recording_size=5_000_000_000,
    failed_operation="upload",
    room=ROOM,
)


def is_set(message: Message) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def names(core_type: Any) -> set[str]:
    return {field.name for field in fields(core_type)}


def pb_names(message_type: Any) -> set[str]:
    return set(message_type.DESCRIPTOR.fields_by_name)


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def test_every_field_of_a_room_has_its_place_on_the_wire() -> None:
    assert pb_names(room_pb2.Room) == names(Room) | {"freshness", "as_of"}
    assert pb_names(room_pb2.RoomLinks) == names(RoomLinks)


def test_every_field_of_a_room_is_written() -> None:
    message = convert.room_to_pb(ROOM)

    assert is_set(message) == names(Room)
    assert is_set(message.links) == names(RoomLinks)
    plain = [field.name for field in fields(Room) if type(getattr(ROOM, field.name)) in (str, int, bool)]
    assert [getattr(message, name) for name in plain] == [getattr(ROOM, name) for name in plain]
    assert message.status == room_pb2.ROOM_STATUS_COMPLETED
    assert message.type == room_pb2.ROOM_TYPE_PEER_TO_PEER
    assert list(message.video_codecs) == [room_pb2.VIDEO_CODEC_VP8, room_pb2.VIDEO_CODEC_H264]
    assert [moment(message.date_created), moment(message.date_updated), moment(message.end_time)] == [
        ROOM.date_created,
        ROOM.date_updated,
        ROOM.end_time,
    ]


def test_what_a_room_does_not_have_is_left_out() -> None:
    assert is_set(convert.room_to_pb(BARE)) == {
        "sid",
        "account_sid",
        "status",
        "type",
        "max_participants",
        "max_participant_duration",
        "empty_room_timeout",
        "unused_room_timeout",
    }


def test_false_is_told_apart_from_left_out() -> None:
    message = convert.room_to_pb(Room(**{name: getattr(BARE, name) for name in names(Room)} | {"audio_only": False}))

    assert message.HasField("audio_only")
    assert not message.HasField("large_room")


def test_an_answer_says_how_fresh_it_is_and_where_to_watch_from() -> None:
    message = convert.seen_room_to_pb(Seen(BARE, Provenance(AT, True, FollowedBy.POLLED), "cursor"))

    assert moment(message.freshness.fetched_at) == AT
    assert (message.freshness.is_stale, message.freshness.source) == (True, room_pb2.FOLLOWED_BY_POLLED)
    assert message.as_of == "cursor"


def test_every_field_of_an_event_is_written() -> None:
    message = convert.event_to_pb(EVENT)

    assert is_set(message) == pb_names(events_pb2.RoomEvent)
    assert is_set(message.participant) == pb_names(events_pb2.EventParticipant)
    assert is_set(message.track) == pb_names(events_pb2.EventTrack)
    assert is_set(message.recording) == pb_names(events_pb2.EventRecording)
    parts = ("participant", "track", "recording")
    written = len(pb_names(events_pb2.RoomEvent)) - len(parts) + sum(len(is_set(getattr(message, p))) for p in parts)
    assert written == len(names(RoomEvent))
    assert moment(message.at) == AT
    assert message.recording.size == EVENT.recording_size
    assert message.participant.identity == "ann"
    assert message.track.kind == events_pb2.TRACK_KIND_VIDEO
    assert message.room == convert.room_to_pb(ROOM)


def test_an_event_has_only_the_parts_that_its_callback_had() -> None:
    event = RoomEvent(type=RoomEventType.ROOM_CREATED, account_sid=ROOM.account_sid, room_sid=ROOM.sid, at=AT)

    assert is_set(convert.event_to_pb(event)) == {"type", "account_sid", "room_sid", "at", "source"}


@pytest.mark.parametrize(
    ("message", "kind", "prev"),
    [
        (StreamStarted("c", StreamMode.RESUMED, ROOM.sid, AT), "started", None),
        (Delivered("c", "b", EVENT), "event", "b"),
        (Bookmark("c"), "bookmark", None),
        (Gap("c", "b"), "gap", "b"),
        (ResyncRequired("c", ResyncReason.TRIMMED), "resync_required", None),
    ],
)
def test_a_stream_message_is_one_of_five(message: StreamMessage, kind: str, prev: str | None) -> None:
    written = convert.stream_message_to_pb(message)

    assert (written.cursor, written.WhichOneof("message")) == ("c", kind)
    assert (written.prev if written.HasField("prev") else None) == prev


def test_the_start_of_a_stream_says_how_and_of_which_room() -> None:
    started = convert.stream_message_to_pb(StreamStarted("c", StreamMode.RESYNC, ROOM.sid, AT)).started

    assert (started.mode, started.room_sid, moment(started.floor_at)) == (events_pb2.STREAM_MODE_RESYNC, ROOM.sid, AT)


def test_every_parameter_of_a_new_room_has_its_place_on_the_wire() -> None:
    assert pb_names(pb.CreateRoomRequest) == names(NewRoom)
    assert pb_names(recording_pb2.RecordingRule) == names(RecordingRule)
    assert pb_names(transcription_pb2.TranscriptionsConfiguration) == names(TranscriptionsConfiguration)


def test_every_parameter_of_a_new_room_is_read() -> None:
    request = pb.CreateRoomRequest(
        unique_name="daily",
        type=room_pb2.ROOM_TYPE_GROUP,
        max_participants=12,
        max_participant_duration=600,
        empty_room_timeout=1,
        unused_room_timeout=60,
        record_participants_on_connect=False,
        recording_rules=[
            recording_pb2.RecordingRule(type=recording_pb2.RECORDING_RULE_TYPE_INCLUDE, all=True),
            recording_pb2.RecordingRule(
                type=recording_pb2.RECORDING_RULE_TYPE_EXCLUDE,
                kind=recording_pb2.RECORDED_KIND_AUDIO,
                publisher="ann",
                track="camera",
            ),
        ],
        video_codecs=[room_pb2.VIDEO_CODEC_H264],
        media_region="us1",
        audio_only=True,
        transcribe_participants_on_connect=True,
        transcriptions_configuration=transcription_pb2.TranscriptionsConfiguration(
            transcription_engine="google",
            speech_model="telephony",
            language_code="en-US",
            partial_results=True,
            profanity_filter=False,
            hints=["Twilio"],
            enable_automatic_punctuation=True,
        ),
        large_room=False,
        enable_turn=True,
    )

    assert convert.new_room_of(request) == NewRoom(
        unique_name="daily",
        type=RoomType.GROUP,
        max_participants=12,
        max_participant_duration=600,
        empty_room_timeout=1,
        unused_room_timeout=60,
        record_participants_on_connect=False,
        recording_rules=(
            RecordingRule(type=RuleType.INCLUDE, all=True),
            RecordingRule(type=RuleType.EXCLUDE, kind=RecordedKind.AUDIO, publisher="ann", track="camera"),
        ),
        video_codecs=(VideoCodec.H264,),
        media_region="us1",
        audio_only=True,
        transcribe_participants_on_connect=True,
        transcriptions_configuration=TranscriptionsConfiguration(
            transcription_engine="google",
            speech_model="telephony",
            language_code="en-US",
            partial_results=True,
            profanity_filter=False,
            hints=("Twilio",),
            enable_automatic_punctuation=True,
        ),
        large_room=False,
        enable_turn=True,
    )


def test_what_a_request_leaves_out_is_left_to_twilio() -> None:
    assert convert.new_room_of(pb.CreateRoomRequest()) == NewRoom()


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (pb.CreateRoomRequest(max_participants=0), "maxParticipants is 0; give"),
        (pb.CreateRoomRequest(max_participants=51), "maxParticipants is 51; give"),
        (pb.CreateRoomRequest(unique_name=""), "uniqueName is empty; give"),
        (pb.CreateRoomRequest(type=17), "type holds the number 17.*give one of GROUP"),
        (pb.CreateRoomRequest(type=room_pb2.ROOM_TYPE_UNKNOWN), "type is not one of"),
        (pb.CreateRoomRequest(video_codecs=[9]), "video_codecs holds the number 9.*VP8, H264"),
        (pb.CreateRoomRequest(recording_rules=[recording_pb2.RecordingRule(all=True)]), "has no type; give INCLUDE"),
        (
            pb.CreateRoomRequest(recording_rules=[recording_pb2.RecordingRule(type=1, kind=7)]),
            "kind of a recording rule",
        ),
    ],
)
def test_a_new_room_out_of_bounds_is_refused_with_a_sentence(request_: pb.CreateRoomRequest, sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        convert.new_room_of(request_)


def test_a_list_shows_rooms_in_progress_unless_told_otherwise() -> None:
    assert convert.room_filter_of(pb.ListRoomsRequest()) == RoomFilter(status=RoomStatus.IN_PROGRESS)


def test_a_list_is_filtered_by_name_and_moments() -> None:
    request = pb.ListRoomsRequest(
        status=room_pb2.ROOM_STATUS_COMPLETED,
        unique_name="daily",
        created_after=AT.astimezone(timezone(timedelta(hours=2))),
        created_before=AT + timedelta(hours=1),
    )

    assert convert.room_filter_of(request) == RoomFilter(
        status=RoomStatus.COMPLETED, unique_name="daily", created_after=AT, created_before=AT + timedelta(hours=1)
    )


@pytest.mark.parametrize("stamp", [Timestamp(seconds=1 << 62), Timestamp(seconds=-(1 << 62)), Timestamp(nanos=-1)])
def test_a_moment_that_does_not_exist_is_refused(stamp: Timestamp) -> None:
    with pytest.raises(InvalidArgument, match="created_after is no moment; give"):
        convert.room_filter_of(pb.ListRoomsRequest(created_after=stamp))


def test_no_event_types_stand_for_all() -> None:
    assert convert.event_types_of(pb.WatchRoomEventsRequest()) is None
    ended = events_pb2.ROOM_EVENT_TYPE_ROOM_ENDED
    assert convert.event_types_of(pb.WatchRoomEventsRequest(types=[ended, ended])) == {RoomEventType.ROOM_ENDED}
