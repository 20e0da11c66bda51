"""The summaries of ended rooms in Insights. Does no I/O.

https://www.twilio.com/docs/video/troubleshooting/video-log-analyzer-api
"""

from typing import Any

from gateway.sandbox.rest.views import format_time
from gateway.sandbox.world.model import Departure, Participant, Room, RoomType

# Most data are available within ten minutes of the end of a room.
PROCESSING_S = 600.0

# A list without dates has the rooms that ended in the last 24 hours.
RECENT_S = 24 * 3600.0

# How long a room is available after its end.
DAY_S = 24 * 3600.0
RETENTION_S = {
    RoomType.GROUP: 7 * DAY_S,
    RoomType.GROUP_SMALL: 7 * DAY_S,
    RoomType.PEER_TO_PEER: 7 * DAY_S,
    RoomType.GO: 2 * DAY_S,
}

# The edge nearest to the media servers of a region, where Twilio's documents name one.
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


def is_available(room: Room, now_s: float) -> bool:
    """Whether the room has ended and its retention time is not over."""
    age_s = _age_s(room, now_s)
    return age_s is not None and age_s < RETENTION_S[room.settings.type]


def is_recent(room: Room, now_s: float) -> bool:
    """Whether the room ended in the last 24 hours."""
    age_s = _age_s(room, now_s)
    return age_s is not None and age_s < RECENT_S


def _age_s(room: Room, now_s: float) -> float | None:
    return None if room.ended is None else now_s - room.ended.clock_s


def room_type(room: Room) -> str:
    """Returns the type with underscores, where Video has hyphens."""
    return room.settings.type.replace("-", "_")


def codecs(participants: tuple[Participant, ...]) -> list[str]:
    """Returns the codecs of all published tracks, without duplicates."""
    used = dict.fromkeys(codec for participant in participants for codec in participant.codecs)
    return ["opus" if codec == "OPUS" else codec for codec in used]


def room_json(room: Room, base_url: str, now_s: float) -> dict[str, Any]:
    settings = room.settings
    url = f"{base_url}/v1/Video/Rooms/{room.sid}"
    age_s = _age_s(room, now_s)
    is_complete = age_s is not None and age_s >= PROCESSING_S
    return {
        "account_sid": room.account_sid,
        "room_sid": room.sid,
        "room_name": room.name,
        "create_time": format_time(room.created.wall),
        "end_time": format_time(room.ended.wall if room.ended else None),
        "room_type": room_type(room),
        "room_status": "completed",
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "created_method": "api",
        "end_reason": room.end_reason,
        "max_participants": settings.max_participants,
        "unique_participants": len(room.participants),
        "unique_participant_identities": len({p.identity for p in room.participants}),
        "concurrent_participants": max_concurrent(room.participants),
        "max_concurrent_participants": settings.max_participants,
        "codecs": codecs(room.participants),
        "media_region": settings.media_region,
        "duration_sec": room.duration_s,
        "total_participant_duration_sec": sum(p.duration_s or 0 for p in room.participants),
        "total_recording_duration_sec": sum(r.duration_s for r in room.recordings),
        "processing_state": "complete" if is_complete else "in_progress",
        "recording_enabled": bool(room.recordings)
        or any(rule.is_include for rule in room.recording_rules.rules),
        "edge_location": EDGES.get(settings.media_region, "roaming"),
        "url": url,
        "links": {"participants": f"{url}/Participants"},
    }


def participant_json(participant: Participant, room: Room, base_url: str) -> dict[str, Any]:
    error = ERRORS.get(participant.departure, 0) if participant.departure else 0
    return {
        "participant_sid": participant.sid,
        "participant_identity": participant.identity,
        "join_time": format_time(participant.joined.wall),
        "leave_time": format_time(participant.left_at),
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
        "url": f"{base_url}/v1/Video/Rooms/{room.sid}/Participants/{participant.sid}",
    }


def max_concurrent(participants: tuple[Participant, ...]) -> int:
    """Returns the highest number of participants who were connected at once.

    If one leaves at the instant when another joins, they do not overlap.
    """
    changes = [(p.joined.wall, 1) for p in participants]
    changes += [(p.left_at, -1) for p in participants if p.left_at]
    highest = connected = 0
    for _, change in sorted(changes):
        connected += change
        highest = max(highest, connected)
    return highest
