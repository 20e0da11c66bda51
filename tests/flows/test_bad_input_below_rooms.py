"""What a caller gets wrong below a room is answered alike on both faces: with the documented code, a sentence that says
what to do, and nothing changed at Twilio."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from string import Template
from typing import Any

import pytest

from gateway.rooms.v1.participant_pb2 import PARTICIPANT_STATUS_DISCONNECTED, SubscribeRule
from gateway.rooms.v1.recording_pb2 import RecordingRule
from gateway.rooms.v1.transcription_pb2 import TranscriptionsConfiguration
from tests.flows.scene import Scene, set_the_scene
from tests.rpc.client import Clients, refusal
from tests.running import Gateway, new_sid

BAD, LOST, TOO_LATE = "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"
IN_GRAPHQL = {BAD: "BAD_USER_INPUT", LOST: "NOT_FOUND", TOO_LATE: "FAILED_PRECONDITION"}
WHAT_TO_DO = re.compile(
    r"\b(give|remove|use|check|choose|leave|alone|shorten|create|ask|nothing is left to do|cannot be changed)\b"
)
BY_THE_SCHEMA = re.compile(r"does not exist in '\w+' enum")


@dataclass(frozen=True, slots=True)
class Question:
    """On both faces. In `graphql` a `$name` is the scene's."""

    graphql: str
    grpc: Callable[[Clients, Scene], Awaitable[Any]]

    def document(self, scene: Scene) -> str:
        return Template(self.graphql).substitute(asdict(scene), nowhere=NOWHERE, nobody=NOBODY)


NOWHERE, NOBODY = new_sid("RM"), new_sid("PA")


@pytest.fixture(scope="module")
async def scene(gateway: Gateway) -> Scene:
    return await set_the_scene(gateway)


async def check_refused(gateway: Gateway, clients: Clients, scene: Scene, asked: Question, code: str) -> None:
    """Twilio is not asked to change anything by what the gateway can see to be wrong, and has agreed to nothing else."""
    before = time.time()
    by_graphql = await gateway.refusal(asked.document(scene))
    status, info, by_grpc = await refusal(asked.grpc(clients, scene))
    calls = await gateway.sandbox("GET", f"/calls?since={before}")
    writes = [call["status"] for call in calls if call["method"] != "GET"]
    assert (by_graphql["code"], status, info.reason) == (IN_GRAPHQL[code], code, code), (by_graphql, by_grpc)
    assert by_graphql.get("twilio", {}).get("code") == (int(info.metadata.get("twilioCode", 0)) or None)
    for sentence in (by_graphql["message"], by_grpc):
        assert WHAT_TO_DO.search(sentence) or BY_THE_SCHEMA.search(sentence), sentence
    assert all(answered >= 400 for answered in writes)
    assert code is not BAD or not writes


async def check_accepted(gateway: Gateway, clients: Clients, scene: Scene, asked: Question) -> None:
    await gateway.ask(asked.document(scene))
    await asked.grpc(clients, scene)


# Rules

NAMES = ("publisher", "track")
ALL = {"type": "INCLUDE", "all": True}
WORDS = {"type": "RULE_TYPE_", "priority": "TRACK_PRIORITY_"}


def in_graphql(rule: dict[str, Any]) -> str:
    """As GraphQL writes it."""
    parts = ((name, f'"{value}"' if name in NAMES else str(value)) for name, value in rule.items())
    return "{" + ", ".join(f"{name}: {value.lower() if name == 'all' else value}" for name, value in parts) + "}"


def in_grpc(kind: type[Any], rule: dict[str, Any]) -> Any:
    words = {**WORDS, "kind": "RECORDED_KIND_" if kind is RecordingRule else "TRACK_KIND_"}
    return kind(**{name: words[name] + value if name in words else value for name, value in rule.items()})


def subscribe(*rules: dict[str, Any]) -> Question:
    written = " ".join(in_graphql(rule) for rule in rules)
    return Question(
        'mutation { updateSubscribeRules(room: "$room", participant: "$participant", rules: ['
        + written
        + "]) { roomSid } }",
        lambda clients, scene: clients.participants.UpdateSubscribeRules(
            room=scene.room, participant=scene.participant, rules=[in_grpc(SubscribeRule, rule) for rule in rules]
        ),
    )


def record(*rules: dict[str, Any]) -> Question:
    written = " ".join(in_graphql(rule) for rule in rules)
    return Question(
        'mutation { updateRecordingRules(room: "$room", rules: [' + written + "]) { roomSid } }",
        lambda clients, scene: clients.recordings.UpdateRecordingRules(
            room=scene.room, rules=[in_grpc(RecordingRule, rule) for rule in rules]
        ),
    )


def rules(count: int) -> list[dict[str, Any]]:
    return [{"type": "INCLUDE", "track": f"track {number}"} for number in range(count)]


BAD_RULES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "21": rules(21),
    "no filter": [{"type": "INCLUDE"}],
    "all false": [{"type": "INCLUDE", "all": False}],
    "all beside kind": [{**ALL, "kind": "AUDIO"}],
    "all beside publisher": [{**ALL, "publisher": "Ada"}],
    "all beside track": [{**ALL, "track": "cam"}],
    "the same twice": [ALL, {"type": "EXCLUDE", "kind": "AUDIO"}, ALL],
    "a contradiction": [{"type": "INCLUDE", "kind": "AUDIO"}, {"type": "EXCLUDE", "kind": "AUDIO"}],
    "publisher of 129": [{"type": "INCLUDE", "publisher": "a" * 129}],
    "track of 129": [{"type": "INCLUDE", "track": "a" * 129}],
    "empty publisher": [{"type": "INCLUDE", "publisher": ""}],
}
GOOD_RULES: dict[str, list[dict[str, Any]]] = {
    "1": rules(1),
    "20": rules(20),
    "names of 128": [{"type": "INCLUDE", "publisher": "a" * 128}, {"type": "EXCLUDE", "track": "a" * 128}],
    "all filters in one": [{"type": "EXCLUDE", "kind": "VIDEO", "publisher": "a/b", "track": ".."}],
}


@pytest.mark.parametrize("build", [subscribe, record])
@pytest.mark.parametrize("wrong", BAD_RULES.values(), ids=BAD_RULES)
async def test_rules_that_mean_nothing_are_refused(
    gateway: Gateway, clients: Clients, scene: Scene, build: Callable[..., Question], wrong: list[dict[str, Any]]
) -> None:
    await check_refused(gateway, clients, scene, build(*wrong), BAD)


@pytest.mark.parametrize(
    "wrong",
    [{**ALL, "priority": "HIGH"}, {"type": "INCLUDE", "priority": "HIGH"}, {"type": "INCLUDE", "kind": "UNKNOWN"},
     {"type": "INCLUDE", "kind": "DATA", "priority": "UNKNOWN"}],
    ids=["all beside priority", "priority alone", "an unknown kind", "an unknown priority"],
)  # fmt: skip
async def test_subscribe_rules_that_mean_nothing_are_refused(
    gateway: Gateway, clients: Clients, scene: Scene, wrong: dict[str, Any]
) -> None:
    await check_refused(gateway, clients, scene, subscribe(wrong), BAD)


@pytest.mark.parametrize("build", [subscribe, record])
@pytest.mark.parametrize("right", GOOD_RULES.values(), ids=GOOD_RULES)
async def test_rules_at_their_limits_are_set(
    gateway: Gateway, clients: Clients, scene: Scene, build: Callable[..., Question], right: list[dict[str, Any]]
) -> None:
    await check_accepted(gateway, clients, scene, build(*right))


# Other limits


def hints(*phrases: str) -> Question:
    written = " ".join(f'"{phrase}"' for phrase in phrases)
    return Question(
        """mutation { updateTranscription(room: "$room", transcription: "$ttid",
            configuration: { hints: [""" + written + "] }) { ttid } }",
        lambda clients, scene: clients.transcriptions.UpdateTranscription(
            room=scene.room, ttid=scene.ttid, configuration=TranscriptionsConfiguration(hints=phrases)
        ),
    )  # fmt: skip


def mint(identity: str, ttl_s: int | None = None, room: str | None = None) -> Question:
    more = "" if ttl_s is None else f', ttl: "PT{ttl_s}S"'
    where = "" if room is None else ', room: "$room"'
    return Question(
        f"mutation {{ mintAccessToken(identity: {json.dumps(identity)}{more}{where}) {{ identity }} }}",
        lambda clients, scene: clients.tokens.MintAccessToken(
            identity=identity, ttl_s=ttl_s, room=scene.room if room else ""
        ),
    )


def create(**fields: Any) -> Question:
    camel = {re.sub("_(.)", lambda found: found[1].upper(), name): value for name, value in fields.items()}
    written = ", ".join(f"{name}: {value}" for name, value in camel.items())
    given = {**fields, "type": f"ROOM_TYPE_{fields['type']}"} if "type" in fields else fields
    return Question(
        f"mutation {{ createRoom(input: {{ {written} }}) {{ sid }} }}",
        lambda clients, _: clients.rooms.CreateRoom(**given),
    )


def grouped(*sids: str) -> Question:
    written = " ".join(f'"{sid}"' for sid in sids)
    return Question(
        "{ recordings(groupingSids: [" + written + "]) { nodes { sid } } }",
        lambda clients, _: clients.recordings.ListRecordings(grouping_sids=sids),
    )


def people(identity: str) -> Question:
    return Question(
        f'{{ room(ref: "$room") {{ participants(identity: "{identity}") {{ nodes {{ sid }} }} }} }}',
        lambda clients, scene: clients.participants.ListParticipants(room=scene.room, identity=identity),
    )


MOST = {"GROUP": 50, "GROUP_SMALL": 4, "PEER_TO_PEER": 10, "GO": 2}

BEYOND = {
    "501 hints": hints(*["a"] * 501),
    "a hint of 101": hints("a" * 101),
    "ttl of 0": mint("Ada", 0),
    "ttl of a day and a second": mint("Ada", 86_401),
    "ttl beyond the room's longest stay": mint("Ada", 14_401, "room"),
    "no identity": mint(""),
    "identity of 129": mint("a" * 129),
    "identity of 65 that count twice": mint("ü" * 65),
    "identity with a newline": mint("a\nb"),
    "filter by an identity of 129": people("a" * 129),
    "filter by an empty identity": people(""),
    "21 grouping SIDs": grouped(*(new_sid("PA") for _ in range(21))),
    "a track among grouping SIDs": grouped(NOWHERE, new_sid("MT")),
    **{f"no participants in {type_}": create(type=type_, max_participants=0) for type_ in MOST},
    **{f"{most + 1} in {type_}": create(type=type_, max_participants=most + 1) for type_, most in MOST.items()},
    "a session of 599": create(max_participant_duration=599),
    "a session of 86401": create(max_participant_duration=86_401),
    "empty for 0": create(empty_room_timeout=0),
    "empty for 61": create(empty_room_timeout=61),
    "unused for 0": create(unused_room_timeout=0),
    "unused for 61": create(unused_room_timeout=61),
    "a room of an unknown type": create(type="UNKNOWN"),
}  # fmt: skip
AT_THE_LIMIT = {
    "500 hints": hints(*["a"] * 500),
    "a hint of 100": hints("a" * 100),
    "ttl of 1": mint("Ada", 1),
    "ttl of a day": mint("Ada", 86_400),
    "ttl of the room's longest stay": mint("Ada", 14_400, "room"),
    "identity of 1": mint("a"),
    "identity of 128": mint("a" * 128),
    "identity of 64 that count twice": mint("ü" * 64),
    "filter by an identity of 128": people("a" * 128),
    "no grouping SIDs": grouped(),
    "20 grouping SIDs": grouped(*(new_sid("PA") for _ in range(20))),
    **{f"{most} in {type_}": create(type=type_, max_participants=most) for type_, most in MOST.items()},
    "the least": create(max_participants=1, max_participant_duration=600, empty_room_timeout=1, unused_room_timeout=1),
    "the most": create(max_participant_duration=86_400, empty_room_timeout=60, unused_room_timeout=60),
}


@pytest.mark.parametrize("asked", BEYOND.values(), ids=BEYOND)
async def test_beyond_its_limit_a_value_is_refused(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_refused(gateway, clients, scene, asked, BAD)


@pytest.mark.parametrize("asked", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
async def test_at_its_limit_a_value_is_taken(gateway: Gateway, clients: Clients, scene: Scene, asked: Question) -> None:
    await check_accepted(gateway, clients, scene, asked)


# Pages

PAGES = {
    "{ room(ref: \"$room\") { participants(first: SIZE) { nodes { sid } } } }": (
        lambda clients, scene, size: clients.participants.ListParticipants(room=scene.room, page_size=size)
    ),
    "{ participant(room: \"$room\", participant: \"Ada\") { publishedTracks(first: SIZE) { nodes { sid } } } }": (
        lambda clients, scene, size: clients.participants.ListPublishedTracks(
            room=scene.room, participant="Ada", page_size=size
        )
    ),
    "{ participant(room: \"$room\", participant: \"Ada\") { subscribedTracks(first: SIZE) { nodes { sid } } } }": (
        lambda clients, scene, size: clients.participants.ListSubscribedTracks(
            room=scene.room, participant="Ada", page_size=size
        )
    ),
    "{ room(ref: \"$room\") { recordings(first: SIZE) { nodes { sid } } } }": (
        lambda clients, scene, size: clients.recordings.ListRoomRecordings(room=scene.room, page_size=size)
    ),
    "{ recordings(first: SIZE) { nodes { sid } } }": (
        lambda clients, scene, size: clients.recordings.ListRecordings(page_size=size)
    ),
    "{ room(ref: \"$room\") { transcriptions(first: SIZE) { nodes { ttid } } } }": (
        lambda clients, scene, size: clients.transcriptions.ListTranscriptions(room=scene.room, page_size=size)
    ),
    "{ insightsRooms(first: SIZE) { nodes { roomSid } } }": (
        lambda clients, scene, size: clients.insights.ListInsightsRooms(page_size=size)
    ),
    "{ insightsRoom(sid: \"$ended\") { participants(first: SIZE) { nodes { participantSid } } } }": (
        lambda clients, scene, size: clients.insights.ListInsightsParticipants(room=scene.ended, page_size=size)
    ),
    "{ room(ref: \"$room\") { events(first: SIZE) { nodes { cursor } } } }": (
        lambda clients, scene, size: clients.rooms.ListRoomEvents(room=scene.room, page_size=size)
    ),
}  # fmt: skip


def page(document: str, first: int, page_size: int) -> Question:
    ask = PAGES[document]
    return Question(
        document.replace("SIZE", str(first)), lambda clients, scene: ask(clients, scene, page_size)  # type: ignore[no-any-return]
    )  # fmt: skip


@pytest.mark.parametrize("document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1])
async def test_a_page_holds_1_to_100(gateway: Gateway, clients: Clients, scene: Scene, document: str) -> None:
    """gRPC takes 0 as left out and cuts off at 100: https://google.aip.dev/158"""
    await check_accepted(gateway, clients, scene, page(document, 1, 0))
    await check_accepted(gateway, clients, scene, page(document, 100, 101))
    for first in (0, 101):
        await check_refused(gateway, clients, scene, page(document, first, -1), BAD)


@pytest.mark.parametrize("document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1])
async def test_a_page_after_nonsense_is_refused(
    gateway: Gateway, clients: Clients, scene: Scene, document: str
) -> None:
    refused = await gateway.refusal(Question(document.replace("SIZE", '5, after: "nonsense"'), clients).document(scene))  # type: ignore[arg-type]
    assert refused["code"] == "BAD_USER_INPUT"


async def test_100_nodes_are_found_at_once_and_101_refused(gateway: Gateway, scene: Scene) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await gateway.ask(document, ids=[scene.room] * 100)
    assert found["nodes"] == [{"id": scene.room}] * 100
    assert (await gateway.ask(document, ids=[]))["nodes"] == []
    refused = await gateway.refusal(document, ids=[scene.room] * 101)
    assert (refused["code"], "give up to 100" in refused["message"]) == ("BAD_USER_INPUT", True)


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
async def test_what_it_cannot_be_is_refused(gateway: Gateway, clients: Clients, scene: Scene, asked: Question) -> None:
    await check_refused(gateway, clients, scene, asked, BAD)


@pytest.mark.parametrize(
    "identity", ["a/b", "..", ".", "../Rooms", "%2e%2e", "a b", "ü?&=#", "日本", "'\"\\", "a" * 128]
)
async def test_any_printable_identity_is_found_and_sent_out(
    gateway: Gateway, clients: Clients, scene: Scene, identity: str
) -> None:
    ref = {"room": scene.room, "who": identity}
    read = "query($room: ID!, $who: ID!) { participant(room: $room, participant: $who) { sid identity } }"
    out = "mutation($room: ID!, $who: ID!) { disconnectParticipant(room: $room, participant: $who) { sid status } }"
    body = {"identity": identity, "tracks": []}
    sid = (await gateway.sandbox("POST", f"/rooms/{scene.room}/participants", body))["sid"]
    found = await clients.participants.GetParticipant(room=scene.room, participant=identity)
    assert (found.participant.sid, found.participant.identity) == (sid, identity)
    assert (await gateway.ask(read, **ref))["participant"] == {"sid": sid, "identity": identity}
    gone = (await gateway.ask(out, **ref))["disconnectParticipant"]
    assert gone == {"sid": sid, "status": "DISCONNECTED"}
    assert (await gateway.ask(read, **ref))["participant"] is None


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
    found: Any = await gateway.ask(asked.document(scene))
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
        lambda clients, room, who: clients.participants.DisconnectParticipant(room=room, participant=who),
    ),
    "anonymize": (
        'mutation { anonymizeParticipant(room: "ROOM", participant: "WHO") { sid } }',
        lambda clients, room, who: clients.participants.AnonymizeParticipant(room=room, participant=who),
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
        ("room", NOBODY),
        ("room", "nobody"),
        ("spare", "Ada"),
        (NOWHERE, "participant"),
        (NOWHERE, "Ada"),
    ],
    ids=["another's", "nobody", "no identity", "an identity elsewhere", "in no room", "an identity in no room"],
)
async def test_who_is_not_in_the_room_cannot_be_changed(
    gateway: Gateway, clients: Clients, scene: Scene, change: str, room: str, who: str
) -> None:
    document, ask = CHANGES[change]
    where, whom = getattr(scene, room, room), getattr(scene, who, who)
    asked = Question(document.replace("ROOM", where).replace("WHO", whom), lambda clients, _: ask(clients, where, whom))
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
    before = await gateway.ask(read, **ref)
    assert (await gateway.ask(out, **ref))["disconnectParticipant"]["status"] == "DISCONNECTED"
    again = await clients.participants.DisconnectParticipant(room=scene.ended, participant=scene.ended_participant)
    assert again.participant.status == PARTICIPANT_STATUS_DISCONNECTED
    assert await gateway.ask(read, **ref) == before
