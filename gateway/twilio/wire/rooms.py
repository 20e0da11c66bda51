"""Rooms. Does no I/O. https://www.twilio.com/docs/video/api/rooms-resource

A room is addressed by SID alone: a name is looked up in the list.
"""

from typing import Final

from gateway.core.limits.fairness import Priority
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomStatus
from gateway.core.sids import RoomSid
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import Listed, TwilioResource, room_path
from gateway.twilio.wire.rules import rules_json
from gateway.twilio.wire.transcriptions import configuration_json

ROOMS_PATH: Final = "/v1/Rooms"

_ROOMS: Final = TwilioResource(Room, "rooms")


def fetch_room(sid: RoomSid) -> WireRequest[Room]:
    return _ROOMS.fetch(room_path(sid))


def find_room(name: str) -> WireRequest[Room | None]:
    """The room in progress under this very name. There is one at most: a second row would show a list that lags."""
    return _ROOMS.find(
        ROOMS_PATH,
        (("Status", RoomStatus.IN_PROGRESS), ("UniqueName", name)),
        2,
        lambda room: room.unique_name == name and room.status is RoomStatus.IN_PROGRESS,
    )


def list_rooms(
    wanted: RoomFilter, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[Room]]:
    parameters = (
        ("Status", wanted.status),
        ("UniqueName", wanted.unique_name),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )
    return _ROOMS.list(ROOMS_PATH, parameters, page_size, page_query)


def create_room(new: NewRoom, status_callback: str) -> WireRequest[Room]:
    rules, configuration = new.recording_rules, new.transcriptions_configuration
    parameters = (
        ("UniqueName", new.unique_name),
        ("Type", new.type),
        ("StatusCallback", status_callback),
        ("StatusCallbackMethod", "POST"),
        ("MaxParticipants", new.max_participants),
        ("MaxParticipantDuration", new.max_participant_duration),
        ("EmptyRoomTimeout", new.empty_room_timeout),
        ("UnusedRoomTimeout", new.unused_room_timeout),
        ("RecordParticipantsOnConnect", new.record_participants_on_connect),
        ("RecordingRules", None if rules is None else rules_json(rules)),
        *(("VideoCodecs", codec) for codec in new.video_codecs or ()),
        ("MediaRegion", new.media_region),
        ("AudioOnly", new.audio_only),
        ("TranscribeParticipantsOnConnect", new.transcribe_participants_on_connect),
        (
            "TranscriptionsConfiguration",
            None if configuration is None else configuration_json(configuration),
        ),
        ("LargeRoom", new.large_room),
        ("EnableTurn", new.enable_turn),
    )
    return _ROOMS.create(ROOMS_PATH, parameters)


def complete_room(sid: RoomSid) -> WireRequest[Room]:
    """May be repeated whatever became of it; FailedPrecondition then says that the room had ended."""
    return _ROOMS.post(room_path(sid), (("Status", RoomStatus.COMPLETED),), Priority.END)
