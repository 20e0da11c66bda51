"""Every documented limit below a room: at it a value is taken, beyond it refused on both faces, with nothing changed at
Twilio."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.rooms.v1.participant_pb2 import SubscribeRule
from gateway.rooms.v1.recording_pb2 import RecordingRule
from gateway.rooms.v1.transcription_pb2 import TranscriptionsConfiguration
from tests.flows.questions import (
    ALL,
    BAD,
    NOWHERE,
    Question,
    check_accepted,
    check_refused,
    in_graphql,
    in_grpc,
)
from tests.flows.scene import Scene
from tests.rpc.client import Clients
from tests.running import Gateway, new_sid

# Rules


def subscribe(*rules: dict[str, Any]) -> Question:
    written = " ".join(in_graphql(rule) for rule in rules)
    return Question(
        'mutation { updateSubscribeRules(room: "$room", participant: "$participant", rules: ['
        + written
        + "]) { roomSid } }",
        lambda clients, scene: clients.participants.UpdateSubscribeRules(
            room=scene.room,
            participant=scene.participant,
            rules=[in_grpc(SubscribeRule, rule) for rule in rules],
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
    "names of 128": [
        {"type": "INCLUDE", "publisher": "a" * 128},
        {"type": "EXCLUDE", "track": "a" * 128},
    ],
    "all filters in one": [{"type": "EXCLUDE", "kind": "VIDEO", "publisher": "a/b", "track": ".."}],
}


@pytest.mark.parametrize("build", [subscribe, record])
@pytest.mark.parametrize("wrong", BAD_RULES.values(), ids=BAD_RULES)
async def test_rules_that_mean_nothing_are_refused(
    gateway: Gateway,
    clients: Clients,
    scene: Scene,
    build: Callable[..., Question],
    wrong: list[dict[str, Any]],
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
    gateway: Gateway,
    clients: Clients,
    scene: Scene,
    build: Callable[..., Question],
    right: list[dict[str, Any]],
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
    camel = {
        re.sub("_(.)", lambda found: found[1].upper(), name): value
        for name, value in fields.items()
    }
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
        lambda clients, scene: clients.participants.ListParticipants(
            room=scene.room, identity=identity
        ),
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
    **{
        f"{most} in {type_}": create(type=type_, max_participants=most)
        for type_, most in MOST.items()
    },
    "the least": create(
        max_participants=1,
        max_participant_duration=600,
        empty_room_timeout=1,
        unused_room_timeout=1,
    ),
    "the most": create(
        max_participant_duration=86_400, empty_room_timeout=60, unused_room_timeout=60
    ),
}


@pytest.mark.parametrize("asked", BEYOND.values(), ids=BEYOND)
async def test_beyond_its_limit_a_value_is_refused(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_refused(gateway, clients, scene, asked, BAD)


@pytest.mark.parametrize("asked", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
async def test_at_its_limit_a_value_is_taken(
    gateway: Gateway, clients: Clients, scene: Scene, asked: Question
) -> None:
    await check_accepted(gateway, clients, scene, asked)


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
    assert (await gateway.execute(read, **ref))["participant"] == {"sid": sid, "identity": identity}
    gone = (await gateway.execute(out, **ref))["disconnectParticipant"]
    assert gone == {"sid": sid, "status": "DISCONNECTED"}
    assert (await gateway.execute(read, **ref))["participant"] is None


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
        document.replace("SIZE", str(first)), lambda clients, scene: ask(clients, scene, page_size)
    )  # fmt: skip


@pytest.mark.parametrize(
    "document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1]
)
async def test_a_page_holds_1_to_100(
    gateway: Gateway, clients: Clients, scene: Scene, document: str
) -> None:
    """gRPC takes 0 as left out and cuts off at 100: https://google.aip.dev/158"""
    await check_accepted(gateway, clients, scene, page(document, 1, 0))
    await check_accepted(gateway, clients, scene, page(document, 100, 101))
    for first in (0, 101):
        await check_refused(gateway, clients, scene, page(document, first, -1), BAD)


@pytest.mark.parametrize(
    "document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1]
)
async def test_a_page_after_nonsense_is_refused(
    gateway: Gateway, clients: Clients, scene: Scene, document: str
) -> None:
    refused = await gateway.execute_error(
        Question(document.replace("SIZE", '5, after: "nonsense"'), clients).document(scene)
    )  # type: ignore[arg-type]
    assert refused["code"] == "BAD_USER_INPUT"


async def test_100_nodes_are_found_at_once_and_101_refused(gateway: Gateway, scene: Scene) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await gateway.execute(document, ids=[scene.room] * 100)
    assert found["nodes"] == [{"id": scene.room}] * 100
    assert (await gateway.execute(document, ids=[]))["nodes"] == []
    refused = await gateway.execute_error(document, ids=[scene.room] * 101)
    assert (refused["code"], "give up to 100" in refused["message"]) == ("BAD_USER_INPUT", True)
