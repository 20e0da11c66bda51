"""What a caller gets wrong below a room is answered alike on both faces: with the documented code, a sentence that says
what to do, and nothing changed at Twilio."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.rooms.v1.participant_pb2 import PARTICIPANT_STATUS_DISCONNECTED, SubscribeRule
from gateway.rooms.v1.recording_pb2 import RecordingRule
from tests.flows.questions import (
    ALL,
    BAD,
    DETACHED,
    LOST,
    NOWHERE,
    TOO_LATE,
    WHAT_TO_DO,
    Question,
    check_refused,
    in_grpc,
)
from tests.flows.scene import Scene
from tests.rpc.client import Clients, refusal
from tests.running import Gateway

# SIDs of the wrong kind, words that are not of the enum, names that cannot be

WRONG = {
    "a room as a recording": Question(
        '{ recording(sid: "$room") { sid } }', lambda clients, scene: clients.recordings.GetRecording(recording=scene.room)
    ),
    "a room as a recording of a room": Question(
        '{ room(ref: "$room") { recording(sid: "$room") { sid } } }',
        lambda clients, scene: clients.recordings.GetRoomRecording(room=scene.room, recording=scene.room),
    ),
    "a track as a recording to delete": Question(
        'mutation { deleteRecording(recording: "$published") }',
        lambda clients, scene: clients.recordings.DeleteRecording(recording=scene.published),
    ),
    "a track as a recording of a room to delete": Question(
        'mutation { deleteRecording(room: "$room", recording: "$published") }',
        lambda clients, scene: clients.recordings.DeleteRoomRecording(room=scene.room, recording=scene.published),
    ),
    "a participant as a source": Question(
        '{ recordings(sourceSid: "$participant") { nodes { sid } } }',
        lambda clients, scene: clients.recordings.ListRecordings(source_sid=scene.participant),
    ),
    "a participant as a source in a room": Question(
        '{ room(ref: "$room") { recordings(sourceSid: "$participant") { nodes { sid } } } }',
        lambda clients, scene: clients.recordings.ListRoomRecordings(room=scene.room, source_sid=scene.participant),
    ),
    "a participant as a subscribed track": Question(
        '{ participant(room: "$room", participant: "$participant") { subscribedTrack(sid: "$participant") { sid } } }',
        lambda clients, scene: clients.participants.GetSubscribedTrack(
            room=scene.room, participant=scene.participant, track=scene.participant
        ),
    ),
    "a name as a subscribed track": Question(
        '{ participant(room: "$room", participant: "$participant") { subscribedTrack(sid: "cam") { sid } } }',
        lambda clients, scene: clients.participants.GetSubscribedTrack(
            room=scene.room, participant=scene.participant, track="cam"
        ),
    ),
    "a participant as a room of Insights": Question(
        '{ insightsRoom(sid: "$participant") { roomSid } }',
        lambda clients, scene: clients.insights.GetInsightsRoom(room=scene.participant),
    ),
    "a name as a room of Insights": Question(
        '{ insightsRoom(sid: "$name") { roomSid } }',
        lambda clients, scene: clients.insights.ListInsightsParticipants(room=scene.name),
    ),
    "a room as a participant of Insights": Question(
        '{ insightsRoom(sid: "$ended") { participant(sid: "$ended") { participantSid } } }',
        lambda clients, scene: clients.insights.GetInsightsParticipant(room=scene.ended, participant=scene.ended),
    ),
    "no transcription's id": Question(
        '{ room(ref: "$room") { transcription(ttid: "../Rooms") { ttid } } }',
        lambda clients, scene: clients.transcriptions.GetTranscription(room=scene.room, ttid="../Rooms"),
    ),
    "a control character in an identity": Question(
        '{ participant(room: "$room", participant: "a\\u0007b") { sid } }',
        lambda clients, scene: clients.participants.GetParticipant(room=scene.room, participant="a\x07b"),
    ),
    "a control character in a track's name": Question(
        '{ participant(room: "$room", participant: "Ada") { publishedTrack(ref: "a\\nb") { sid } } }',
        lambda clients, scene: clients.participants.GetPublishedTrack(room=scene.room, participant="Ada", track="a\nb"),
    ),
    "an identity of 129 to send out": Question(
        'mutation { disconnectParticipant(room: "$room", participant: "' + "a" * 129 + '") { sid } }',
        lambda clients, scene: clients.participants.DisconnectParticipant(room=scene.room, participant="a" * 129),
    ),
    "a nameless participant to make nameless": Question(
        'mutation { anonymizeParticipant(room: "$room", participant: "") { sid } }',
        lambda clients, scene: clients.participants.AnonymizeParticipant(room=scene.room),
    ),
    "an unknown status of participants": Question(
        '{ room(ref: "$room") { participants(status: ASLEEP) { nodes { sid } } } }',
        lambda clients, scene: clients.participants.ListParticipants(room=scene.room, status=99),
    ),
    "UNKNOWN participants": Question(
        '{ room(ref: "$room") { participants(status: UNKNOWN) { nodes { sid } } } }',
        lambda clients, scene: clients.participants.ListParticipants(room=scene.room, status="PARTICIPANT_STATUS_UNKNOWN"),
    ),
    "an unknown status of recordings": Question(
        "{ recordings(status: LOST) { nodes { sid } } }", lambda clients, _: clients.recordings.ListRecordings(status=99)
    ),
    "UNKNOWN media": Question(
        "{ recordings(mediaType: UNKNOWN) { nodes { sid } } }",
        lambda clients, _: clients.recordings.ListRecordings(media_type="TRACK_KIND_UNKNOWN"),
    ),
    "a codec that Insights does not know": Question(
        "{ insightsRooms(codecs: [PCMU]) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(codecs=["CODEC_PCMU"]),
    ),
    "a codec twice": Question(
        "{ insightsRooms(codecs: [VP8, VP8]) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(codecs=["CODEC_VP8", "CODEC_VP8"]),
    ),
    "an unknown type of rooms": Question(
        "{ insightsRooms(roomTypes: [CASTLE]) { nodes { roomSid } } }",
        lambda clients, _: clients.insights.ListInsightsRooms(room_types=[99]),
    ),
    "an unknown type of rule": Question(
        'mutation { updateRecordingRules(room: "$room", rules: [{ type: SKIP, all: true }]) { roomSid } }',
        lambda clients, scene: clients.recordings.UpdateRecordingRules(
            room=scene.room, rules=[RecordingRule(type=99, all=True)]  # type: ignore[arg-type]
        ),
    ),
    "a transcription that is to fail": Question(
        'mutation { updateTranscription(room: "$room", transcription: "$ttid", status: FAILED) { ttid } }',
        lambda clients, scene: clients.transcriptions.UpdateTranscription(
            room=scene.room, ttid=scene.ttid, status="TRANSCRIPTION_STATUS_FAILED"
        ),
    ),
    "a transcription that is not to change": Question(
        'mutation { updateTranscription(room: "$room", transcription: "$ttid") { ttid } }',
        lambda clients, scene: clients.transcriptions.UpdateTranscription(room=scene.room, ttid=scene.ttid),
    ),
}  # fmt: skip


@pytest.mark.parametrize("asked", WRONG.values(), ids=WRONG)
async def test_what_it_cannot_be_is_refused(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_refused(gateway, clients, scene, asked, BAD)


# What is not there, or is somebody else's

READ_NOTHING = {
    "a room": Question('{ room(ref: "$nowhere") { sid } }', lambda clients, _: clients.rooms.GetRoom(room=NOWHERE)),
    "a participant of no room": Question(
        '{ participant(room: "$nowhere", participant: "$participant") { sid } }',
        lambda clients, scene: clients.participants.GetParticipant(room=NOWHERE, participant=scene.participant),
    ),
    "an identity in no room": Question(
        '{ participant(room: "$nowhere", participant: "Ada") { sid } }',
        lambda clients, _: clients.participants.GetParticipant(room=NOWHERE, participant="Ada"),
    ),
    "another room's participant": Question(
        '{ participant(room: "$room", participant: "$ended_participant") { sid } }',
        lambda clients, scene: clients.participants.GetParticipant(room=scene.room, participant=scene.ended_participant),
    ),
    "a SID of another kind as an identity": Question(
        '{ room(ref: "$room") { participant(ref: "$recording") { sid } } }',
        lambda clients, scene: clients.participants.GetParticipant(room=scene.room, participant=scene.recording),
    ),
    "a track by another's name": Question(
        '{ participant(room: "$room", participant: "Ada") { publishedTrack(ref: "nothing") { sid } } }',
        lambda clients, scene: clients.participants.GetPublishedTrack(room=scene.room, participant="Ada", track="nothing"),
    ),
    "a track that is not received": Question(
        '{ participant(room: "$room", participant: "Ada") { subscribedTrack(sid: "$published") { sid } } }',
        lambda clients, scene: clients.participants.GetSubscribedTrack(
            room=scene.room, participant="Ada", track=scene.published
        ),
    ),
    "another room's recording": Question(
        '{ room(ref: "$room") { recording(sid: "$taken") { sid } } }',
        lambda clients, scene: clients.recordings.GetRoomRecording(room=scene.room, recording=scene.taken),
    ),
    "no recording": Question(
        '{ recording(sid: "' + "RT" + "0" * 32 + '") { sid } }',
        lambda clients, _: clients.recordings.GetRecording(recording="RT" + "0" * 32),
    ),
    "another room's transcription": Question(
        '{ room(ref: "$spare") { transcription(ttid: "$ttid") { ttid } } }',
        lambda clients, scene: clients.transcriptions.GetTranscription(room=scene.spare, ttid=scene.ttid),
    ),
    "Insights of no room": Question(
        '{ insightsRoom(sid: "$nowhere") { roomSid } }', lambda clients, _: clients.insights.GetInsightsRoom(room=NOWHERE)
    ),
    "Insights of a room in progress": Question(
        '{ room(ref: "$room") { insights { roomSid } } }',
        lambda clients, scene: clients.insights.GetInsightsRoom(room=scene.room),
    ),
    "Insights of another room's participant": Question(
        '{ insightsRoom(sid: "$ended") { participant(sid: "$participant") { participantSid } } }',
        lambda clients, scene: clients.insights.GetInsightsParticipant(room=scene.ended, participant=scene.participant),
    ),
    "participants of no room": Question(
        '{ room(ref: "$nowhere") { participants { nodes { sid } } } }',
        lambda clients, _: clients.participants.ListParticipants(room=NOWHERE),
    ),
    "tracks in no room": Question(
        '{ participant(room: "$nowhere", participant: "$participant") { publishedTracks { nodes { sid } } } }',
        lambda clients, scene: clients.participants.ListPublishedTracks(room=NOWHERE, participant=scene.participant),
    ),
    "tracks of another room's participant": Question(
        '{ participant(room: "$room", participant: "$ended_participant") { publishedTracks { nodes { sid } } } }',
        lambda clients, scene: clients.participants.ListPublishedTracks(
            room=scene.room, participant=scene.ended_participant
        ),
    ),
    "subscribe rules of another room's participant": Question(
        '{ participant(room: "$room", participant: "$ended_participant") { subscribeRules { roomSid } } }',
        lambda clients, scene: clients.participants.GetSubscribeRules(
            room=scene.room, participant=scene.ended_participant
        ),
    ),
    "recordings of no room": Question(
        '{ room(ref: "$nowhere") { recordings { nodes { sid } } } }',
        lambda clients, _: clients.recordings.ListRoomRecordings(room=NOWHERE),
    ),
    "recording rules of no room": Question(
        '{ room(ref: "$nowhere") { recordingRules { roomSid } } }',
        lambda clients, _: clients.recordings.GetRecordingRules(room=NOWHERE),
    ),
    "transcriptions of no room": Question(
        '{ room(ref: "$nowhere") { transcriptions { nodes { ttid } } } }',
        lambda clients, _: clients.transcriptions.ListTranscriptions(room=NOWHERE),
    ),
    "Insights' participants of no room": Question(
        '{ insightsRoom(sid: "$nowhere") { participants { nodes { participantSid } } } }',
        lambda clients, _: clients.insights.ListInsightsParticipants(room=NOWHERE),
    ),
}  # fmt: skip


@pytest.mark.parametrize("asked", READ_NOTHING.values(), ids=READ_NOTHING)
async def test_what_is_not_there_is_null_or_not_found(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    found: Any = await gateway.execute(asked.document(scene))
    while isinstance(found, dict):
        [found] = found.values()
    assert found is None
    status, info, message = await refusal(asked.grpc(clients, scene))
    assert (status, info.reason) == ("NOT_FOUND", "NOT_FOUND")
    assert WHAT_TO_DO.search(message), message


# Changes by room and participant, each of which needs both to be there.
CHANGES: dict[str, tuple[str, Callable[[Clients, str, str], Any]]] = {
    "disconnect": (
        'mutation { disconnectParticipant(room: "ROOM", participant: "WHO") { sid } }',
        lambda clients, room, who: clients.participants.DisconnectParticipant(
            room=room, participant=who
        ),
    ),
    "anonymize": (
        'mutation { anonymizeParticipant(room: "ROOM", participant: "WHO") { sid } }',
        lambda clients, room, who: clients.participants.AnonymizeParticipant(
            room=room, participant=who
        ),
    ),
    "set subscribe rules of": (
        """mutation { updateSubscribeRules(room: "ROOM", participant: "WHO", rules: [{ type: INCLUDE, all: true }]) {
            roomSid } }""",
        lambda clients, room, who: clients.participants.UpdateSubscribeRules(
            room=room, participant=who, rules=[in_grpc(SubscribeRule, ALL)]
        ),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("room", "who"),
    [
        ("room", "ended_participant"),
        ("room", DETACHED),
        ("room", "nobody"),
        ("spare", "Ada"),
        (NOWHERE, "participant"),
        (NOWHERE, "Ada"),
    ],
    ids=[
        "another's",
        "nobody",
        "no identity",
        "an identity elsewhere",
        "in no room",
        "an identity in no room",
    ],
)
async def test_who_is_not_in_the_room_cannot_be_changed(
    gateway: Gateway, clients: Clients, scene: Scene, change: str, room: str, who: str
) -> None:
    document, ask = CHANGES[change]
    where, whom = getattr(scene, room, room), getattr(scene, who, who)
    asked = Question(
        document.replace("ROOM", where).replace("WHO", whom),
        lambda clients, _: ask(clients, where, whom),
    )
    await check_refused(gateway, clients, scene, asked, LOST)


CHANGE_NOTHING = {
    "complete no room": Question(
        'mutation { completeRoom(ref: "$nowhere") { sid } }', lambda clients, _: clients.rooms.CompleteRoom(room=NOWHERE)
    ),
    "delete no recording": Question(
        'mutation { deleteRecording(recording: "' + "RT" + "0" * 32 + '") }',
        lambda clients, _: clients.recordings.DeleteRecording(recording="RT" + "0" * 32),
    ),
    "delete another room's recording": Question(
        'mutation { deleteRecording(room: "$room", recording: "$taken") }',
        lambda clients, scene: clients.recordings.DeleteRoomRecording(room=scene.room, recording=scene.taken),
    ),
    "delete a recording of no room": Question(
        'mutation { deleteRecording(room: "$nowhere", recording: "$recording") }',
        lambda clients, scene: clients.recordings.DeleteRoomRecording(room=NOWHERE, recording=scene.recording),
    ),
    "set recording rules of no room": Question(
        'mutation { updateRecordingRules(room: "$nowhere", rules: [{ type: INCLUDE, all: true }]) { roomSid } }',
        lambda clients, _: clients.recordings.UpdateRecordingRules(room=NOWHERE, rules=[in_grpc(RecordingRule, ALL)]),
    ),
    "transcribe no room": Question(
        'mutation { startTranscription(room: "$nowhere") { ttid } }',
        lambda clients, _: clients.transcriptions.CreateTranscription(room=NOWHERE),
    ),
    "stop a transcription of no room": Question(
        'mutation { updateTranscription(room: "$nowhere", transcription: "$ttid", status: STOPPED) { ttid } }',
        lambda clients, scene: clients.transcriptions.UpdateTranscription(
            room=NOWHERE, ttid=scene.ttid, status="TRANSCRIPTION_STATUS_STOPPED"
        ),
    ),
    "stop another room's transcription": Question(
        'mutation { updateTranscription(room: "$spare", transcription: "$ttid", status: STOPPED) { ttid } }',
        lambda clients, scene: clients.transcriptions.UpdateTranscription(
            room=scene.spare, ttid=scene.ttid, status="TRANSCRIPTION_STATUS_STOPPED"
        ),
    ),
    "a token for no room": Question(
        'mutation { mintAccessToken(identity: "Ada", room: "$nowhere") { identity } }',
        lambda clients, _: clients.tokens.MintAccessToken(identity="Ada", room=NOWHERE),
    ),
}  # fmt: skip


@pytest.mark.parametrize("asked", CHANGE_NOTHING.values(), ids=CHANGE_NOTHING)
async def test_what_is_not_there_cannot_be_changed(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_refused(gateway, clients, scene, asked, LOST)


TOO_LATE_TO = {
    "complete the room": Question(
        'mutation { completeRoom(ref: "$ended") { sid } }', lambda clients, scene: clients.rooms.CompleteRoom(room=scene.ended)
    ),
    "set subscribe rules": Question(
        """mutation { updateSubscribeRules(room: "$ended", participant: "$ended_participant",
            rules: [{ type: INCLUDE, all: true }]) { roomSid } }""",
        lambda clients, scene: clients.participants.UpdateSubscribeRules(
            room=scene.ended, participant=scene.ended_participant, rules=[in_grpc(SubscribeRule, ALL)]
        ),
    ),
    "set recording rules": Question(
        'mutation { updateRecordingRules(room: "$ended", rules: [{ type: INCLUDE, all: true }]) { roomSid } }',
        lambda clients, scene: clients.recordings.UpdateRecordingRules(
            room=scene.ended, rules=[in_grpc(RecordingRule, ALL)]
        ),
    ),
    "transcribe": Question(
        'mutation { startTranscription(room: "$ended") { ttid } }',
        lambda clients, scene: clients.transcriptions.CreateTranscription(room=scene.ended),
    ),
    "mint a token": Question(
        'mutation { mintAccessToken(identity: "Ada", room: "$ended") { identity } }',
        lambda clients, scene: clients.tokens.MintAccessToken(identity="Ada", room=scene.ended),
    ),
}  # fmt: skip


@pytest.mark.parametrize("asked", TOO_LATE_TO.values(), ids=TOO_LATE_TO)
async def test_a_room_that_has_ended_is_not_changed(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_refused(gateway, clients, scene, asked, TOO_LATE)


async def test_who_has_left_can_be_sent_out_again_and_nothing_happens(
    gateway: Gateway, clients: Clients, scene: Scene
) -> None:
    """With the room, or before it: what was asked for is so already."""
    read = "query($room: ID!, $who: ID!) { participant(room: $room, participant: $who) { status endTime dateUpdated } }"
    out = "mutation($room: ID!, $who: ID!) { disconnectParticipant(room: $room, participant: $who) { status } }"
    ref = {"room": scene.ended, "who": scene.ended_participant}
    before = await gateway.execute(read, **ref)
    assert (await gateway.execute(out, **ref))["disconnectParticipant"]["status"] == "DISCONNECTED"
    again = await clients.participants.DisconnectParticipant(
        room=scene.ended, participant=scene.ended_participant
    )
    assert again.participant.status == PARTICIPANT_STATUS_DISCONNECTED
    assert await gateway.execute(read, **ref) == before
