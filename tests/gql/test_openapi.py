"""Every operation of Twilio's OpenAPI documents has a field in the schema.

Its response can be selected, and its parameters can be sent.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLInputObjectType, get_named_type
from strawberry.utils.str_converters import to_camel_case

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.names import graphql_name
from tests.flows.contract import LEFT_OUT, SPELLINGS

SAMPLES = Path(__file__).parents[1] / "samples"
ROOTS = ("/v1/Rooms", "/v1/Recordings", "/v1/Video")
VERBS = ("get", "post", "delete")

FIELDS = {
    "ListRoom": "Query.rooms",
    "FetchRoom": "Query.room",
    "CreateRoom": "Mutation.createRoom",
    "UpdateRoom": "Mutation.completeRoom",
    "ListRoomParticipant": "Room.participants",
    "FetchRoomParticipant": "Room.participant",
    "UpdateRoomParticipant": "Mutation.disconnectParticipant",
    "UpdateRoomParticipantAnonymize": "Mutation.anonymizeParticipant",
    "ListRoomParticipantPublishedTrack": "Participant.publishedTracks",
    "FetchRoomParticipantPublishedTrack": "Participant.publishedTrack",
    "ListRoomParticipantSubscribedTrack": "Participant.subscribedTracks",
    "FetchRoomParticipantSubscribedTrack": "Participant.subscribedTrack",
    "FetchRoomParticipantSubscribeRule": "Participant.subscribeRules",
    "UpdateRoomParticipantSubscribeRule": "Mutation.updateSubscribeRules",
    "ListRoomRecording": "Room.recordings",
    "FetchRoomRecording": "Room.recording",
    "DeleteRoomRecording": "Mutation.deleteRecording",
    "FetchRoomRecordingRule": "Room.recordingRules",
    "UpdateRoomRecordingRule": "Mutation.updateRecordingRules",
    "ListRoomTranscriptions": "Room.transcriptions",
    "FetchRoomTranscriptions": "Room.transcription",
    "CreateRoomTranscriptions": "Mutation.startTranscription",
    "UpdateRoomTranscriptions": "Mutation.updateTranscription",
    "ListRecording": "Query.recordings",
    "FetchRecording": "Query.recording",
    "DeleteRecording": "Mutation.deleteRecording",
    "ListVideoRoomSummary": "Query.insightsRooms",
    "FetchVideoRoomSummary": "Query.insightsRoom",
    "ListVideoParticipantSummary": "InsightsRoom.participants",
    "FetchVideoParticipantSummary": "InsightsRoom.participant",
}
# The gateway sets the callbacks itself, and it has its own paging.
# Twilio considers EnableTurn always true.
NOT_SENT = {
    "StatusCallback",
    "StatusCallbackMethod",
    "PageSize",
    "Page",
    "PageToken",
    "EnableTurn",
}
# The only useful value is the one that the mutation is named after.
IMPLIED = {("UpdateRoom", "Status"), ("UpdateRoomParticipant", "Status")}
RENAMED = {
    "DateCreatedAfter": "createdAfter",
    "DateCreatedBefore": "createdBefore",
    "GroupingSid": "groupingSids",
    ("ListVideoRoomSummary", "RoomType"): "roomTypes",
    ("ListVideoRoomSummary", "Codec"): "codecs",
    ("ListRoom", "Status"): "statuses",
    ("ListRoomParticipant", "Status"): "statuses",
    ("ListRoomRecording", "Status"): "statuses",
    ("ListRecording", "Status"): "statuses",
}


@dataclass(frozen=True)
class Operation:
    id: str
    parameters: tuple[str, ...]
    """In the query and in the body."""
    path_parameters: int
    response: tuple[str, ...]
    """The properties of the response, or of each item of a page."""


@cache
def operations() -> tuple[Operation, ...]:
    documents = [
        json.loads((SAMPLES / f"{name}.json").read_text())
        for name in ("video_v1", "insights_v1.video")
    ]
    return tuple(
        _operation(document, item[verb])
        for document in documents
        for path, item in document["paths"].items()
        for verb in VERBS
        if path.startswith(ROOTS) and verb in item
    )


def _operation(document: dict[str, Any], spec: dict[str, Any]) -> Operation:
    parameters = spec.get("parameters", [])
    bodies = spec.get("requestBody", {}).get("content", {}).values()
    names = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    names += [name for body in bodies for name in body["schema"].get("properties", ())]
    properties = {
        name
        for response in spec["responses"].values()
        for content in response.get("content", {}).values()
        for name in _properties(document, content["schema"])
    }
    in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
    return Operation(spec["operationId"], tuple(names), len(in_path), tuple(sorted(properties)))


def _properties(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """The properties of a response, or of each item of a page."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties = schema["properties"]
    if "meta" not in properties:
        return set(properties)
    [items] = [part for name, part in properties.items() if name != "meta"]
    return _properties(document, items["items"])


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _field(operation: Operation) -> GraphQLField:
    type_, _, name = FIELDS[operation.id].partition(".")
    field: GraphQLField = EXECUTABLE_SCHEMA.type_map[type_].fields[name]  # type: ignore[attr-defined]
    return field


def _arguments(operation: Operation) -> dict[str, Any]:
    """The arguments of the field, with the fields of its input or filter in their
    place."""
    arguments: dict[str, Any] = dict(_field(operation).args)
    for name in arguments.keys() & {"input", "filter"}:
        input_ = get_named_type(arguments.pop(name).type)
        assert isinstance(input_, GraphQLInputObjectType)
        arguments |= input_.fields
    return arguments


def _item(field: GraphQLField) -> Any:
    type_: Any = get_named_type(field.type)
    if type_.name.endswith("Connection"):
        return get_named_type(type_.fields["nodes"].type)
    if type_.name.endswith("Payload"):
        return get_named_type(next(iter(type_.fields.values())).type)
    return type_


def test_each_of_the_thirty_operations_has_a_field() -> None:
    assert len(FIELDS) == 30
    assert {operation.id for operation in operations()} == FIELDS.keys()


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
def test_every_property_of_a_response_can_be_selected(operation: Operation) -> None:
    if operation.response:
        fields = set(_item(_field(operation)).fields)
        if "twilio" in fields:
            fields |= set(get_named_type(_item(_field(operation)).fields["twilio"].type).fields)
        for name in set(operation.response) - LEFT_OUT:
            assert fields & {to_camel_case(text) for text in (name, *SPELLINGS.get(name, ()))}, name


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
def test_every_parameter_has_an_argument(operation: Operation) -> None:
    arguments = _arguments(operation).keys()
    needed = {
        RENAMED.get((operation.id, name)) or RENAMED.get(name) or graphql_name(_snake(name))
        for name in operation.parameters
        if name not in NOT_SENT and (operation.id, name) not in IMPLIED
    }
    assert needed - arguments == set()
    if "PageSize" in operation.parameters:
        assert {"first", "after"} <= arguments


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.id)
def test_every_path_parameter_has_an_id_argument(operation: Operation) -> None:
    """As an argument of the field, or through the object that has the field."""
    from_object = {"Query": 0, "Mutation": 0, "Room": 1, "InsightsRoom": 1, "Participant": 2}[
        FIELDS[operation.id].partition(".")[0]
    ]
    ids = [
        name
        for name, argument in _arguments(operation).items()
        if get_named_type(argument.type).name in ("ID", "RoomRef", "ParticipantRef", "TrackRef")
    ]
    assert operation.path_parameters <= from_object + len(ids)
