"""Documented limits of resources below a room.

Both faces accept a value at its limit and reject a value beyond it. A rejected value
changes nothing at Twilio.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.gql.schema.names import graphql_name
from gateway.rpc.v1.participant_pb2 import SubscribeRule
from gateway.rpc.v1.recording_pb2 import RecordingRule
from gateway.rpc.v1.transcription_pb2 import TranscriptionsConfiguration
from tests.flows.api_calls import (
    ALL,
    INVALID_ARGUMENT,
    MISSING_ROOM,
    ApiCall,
    check_accepted,
    check_rejected,
    rule_to_graphql,
    rule_to_grpc,
)
from tests.flows.scenario import FlowScenario
from tests.rpc.client import Clients
from tests.running import Gateway, new_sid

# Rules


def subscribe(*rules: dict[str, Any]) -> ApiCall:
    written = " ".join(rule_to_graphql(rule) for rule in rules)
    return ApiCall(
        """mutation { updateSubscribeRules(input: {room: {sid: "$room"}, participant: {sid:
            "$participant"}, rules: ["""
        + written
        + "]}) { subscribeRules { roomSid } errors { code message field } } }",
        lambda clients, scenario: clients.participants.UpdateSubscribeRules(
            room=scenario.room,
            participant=scenario.participant,
            rules=[rule_to_grpc(SubscribeRule, rule) for rule in rules],
        ),
    )


def record(*rules: dict[str, Any]) -> ApiCall:
    written = " ".join(rule_to_graphql(rule) for rule in rules)
    return ApiCall(
        'mutation { updateRecordingRules(input: {room: {sid: "$room"}, rules: ['
        + written
        + "]}) { recordingRules { roomSid } errors { code message field } } }",
        lambda clients, scenario: clients.recordings.UpdateRecordingRules(
            room=scenario.room, rules=[rule_to_grpc(RecordingRule, rule) for rule in rules]
        ),
    )


def track_rules(count: int) -> list[dict[str, Any]]:
    return [{"type": "INCLUDE", "track": f"track {number}"} for number in range(count)]


BAD_RULES: dict[str, list[dict[str, Any]]] = {
    "no rules": [],
    "21 rules": track_rules(21),
    "no filter": [{"type": "INCLUDE"}],
    "all: false": [{"type": "INCLUDE", "all": False}],
    "all with kind": [{**ALL, "kind": "AUDIO"}],
    "all with publisher": [{**ALL, "publisher": "Ada"}],
    "all with track": [{**ALL, "track": "cam"}],
    "repeated rule": [ALL, {"type": "EXCLUDE", "kind": "AUDIO"}, ALL],
    "contradictory rules": [
        {"type": "INCLUDE", "kind": "AUDIO"},
        {"type": "EXCLUDE", "kind": "AUDIO"},
    ],
    "publisher of 129 characters": [{"type": "INCLUDE", "publisher": "a" * 129}],
    "track of 129 characters": [{"type": "INCLUDE", "track": "a" * 129}],
    "empty publisher": [{"type": "INCLUDE", "publisher": ""}],
}
GOOD_RULES: dict[str, list[dict[str, Any]]] = {
    "1 rule": track_rules(1),
    "20 rules": track_rules(20),
    "names of 128 characters": [
        {"type": "INCLUDE", "publisher": "a" * 128},
        {"type": "EXCLUDE", "track": "a" * 128},
    ],
    "all filters in one rule": [
        {"type": "EXCLUDE", "kind": "VIDEO", "publisher": "a/b", "track": ".."}
    ],
}


@pytest.mark.parametrize("build", [subscribe, record])
@pytest.mark.parametrize("rules", BAD_RULES.values(), ids=BAD_RULES)
async def test_invalid_rules_are_rejected(
    gateway: Gateway,
    clients: Clients,
    scenario: FlowScenario,
    build: Callable[..., ApiCall],
    rules: list[dict[str, Any]],
) -> None:
    await check_rejected(gateway, clients, scenario, build(*rules), INVALID_ARGUMENT)


@pytest.mark.parametrize(
    "rule",
    [
        {**ALL, "priority": "HIGH"},
        {"type": "INCLUDE", "priority": "HIGH"},
        {"type": "INCLUDE", "kind": "UNKNOWN"},
        {"type": "INCLUDE", "kind": "DATA", "priority": "UNKNOWN"},
    ],
    ids=["all with priority", "priority only", "unknown kind", "unknown priority"],
)
async def test_invalid_subscribe_rules_are_rejected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, rule: dict[str, Any]
) -> None:
    await check_rejected(gateway, clients, scenario, subscribe(rule), INVALID_ARGUMENT)


@pytest.mark.parametrize("build", [subscribe, record])
@pytest.mark.parametrize("rules", GOOD_RULES.values(), ids=GOOD_RULES)
async def test_rules_at_their_limits_are_accepted(
    gateway: Gateway,
    clients: Clients,
    scenario: FlowScenario,
    build: Callable[..., ApiCall],
    rules: list[dict[str, Any]],
) -> None:
    await check_accepted(gateway, clients, scenario, build(*rules))


# Other limits


def hints(*phrases: str) -> ApiCall:
    written = " ".join(f'"{phrase}"' for phrase in phrases)
    return ApiCall(
        """mutation { updateTranscription(input: {room: {sid: "$room"}, transcription: "$ttid",
            configuration: { hints: ["""
        + written
        + "] }}) { transcription { ttid } errors { code message field } } }",
        lambda clients, scenario: clients.transcriptions.UpdateTranscription(
            room=scenario.room,
            transcription=scenario.ttid,
            configuration=TranscriptionsConfiguration(hints=phrases),
        ),
    )


def mint(identity: str, ttl_s: int | None = None, room: str | None = None) -> ApiCall:
    more = "" if ttl_s is None else f", ttlSeconds: {ttl_s}"
    where = "" if room is None else ', room: {sid: "$room"}'
    return ApiCall(
        f"mutation {{ mintAccessToken(input: {{identity: {json.dumps(identity)}{more}{where}}}) {{"
        " accessToken { identity } errors { code message field } } }",
        lambda clients, scenario: clients.tokens.MintAccessToken(
            identity=identity,
            ttl=None if ttl_s is None else timedelta(seconds=ttl_s),
            room=scenario.room if room else "",
        ),
    )


UNITS = {
    "max_participant_duration": timedelta(seconds=1),
    "empty_room_timeout": timedelta(minutes=1),
    "unused_room_timeout": timedelta(minutes=1),
}


def create(**fields: Any) -> ApiCall:
    written = ", ".join(f"{graphql_name(name)}: {value}" for name, value in fields.items())
    given = {name: value * UNITS.get(name, 1) for name, value in fields.items()}
    if "type" in given:
        given["type"] = f"ROOM_TYPE_{given['type']}"
    return ApiCall(
        f"mutation {{ createRoom(input: {{ {written} }}) {{ room {{ sid }}"
        " errors { code message field } } }",
        lambda clients, _: clients.rooms.CreateRoom(**given),
    )


def grouped(*sids: str) -> ApiCall:
    written = " ".join(f'"{sid}"' for sid in sids)
    return ApiCall(
        "{ recordings(filter: {groupingSids: [" + written + "]}) { nodes { sid } } }",
        lambda clients, _: clients.recordings.ListRecordings(grouping_sids=sids),
    )


def participants(identity: str) -> ApiCall:
    return ApiCall(
        f'{{ room(ref: {{sid: "$room"}}) {{ participants(filter: {{identity: "{identity}"}}) {{'
        " nodes { sid } } } }",
        lambda clients, scenario: clients.participants.ListParticipants(
            room=scenario.room, identity=identity
        ),
    )


MAX_PARTICIPANTS = {"GROUP": 50, "GROUP_SMALL": 4, "PEER_TO_PEER": 10, "GO": 2}

BEYOND_THE_LIMIT = {
    "501 hints": hints(*["a"] * 501),
    "hint of 101 characters": hints("a" * 101),
    "ttl of 0 s": mint("Ada", 0),
    "ttl of 86401 s": mint("Ada", 86_401),
    "ttl beyond the maximum participant duration": mint("Ada", 14_401, "room"),
    "empty identity": mint(""),
    "identity of 129 characters": mint("a" * 129),
    "identity of 65 double-byte characters": mint("ü" * 65),
    "identity with a newline": mint("a\nb"),
    "filter by an identity of 129 characters": participants("a" * 129),
    "filter by an empty identity": participants(""),
    "21 grouping SIDs": grouped(*(new_sid("PA") for _ in range(21))),
    "track SID in grouping SIDs": grouped(MISSING_ROOM, new_sid("MT")),
    **{
        f"0 participants in {type_}": create(type=type_, max_participants=0)
        for type_ in MAX_PARTICIPANTS
    },
    **{
        f"{maximum + 1} participants in {type_}": create(type=type_, max_participants=maximum + 1)
        for type_, maximum in MAX_PARTICIPANTS.items()
    },
    "participant duration of 599 s": create(max_participant_duration=599),
    "participant duration of 86401 s": create(max_participant_duration=86_401),
    "empty room timeout of 0": create(empty_room_timeout=0),
    "empty room timeout of 61": create(empty_room_timeout=61),
    "unused room timeout of 0": create(unused_room_timeout=0),
    "unused room timeout of 61": create(unused_room_timeout=61),
    "unknown room type": create(type="UNKNOWN"),
}
AT_THE_LIMIT = {
    "500 hints": hints(*["a"] * 500),
    "hint of 100 characters": hints("a" * 100),
    "ttl of 1 s": mint("Ada", 1),
    "ttl of 86400 s": mint("Ada", 86_400),
    "ttl of the maximum participant duration": mint("Ada", 14_400, "room"),
    "identity of 1 character": mint("a"),
    "identity of 128 characters": mint("a" * 128),
    "identity of 64 double-byte characters": mint("ü" * 64),
    "filter by an identity of 128 characters": participants("a" * 128),
    "no grouping SIDs": grouped(),
    "20 grouping SIDs": grouped(*(new_sid("PA") for _ in range(20))),
    **{
        f"{maximum} participants in {type_}": create(type=type_, max_participants=maximum)
        for type_, maximum in MAX_PARTICIPANTS.items()
    },
    "all minimums": create(
        max_participants=1,
        max_participant_duration=600,
        empty_room_timeout=1,
        unused_room_timeout=1,
    ),
    "all maximums": create(
        max_participant_duration=86_400, empty_room_timeout=60, unused_room_timeout=60
    ),
}


@pytest.mark.parametrize("call", BEYOND_THE_LIMIT.values(), ids=BEYOND_THE_LIMIT)
async def test_value_beyond_its_limit_is_rejected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await check_rejected(gateway, clients, scenario, call, INVALID_ARGUMENT)


@pytest.mark.parametrize("call", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT)
async def test_value_at_its_limit_is_accepted(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, call: ApiCall
) -> None:
    await check_accepted(gateway, clients, scenario, call)


@pytest.mark.parametrize(
    "identity", ["a/b", "..", ".", "../Rooms", "%2e%2e", "a b", "ü?&=#", "日本", "'\"\\", "a" * 128]
)
async def test_participant_with_any_printable_identity_is_found_and_disconnected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, identity: str
) -> None:
    read = """query($room: ID!, $identity: String!) {
        participant(room: {sid: $room}, ref: {identity: $identity}) { sid identity } }"""
    by_identity = {"room": scenario.room, "identity": identity}
    disconnect = """mutation($room: ID!, $identity: String!) {
        disconnectParticipant(input: {room: {sid: $room}, participant: {identity: $identity}}) {
            participant { sid status } errors { code } } }"""
    body = {"identity": identity, "tracks": []}
    sid = (await gateway.sandbox("POST", f"/rooms/{scenario.room}/participants", body))["sid"]
    found = await clients.participants.GetParticipant(room=scenario.room, participant=identity)
    assert (found.participant.sid, found.participant.identity) == (sid, identity)
    participant = (await gateway.execute(read, **by_identity))["participant"]
    assert participant == {"sid": sid, "identity": identity}
    left = (await gateway.execute(disconnect, **by_identity))["disconnectParticipant"][
        "participant"
    ]
    assert left == {"sid": sid, "status": "DISCONNECTED"}
    assert (await gateway.execute(read, **by_identity))["participant"] is None


# Pages

PAGES: dict[str, Callable[[Clients, FlowScenario, int], Awaitable[Any]]] = {
    '{ room(ref: {sid: "$room"}) { participants(first: SIZE) { nodes { sid } } } }': (
        lambda clients, scenario, size: clients.participants.ListParticipants(
            room=scenario.room, page_size=size
        )
    ),
    """{ participant(room: {sid: "$room"}, ref: {identity: "Ada"}) { publishedTracks(first: SIZE)
        { nodes {
        sid } } } }""": (
        lambda clients, scenario, size: clients.participants.ListPublishedTracks(
            room=scenario.room, participant="Ada", page_size=size
        )
    ),
    """{ participant(room: {sid: "$room"}, ref: {identity: "Ada"}) { subscribedTracks(first:
        SIZE) { nodes {
        sid } } } }""": (
        lambda clients, scenario, size: clients.participants.ListSubscribedTracks(
            room=scenario.room, participant="Ada", page_size=size
        )
    ),
    '{ room(ref: {sid: "$room"}) { recordings(first: SIZE) { nodes { sid } } } }': (
        lambda clients, scenario, size: clients.recordings.ListRoomRecordings(
            room=scenario.room, page_size=size
        )
    ),
    "{ recordings(first: SIZE) { nodes { sid } } }": (
        lambda clients, scenario, size: clients.recordings.ListRecordings(page_size=size)
    ),
    '{ room(ref: {sid: "$room"}) { transcriptions(first: SIZE) { nodes { ttid } } } }': (
        lambda clients, scenario, size: clients.transcriptions.ListTranscriptions(
            room=scenario.room, page_size=size
        )
    ),
    "{ insightsRooms(first: SIZE) { nodes { roomSid } } }": (
        lambda clients, scenario, size: clients.insights.ListInsightsRooms(page_size=size)
    ),
    '{ insightsRoom(ref: "$ended") { participants(first: SIZE) { nodes { participantSid } } } }': (
        lambda clients, scenario, size: clients.insights.ListInsightsParticipants(
            room=scenario.ended, page_size=size
        )
    ),
    '{ room(ref: {sid: "$room"}) { events(first: SIZE) { nodes { cursor } } } }': (
        lambda clients, scenario, size: clients.rooms.ListRoomEvents(
            room=scenario.room, page_size=size
        )
    ),
}


def page(document: str, first: int, page_size: int) -> ApiCall:
    grpc_call = PAGES[document]
    return ApiCall(
        document.replace("SIZE", str(first)),
        lambda clients, scenario: grpc_call(clients, scenario, page_size),
    )


@pytest.mark.parametrize(
    "document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1]
)
async def test_page_size_is_1_to_100(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, document: str
) -> None:
    """gRPC treats 0 as the default and reduces a larger size to 100.

    https://google.aip.dev/158
    """
    await check_accepted(gateway, clients, scenario, page(document, 1, 0))
    await check_accepted(gateway, clients, scenario, page(document, 100, 101))
    for first in (0, 101):
        await check_rejected(
            gateway, clients, scenario, page(document, first, -1), INVALID_ARGUMENT
        )


@pytest.mark.parametrize(
    "document", PAGES, ids=lambda document: re.findall(r"(\w+)\(", document)[-1]
)
async def test_page_after_an_invalid_cursor_is_rejected(
    gateway: Gateway, clients: Clients, scenario: FlowScenario, document: str
) -> None:
    text = document.replace("SIZE", '5, after: "nonsense"')
    error = await gateway.execute_error(ApiCall(text, no_grpc_call).document(scenario))
    assert error["code"] == "BAD_USER_INPUT"


async def no_grpc_call(clients: Clients, scenario: FlowScenario) -> None:
    raise AssertionError("this call has no gRPC form")


async def test_60_nodes_are_accepted_and_61_rejected(
    gateway: Gateway, scenario: FlowScenario
) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = await gateway.execute(document, ids=[scenario.room] * 60)
    assert found["nodes"] == [{"id": scenario.room}] * 60
    assert (await gateway.execute(document, ids=[]))["nodes"] == []
    error = await gateway.execute_error(document, ids=[scenario.room] * 61)
    assert (error["code"], "send at most 60 ids" in error["message"]) == ("BAD_USER_INPUT", True)
