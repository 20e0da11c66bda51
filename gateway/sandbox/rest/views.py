"""The JSON of every resource below /v1/Rooms and /v1/Recordings. Does no I/O."""

from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.world import rules
from gateway.sandbox.world.model import (
    Participant,
    ParticipantStatus,
    Recording,
    Room,
    Rules,
    Subscription,
    Track,
    Transcription,
)
from gateway.sandbox.world.rooms import MAX_TRACKS


def room_json(room: Room, base_url: str) -> dict[str, Any]:
    """Returns a room. A room in progress has no end time and no duration.

    The examples in Twilio's documents have both even then.
    """
    settings = room.settings
    url = f"{base_url}/v1/Rooms/{room.sid}"
    return {
        "sid": room.sid,
        "status": room.status,
        "date_created": format_time(room.created.wall),
        "date_updated": format_time(room.updated_at),
        "account_sid": room.account_sid,
        "enable_turn": True,
        "unique_name": room.name,
        "status_callback": settings.status_callback,
        "status_callback_method": settings.status_callback_method,
        "end_time": format_time(room.ended.wall if room.ended else None),
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


def participant_json(participant: Participant, room: Room, base_url: str) -> dict[str, Any]:
    url = _url(participant, room, base_url)
    return {
        "sid": participant.sid,
        "room_sid": room.sid,
        "account_sid": room.account_sid,
        "status": participant.status,
        "identity": participant.identity,
        "date_created": format_time(participant.joined.wall),
        "date_updated": format_time(participant.updated_at),
        "start_time": format_time(participant.joined.wall),
        "end_time": format_time(participant.left_at),
        "duration": participant.duration_s,
        "url": url,
        "links": {
            "published_tracks": f"{url}/PublishedTracks",
            "subscribed_tracks": f"{url}/SubscribedTracks",
            "subscribe_rules": f"{url}/SubscribeRules",
            "anonymize": f"{url}/Anonymize",
        },
    }


def anonymized_json(participant: Participant, room: Room, base_url: str) -> dict[str, Any]:
    """Returns the result of Anonymize: no links, and only two statuses.

    A reconnecting participant counts as connected.
    """
    fields = participant_json(participant, room, base_url)
    del fields["links"]
    has_left = participant.status is ParticipantStatus.DISCONNECTED
    status = ParticipantStatus.DISCONNECTED if has_left else ParticipantStatus.CONNECTED
    return {**fields, "status": status, "url": f"{fields['url']}/Anonymize"}


def published_json(
    track: Track, participant: Participant, room: Room, base_url: str
) -> dict[str, Any]:
    return _track_json(
        track, participant, room, f"{_url(participant, room, base_url)}/PublishedTracks"
    )


def subscribed_json(
    subscription: Subscription, participant: Participant, room: Room, base_url: str
) -> dict[str, Any]:
    """Returns a track that `participant` receives."""
    fields = _track_json(
        subscription.track,
        participant,
        room,
        f"{_url(participant, room, base_url)}/SubscribedTracks",
    )
    return {**fields, "publisher_sid": subscription.publisher.sid}


def _track_json(track: Track, participant: Participant, room: Room, url: str) -> dict[str, Any]:
    return {
        "sid": track.sid,
        "participant_sid": participant.sid,
        "room_sid": room.sid,
        "name": track.name,
        "date_created": format_time(track.created_at),
        "date_updated": format_time(track.updated_at),
        "enabled": track.is_enabled,
        "kind": track.kind,
        "url": f"{url}/{track.sid}",
    }


def subscribe_rules_json(participant: Participant, room: Room) -> dict[str, Any]:
    return {"participant_sid": participant.sid, **_rules_json(participant.subscribe_rules, room)}


def recording_rules_json(room: Room) -> dict[str, Any]:
    return _rules_json(room.recording_rules, room)


def _rules_json(current: Rules, room: Room) -> dict[str, Any]:
    return {
        "room_sid": room.sid,
        "rules": [rules.to_json(rule) for rule in current.rules],
        "date_created": format_time(current.created_at),
        "date_updated": format_time(current.updated_at),
    }


def recording_json(recording: Recording, room: Room, base_url: str) -> dict[str, Any]:
    """Returns a recording as the account's lists have it."""
    return {
        **_recording_json(recording, room, f"{base_url}/v1/Recordings/{recording.sid}"),
        "status_callback": room.settings.status_callback,
        "status_callback_method": room.settings.status_callback_method,
    }


def room_recording_json(recording: Recording, room: Room, base_url: str) -> dict[str, Any]:
    url = f"{base_url}/v1/Rooms/{room.sid}/Recordings/{recording.sid}"
    return {**_recording_json(recording, room, url), "room_sid": room.sid}


def _recording_json(recording: Recording, room: Room, url: str) -> dict[str, Any]:
    return {
        "account_sid": room.account_sid,
        "status": recording.status,
        "date_created": format_time(recording.started_at),
        "sid": recording.sid,
        "source_sid": recording.track_sid,
        "size": recording.size,
        "url": url,
        "type": recording.kind,
        "duration": recording.duration_s,
        "container_format": recording.container,
        "codec": recording.codec,
        "grouping_sids": {"room_sid": room.sid, "participant_sid": recording.participant_sid},
        "track_name": recording.track_name,
        "offset": recording.offset_ms,
        "media_external_location": None,
        "links": {"media": f"{url}/Media"},
    }


def transcription_json(transcription: Transcription, room: Room, base_url: str) -> dict[str, Any]:
    return {
        "ttid": transcription.ttid,
        "account_sid": room.account_sid,
        "room_sid": room.sid,
        "source_sid": transcription.source_sid,
        "status": transcription.status,
        "date_created": format_time(transcription.created_at),
        "date_updated": format_time(transcription.updated_at),
        "start_time": format_time(transcription.started_at),
        "end_time": format_time(transcription.ended_at),
        "duration": transcription.duration_s,
        "url": f"{base_url}/v1/Rooms/{room.sid}/Transcriptions/{transcription.ttid}",
        "configuration": transcription.configuration,
    }


def _url(participant: Participant, room: Room, base_url: str) -> str:
    return f"{base_url}/v1/Rooms/{room.sid}/Participants/{participant.sid}"


def format_time(time: datetime | None) -> str | None:
    """Formats a time with whole seconds. Only callbacks have milliseconds at Twilio."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
