"""The function for each of Twilio's operations. Does no I/O.

The names are the operationIds of https://github.com/twilio/twilio-oai: those of
spec/json/twilio_video_v1.json under /v1/Rooms and /v1/Recordings, and those of
twilio_insights_v1.json under /v1/Video. A test compares the table with both documents.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.twilio.wire import insights, participants, recordings, rooms, rules, transcriptions
from gateway.twilio.wire.exchange import WireRequest

OPERATIONS: Final[Mapping[str, Callable[..., WireRequest[Any]]]] = {
    "FetchRoom": rooms.fetch_room,
    "ListRoom": rooms.list_rooms,
    "CreateRoom": rooms.create_room,
    "UpdateRoom": rooms.complete_room,
    "FetchRoomParticipant": participants.fetch_participant,
    "ListRoomParticipant": participants.list_participants,
    "UpdateRoomParticipant": participants.disconnect_participant,
    "UpdateRoomParticipantAnonymize": participants.anonymize_participant,
    "FetchRoomParticipantPublishedTrack": participants.fetch_published_track,
    "ListRoomParticipantPublishedTrack": participants.list_published_tracks,
    "FetchRoomParticipantSubscribedTrack": participants.fetch_subscribed_track,
    "ListRoomParticipantSubscribedTrack": participants.list_subscribed_tracks,
    "FetchRoomParticipantSubscribeRule": rules.fetch_subscribe_rules,
    "UpdateRoomParticipantSubscribeRule": rules.update_subscribe_rules,
    "FetchRoomRecordingRule": rules.fetch_recording_rules,
    "UpdateRoomRecordingRule": rules.update_recording_rules,
    "FetchRoomRecording": recordings.fetch_room_recording,
    "ListRoomRecording": recordings.list_room_recordings,
    "DeleteRoomRecording": recordings.delete_room_recording,
    "FetchRecording": recordings.fetch_recording,
    "ListRecording": recordings.list_recordings,
    "DeleteRecording": recordings.delete_recording,
    "FetchRoomTranscriptions": transcriptions.fetch_transcription,
    "ListRoomTranscriptions": transcriptions.list_transcriptions,
    "CreateRoomTranscriptions": transcriptions.create_transcription,
    "UpdateRoomTranscriptions": transcriptions.update_transcription,
    "FetchVideoRoomSummary": insights.fetch_insights_room,
    "ListVideoRoomSummary": insights.list_insights_rooms,
    "FetchVideoParticipantSummary": insights.fetch_insights_participant,
    "ListVideoParticipantSummary": insights.list_insights_participants,
}
