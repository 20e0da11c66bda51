"""What Insights tells of rooms that have ended. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api
"""

from typing import Any

from gateway.sandbox.rest.views import time
from gateway.sandbox.world.model import Departure, Participant, Room, RoomType

# Most logs are there within ten minutes of the end; until then more may come.
PROCESSING_S = 600.0

# Without dates, a list has the rooms that ended in the last 24 hours.
RECENT_S = 24 * 3600.0

DAY_S = 24 * 3600.0
KEPT_S = {
    RoomType.GROUP: 7 * DAY_S,
    RoomType.GROUP_SMALL: 7 * DAY_S,
    RoomType.PEER_TO_PEER: 7 * DAY_S,
}
KEPT_GO_S = 2 * DAY_S

# The edge that is nearest to the region's media servers, as far as the documents have one.
EDGES = {
    "us1": "ashburn",
    "us2": "umatilla",
    "au1": "sydney",
    "br1": "sao_paulo",
    "de1": "frankfurt",
    "ie1": "dublin",
    "jp1": "tokyo",
    "sg1": "singapore",
}

ERRORS = {Departure.DUPLICATE_IDENTITY: 53205, Departure.SESSION_TOO_LONG: 53216}


def is_kept(room: Room, now_s: float) -> bool:
    """A room is there from its end on, for some days."""
    return room.ended is not None and now_s - room.ended.clock_s < KEPT_S.get(
        room.settings.type, KEPT_GO_S
    )


def is_recent(room: Room, now_s: float) -> bool:
    return room.ended is not None and now_s - room.ended.clock_s < RECENT_S


def type_word(room: Room) -> str:
    """Where Video has a hyphen, Insights has an underscore."""
    return room.settings.type.replace("-", "_")


def codecs(participants: tuple[Participant, ...]) -> list[str]:
    used = dict.fromkeys(codec for participant in participants for codec in participant.codecs)
    return ["opus" if codec == "OPUS" else codec for codec in used]


def room_json(room: Room, base: str, now_s: float) -> dict[str, Any]:
    settings = room.settings
    url = f"{base}/v1/Video/Rooms/{room.sid}"
    is_complete = room.ended is not None and now_s - room.ended.clock_s >= PROCESSING_S
    return {
        "account_sid": room.account_sid,
        "room_sid": room.sid,
        "room_name": room.name,
        "create_time": time(room.created.wall),
        "end_time": time(room.ended.wall if room.ended else None),
        "room_type": type_word(room),
        "room_status": "completed",
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "created_method": "api",
        "end_reason": room.end_reason,
        "max_participants": settings.max_participants,
        "unique_participants": len(room.participants),
        "unique_participant_identities": len({each.identity for each in room.participants}),
        "concurrent_participants": most_at_once(room.participants),
        "max_concurrent_participants": settings.max_participants,
        "codecs": codecs(room.participants),
        "media_region": settings.media_region,
        "duration_sec": room.duration_s,
        "total_participant_duration_sec": sum(each.duration_s or 0 for each in room.participants),
        "total_recording_duration_sec": sum(each.duration_s for each in room.recordings),
        "processing_state": "complete" if is_complete else "in_progress",
        "recording_enabled": bool(room.recordings)
        or any(rule.is_include for rule in room.recording_rules.rules),
        "edge_location": EDGES.get(settings.media_region, "roaming"),
        "url": url,
        "links": {"participants": f"{url}/Participants"},
    }


def participant_json(participant: Participant, room: Room, base: str) -> dict[str, Any]:
    error = ERRORS.get(participant.departure, 0) if participant.departure else 0
    return {
        "participant_sid": participant.sid,
        "participant_identity": participant.identity,
        "join_time": time(participant.joined.wall),
        "leave_time": time(participant.left_at),
        "duration_sec": participant.duration_s,
        "account_sid": room.account_sid,
        "room_sid": room.sid,
        "status": "completed",
        "codecs": codecs((participant,)),
        "end_reason": participant.departure,
        "error_code": error,
        "error_code_url": f"https://www.twilio.com/docs/errors/{error}" if error else None,
        "media_region": room.settings.media_region,
        "properties": {},
        "edge_location": EDGES.get(room.settings.media_region, "roaming"),
        "publisher_info": {},
        "url": f"{base}/v1/Video/Rooms/{room.sid}/Participants/{participant.sid}",
    }


def most_at_once(participants: tuple[Participant, ...]) -> int:
    """Who leaves in the moment in which another comes makes room first."""
    steps = [(each.joined.wall, 1) for each in participants]
    steps += [(each.left_at, -1) for each in participants if each.left_at]
    most = here = 0
    for _, step in sorted(steps):
        here += step
        most = max(most, here)
    return most
