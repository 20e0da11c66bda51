"""Events and stream messages as protobuf messages. Does no I/O."""

from gateway.core.events import (
    Bookmark,
    Delivered,
    Gap,
    ResyncRequired,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamStarted,
)
from gateway.rpc import enums
from gateway.rpc.convert import to_pb
from gateway.rpc.v1 import events_pb2, participant_pb2, room_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.service.streams.encoded import EncodedMessage, EncodedMessages


class Encoder:
    """Encodes each event once for all streams that deliver it after the same cursor."""

    def __init__(self) -> None:
        self._cache = EncodedMessages[tuple[str, str]]()

    def encode(self, message: StreamMessage) -> EncodedMessage:
        key = (message.cursor, message.prev) if isinstance(message, Delivered) else None
        encoded = None if key is None else self._cache.get(key)
        if encoded is None:
            encoded = EncodedMessage(
                stream_message_to_pb(message).SerializeToString(), message.cursor
            )
            if key is not None:
                self._cache.put(key, encoded)
        return encoded


def stream_message_to_pb(message: StreamMessage) -> pb.WatchRoomEventsResponse:
    match message:
        case StreamStarted():
            started = to_pb(message, events_pb2.StreamStarted)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, started=started)
        case Delivered():
            event = event_to_pb(message.event)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, prev=message.prev, event=event)
        case Bookmark():
            return pb.WatchRoomEventsResponse(cursor=message.cursor, bookmark=events_pb2.Bookmark())
        case Gap():
            return pb.WatchRoomEventsResponse(
                cursor=message.cursor, prev=message.prev, gap=events_pb2.Gap()
            )
        case ResyncRequired():
            resync = to_pb(message, events_pb2.ResyncRequired)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, resync_required=resync)


def event_to_pb(event: RoomEvent) -> events_pb2.RoomEvent:
    return events_pb2.RoomEvent(
        type=enums.ROOM_EVENT_TYPE.to_pb(event.type),
        account_sid=event.account_sid,
        room_sid=event.room_sid,
        room_name=event.room_name,
        at=event.event_time,
        sequence_number=event.sequence_number,
        source=enums.EVENT_SOURCE.to_pb(event.source),
        late=event.late,
        room_status=enums.ROOM_STATUS.to_pb(event.room_status),
        room_type=enums.ROOM_TYPE.to_pb(event.room_type),
        room_duration=event.room_duration,
        participant=_participant_to_pb(event),
        track=_track_to_pb(event),
        recording=_recording_to_pb(event),
        room=None if event.room is None else to_pb(event.room, room_pb2.Room),
        changed=enums.CHANGED.to_pb(event.change),
        changed_participant=None
        if event.participant is None
        else to_pb(event.participant, participant_pb2.Participant),
    )


def _participant_to_pb(event: RoomEvent) -> events_pb2.EventParticipant | None:
    participant = events_pb2.EventParticipant(
        sid=event.participant_sid,
        identity=event.participant_identity,
        status=event.participant_status,
        duration=event.participant_duration,
    )
    return participant if participant.ListFields() else None


def _track_to_pb(event: RoomEvent) -> events_pb2.EventTrack | None:
    track = events_pb2.EventTrack(
        sid=event.track_sid, kind=enums.TRACK_KIND.to_pb(event.track_kind), name=event.track_name
    )
    return track if track.ListFields() else None


def _recording_to_pb(event: RoomEvent) -> events_pb2.EventRecording | None:
    recording = events_pb2.EventRecording(
        sid=event.recording_sid,
        source_sid=event.source_sid,
        uri=event.recording_uri,
        container=event.container,
        codec=event.codec,
        offset_ms=event.offset_ms,
        media_uri=event.media_uri,
        media_external_location=event.media_external_location,
        duration=event.recording_duration,
        size=event.recording_size,
        failed_operation=event.failed_operation,
    )
    return recording if recording.ListFields() else None


def event_types_from_pb(
    request: pb.WatchRoomEventsRequest | pb.ListRoomEventsRequest,
) -> frozenset[RoomEventType] | None:
    """Returns the types that the request names, or None for every type."""
    return frozenset(enums.ROOM_EVENT_TYPE.from_pb_list(request.types, ("types",))) or None
