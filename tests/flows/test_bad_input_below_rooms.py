"""Invalid calls on resources below a room.

Both faces return the documented code and a message that says what to do. Nothing
changes at Twilio.
"""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.rpc.v1.participant_pb2 import PARTICIPANT_STATUS_DISCONNECTED, SubscribeRule
from gateway.rpc.v1.recording_pb2 import RecordingRule
from tests.flows.api_calls import (
    ADVICE,
    ALL,
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    MISSING_PARTICIPANT,
    MISSING_ROOM,
    NOT_FOUND,
    ApiCall,
    check_rejected,
    rule_to_grpc,
)
from tests.flows.scenario import FlowScenario
from tests.rpc.client import Clients, refusal
from tests.running import Gateway

# SIDs of the wrong kind, unknown enum values and invalid names

INVALID_CALLS = {
    "room SID as recording": ApiCall(
        '{ recording(ref: "$room") { sid } }',
        lambda clients, scenario: clients.recordings.GetRecording(recording=scenario.room),
    ),
    "room SID as recording of a room": ApiCall(
        '{ room(ref: {sid: "$room"}) { recording(ref: "$room") { sid } } }',
        lambda clients, scenario: clients.recordings.GetRoomRecording(
            room=scenario.room, recording=scenario.room
        ),
    ),
    "track SID as recording to delete": ApiCall(
        """mutation { deleteRecording(input: {recording: "$published"}) { deletedRecordingId errors
            { code message field } } }""",
        lambda clients, scenario: clients.recordings.DeleteRecording(recording=scenario.published),
    ),
    "track SID as recording of a room to delete": ApiCall(
        """mutation { deleteRecording(input: {room: {sid: "$room"}, recording: "$published"}) {
            deletedRecordingId errors { code message field } } }""",
        lambda clients, scenario: clients.recordings.DeleteRoomRecording(
            room=scenario.room, recording=scenario.published
        ),
    ),
    "participant SID as source": ApiCall(
        '{ recordings(filter: {sourceSid: "$participant"}) { nodes { sid } } }',
        lambda clients, scenario: clients.recordings.ListRecordings(
            source_sid=scenario.participant
        ),
    ),
    "participant SID as source in a room": ApiCall(
        '{ room(ref: {sid: "$room"}) { recordings(filter: {sourceSid: "$participant"}) { '
        "nodes { sid } } } }",
        lambda clients, scenario: clients.recordings.ListRoomRecordings(
            room=scenario.room, source_sid=scenario.participant
        ),
    ),
    "participant SID as subscribed track": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) { subscribedTrack(ref:
            "$participant") { sid } } }""",
        lambda clients, scenario: clients.participants.GetSubscribedTrack(
            room=scenario.room, participant=scenario.participant, track=scenario.participant
        ),
    ),
    "name as subscribed track": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {sid: "$participant"}) { subscribedTrack(ref:
            "cam") { sid } } }""",
        lambda clients, scenario: clients.participants.GetSubscribedTrack(
            room=scenario.room, participant=scenario.participant, track="cam"
        ),
    ),
    "participant SID as Insights room": ApiCall(
        '{ insightsRoom(ref: "$participant") { roomSid } }',
        lambda clients, scenario: clients.insights.GetInsightsRoom(room=scenario.participant),
    ),
    "name as Insights room": ApiCall(
        '{ insightsRoom(ref: "$name") { roomSid } }',
        lambda clients, scenario: clients.insights.ListInsightsParticipants(room=scenario.name),
    ),
    "room SID as Insights participant": ApiCall(
        '{ insightsRoom(ref: "$ended") { participant(ref: "$ended") { participantSid } } }',
        lambda clients, scenario: clients.insights.GetInsightsParticipant(
            room=scenario.ended, participant=scenario.ended
        ),
    ),
    "invalid transcription id": ApiCall(
        '{ room(ref: {sid: "$room"}) { transcription(ref: "../Rooms") { ttid } } }',
        lambda clients, scenario: clients.transcriptions.GetTranscription(
            room=scenario.room, transcription="../Rooms"
        ),
    ),
    "control character in identity": ApiCall(
        '{ participant(room: {sid: "$room"}, ref: {identity: "a\\u0007b"}) { sid } }',
        lambda clients, scenario: clients.participants.GetParticipant(
            room=scenario.room, participant="a\x07b"
        ),
    ),
    "control character in track name": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {identity: "Ada"}) {
            publishedTrack(ref: {name: "a\\nb"}) { sid } } }""",
        lambda clients, scenario: clients.participants.GetPublishedTrack(
            room=scenario.room, participant="Ada", track="a\nb"
        ),
    ),
    "disconnect an identity of 129 characters": ApiCall(
        'mutation { disconnectParticipant(input: {room: {sid: "$room"}, participant: {identity: "'
        + "a" * 129
        + '"}}) { participant { sid } errors { code message field } } }',
        lambda clients, scenario: clients.participants.DisconnectParticipant(
            room=scenario.room, participant="a" * 129
        ),
    ),
    "anonymize an empty identity": ApiCall(
        """mutation { anonymizeParticipant(input: {room: {sid: "$room"}, participant: {identity:
            ""}}) { participant { sid } errors { code message field } } }""",
        lambda clients, scenario: clients.participants.AnonymizeParticipant(room=scenario.room),
    ),
    "unknown participant status": ApiCall(
        '{ room(ref: {sid: "$room"}) { participants(filter: {statuses: [ASLEEP]}) '
        "{ nodes { sid } } } }",
        lambda clients, scenario: clients.participants.ListParticipants(
            room=scenario.room, statuses=[99]
        ),
    ),
    "participant status UNKNOWN": ApiCall(
        '{ room(ref: {sid: "$room"}) { participants(filter: {statuses: [UNKNOWN]}) { '
        "nodes { sid } } } }",
        lambda clients, scenario: clients.participants.ListParticipants(
            room=scenario.room, statuses=["PARTICIPANT_STATUS_UNKNOWN"]
        ),
    ),
    "unknown recording status": ApiCall(
        "{ recordings(filter: {statuses: [LOST]}) { nodes { sid } } }",
        lambda clients, _: clients.recordings.ListRecordings(statuses=[99]),
    ),
    "media type UNKNOWN": ApiCall(
        "{ recordings(filter: {mediaType: UNKNOWN}) { nodes { sid } } }",
        lambda clients, _: clients.recordings.ListRecordings(media_type="TRACK_KIND_UNKNOWN"),
    ),
    "codec that Insights does not have": ApiCall(
        "{ insightsRooms(filter: {codecs: [PCMU]}) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(codecs=["MEDIA_CODEC_PCMU"]),
    ),
    "repeated codec": ApiCall(
        "{ insightsRooms(filter: {codecs: [VP8, VP8]}) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(
            codecs=["MEDIA_CODEC_VP8", "MEDIA_CODEC_VP8"]
        ),
    ),
    "unknown room type": ApiCall(
        "{ insightsRooms(filter: {roomTypes: [CASTLE]}) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(room_types=[99]),
    ),
    "unknown rule type": ApiCall(
        """mutation { updateRecordingRules(input: { room: { sid: "$room" }, rules: [{ skip: {} }]
            }) { recordingRules { roomSid } errors { code message field } } }""",
        lambda clients, scenario: clients.recordings.UpdateRecordingRules(
            room=scenario.room,
            rules=[RecordingRule(effect=99, all=True)],  # type: ignore[arg-type]
        ),
    ),
    "transcription status FAILED": ApiCall(
        """mutation { updateTranscription(input: {room: {sid: "$room"}, transcription: "$ttid",
            status: FAILED}) { transcription {
            ttid } errors { code message field } } }""",
        lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=scenario.room, transcription=scenario.ttid, status="TRANSCRIPTION_STATUS_FAILED"
        ),
    ),
    "transcription update without changes": ApiCall(
        """mutation { updateTranscription(input: {room: {sid: "$room"}, transcription: "$ttid"}) {
            transcription { ttid } errors { code message field } } }""",
        lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=scenario.room, transcription=scenario.ttid
        ),
    ),
}


@pytest.mark.parametrize("call", INVALID_CALLS.values(), ids=INVALID_CALLS)
async def test_invalid_argument_is_rejected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await check_rejected(gateway, clients, scenario, call, INVALID_ARGUMENT)


# Missing resources, and resources of another room

READS_OF_MISSING = {
    "room": ApiCall(
        '{ room(ref: {sid: "$missing_room"}) { sid } }',
        lambda clients, _: clients.rooms.GetRoom(room=MISSING_ROOM),
    ),
    "participant of a missing room": ApiCall(
        '{ participant(room: {sid: "$missing_room"}, ref: {sid: "$participant"}) { sid } }',
        lambda clients, scenario: clients.participants.GetParticipant(
            room=MISSING_ROOM, participant=scenario.participant
        ),
    ),
    "identity in a missing room": ApiCall(
        '{ participant(room: {sid: "$missing_room"}, ref: {identity: "Ada"}) { sid } }',
        lambda clients, _: clients.participants.GetParticipant(
            room=MISSING_ROOM, participant="Ada"
        ),
    ),
    "participant of another room": ApiCall(
        '{ participant(room: {sid: "$room"}, ref: {sid: "$ended_participant"}) { sid } }',
        lambda clients, scenario: clients.participants.GetParticipant(
            room=scenario.room, participant=scenario.ended_participant
        ),
    ),
    "SID of another kind as identity": ApiCall(
        '{ room(ref: {sid: "$room"}) { participant(ref: {identity: "$recording"}) { sid } } }',
        lambda clients, scenario: clients.participants.GetParticipant(
            room=scenario.room, participant=scenario.recording
        ),
    ),
    "unknown track name": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {identity: "Ada"}) { publishedTrack(ref:
            {name: "nothing"}) { sid
            } } }""",
        lambda clients, scenario: clients.participants.GetPublishedTrack(
            room=scenario.room, participant="Ada", track="nothing"
        ),
    ),
    "track that is not subscribed": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {identity: "Ada"}) { subscribedTrack(ref:
            "$published") {
            sid } } }""",
        lambda clients, scenario: clients.participants.GetSubscribedTrack(
            room=scenario.room, participant="Ada", track=scenario.published
        ),
    ),
    "recording of another room": ApiCall(
        '{ room(ref: {sid: "$room"}) { recording(ref: "$deletable") { sid } } }',
        lambda clients, scenario: clients.recordings.GetRoomRecording(
            room=scenario.room, recording=scenario.deletable
        ),
    ),
    "missing recording": ApiCall(
        '{ recording(ref: "' + "RT" + "0" * 32 + '") { sid } }',
        lambda clients, _: clients.recordings.GetRecording(recording="RT" + "0" * 32),
    ),
    "transcription of another room": ApiCall(
        '{ room(ref: {sid: "$spare"}) { transcription(ref: "$ttid") { ttid } } }',
        lambda clients, scenario: clients.transcriptions.GetTranscription(
            room=scenario.spare, transcription=scenario.ttid
        ),
    ),
    "Insights of a missing room": ApiCall(
        '{ insightsRoom(ref: "$missing_room") { roomSid } }',
        lambda clients, _: clients.insights.GetInsightsRoom(room=MISSING_ROOM),
    ),
    "Insights of a room in progress": ApiCall(
        '{ room(ref: {sid: "$room"}) { insights { roomSid } } }',
        lambda clients, scenario: clients.insights.GetInsightsRoom(room=scenario.room),
    ),
    "Insights of a participant of another room": ApiCall(
        """{ insightsRoom(ref: "$ended") { participant(ref: "$participant") {
            participantSid } } }""",
        lambda clients, scenario: clients.insights.GetInsightsParticipant(
            room=scenario.ended, participant=scenario.participant
        ),
    ),
    "participants of a missing room": ApiCall(
        '{ room(ref: {sid: "$missing_room"}) { participants { nodes { sid } } } }',
        lambda clients, _: clients.participants.ListParticipants(room=MISSING_ROOM),
    ),
    "tracks in a missing room": ApiCall(
        """{ participant(room: {sid: "$missing_room"}, ref: {sid: "$participant"}) {
            publishedTracks {
            nodes { sid } } } }""",
        lambda clients, scenario: clients.participants.ListPublishedTracks(
            room=MISSING_ROOM, participant=scenario.participant
        ),
    ),
    "tracks of a participant of another room": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {sid: "$ended_participant"}) { publishedTracks {
            nodes { sid } } } }""",
        lambda clients, scenario: clients.participants.ListPublishedTracks(
            room=scenario.room, participant=scenario.ended_participant
        ),
    ),
    "subscribe rules of a participant of another room": ApiCall(
        """{ participant(room: {sid: "$room"}, ref: {sid: "$ended_participant"}) { subscribeRules {
            roomSid } } }""",
        lambda clients, scenario: clients.participants.GetSubscribeRules(
            room=scenario.room, participant=scenario.ended_participant
        ),
    ),
    "recordings of a missing room": ApiCall(
        '{ room(ref: {sid: "$missing_room"}) { recordings { nodes { sid } } } }',
        lambda clients, _: clients.recordings.ListRoomRecordings(room=MISSING_ROOM),
    ),
    "recording rules of a missing room": ApiCall(
        '{ room(ref: {sid: "$missing_room"}) { recordingRules { roomSid } } }',
        lambda clients, _: clients.recordings.GetRecordingRules(room=MISSING_ROOM),
    ),
    "transcriptions of a missing room": ApiCall(
        '{ room(ref: {sid: "$missing_room"}) { transcriptions { nodes { ttid } } } }',
        lambda clients, _: clients.transcriptions.ListTranscriptions(room=MISSING_ROOM),
    ),
    "Insights participants of a missing room": ApiCall(
        '{ insightsRoom(ref: "$missing_room") { participants { nodes { participantSid } } } }',
        lambda clients, _: clients.insights.ListInsightsParticipants(room=MISSING_ROOM),
    ),
}


@pytest.mark.parametrize("call", READS_OF_MISSING.values(), ids=READS_OF_MISSING)
async def test_missing_resource_is_null_or_not_found(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    found: Any = await gateway.execute(call.document(scenario))
    while isinstance(found, dict):
        [found] = found.values()
    assert found is None
    status, info, message = await refusal(call.grpc(clients, scenario))
    assert status == "NOT_FOUND"
    assert info.reason.endswith("_NOT_FOUND")
    assert ADVICE.search(message), message


# Mutations of a participant. Both the room and the participant must exist.
PARTICIPANT_MUTATIONS: dict[str, tuple[str, Callable[[Clients, str, str], Any]]] = {
    "disconnect": (
        """mutation { disconnectParticipant(input: {
            room: {sid: "ROOM"}, participant: {PARTICIPANT}}) {
            participant { sid } errors { code message field } } }""",
        lambda clients, room, participant: clients.participants.DisconnectParticipant(
            room=room, participant=participant
        ),
    ),
    "anonymize": (
        """mutation { anonymizeParticipant(input: {
            room: {sid: "ROOM"}, participant: {PARTICIPANT}}) {
            participant { sid } errors { code message field } } }""",
        lambda clients, room, participant: clients.participants.AnonymizeParticipant(
            room=room, participant=participant
        ),
    ),
    "update subscribe rules": (
        """mutation { updateSubscribeRules(input: { room: { sid: "ROOM" }, participant: {
            PARTICIPANT }, rules: [{ include: {} }] }) { subscribeRules { roomSid }
            errors { code message field } } }""",
        lambda clients, room, participant: clients.participants.UpdateSubscribeRules(
            room=room, participant=participant, rules=[rule_to_grpc(SubscribeRule, ALL)]
        ),
    ),
}


@pytest.mark.parametrize("mutation", PARTICIPANT_MUTATIONS)
@pytest.mark.parametrize(
    ("room", "participant"),
    [
        ("room", "ended_participant"),
        ("room", MISSING_PARTICIPANT),
        ("room", "unknown"),
        ("spare", "Ada"),
        (MISSING_ROOM, "participant"),
        (MISSING_ROOM, "Ada"),
    ],
    ids=[
        "participant of another room",
        "missing participant",
        "unknown identity",
        "identity in another room",
        "participant in a missing room",
        "identity in a missing room",
    ],
)
async def test_mutation_of_a_participant_who_is_not_in_the_room_is_not_found(
    gateway: Gateway,
    clients: Clients,
    scenario: FlowScenario,
    mutation: str,
    room: str,
    participant: str,
) -> None:
    document, grpc_call = PARTICIPANT_MUTATIONS[mutation]
    room_ref = getattr(scenario, room, room)
    participant_ref = getattr(scenario, participant, participant)
    kind = "sid" if participant_ref.startswith("PA") else "identity"
    call = ApiCall(
        document.replace("ROOM", room_ref).replace("PARTICIPANT", f'{kind}: "{participant_ref}"'),
        lambda clients, _: grpc_call(clients, room_ref, participant_ref),
    )
    await check_rejected(gateway, clients, scenario, call, NOT_FOUND)


MUTATIONS_OF_MISSING = {
    "complete a missing room": ApiCall(
        """mutation { completeRoom(input: {room: {sid: "$missing_room"}}) { room { sid } errors {
            code message field } } }""",
        lambda clients, _: clients.rooms.CompleteRoom(room=MISSING_ROOM),
    ),
    "delete a missing recording": ApiCall(
        'mutation { deleteRecording(input: {recording: "RT'
        + "0" * 32
        + '"}) { deletedRecordingId errors { code message field } } }',
        lambda clients, _: clients.recordings.DeleteRecording(recording="RT" + "0" * 32),
    ),
    "delete a recording of another room": ApiCall(
        """mutation { deleteRecording(input: {room: {sid: "$room"}, recording: "$deletable"}) {
            deletedRecordingId errors { code message field } } }""",
        lambda clients, scenario: clients.recordings.DeleteRoomRecording(
            room=scenario.room, recording=scenario.deletable
        ),
    ),
    "delete a recording of a missing room": ApiCall(
        """mutation { deleteRecording(input: {room: {sid: "$missing_room"}, recording:
            "$recording"}) { deletedRecordingId errors { code message field } } }""",
        lambda clients, scenario: clients.recordings.DeleteRoomRecording(
            room=MISSING_ROOM, recording=scenario.recording
        ),
    ),
    "update recording rules of a missing room": ApiCall(
        """mutation { updateRecordingRules(input: { room: { sid: "$missing_room" }, rules: [{
            include: {} }] }) { recordingRules { roomSid } errors { code message field } } }""",
        lambda clients, _: clients.recordings.UpdateRecordingRules(
            room=MISSING_ROOM, rules=[rule_to_grpc(RecordingRule, ALL)]
        ),
    ),
    "transcribe a missing room": ApiCall(
        """mutation { startTranscription(input: {room: {sid: "$missing_room"}}) { transcription {
            ttid } errors { code message field } } }""",
        lambda clients, _: clients.transcriptions.StartTranscription(room=MISSING_ROOM),
    ),
    "stop a transcription of a missing room": ApiCall(
        """mutation { updateTranscription(input: {room: {sid: "$missing_room"}, transcription:
            "$ttid", status: STOPPED}) { transcription { ttid } errors { code message field } }
            }""",
        lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=MISSING_ROOM, transcription=scenario.ttid, status="TRANSCRIPTION_STATUS_STOPPED"
        ),
    ),
    "stop a transcription of another room": ApiCall(
        """mutation { updateTranscription(input: {room: {sid: "$spare"}, transcription: "$ttid",
            status: STOPPED}) { transcription { ttid } errors { code message field } } }""",
        lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=scenario.spare, transcription=scenario.ttid, status="TRANSCRIPTION_STATUS_STOPPED"
        ),
    ),
    "mint a token for a missing room": ApiCall(
        """mutation { mintAccessToken(input: {identity: "Ada", room: {sid: "$missing_room"}}) {
            accessToken { identity } errors { code message field } } }""",
        lambda clients, _: clients.tokens.MintAccessToken(identity="Ada", room=MISSING_ROOM),
    ),
}


@pytest.mark.parametrize("call", MUTATIONS_OF_MISSING.values(), ids=MUTATIONS_OF_MISSING)
async def test_mutation_of_a_missing_resource_is_not_found(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await check_rejected(gateway, clients, scenario, call, NOT_FOUND)


MUTATIONS_OF_ENDED = {
    "complete the room": ApiCall(
        """mutation { completeRoom(input: {room: {sid: "$ended"}}) { room { sid } errors { code
            message field } } }""",
        lambda clients, scenario: clients.rooms.CompleteRoom(room=scenario.ended),
    ),
    "update subscribe rules": ApiCall(
        """mutation { updateSubscribeRules(input: { room: { sid: "$ended" }, participant: { sid:
            "$ended_participant" }, rules: [{ include: {} }] }) { subscribeRules { roomSid }
            errors { code message field } } }""",
        lambda clients, scenario: clients.participants.UpdateSubscribeRules(
            room=scenario.ended,
            participant=scenario.ended_participant,
            rules=[rule_to_grpc(SubscribeRule, ALL)],
        ),
    ),
    "update recording rules": ApiCall(
        """mutation { updateRecordingRules(input: { room: { sid: "$ended" }, rules: [{ include:
            {} }] }) { recordingRules { roomSid } errors { code message field } } }""",
        lambda clients, scenario: clients.recordings.UpdateRecordingRules(
            room=scenario.ended, rules=[rule_to_grpc(RecordingRule, ALL)]
        ),
    ),
    "transcribe": ApiCall(
        """mutation { startTranscription(input: {room: {sid: "$ended"}}) { transcription { ttid }
            errors { code message field } } }""",
        lambda clients, scenario: clients.transcriptions.StartTranscription(room=scenario.ended),
    ),
    "mint a token": ApiCall(
        """mutation { mintAccessToken(input: {identity: "Ada", room: {sid: "$ended"}}) {
            accessToken { identity } errors { code message field } } }""",
        lambda clients, scenario: clients.tokens.MintAccessToken(
            identity="Ada", room=scenario.ended
        ),
    ),
}


@pytest.mark.parametrize("call", MUTATIONS_OF_ENDED.values(), ids=MUTATIONS_OF_ENDED)
async def test_mutation_of_an_ended_room_is_a_failed_precondition(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await check_rejected(gateway, clients, scenario, call, FAILED_PRECONDITION)


async def test_disconnecting_a_participant_who_left_changes_nothing(
    gateway: Gateway, clients: Clients, scenario: FlowScenario
) -> None:
    """It makes no difference whether the participant left before or with the room."""
    read = """query($room: ID!, $participant: ID!) { participant(room: {sid: $room}, ref: {sid:
        $participant}) { status endTime updateTime } }"""
    disconnect = """mutation($room: ID!, $participant: ID!) { disconnectParticipant(input: {room:
        {sid: $room}, participant: {sid: $participant}}) { participant { status } errors { code
        message field } } }"""
    ref = {"room": scenario.ended, "participant": scenario.ended_participant}
    before = await gateway.execute(read, **ref)
    assert (await gateway.execute(disconnect, **ref))["disconnectParticipant"]["participant"][
        "status"
    ] == "DISCONNECTED"
    by_grpc = await clients.participants.DisconnectParticipant(
        room=scenario.ended, participant=scenario.ended_participant
    )
    assert by_grpc.participant.status == PARTICIPANT_STATUS_DISCONNECTED
    assert await gateway.execute(read, **ref) == before
