"""Rooms. Does no I/O. https://www.twilio.com/docs/video/api/rooms-resource

Paths contain the SID of a room and never its name. A name is looked up in the list.
Every function raises InvalidArgument for a text that is not the SID of a room.
"""

from typing import Final

from gateway.core.limits.fairness import Priority
from gateway.core.rooms import NewRoom, Room, RoomFilter, RoomStatus
from gateway.core.sids import RoomSid
from gateway.twilio.wire.exchange import WireRequest, single_status
from gateway.twilio.wire.resource import TwilioResource, WirePage, room_path
from gateway.twilio.wire.rules import rules_json
from gateway.twilio.wire.transcriptions import configuration_json

ROOMS_PATH: Final = "/v1/Rooms"

_ROOMS: Final = TwilioResource(Room, "rooms")


def fetch_room(sid: RoomSid) -> WireRequest[Room]:
    """Returns the request for a room in any state. `read` raises NotFound."""
    return _ROOMS.fetch(room_path(sid))


def find_room(name: str) -> WireRequest[Room | None]:
    """Returns a request for the room in progress that has exactly this unique name.

    At most one room in progress has a name, and the rooms that ended keep theirs. The
    page has two rows, so that a list that lags can also show the room before.
    """
    return _ROOMS.find(
        ROOMS_PATH,
        (("Status", RoomStatus.IN_PROGRESS), ("UniqueName", name)),
        2,
        lambda room: room.unique_name == name and room.status is RoomStatus.IN_PROGRESS,
    )


def list_rooms(
    wanted: RoomFilter, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[Room]]:
    """Returns the request for a page of rooms that match the filter.

    Without a status Twilio lists rooms in progress. The dates are rounded up to whole
    seconds: `created_after` includes its second, `created_before` does not. For the
    paging see `TwilioResource.list`.
    """
    parameters = (
        ("Status", single_status(wanted.statuses)),
        ("UniqueName", wanted.unique_name),
        ("DateCreatedAfter", wanted.created_after),
        ("DateCreatedBefore", wanted.created_before),
    )
    return _ROOMS.list(ROOMS_PATH, parameters, page_size, page_query)


def create_room(new: NewRoom, status_callback: str) -> WireRequest[Room]:
    """Returns the request that creates a room whose callbacks go to `status_callback`.

    Durations are in seconds, the timeouts of an empty and of an unused room in minutes.
    `read` raises AlreadyExists if a room in progress has the unique name,
    InvalidArgument for parameters that Twilio refuses, QuotaExceeded for too many
    rooms, and OutcomeUnknown if the room may have been created. Raises InvalidArgument
    for text with a lone surrogate.
    """
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
    )
    return _ROOMS.create(ROOMS_PATH, parameters)


def complete_room(sid: RoomSid) -> WireRequest[Room]:
    """Returns the request that ends a room and disconnects all its participants.

    It may be repeated. `read` raises FailedPrecondition if the room had already ended
    (error 53112).
    """
    return _ROOMS.post(room_path(sid), (("Status", RoomStatus.COMPLETED),), Priority.END)
