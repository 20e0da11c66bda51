"""Summaries of rooms and participants from Insights. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api

Summaries are ready up to 30 minutes after a room ended and are kept for seven days.
Durations are in seconds. Every function raises InvalidArgument for a text that is not a
SID of its kind. For the paging of lists see `TwilioResource.list`.
"""

from typing import Final

from gateway.core.insights import InsightsParticipant, InsightsRoom, InsightsRoomFilter
from gateway.core.recordings import MediaCodec
from gateway.core.sids import ParticipantSid, RoomSid, checked_sid
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import TwilioResource, WirePage

INSIGHTS_PATH: Final = "/v1/Video/Rooms"

_ROOMS: Final = TwilioResource(InsightsRoom, "rooms", "insights")
_PARTICIPANTS: Final = TwilioResource(InsightsParticipant, "participants", "insights")


def fetch_insights_room(room: RoomSid) -> WireRequest[InsightsRoom]:
    """Returns the request for the summary of a room. `read` raises NotFound."""
    return _ROOMS.fetch(_room_path(room))


def list_insights_rooms(
    wanted: InsightsRoomFilter, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[InsightsRoom]]:
    """Returns the request for a page of summaries of rooms that match the filter.

    Without dates Twilio lists the rooms that ended in the last 24 hours. Insights
    spells some words in another way than Video: `peer_to_peer` and not `peer-to-peer`,
    `opus` and not `OPUS`.
    """
    parameters = (
        *(("RoomType", room_type.replace("-", "_")) for room_type in wanted.room_types),
        *(("Codec", "opus" if codec is MediaCodec.OPUS else codec) for codec in wanted.codecs),
        ("RoomName", wanted.room_name),
        ("CreatedAfter", wanted.created_after),
        ("CreatedBefore", wanted.created_before),
    )
    return _ROOMS.list(INSIGHTS_PATH, parameters, page_size, page_query)


def fetch_insights_participant(
    room: RoomSid, participant: ParticipantSid
) -> WireRequest[InsightsParticipant]:
    """Returns the request for the summary of a participant. `read` raises NotFound."""
    sid = checked_sid(ParticipantSid, participant, "participant")
    return _PARTICIPANTS.fetch(f"{_room_path(room)}/Participants/{sid}")


def list_insights_participants(
    room: RoomSid, page_size: int, page_query: str | None = None
) -> WireRequest[WirePage[InsightsParticipant]]:
    """Returns the request for a page of summaries of the room's participants."""
    return _PARTICIPANTS.list(f"{_room_path(room)}/Participants", (), page_size, page_query)


def _room_path(sid: RoomSid) -> str:
    return f"{INSIGHTS_PATH}/{checked_sid(RoomSid, sid, 'room')}"
