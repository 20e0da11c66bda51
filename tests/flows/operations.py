"""Each of Twilio's operations on rooms, as the three callers ask for it on a scene."""

from collections.abc import Mapping
from typing import Any, Final

from twilio.rest import Client

from gateway.rooms.v1.participant_pb2 import SubscribeRule
from gateway.rooms.v1.recording_pb2 import RecordingRule
from gateway.rooms.v1.rule_pb2 import RuleType, TrackKind, TrackPriority
from gateway.rooms.v1.transcription_pb2 import TranscriptionsConfiguration, TranscriptionStatus
from tests.flows.contract import Asked
from tests.flows.scene import Scene


def room(client: Client, scene: Scene) -> Any:
    return client.video.v1.rooms(scene.room)


def ada(client: Client, scene: Scene) -> Any:
    return room(client, scene).participants(scene.participant)


def summary(client: Client, scene: Scene) -> Any:
    return client.insights.v1.rooms(scene.ended)


# What has no value yet, or here.
BEFORE_THE_END: Final = frozenset({"end_time", "duration"})
UNTIL_CHANGED: Final = frozenset({"date_created", "date_updated"})
ELSEWHERE: Final = frozenset({"media_external_location"})
BEFORE_A_CHANGE: Final = BEFORE_THE_END | {"date_updated"}
WITHOUT_ERROR: Final = frozenset({"error_code_url"})

CONFIGURATION: Final = {"languageCode": "de-DE", "partialResults": True, "hints": ["Ada", "Ivo"]}

ASKED: Final[Mapping[str, Asked[Scene]]] = {
    "CreateRoom": Asked(
        graphql="""mutation { createRoom(input: { uniqueName: "$new", type: GROUP, maxParticipants: 12,
            maxParticipantDuration: 3600, emptyRoomTimeout: 2, unusedRoomTimeout: 3, recordParticipantsOnConnect: true,
            recordingRules: [{ type: INCLUDE, kind: AUDIO }], videoCodecs: [H264], mediaRegion: "de1", audioOnly: false,
            largeRoom: true }) { ...Room } }""",
        grpc=lambda clients, scene: clients.rooms.CreateRoom(
            unique_name=scene.new,
            type="ROOM_TYPE_GROUP",
            max_participants=12,
            max_participant_duration=3600,
            empty_room_timeout=2,
            unused_room_timeout=3,
            record_participants_on_connect=True,
            recording_rules=[RecordingRule(type="RULE_TYPE_INCLUDE", kind="RECORDED_KIND_AUDIO")],
            video_codecs=["VIDEO_CODEC_H264"],
            media_region="de1",
            audio_only=False,
            large_room=True,
        ),
        helper=lambda client, scene: client.video.v1.rooms.create(
            unique_name=scene.new,
            type="group",
            max_participants=12,
            max_participant_duration=3600,
            empty_room_timeout=2,
            unused_room_timeout=3,
            record_participants_on_connect=True,
            recording_rules=[{"type": "include", "kind": "audio"}],
            video_codecs=["H264"],
            media_region="de1",
            audio_only=False,
            large_room=True,
            status_callback=scene.callbacks,
            status_callback_method="POST",
        ),
        is_write=True,
        empty=BEFORE_THE_END,
    ),
    "FetchRoom": Asked(
        graphql='{ room(ref: "$room") { ...Room } }',
        grpc=lambda clients, scene: clients.rooms.GetRoom(room=scene.room),
        helper=lambda client, scene: room(client, scene).fetch(),
        empty=BEFORE_THE_END,
    ),
    "ListRoom": Asked(
        graphql='{ rooms(status: IN_PROGRESS, uniqueName: "$name") { nodes { ...Room } } }',
        grpc=lambda clients, scene: clients.rooms.ListRooms(
            status="ROOM_STATUS_IN_PROGRESS", unique_name=scene.name
        ),
        helper=lambda client, scene: client.video.v1.rooms.list(
            status="in-progress", unique_name=scene.name
        ),
        empty=BEFORE_THE_END,
    ),
    "UpdateRoom": Asked(
        graphql='mutation { completeRoom(ref: "$spare") { ...Room } }',
        grpc=lambda clients, scene: clients.rooms.CompleteRoom(room=scene.spare),
        helper=lambda client, scene: client.video.v1.rooms(scene.spare).update(status="completed"),
        is_write=True,
    ),
    "ListRoomParticipant": Asked(
        graphql='{ room(ref: "$room") { participants(status: CONNECTED) { nodes { ...Participant } } } }',
        grpc=lambda clients, scene: clients.participants.ListParticipants(
            room=scene.room, status="PARTICIPANT_STATUS_CONNECTED"
        ),
        helper=lambda client, scene: room(client, scene).participants.list(status="connected"),
        empty=BEFORE_THE_END,
    ),
    "FetchRoomParticipant": Asked(
        graphql='{ participant(room: "$ended", participant: "$ended_participant") { ...Participant } }',
        grpc=lambda clients, scene: clients.participants.GetParticipant(
            room=scene.ended, participant=scene.ended_participant
        ),
        helper=lambda client, scene: (
            client.video.v1.rooms(scene.ended).participants(scene.ended_participant).fetch()
        ),
    ),
    "UpdateRoomParticipant": Asked(
        graphql='mutation { disconnectParticipant(room: "$room", participant: "$guest") { ...Participant } }',
        grpc=lambda clients, scene: clients.participants.DisconnectParticipant(
            room=scene.room, participant=scene.guest
        ),
        helper=lambda client, scene: (
            room(client, scene).participants(scene.guest).update(status="disconnected")
        ),
        is_write=True,
    ),
    "UpdateRoomParticipantAnonymize": Asked(
        graphql="""mutation { anonymizeParticipant(room: "$ended", participant: "$ended_participant") {
            ...Participant } }""",
        grpc=lambda clients, scene: clients.participants.AnonymizeParticipant(
            room=scene.ended, participant=scene.ended_participant
        ),
        helper=lambda client, scene: (
            client.video.v1.rooms(scene.ended)
            .participants(scene.ended_participant)
            .anonymize()
            .update()
        ),
        is_write=True,
    ),
    "ListRoomParticipantPublishedTrack": Asked(
        graphql="""{ participant(room: "$room", participant: "$participant") {
            publishedTracks { nodes { ...PublishedTrack } } } }""",
        grpc=lambda clients, scene: clients.participants.ListPublishedTracks(
            room=scene.room, participant=scene.participant
        ),
        helper=lambda client, scene: ada(client, scene).published_tracks.list(),
    ),
    "FetchRoomParticipantPublishedTrack": Asked(
        graphql="""{ participant(room: "$room", participant: "$participant") {
            publishedTrack(ref: "$published") { ...PublishedTrack } } }""",
        grpc=lambda clients, scene: clients.participants.GetPublishedTrack(
            room=scene.room, participant=scene.participant, track=scene.published
        ),
        helper=lambda client, scene: ada(client, scene).published_tracks(scene.published).fetch(),
    ),
    "ListRoomParticipantSubscribedTrack": Asked(
        graphql="""{ participant(room: "$room", participant: "$participant") {
            subscribedTracks { nodes { ...SubscribedTrack } } } }""",
        grpc=lambda clients, scene: clients.participants.ListSubscribedTracks(
            room=scene.room, participant=scene.participant
        ),
        helper=lambda client, scene: ada(client, scene).subscribed_tracks.list(),
    ),
    "FetchRoomParticipantSubscribedTrack": Asked(
        graphql="""{ participant(room: "$room", participant: "$participant") {
            subscribedTrack(sid: "$subscribed") { ...SubscribedTrack } } }""",
        grpc=lambda clients, scene: clients.participants.GetSubscribedTrack(
            room=scene.room, participant=scene.participant, track=scene.subscribed
        ),
        helper=lambda client, scene: ada(client, scene).subscribed_tracks(scene.subscribed).fetch(),
    ),
    "FetchRoomParticipantSubscribeRule": Asked(
        graphql="""{ participant(room: "$room", participant: "$participant") {
            subscribeRules { ...SubscribeRules } } }""",
        grpc=lambda clients, scene: clients.participants.GetSubscribeRules(
            room=scene.room, participant=scene.participant
        ),
        helper=lambda client, scene: ada(client, scene).subscribe_rules.fetch(),
        empty=UNTIL_CHANGED,
    ),
    "UpdateRoomParticipantSubscribeRule": Asked(
        graphql="""mutation { updateSubscribeRules(room: "$room", participant: "$participant", rules: [
            { type: EXCLUDE, all: true }, { type: INCLUDE, kind: DATA, track: "chat", publisher: "Ivo", priority: HIGH }
            ]) { ...SubscribeRules } }""",
        grpc=lambda clients, scene: clients.participants.UpdateSubscribeRules(
            room=scene.room,
            participant=scene.participant,
            rules=[
                SubscribeRule(type=RuleType.RULE_TYPE_EXCLUDE, all=True),
                SubscribeRule(
                    type=RuleType.RULE_TYPE_INCLUDE,
                    kind=TrackKind.TRACK_KIND_DATA,
                    track="chat",
                    publisher="Ivo",
                    priority=TrackPriority.TRACK_PRIORITY_HIGH,
                ),
            ],
        ),
        helper=lambda client, scene: ada(client, scene).subscribe_rules.update(
            rules=[
                {"type": "exclude", "all": True},
                {
                    "type": "include",
                    "kind": "data",
                    "track": "chat",
                    "publisher": "Ivo",
                    "priority": "high",
                },
            ]
        ),
        is_write=True,
    ),
    "FetchRoomRecordingRule": Asked(
        graphql='{ room(ref: "$room") { recordingRules { ...RecordingRules } } }',
        grpc=lambda clients, scene: clients.recordings.GetRecordingRules(room=scene.room),
        helper=lambda client, scene: room(client, scene).recording_rules.fetch(),
    ),
    "UpdateRoomRecordingRule": Asked(
        graphql="""mutation { updateRecordingRules(room: "$room", rules: [
            { type: INCLUDE, kind: AUDIO }, { type: EXCLUDE, publisher: "Ada", track: "cam" }]) { ...RecordingRules } }""",
        grpc=lambda clients, scene: clients.recordings.UpdateRecordingRules(
            room=scene.room,
            rules=[
                RecordingRule(type="RULE_TYPE_INCLUDE", kind="RECORDED_KIND_AUDIO"),
                RecordingRule(type="RULE_TYPE_EXCLUDE", publisher="Ada", track="cam"),
            ],
        ),
        helper=lambda client, scene: room(client, scene).recording_rules.update(
            rules=[
                {"type": "include", "kind": "audio"},
                {"type": "exclude", "publisher": "Ada", "track": "cam"},
            ]
        ),
        is_write=True,
    ),
    "ListRoomRecording": Asked(
        graphql='{ room(ref: "$room") { recordings(status: COMPLETED) { nodes { ...Recording } } } }',
        grpc=lambda clients, scene: clients.recordings.ListRoomRecordings(
            room=scene.room, status="RECORDING_STATUS_COMPLETED"
        ),
        helper=lambda client, scene: room(client, scene).recordings.list(status="completed"),
        empty=ELSEWHERE,
    ),
    "FetchRoomRecording": Asked(
        graphql='{ room(ref: "$room") { recording(sid: "$recording") { ...Recording } } }',
        grpc=lambda clients, scene: clients.recordings.GetRoomRecording(
            room=scene.room, recording=scene.recording
        ),
        helper=lambda client, scene: room(client, scene).recordings(scene.recording).fetch(),
        empty=ELSEWHERE,
    ),
    "DeleteRoomRecording": Asked(
        graphql='mutation { deleteRecording(room: "$ended", recording: "$taken") }',
        grpc=lambda clients, scene: clients.recordings.DeleteRoomRecording(
            room=scene.ended, recording=scene.taken
        ),
        helper=lambda client, scene: (
            client.video.v1.rooms(scene.ended).recordings(scene.taken).delete()
        ),
        is_write=True,
    ),
    "ListRecording": Asked(
        graphql='{ recordings(groupingSids: ["$room"], mediaType: AUDIO) { nodes { ...Recording } } }',
        grpc=lambda clients, scene: clients.recordings.ListRecordings(
            grouping_sids=[scene.room], media_type="TRACK_KIND_AUDIO"
        ),
        helper=lambda client, scene: client.video.v1.recordings.list(
            grouping_sid=[scene.room], media_type="audio"
        ),
        empty=ELSEWHERE,
    ),
    "FetchRecording": Asked(
        graphql='{ recording(sid: "$recording") { ...Recording } }',
        grpc=lambda clients, scene: clients.recordings.GetRecording(recording=scene.recording),
        helper=lambda client, scene: client.video.v1.recordings(scene.recording).fetch(),
        empty=ELSEWHERE,
    ),
    "DeleteRecording": Asked(
        graphql='mutation { deleteRecording(recording: "$recording") }',
        grpc=lambda clients, scene: clients.recordings.DeleteRecording(recording=scene.recording),
        helper=lambda client, scene: client.video.v1.recordings(scene.recording).delete(),
        is_write=True,
    ),
    "ListRoomTranscriptions": Asked(
        graphql='{ room(ref: "$room") { transcriptions { nodes { ...Transcription } } } }',
        grpc=lambda clients, scene: clients.transcriptions.ListTranscriptions(room=scene.room),
        helper=lambda client, scene: room(client, scene).transcriptions.list(),
        empty=BEFORE_A_CHANGE,
    ),
    "FetchRoomTranscriptions": Asked(
        graphql='{ room(ref: "$room") { transcription(ttid: "$ttid") { ...Transcription } } }',
        grpc=lambda clients, scene: clients.transcriptions.GetTranscription(
            room=scene.room, ttid=scene.ttid
        ),
        helper=lambda client, scene: room(client, scene).transcriptions(scene.ttid).fetch(),
        empty=BEFORE_A_CHANGE,
    ),
    "CreateRoomTranscriptions": Asked(
        graphql="""mutation { startTranscription(room: "$bare", configuration: {
            languageCode: "de-DE", partialResults: true, hints: ["Ada", "Ivo"] }) { ...Transcription } }""",
        grpc=lambda clients, scene: clients.transcriptions.CreateTranscription(
            room=scene.bare,
            configuration=TranscriptionsConfiguration(
                language_code="de-DE", partial_results=True, hints=["Ada", "Ivo"]
            ),
        ),
        helper=lambda client, scene: client.video.v1.rooms(scene.bare).transcriptions.create(
            configuration=CONFIGURATION
        ),
        is_write=True,
        empty=BEFORE_A_CHANGE,
    ),
    "UpdateRoomTranscriptions": Asked(
        graphql="""mutation { updateTranscription(room: "$room", transcription: "$ttid", status: STOPPED, configuration: {
            languageCode: "de-DE", partialResults: true, hints: ["Ada", "Ivo"] }) { ...Transcription } }""",
        grpc=lambda clients, scene: clients.transcriptions.UpdateTranscription(
            room=scene.room,
            ttid=scene.ttid,
            status=TranscriptionStatus.TRANSCRIPTION_STATUS_STOPPED,
            configuration=TranscriptionsConfiguration(
                language_code="de-DE", partial_results=True, hints=["Ada", "Ivo"]
            ),
        ),
        helper=lambda client, scene: (
            room(client, scene)
            .transcriptions(scene.ttid)
            .update(status="stopped", configuration=CONFIGURATION)
        ),
        is_write=True,
    ),
    "ListVideoRoomSummary": Asked(
        graphql='{ insightsRooms(roomName: "$ended", roomTypes: [GROUP]) { nodes { ...InsightsRoom } } }',
        grpc=lambda clients, scene: clients.insights.ListInsightsRooms(
            room_name=scene.ended, room_types=["ROOM_TYPE_GROUP"]
        ),
        helper=lambda client, scene: client.insights.v1.rooms.list(
            room_name=scene.ended, room_type=["group"]
        ),
    ),
    "FetchVideoRoomSummary": Asked(
        graphql='{ insightsRoom(sid: "$ended") { ...InsightsRoom } }',
        grpc=lambda clients, scene: clients.insights.GetInsightsRoom(room=scene.ended),
        helper=lambda client, scene: summary(client, scene).fetch(),
    ),
    "ListVideoParticipantSummary": Asked(
        graphql='{ insightsRoom(sid: "$ended") { participants { nodes { ...InsightsParticipant } } } }',
        grpc=lambda clients, scene: clients.insights.ListInsightsParticipants(room=scene.ended),
        helper=lambda client, scene: summary(client, scene).participants.list(),
        empty=WITHOUT_ERROR,
    ),
    "FetchVideoParticipantSummary": Asked(
        graphql="""{ insightsRoom(sid: "$ended") { participant(sid: "$ended_participant") {
            ...InsightsParticipant } } }""",
        grpc=lambda clients, scene: clients.insights.GetInsightsParticipant(
            room=scene.ended, participant=scene.ended_participant
        ),
        helper=lambda client, scene: (
            summary(client, scene).participants(scene.ended_participant).fetch()
        ),
        empty=WITHOUT_ERROR,
    ),
}
