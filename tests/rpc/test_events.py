from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
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
from gateway.core.participants import Participant, ParticipantStatus
from gateway.core.rooms import AccountSid, Room, RoomSid, RoomStatus, RoomType
from gateway.core.rules import TrackKind
from gateway.core.sids import ParticipantSid
from gateway.rpc.convert import to_pb
from gateway.rpc.events import Encoder, event_to_pb, event_types_from_pb, stream_message_to_pb
from gateway.rpc.v1 import events_pb2, participant_pb2, room_pb2, rule_pb2
from gateway.rpc.v1 import room_service_pb2 as pb

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
    failed_operation="upload",
    change=RoomChangeKind.PARTICIPANT,
    room=ROOM,
    participant=PARTICIPANT,
)


def is_set(message: Message) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def names(core_type: Any) -> set[str]:
    return {field.name for field in fields(core_type)}


def pb_names(message_type: Any) -> set[str]:
    return set(message_type.DESCRIPTOR.fields_by_name)


def test_event_to_pb_sets_every_field() -> None:
    message = event_to_pb(EVENT)

    assert is_set(message) == pb_names(events_pb2.RoomEvent)
    assert is_set(message.participant) == pb_names(events_pb2.EventParticipant)
    assert is_set(message.track) == pb_names(events_pb2.EventTrack)
    assert is_set(message.recording) == pb_names(events_pb2.EventRecording)
    parts = ("participant", "track", "recording")
    written = (
        len(pb_names(events_pb2.RoomEvent))
        - len(parts)
        + sum(len(is_set(getattr(message, p))) for p in parts)
    )
    # The end that the log knew before is part of the room.
    assert written == len(names(RoomEvent) - {"room_end"})
    assert message.at.ToDatetime(tzinfo=UTC) == AT
    assert message.recording.size == EVENT.recording_size
    assert message.participant.identity == "ann"
    assert message.track.kind == rule_pb2.TRACK_KIND_VIDEO
    assert message.room == to_pb(ROOM, room_pb2.Room)
    assert message.changed == events_pb2.CHANGED_PARTICIPANT
    assert message.changed_participant == to_pb(PARTICIPANT, participant_pb2.Participant)


def test_event_to_pb_leaves_out_empty_parts() -> None:
    event = RoomEvent(
        type=RoomEventType.ROOM_CREATED,
        account_sid=ROOM.account_sid,
        room_sid=ROOM.sid,
        event_time=AT,
    )

    assert is_set(event_to_pb(event)) == {"type", "account_sid", "room_sid", "at", "source"}


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


def test_stream_started_has_mode_room_and_floor() -> None:
    started = stream_message_to_pb(StreamStarted("c", StreamMode.RESYNC, ROOM.sid, AT)).started

    assert (started.mode, started.room_sid, started.floor_at.ToDatetime(tzinfo=UTC)) == (
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
