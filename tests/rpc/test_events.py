from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomChangeKind,
    RoomEvent,
    RoomEventSource,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.open_enum import HttpMethod
from gateway.core.participants import Participant, ParticipantStatus
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid
from gateway.rpc.events import Encoder, event_to_pb, event_types_from_pb, stream_message_to_pb
from gateway.rpc.v1 import events_pb2, recording_pb2, room_pb2, rule_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.twilio.callbacks import FIELDS
from tests.documented_callbacks import documented_event, lost_from

AT = datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)
ROOM = Room(
    sid=RoomSid("RM" + "1" * 32),
    account_sid=AccountSid("AC" + "2" * 32),
    status=RoomStatus.COMPLETED,
    type=RoomType.GROUP,
    max_participants=50,
    max_participant_duration=14400,
    empty_room_timeout=5,
    unused_room_timeout=5,
)
PARTICIPANT = Participant(
    sid=ParticipantSid("PA" + "3" * 32),
    room_sid=ROOM.sid,
    account_sid=ROOM.account_sid,
    status=ParticipantStatus.DISCONNECTED,
)
EVENT = RoomEvent(
    type=RoomEventType.ROOM_ENDED,
    account_sid=ROOM.account_sid,
    room_sid=ROOM.sid,
    event_time=AT,
    source=RoomEventSource.RECONCILED,
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
    failed_operation="RecordingUpload",
    change=RoomChangeKind.PARTICIPANT,
    room=ROOM,
    participant=PARTICIPANT,
    changed_sid="PA1",
)


def event(type_: RoomEventType, **values: Any) -> RoomEvent:
    return replace(EVENT, **{"type": type_, "change": None, "room": None} | values)


# What the message of each type holds.
PARTICIPANT_PARTS = {"participant"}
TRACK_PARTS = {"participant", "track"}
RECORDING_PARTS = {"recording", "participant_identity"}
PARTS = {
    RoomEventType.ROOM_CREATED: set[str](),
    RoomEventType.ROOM_ENDED: set[str](),
    RoomEventType.PARTICIPANT_CONNECTED: PARTICIPANT_PARTS,
    RoomEventType.PARTICIPANT_DISCONNECTED: PARTICIPANT_PARTS,
    RoomEventType.TRACK_ADDED: TRACK_PARTS,
    RoomEventType.TRACK_REMOVED: TRACK_PARTS,
    RoomEventType.TRACK_ENABLED: TRACK_PARTS,
    RoomEventType.TRACK_DISABLED: TRACK_PARTS,
    RoomEventType.RECORDING_STARTED: RECORDING_PARTS,
    RoomEventType.RECORDING_COMPLETED: RECORDING_PARTS,
    RoomEventType.RECORDING_FAILED: RECORDING_PARTS | {"failed_operation"},
    RoomEventType.ROOM_CHANGED: {
        "change",
        "changed_sid",
        "changed_participant",
        "deleted_recording_sid",
    },
}


@pytest.mark.parametrize("type_", RoomEventType)
def test_event_has_the_message_of_its_type_with_all_parts(type_: RoomEventType) -> None:
    change = RoomChangeKind.PARTICIPANT if type_ is RoomEventType.ROOM_CHANGED else None
    message = event_to_pb(event(type_, change=change))

    kind = message.WhichOneof("event")
    assert kind == type_.name.lower()
    part: Message = getattr(message, kind)
    assert {field.name for field, _ in part.ListFields()} == PARTS[type_]
    assert PARTS[type_] == set(part.DESCRIPTOR.fields_by_name)
    assert (message.room.sid, message.room.unique_name) == (ROOM.sid, "daily")
    assert message.event_time.ToDatetime(tzinfo=UTC) == AT
    assert (message.sequence_number, message.late) == (7, True)
    assert message.source == events_pb2.ROOM_EVENT_SOURCE_RECONCILED


@pytest.mark.parametrize("type_", FIELDS)
def test_nothing_that_twilio_documents_is_lost(type_: RoomEventType) -> None:
    shown = MessageToJson(event_to_pb(documented_event(type_)))
    assert lost_from(shown, type_) == []


def test_parts_of_an_event_are_the_resources_of_other_responses() -> None:
    disabled = event_to_pb(event(RoomEventType.TRACK_DISABLED)).track_disabled
    assert (disabled.track.sid, disabled.track.muted, disabled.track.kind) == (
        "MT1",
        True,
        rule_pb2.TRACK_KIND_VIDEO,
    )
    assert (disabled.participant.sid, disabled.participant.identity) == ("PA1", "ann")

    failed = event_to_pb(event(RoomEventType.RECORDING_FAILED)).recording_failed
    assert failed.failed_operation == events_pb2.RECORDING_OPERATION_UPLOAD
    assert failed.participant_identity == "ann"
    recording = failed.recording
    assert (recording.sid, recording.status) == ("RT1", recording_pb2.RECORDING_STATUS_FAILED)
    assert (recording.codec, recording.container_format) == (
        recording_pb2.MEDIA_CODEC_OPUS,
        recording_pb2.CONTAINER_FORMAT_MKA,
    )
    assert (recording.size_bytes, recording.offset.ToMilliseconds()) == (5_000_000_000,) * 2

    ended = event_to_pb(event(RoomEventType.ROOM_ENDED))
    assert ended.room.status == room_pb2.ROOM_STATUS_COMPLETED
    assert ended.room.duration.seconds == 60


def test_a_changed_room_is_complete_but_for_the_address_of_callbacks() -> None:
    """All streams get the same bytes, also those of callers that are no operators."""
    room = replace(
        ROOM,
        status_callback="https://example.org/hook",
        status_callback_method=HttpMethod.POST,
    )
    message = event_to_pb(
        event(RoomEventType.ROOM_CHANGED, change=RoomChangeKind.ROOM, room=room, participant=None)
    )

    assert message.room.max_participants == 50
    assert message.room.max_participant_duration.seconds == 14_400
    assert message.room.twilio.status_callback_method == room_pb2.HTTP_METHOD_POST
    assert not message.room.twilio.HasField("status_callback")
    assert not message.room_changed.HasField("changed_participant")


def test_what_an_event_does_not_tell_is_unset() -> None:
    bare = RoomEvent(
        type=RoomEventType.ROOM_CREATED,
        account_sid=ROOM.account_sid,
        room_sid=ROOM.sid,
        event_time=AT,
    )
    message = event_to_pb(bare)

    assert message.WhichOneof("event") == "room_created"
    assert not message.HasField("sequence_number")
    assert {field.name for field, _ in message.room.ListFields()} == {
        "sid",
        "account_sid",
        "status",
        "type",
        "create_time",
        "twilio",
    }


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
def test_stream_message_to_pb_sets_one_of_five_kinds(
    message: StreamMessage, kind: str, prev: str | None
) -> None:
    written = stream_message_to_pb(message)

    assert (written.cursor, written.WhichOneof("message")) == ("c", kind)
    assert (written.prev if written.HasField("prev") else None) == prev


def test_stream_started_has_mode_room_and_start_of_history() -> None:
    started = stream_message_to_pb(StreamStarted("c", StreamMode.RESYNC, ROOM.sid, AT)).started

    assert (
        started.mode,
        started.watched_room,
        started.history_start_time.ToDatetime(tzinfo=UTC),
    ) == (
        events_pb2.STREAM_MODE_RESYNC,
        ROOM.sid,
        AT,
    )


def test_no_event_types_mean_all_types() -> None:
    assert event_types_from_pb(pb.WatchRoomEventsRequest()) is None
    ended = events_pb2.ROOM_EVENT_TYPE_ROOM_ENDED
    request = pb.ListRoomEventsRequest(types=[ended, ended])
    assert event_types_from_pb(request) == frozenset({RoomEventType.ROOM_ENDED})


def test_an_event_is_encoded_once_for_streams_with_the_same_prev() -> None:
    encoder, message = Encoder(), Delivered("c", "b", EVENT)
    first = encoder.encode(message)
    assert (first.cursor, pb.WatchRoomEventsResponse.FromString(first.encoded)) == (
        "c",
        stream_message_to_pb(message),
    )
    assert encoder.encode(Delivered("c", "b", EVENT)).encoded is first.encoded
    elsewhere = encoder.encode(Delivered("c", "a", EVENT))
    assert pb.WatchRoomEventsResponse.FromString(elsewhere.encoded).prev == "a"


def test_other_messages_are_encoded_for_each_stream() -> None:
    """Several of them may have one cursor."""
    encoder = Encoder()
    kinds = [encoder.encode(message).encoded for message in (Bookmark("c"), Gap("c", "b"))]
    assert [
        pb.WatchRoomEventsResponse.FromString(item).WhichOneof("message") for item in kinds
    ] == ["bookmark", "gap"]
