"""Core values to protobuf messages (`…_to_pb`) and requests to core values (`…_of`). Does no I/O.

Fields have the same names on both sides, so scalars of a request are taken over by name.
"""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.core.caching import Seen
from gateway.core.errors import InvalidArgument
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
from gateway.core.recordings import RecordingRule
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomLinks, RoomStatus
from gateway.core.transcriptions import TranscriptionsConfiguration
from gateway.rooms.v1 import events_pb2, recording_pb2, room_pb2, transcription_pb2
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rpc import enums


def room_to_pb(room: Room) -> room_pb2.Room:
    return room_pb2.Room(
        sid=room.sid,
        account_sid=room.account_sid,
        status=enums.ROOM_STATUS.to_pb(room.status),
        type=enums.ROOM_TYPE.to_pb(room.type),
        unique_name=room.unique_name,
        date_created=room.date_created,
        date_updated=room.date_updated,
        end_time=room.end_time,
        duration=room.duration,
        status_callback=room.status_callback,
        status_callback_method=room.status_callback_method,
        max_participants=room.max_participants,
        max_participant_duration=room.max_participant_duration,
        max_concurrent_published_tracks=room.max_concurrent_published_tracks,
        empty_room_timeout=room.empty_room_timeout,
        unused_room_timeout=room.unused_room_timeout,
        record_participants_on_connect=room.record_participants_on_connect,
        video_codecs=[enums.VIDEO_CODEC.rows[codec] for codec in room.video_codecs],
        media_region=room.media_region,
        audio_only=room.audio_only,
        enable_turn=room.enable_turn,
        large_room=room.large_room,
        url=room.url,
        links=_links_to_pb(room.links),
        unknown_words=[room_pb2.UnknownWord(field=each.field, word=each.word) for each in room.unknown_words],
    )


def _links_to_pb(links: RoomLinks | None) -> room_pb2.RoomLinks | None:
    if links is None:
        return None
    return room_pb2.RoomLinks(
        participants=links.participants,
        recordings=links.recordings,
        recording_rules=links.recording_rules,
        transcriptions=links.transcriptions,
    )


def seen_room_to_pb(seen: Seen[Room]) -> room_pb2.Room:
    message = room_to_pb(seen.value)
    freshness = room_pb2.Freshness(
        fetched_at=seen.freshness.fetched_at,
        is_stale=seen.freshness.is_stale,
        source=enums.FOLLOWED_BY.to_pb(seen.freshness.source),
    )
    message.MergeFrom(room_pb2.Room(freshness=freshness, as_of=seen.as_of))
    return message


def stream_message_to_pb(message: StreamMessage) -> pb.WatchRoomEventsResponse:
    match message:
        case StreamStarted():
            started = events_pb2.StreamStarted(
                mode=enums.STREAM_MODE.to_pb(message.mode), room_sid=message.room_sid, floor_at=message.floor_at
            )
            return pb.WatchRoomEventsResponse(cursor=message.cursor, started=started)
        case Delivered():
            event = event_to_pb(message.event)
            return pb.WatchRoomEventsResponse(cursor=message.cursor, prev=message.prev, event=event)
        case Bookmark():
            return pb.WatchRoomEventsResponse(cursor=message.cursor, bookmark=events_pb2.Bookmark())
        case Gap():
            return pb.WatchRoomEventsResponse(cursor=message.cursor, prev=message.prev, gap=events_pb2.Gap())
        case ResyncRequired():
            resync = events_pb2.ResyncRequired(reason=enums.RESYNC_REASON.to_pb(message.reason))
            return pb.WatchRoomEventsResponse(cursor=message.cursor, resync_required=resync)


def event_to_pb(event: RoomEvent) -> events_pb2.RoomEvent:
    return events_pb2.RoomEvent(
        type=enums.ROOM_EVENT_TYPE.to_pb(event.type),
        account_sid=event.account_sid,
        room_sid=event.room_sid,
        room_name=event.room_name,
        at=event.at,
        sequence_number=event.sequence_number,
        source=enums.EVENT_SOURCE.to_pb(event.source),
        late=event.late,
        room_status=enums.ROOM_STATUS.to_pb(event.room_status),
        room_type=enums.ROOM_TYPE.to_pb(event.room_type),
        room_duration=event.room_duration,
        participant=_participant_to_pb(event),
        track=_track_to_pb(event),
        recording=_recording_to_pb(event),
        room=None if event.room is None else room_to_pb(event.room),
    )


def _participant_to_pb(event: RoomEvent) -> events_pb2.EventParticipant | None:
    part = events_pb2.EventParticipant(
        sid=event.participant_sid,
        identity=event.participant_identity,
        status=event.participant_status,
        duration=event.participant_duration,
    )
    return part if part.ListFields() else None


def _track_to_pb(event: RoomEvent) -> events_pb2.EventTrack | None:
    part = events_pb2.EventTrack(
        sid=event.track_sid, kind=enums.TRACK_KIND.to_pb(event.track_kind), name=event.track_name
    )
    return part if part.ListFields() else None


def _recording_to_pb(event: RoomEvent) -> events_pb2.EventRecording | None:
    part = events_pb2.EventRecording(
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
    return part if part.ListFields() else None


def new_room_of(request: pb.CreateRoomRequest) -> NewRoom:
    """Raises InvalidArgument for what is out of bounds."""
    transcriptions = request.transcriptions_configuration if request.HasField("transcriptions_configuration") else None
    return NewRoom(
        **_scalars(request),
        type=enums.ROOM_TYPE.of(request.type, "type"),
        recording_rules=tuple(_rule_of(rule) for rule in request.recording_rules) or None,
        video_codecs=enums.VIDEO_CODEC.of_each(request.video_codecs, "video_codecs") or None,
        transcriptions_configuration=None if transcriptions is None else _transcriptions_of(transcriptions),
    )


def _rule_of(rule: recording_pb2.RecordingRule) -> RecordingRule:
    rule_type = enums.RULE_TYPE.of(rule.type, "type of a recording rule")
    if rule_type is None:
        raise InvalidArgument("a recording rule has no type; give INCLUDE or EXCLUDE")
    kind = enums.RECORDED_KIND.of(rule.kind, "kind of a recording rule")
    return RecordingRule(**_scalars(rule), type=rule_type, kind=kind)


def _transcriptions_of(configuration: transcription_pb2.TranscriptionsConfiguration) -> TranscriptionsConfiguration:
    return TranscriptionsConfiguration(**_scalars(configuration), hints=tuple(configuration.hints) or None)


def room_filter_of(request: pb.ListRoomsRequest) -> RoomFilter:
    """Raises InvalidArgument for a status that cannot be asked for and for moments that do not exist."""
    return RoomFilter(
        status=enums.ROOM_STATUS.of(request.status, "status") or RoomStatus.IN_PROGRESS,
        unique_name=request.unique_name if request.HasField("unique_name") else None,
        created_after=_moment_of(request, "created_after"),
        created_before=_moment_of(request, "created_before"),
    )


def event_types_of(request: pb.WatchRoomEventsRequest) -> frozenset[RoomEventType] | None:
    """None, which stands for every type, when none is named."""
    return frozenset(enums.ROOM_EVENT_TYPE.of_each(request.types, "types")) or None


def _moment_of(request: Message, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(f"{field} is no moment; give seconds since 1970 and nanos from 0 to 999999999") from None
    return moment


def _scalars(message: Message) -> dict[str, Any]:
    """The single values that are set, under the names that core has for them too."""
    elsewhere = (FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_MESSAGE)
    return {
        field.name: value
        for field, value in message.ListFields()
        if field.type not in elsewhere and not field.is_repeated
    }
