"""Each of Twilio's operations on rooms as a GraphQL, gRPC and helper library call."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from twilio.rest import Client

from gateway.rpc.v1.participant_pb2 import SubscribeRule
from gateway.rpc.v1.recording_pb2 import RecordingRule
from gateway.rpc.v1.rule_pb2 import TrackKind, TrackPriority, TrackRuleEffect
from gateway.rpc.v1.transcription_pb2 import TranscriptionsConfiguration, TranscriptionStatus
from tests.flows.contract import OperationCalls
from tests.flows.scenario import FlowScenario


def room(client: Client, scenario: FlowScenario) -> Any:
    return client.video.v1.rooms(scenario.room)


def ada(client: Client, scenario: FlowScenario) -> Any:
    return room(client, scenario).participants(scenario.participant)


def summary(client: Client, scenario: FlowScenario) -> Any:
    return client.insights.v1.rooms(scenario.ended)


# Properties that have no value in the scenario.
BEFORE_THE_END: Final = frozenset({"end_time", "duration"})
UNTIL_CHANGED: Final = frozenset({"date_created", "date_updated"})
ELSEWHERE: Final = frozenset({"media_external_location"})
BEFORE_A_CHANGE: Final = BEFORE_THE_END | {"date_updated"}
WITHOUT_ERROR: Final = frozenset({"error_code_url"})

CONFIGURATION: Final = {"languageCode": "de-DE", "partialResults": True, "hints": ["Ada", "Ivo"]}

OPERATION_CALLS: Final[Mapping[str, OperationCalls[FlowScenario]]] = {
    "CreateRoom": OperationCalls(
        graphql="""mutation { createRoom(input: { uniqueName: "$new", type: GROUP,
            maxParticipants: 12, maxParticipantDurationSeconds: 3600, emptyRoomTimeoutMinutes: 2,
            unusedRoomTimeoutMinutes: 3, recordParticipantsOnConnect: true, recordingRules: [{
            include: { kind: AUDIO } }], videoCodecs: [H264], mediaRegion: "de1", isAudioOnly:
            false, isLargeRoom: true }) { room { ...Room } } }""",
        grpc=lambda clients, scenario: clients.rooms.CreateRoom(
            unique_name=scenario.new,
            type="ROOM_TYPE_GROUP",
            max_participants=12,
            max_participant_duration=timedelta(hours=1),
            empty_room_timeout=timedelta(minutes=2),
            unused_room_timeout=timedelta(minutes=3),
            record_participants_on_connect=True,
            recording_rules=[
                RecordingRule(effect="TRACK_RULE_EFFECT_INCLUDE", kind="TRACK_KIND_AUDIO")
            ],
            video_codecs=["VIDEO_CODEC_H264"],
            media_region="de1",
            audio_only=False,
            large_room=True,
        ),
        helper=lambda client, scenario: client.video.v1.rooms.create(
            unique_name=scenario.new,
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
            status_callback=scenario.callbacks,
            status_callback_method="POST",
        ),
        is_write=True,
        empty=BEFORE_THE_END,
    ),
    "FetchRoom": OperationCalls(
        graphql='{ room(ref: {sid: "$room"}) { ...Room } }',
        grpc=lambda clients, scenario: clients.rooms.GetRoom(room=scenario.room),
        helper=lambda client, scenario: room(client, scenario).fetch(),
        empty=BEFORE_THE_END,
    ),
    "ListRoom": OperationCalls(
        graphql=(
            '{ rooms(filter: {statuses: [IN_PROGRESS], uniqueName: "$name"}) '
            "{ nodes { ...Room } } }"
        ),
        grpc=lambda clients, scenario: clients.rooms.ListRooms(
            statuses=["ROOM_STATUS_IN_PROGRESS"], unique_name=scenario.name
        ),
        helper=lambda client, scenario: client.video.v1.rooms.list(
            status="in-progress", unique_name=scenario.name
        ),
        empty=BEFORE_THE_END,
    ),
    "UpdateRoom": OperationCalls(
        graphql='mutation { completeRoom(input: {room: {sid: "$spare"}}) { room { ...Room } } }',
        grpc=lambda clients, scenario: clients.rooms.CompleteRoom(room=scenario.spare),
        helper=lambda client, scenario: client.video.v1.rooms(scenario.spare).update(
            status="completed"
        ),
        is_write=True,
    ),
    "ListRoomParticipant": OperationCalls(
        graphql="""{ room(ref: {sid: "$room"}) { participants(filter: {statuses: [CONNECTED]}) {
            nodes {
            ...Participant
            } } } }""",
        grpc=lambda clients, scenario: clients.participants.ListParticipants(
            room=scenario.room, statuses=["PARTICIPANT_STATUS_CONNECTED"]
        ),
        helper=lambda client, scenario: room(client, scenario).participants.list(
            status="connected"
        ),
        empty=BEFORE_THE_END,
    ),
    "FetchRoomParticipant": OperationCalls(
        graphql="""{ participant(room: {sid: "$ended"}, ref: {sid: "$ended_participant"}) {
            ...Participant } }""",
        grpc=lambda clients, scenario: clients.participants.GetParticipant(
            room=scenario.ended, participant=scenario.ended_participant
        ),
        helper=lambda client, scenario: (
            client.video.v1.rooms(scenario.ended).participants(scenario.ended_participant).fetch()
        ),
    ),
    "UpdateRoomParticipant": OperationCalls(
        graphql="""mutation { disconnectParticipant(input: {room: {sid: "$room"}, participant:
            {sid: "$guest"}}) { participant {
            ...Participant } } }""",
        grpc=lambda clients, scenario: clients.participants.DisconnectParticipant(
            room=scenario.room, participant=scenario.guest
        ),
        helper=lambda client, scenario: (
            room(client, scenario).participants(scenario.guest).update(status="disconnected")
        ),
        is_write=True,
    ),
    "UpdateRoomParticipantAnonymize": OperationCalls(
        graphql="""mutation { anonymizeParticipant(input: {room: {sid: "$ended"}, participant:
            {sid: "$ended_participant"}}) { participant { ...Participant } } }""",
        grpc=lambda clients, scenario: clients.participants.AnonymizeParticipant(
            room=scenario.ended, participant=scenario.ended_participant
        ),
        helper=lambda client, scenario: (
            client.video.v1.rooms(scenario.ended)
            .participants(scenario.ended_participant)
            .anonymize()
            .update()
        ),
        is_write=True,
    ),
    "ListRoomParticipantPublishedTrack": OperationCalls(
        graphql="""{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) {
            publishedTracks { nodes { ...PublishedTrack } } } }""",
        grpc=lambda clients, scenario: clients.participants.ListPublishedTracks(
            room=scenario.room, participant=scenario.participant
        ),
        helper=lambda client, scenario: ada(client, scenario).published_tracks.list(),
    ),
    "FetchRoomParticipantPublishedTrack": OperationCalls(
        graphql="""{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) {
            publishedTrack(ref: {sid: "$published"}) { ...PublishedTrack } } }""",
        grpc=lambda clients, scenario: clients.participants.GetPublishedTrack(
            room=scenario.room, participant=scenario.participant, track=scenario.published
        ),
        helper=lambda client, scenario: (
            ada(client, scenario).published_tracks(scenario.published).fetch()
        ),
    ),
    "ListRoomParticipantSubscribedTrack": OperationCalls(
        graphql="""{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) {
            subscribedTracks { nodes { ...SubscribedTrack } } } }""",
        grpc=lambda clients, scenario: clients.participants.ListSubscribedTracks(
            room=scenario.room, participant=scenario.participant
        ),
        helper=lambda client, scenario: ada(client, scenario).subscribed_tracks.list(),
    ),
    "FetchRoomParticipantSubscribedTrack": OperationCalls(
        graphql="""{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) {
            subscribedTrack(ref: "$subscribed") { ...SubscribedTrack } } }""",
        grpc=lambda clients, scenario: clients.participants.GetSubscribedTrack(
            room=scenario.room, participant=scenario.participant, track=scenario.subscribed
        ),
        helper=lambda client, scenario: (
            ada(client, scenario).subscribed_tracks(scenario.subscribed).fetch()
        ),
    ),
    "FetchRoomParticipantSubscribeRule": OperationCalls(
        graphql="""{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) {
            subscribeRules { ...SubscribeRules } } }""",
        grpc=lambda clients, scenario: clients.participants.GetSubscribeRules(
            room=scenario.room, participant=scenario.participant
        ),
        helper=lambda client, scenario: ada(client, scenario).subscribe_rules.fetch(),
        empty=UNTIL_CHANGED,
    ),
    "UpdateRoomParticipantSubscribeRule": OperationCalls(
        graphql="""mutation { updateSubscribeRules(input: { room: { sid: "$room" }, participant: {
            sid: "$participant" }, rules: [ { exclude: {} }, { include: { kind: DATA, track: "chat",
            publisher: "Ivo", priority: HIGH } } ] }) { subscribeRules { ...SubscribeRules } } }""",
        grpc=lambda clients, scenario: clients.participants.UpdateSubscribeRules(
            room=scenario.room,
            participant=scenario.participant,
            rules=[
                SubscribeRule(effect=TrackRuleEffect.TRACK_RULE_EFFECT_EXCLUDE, all=True),
                SubscribeRule(
                    effect=TrackRuleEffect.TRACK_RULE_EFFECT_INCLUDE,
                    kind=TrackKind.TRACK_KIND_DATA,
                    track="chat",
                    publisher="Ivo",
                    priority=TrackPriority.TRACK_PRIORITY_HIGH,
                ),
            ],
        ),
        helper=lambda client, scenario: ada(client, scenario).subscribe_rules.update(
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
    "FetchRoomRecordingRule": OperationCalls(
        graphql='{ room(ref: {sid: "$room"}) { recordingRules { ...RecordingRules } } }',
        grpc=lambda clients, scenario: clients.recordings.GetRecordingRules(room=scenario.room),
        helper=lambda client, scenario: room(client, scenario).recording_rules.fetch(),
    ),
    "UpdateRoomRecordingRule": OperationCalls(
        graphql="""mutation { updateRecordingRules(input: { room: { sid: "$room" }, rules: [ {
            include: { kind: AUDIO } }, { twilio: { type: "exclude", publisher: "Ada", track: "cam"
            } }] }) { recordingRules { ...RecordingRules } }
            }""",
        grpc=lambda clients, scenario: clients.recordings.UpdateRecordingRules(
            room=scenario.room,
            rules=[
                RecordingRule(effect="TRACK_RULE_EFFECT_INCLUDE", kind="TRACK_KIND_AUDIO"),
                RecordingRule(effect="TRACK_RULE_EFFECT_EXCLUDE", publisher="Ada", track="cam"),
            ],
        ),
        helper=lambda client, scenario: room(client, scenario).recording_rules.update(
            rules=[
                {"type": "include", "kind": "audio"},
                {"type": "exclude", "publisher": "Ada", "track": "cam"},
            ]
        ),
        is_write=True,
    ),
    "ListRoomRecording": OperationCalls(
        graphql="""{ room(ref: {sid: "$room"}) { recordings(filter: {statuses: [COMPLETED]}) {
            nodes {
            ...Recording } }
            } }""",
        grpc=lambda clients, scenario: clients.recordings.ListRoomRecordings(
            room=scenario.room, statuses=["RECORDING_STATUS_COMPLETED"]
        ),
        helper=lambda client, scenario: room(client, scenario).recordings.list(status="completed"),
        empty=ELSEWHERE,
    ),
    "FetchRoomRecording": OperationCalls(
        graphql='{ room(ref: {sid: "$room"}) { recording(ref: "$recording") { ...Recording } } }',
        grpc=lambda clients, scenario: clients.recordings.GetRoomRecording(
            room=scenario.room, recording=scenario.recording
        ),
        helper=lambda client, scenario: (
            room(client, scenario).recordings(scenario.recording).fetch()
        ),
        empty=ELSEWHERE,
    ),
    "DeleteRoomRecording": OperationCalls(
        graphql="""mutation { deleteRecording(input: {room: {sid: "$ended"}, recording:
            "$deletable"}) { deletedRecordingId } }""",
        grpc=lambda clients, scenario: clients.recordings.DeleteRoomRecording(
            room=scenario.ended, recording=scenario.deletable
        ),
        helper=lambda client, scenario: (
            client.video.v1.rooms(scenario.ended).recordings(scenario.deletable).delete()
        ),
        is_write=True,
    ),
    "ListRecording": OperationCalls(
        graphql="""{ recordings(filter: {groupingSids: ["$room"], mediaType: AUDIO}) { nodes {
            ...Recording
            } } }""",
        grpc=lambda clients, scenario: clients.recordings.ListRecordings(
            grouping_sids=[scenario.room], media_type="TRACK_KIND_AUDIO"
        ),
        helper=lambda client, scenario: client.video.v1.recordings.list(
            grouping_sid=[scenario.room], media_type="audio"
        ),
        empty=ELSEWHERE,
    ),
    "FetchRecording": OperationCalls(
        graphql='{ recording(ref: "$recording") { ...Recording } }',
        grpc=lambda clients, scenario: clients.recordings.GetRecording(
            recording=scenario.recording
        ),
        helper=lambda client, scenario: client.video.v1.recordings(scenario.recording).fetch(),
        empty=ELSEWHERE,
    ),
    "DeleteRecording": OperationCalls(
        graphql="""mutation { deleteRecording(input: {recording: "$recording"}) {
            deletedRecordingId } }""",
        grpc=lambda clients, scenario: clients.recordings.DeleteRecording(
            recording=scenario.recording
        ),
        helper=lambda client, scenario: client.video.v1.recordings(scenario.recording).delete(),
        is_write=True,
    ),
    "ListRoomTranscriptions": OperationCalls(
        graphql='{ room(ref: {sid: "$room"}) { transcriptions { nodes { ...Transcription } } } }',
        grpc=lambda clients, scenario: clients.transcriptions.ListTranscriptions(
            room=scenario.room
        ),
        helper=lambda client, scenario: room(client, scenario).transcriptions.list(),
        empty=BEFORE_A_CHANGE,
    ),
    "FetchRoomTranscriptions": OperationCalls(
        graphql="""{ room(ref: {sid: "$room"}) { transcription(ref: "$ttid") { ...Transcription }
            } }""",
        grpc=lambda clients, scenario: clients.transcriptions.GetTranscription(
            room=scenario.room, transcription=scenario.ttid
        ),
        helper=lambda client, scenario: (
            room(client, scenario).transcriptions(scenario.ttid).fetch()
        ),
        empty=BEFORE_A_CHANGE,
    ),
    "CreateRoomTranscriptions": OperationCalls(
        graphql="""mutation { startTranscription(input: {room: {sid: "$bare"}, configuration: {
            languageCode:
            "de-DE", partialResults: true, hints: ["Ada", "Ivo"] }}) { transcription {
            ...Transcription } } }""",
        grpc=lambda clients, scenario: clients.transcriptions.StartTranscription(
            room=scenario.bare,
            configuration=TranscriptionsConfiguration(
                language_code="de-DE", partial_results=True, hints=["Ada", "Ivo"]
            ),
        ),
        helper=lambda client, scenario: client.video.v1.rooms(scenario.bare).transcriptions.create(
            configuration=CONFIGURATION
        ),
        is_write=True,
        empty=BEFORE_A_CHANGE,
    ),
    "UpdateRoomTranscriptions": OperationCalls(
        graphql="""mutation { updateTranscription(input: {room: {sid: "$room"}, transcription:
            "$ttid", status: STOPPED, configuration: { languageCode: "de-DE", partialResults: true,
            hints:
            ["Ada", "Ivo"] }}) { transcription { ...Transcription } } }""",
        grpc=lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=scenario.room,
            transcription=scenario.ttid,
            status=TranscriptionStatus.TRANSCRIPTION_STATUS_STOPPED,
            configuration=TranscriptionsConfiguration(
                language_code="de-DE", partial_results=True, hints=["Ada", "Ivo"]
            ),
        ),
        helper=lambda client, scenario: (
            room(client, scenario)
            .transcriptions(scenario.ttid)
            .update(status="stopped", configuration=CONFIGURATION)
        ),
        is_write=True,
    ),
    "ListVideoRoomSummary": OperationCalls(
        graphql="""{ insightsRooms(filter: {roomName: "$ended", roomTypes: [GROUP]}) { nodes {
            ...InsightsRoom } } }""",
        grpc=lambda clients, scenario: clients.insights.ListInsightsRooms(
            room_name=scenario.ended, room_types=["ROOM_TYPE_GROUP"]
        ),
        helper=lambda client, scenario: client.insights.v1.rooms.list(
            room_name=scenario.ended, room_type=["group"]
        ),
    ),
    "FetchVideoRoomSummary": OperationCalls(
        graphql='{ insightsRoom(ref: "$ended") { ...InsightsRoom } }',
        grpc=lambda clients, scenario: clients.insights.GetInsightsRoom(room=scenario.ended),
        helper=lambda client, scenario: summary(client, scenario).fetch(),
    ),
    "ListVideoParticipantSummary": OperationCalls(
        graphql="""{ insightsRoom(ref: "$ended") { participants { nodes { ...InsightsParticipant }
            } } }""",
        grpc=lambda clients, scenario: clients.insights.ListInsightsParticipants(
            room=scenario.ended
        ),
        helper=lambda client, scenario: summary(client, scenario).participants.list(),
        empty=WITHOUT_ERROR,
    ),
    "FetchVideoParticipantSummary": OperationCalls(
        graphql="""{ insightsRoom(ref: "$ended") { participant(ref: "$ended_participant") {
            ...InsightsParticipant } } }""",
        grpc=lambda clients, scenario: clients.insights.GetInsightsParticipant(
            room=scenario.ended, participant=scenario.ended_participant
        ),
        helper=lambda client, scenario: (
            summary(client, scenario).participants(scenario.ended_participant).fetch()
        ),
        empty=WITHOUT_ERROR,
    ),
}
