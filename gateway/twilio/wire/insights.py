"""Insights: the summaries of rooms and participants. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api
"""

from typing import Final

from gateway.core.insights import InsightsParticipant, InsightsRoom, InsightsRoomFilter
from gateway.core.recordings import Codec
from gateway.core.sids import ParticipantSid, RoomSid, checked_sid
from gateway.twilio.wire.exchange import WireRequest
from gateway.twilio.wire.resource import Listed, TwilioResource

INSIGHTS_PATH: Final = "/v1/Video/Rooms"

_ROOMS: Final = TwilioResource(InsightsRoom, "rooms", "insights")
_PARTICIPANTS: Final = TwilioResource(InsightsParticipant, "participants", "insights")


def fetch_insights_room(room: RoomSid) -> WireRequest[InsightsRoom]:
    return _ROOMS.fetch(_room(room))


def list_insights_rooms(
    wanted: InsightsRoomFilter, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[InsightsRoom]]:
    parameters = (
        *(("RoomType", room_type.replace("-", "_")) for room_type in wanted.room_types),
        *(("Codec", "opus" if codec is Codec.OPUS else codec) for codec in wanted.codecs),
        ("RoomName", wanted.room_name),
        ("CreatedAfter", wanted.created_after),
        ("CreatedBefore", wanted.created_before),
    )
    return _ROOMS.list(INSIGHTS_PATH, parameters, page_size, page_query)


def fetch_insights_participant(
    room: RoomSid, participant: ParticipantSid
) -> WireRequest[InsightsParticipant]:
    sid = checked_sid(ParticipantSid, participant, "the participant")
    return _PARTICIPANTS.fetch(f"{_room(room)}/Participants/{sid}")


def list_insights_participants(
    room: RoomSid, page_size: int, page_query: str | None = None
) -> WireRequest[Listed[InsightsParticipant]]:
    return _PARTICIPANTS.list(f"{_room(room)}/Participants", (), page_size, page_query)


def _room(sid: RoomSid) -> str:
    return f"{INSIGHTS_PATH}/{checked_sid(RoomSid, sid, 'the room')}"
