"""Rooms and participants as Twilio's JSON. Does no I/O."""

from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.model import Participant, Room
from gateway.sandbox.rooms import MAX_TRACKS


def room_json(room: Room, base: str) -> dict[str, Any]:
    """A room in progress has no end and no duration, whatever the examples in Twilio's documents show."""
    settings = room.settings
    url = f"{base}/v1/Rooms/{room.sid}"
    return {
        "sid": room.sid,
        "status": room.status,
        "date_created": _time(room.created.wall),
        "date_updated": _time(room.updated_at),
        "account_sid": room.account_sid,
        "enable_turn": True,
        "unique_name": room.name,
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "end_time": _time(room.ended_at),
        "duration": room.duration_s,
        "type": settings.type,
        "max_participants": settings.max_participants,
        "max_participant_duration": settings.max_participant_duration_s,
        "max_concurrent_published_tracks": MAX_TRACKS[settings.type],
        "record_participants_on_connect": settings.is_recorded_on_connect,
        "video_codecs": settings.video_codecs,
        "media_region": settings.media_region,
        "audio_only": settings.is_audio_only,
        "empty_room_timeout": settings.empty_room_timeout_min,
        "unused_room_timeout": settings.unused_room_timeout_min,
        "large_room": settings.is_large,
        "url": url,
        "links": {
            "participants": f"{url}/Participants",
            "recordings": f"{url}/Recordings",
            "recording_rules": f"{url}/RecordingRules",
            "transcriptions": f"{url}/Transcriptions",
        },
    }


def participant_json(participant: Participant, room: Room, base: str) -> dict[str, Any]:
    url = f"{base}/v1/Rooms/{room.sid}/Participants/{participant.sid}"
    return {
        "sid": participant.sid,
        "room_sid": room.sid,
        "account_sid": room.account_sid,
        "status": participant.status,
        "identity": participant.identity,
        "date_created": _time(participant.joined.wall),
        "date_updated": _time(participant.updated_at),
        "start_time": _time(participant.joined.wall),
        "end_time": _time(participant.left_at),
        "duration": participant.duration_s,
        "url": url,
        "links": {
            "published_tracks": f"{url}/PublishedTracks",
            "subscribed_tracks": f"{url}/SubscribedTracks",
            "subscribe_rules": f"{url}/SubscribeRules",
            "anonymize": f"{url}/Anonymize",
        },
    }


def _time(moment: datetime | None) -> str | None:
    """Whole seconds, as everywhere in Twilio's REST answers; only callbacks tell milliseconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
