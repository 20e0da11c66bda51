"""The protos against Twilio's OpenAPI documents.

Every parameter of an operation on rooms, recordings and Insights can be sent, and every
property of its response is returned.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import Default

from gateway.rpc.servicers import SERVICE_NAMES

SAMPLES = Path(__file__).parents[1] / "samples"

# The method of each operation, and the field for `Sid` in the operation's path.
METHODS: dict[str, tuple[str, str | None]] = {
    "CreateRoom": ("RoomService.CreateRoom", None),
    "FetchRoom": ("RoomService.GetRoom", "room"),
    "ListRoom": ("RoomService.ListRooms", None),
    "UpdateRoom": ("RoomService.CompleteRoom", "room"),
    "FetchRoomParticipant": ("ParticipantService.GetParticipant", "participant"),
    "ListRoomParticipant": ("ParticipantService.ListParticipants", None),
    "UpdateRoomParticipant": ("ParticipantService.DisconnectParticipant", "participant"),
    "UpdateRoomParticipantAnonymize": ("ParticipantService.AnonymizeParticipant", "participant"),
    "FetchRoomParticipantPublishedTrack": ("ParticipantService.GetPublishedTrack", "track"),
    "ListRoomParticipantPublishedTrack": ("ParticipantService.ListPublishedTracks", None),
    "FetchRoomParticipantSubscribedTrack": ("ParticipantService.GetSubscribedTrack", "track"),
    "ListRoomParticipantSubscribedTrack": ("ParticipantService.ListSubscribedTracks", None),
    "FetchRoomParticipantSubscribeRule": ("ParticipantService.GetSubscribeRules", None),
    "UpdateRoomParticipantSubscribeRule": ("ParticipantService.UpdateSubscribeRules", None),
    "FetchRoomRecording": ("RecordingService.GetRoomRecording", "recording"),
    "ListRoomRecording": ("RecordingService.ListRoomRecordings", None),
    "DeleteRoomRecording": ("RecordingService.DeleteRoomRecording", "recording"),
    "FetchRecording": ("RecordingService.GetRecording", "recording"),
    "ListRecording": ("RecordingService.ListRecordings", None),
    "DeleteRecording": ("RecordingService.DeleteRecording", "recording"),
    "FetchRoomRecordingRule": ("RecordingService.GetRecordingRules", None),
    "UpdateRoomRecordingRule": ("RecordingService.UpdateRecordingRules", None),
    "FetchRoomTranscriptions": ("TranscriptionService.GetTranscription", None),
    "ListRoomTranscriptions": ("TranscriptionService.ListTranscriptions", None),
    "CreateRoomTranscriptions": ("TranscriptionService.StartTranscription", None),
    "UpdateRoomTranscriptions": ("TranscriptionService.UpdateTranscription", None),
    "FetchVideoRoomSummary": ("InsightsService.GetInsightsRoom", None),
    "ListVideoRoomSummary": ("InsightsService.ListInsightsRooms", None),
    "FetchVideoParticipantSummary": ("InsightsService.GetInsightsParticipant", None),
    "ListVideoParticipantSummary": ("InsightsService.ListInsightsParticipants", None),
}
RENAMED = {
    "RoomSid": "room",
    "ParticipantSid": "participant",
    "DateCreatedAfter": "created_after",
    "DateCreatedBefore": "created_before",
    "GroupingSid": "grouping_sids",
    "RoomType": "room_types",
    "Codec": "codecs",
    "Ttid": "transcription",
}
# Names of properties, where they are not Twilio's.
PROPERTIES = {
    "date_created": "create_time",
    "date_updated": "update_time",
    "duration_sec": "duration",
    "total_participant_duration_sec": "total_participant_duration",
    "total_recording_duration_sec": "total_recording_duration",
    "size": "size_bytes",
    "enabled": "muted",  # its inverse
}
LEFT_OUT = {"enable_turn", "EnableTurn"}
"""Deprecated by Twilio, which considers it always true."""
DURATIONS = {
    "duration",
    "total_participant_duration",
    "total_recording_duration",
    "max_participant_duration",
    "empty_room_timeout",
    "unused_room_timeout",
    "offset",
}
"""Numbers at Twilio."""
SHORTER_WORDS = {"room_ended_via_api": "API"}
"""Names of enum values, where they are not Twilio's words."""
PAGING = {"PageSize", "Page", "PageToken"}
JSON_TEXTS = {"rules", "recording_rules", "configuration", "transcriptions_configuration"}
"""Fields that are JSON text at Twilio and messages here."""
NOT_SENT = {
    # The gateway sets its own.
    ("CreateRoom", "StatusCallback"),
    ("CreateRoom", "StatusCallbackMethod"),
    # The method sets it: only one value has an effect.
    ("UpdateRoom", "Status"),
    ("UpdateRoomParticipant", "Status"),
}
TYPES = {
    ("string", "date-time"): ("google.protobuf.Timestamp",),
    ("integer", "int64"): (FieldDescriptor.TYPE_INT64,),
    ("integer", None): (FieldDescriptor.TYPE_INT32,),
    ("boolean", None): (FieldDescriptor.TYPE_BOOL,),
}


@dataclass(frozen=True)
class Operation:
    id: str
    document: dict[str, Any]
    spec: dict[str, Any]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref")
        return self.document["components"]["schemas"][name.rpartition("/")[2]] if name else schema

    def parameters(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for parameter in self.spec.get("parameters", []):
            yield parameter["name"], parameter["schema"]
        content = self.spec.get("requestBody", {}).get("content", {})
        for body in content.values():
            yield from self.resolved(body["schema"]).get("properties", {}).items()

    def properties(self) -> dict[str, Any]:
        """Returns the properties of the resource in a response, or of each in its
        list."""
        for response in self.spec["responses"].values():
            for content in response.get("content", {}).values():
                schema = self.resolved(content["schema"])
                lists = [part for name, part in schema["properties"].items() if name != "meta"]
                if "meta" in schema["properties"]:
                    schema = self.resolved(lists[0]["items"])
                properties: dict[str, Any] = schema["properties"]
                return properties
        return {}


def operations() -> Iterator[Operation]:
    for name in ("video_v1.json", "insights_v1.video.json"):
        document = json.loads((SAMPLES / name).read_text())
        for path, item in document["paths"].items():
            if re.match(r"/v1/(Rooms|Recordings|Video)\b", path):
                for method in {"get", "post", "delete"} & item.keys():
                    yield Operation(item[method]["operationId"], document, item[method])


OPERATIONS = sorted(operations(), key=lambda operation: operation.id)


def method_of(operation: Operation) -> Any:
    return Default().FindMethodByName(f"rooms_gateway.v1.{METHODS[operation.id][0]}")


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def misfit(operation: Operation, field: Any, schema: dict[str, Any]) -> str | None:
    """Returns why the field cannot hold what the schema allows, or None."""
    schema = operation.resolved(schema)
    schema = operation.resolved(schema.get("items", schema))
    if field.name in DURATIONS:
        return (
            None
            if field.message_type is not None
            and field.message_type.full_name == "google.protobuf.Duration"
            and schema["type"] == "integer"
            else f"{field.full_name} is not a duration"
        )
    if field.enum_type is not None:
        words = {value.name for value in field.enum_type.values}
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        expected = {
            prefix + SHORTER_WORDS.get(word, word.upper().replace("-", "_"))
            for word in schema["enum"]
        }
        return f"{field.full_name} has no {expected - words}" if expected - words else None
    if schema.get("type") == "string" and field.message_type is None:
        return (
            None
            if field.type == FieldDescriptor.TYPE_STRING
            else f"{field.full_name} is not a string"
        )
    key: Any = schema.get("type"), schema.get("format")
    expected_types = TYPES.get(key)
    actual = field.message_type.full_name if field.message_type is not None else field.type
    return (
        None
        if expected_types is None or actual in expected_types
        else f"{field.full_name} has another type"
    )


def test_each_of_thirty_operations_has_a_method() -> None:
    assert len(OPERATIONS) == 30
    assert {operation.id for operation in OPERATIONS} == METHODS.keys()


def test_other_methods_are_the_gateways_own() -> None:
    methods = {
        f"{service.rpartition('.')[2]}.{method.name}"
        for service in SERVICE_NAMES
        for method in Default().FindServiceByName(service).methods
    }

    assert methods - {name for name, _ in METHODS.values()} == {
        "RoomService.BatchGetRooms",
        "RoomService.EnsureRoom",
        "RoomService.GetRoomPresence",
        "RoomService.BatchGetRoomPresences",
        "RoomService.ListRoomEvents",
        "RoomService.WatchRoom",
        "RoomService.WatchRoomEvents",
        # Linked from a recording, though no path of the documents.
        "RecordingService.GetRecordingMedia",
        "TokenService.MintAccessToken",
        "TokenService.ExplainToken",
        "QuotaService.GetQuota",
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_parameter_can_be_sent(operation: Operation) -> None:
    fields = method_of(operation).input_type.fields_by_name
    sid = METHODS[operation.id][1]
    sent = {
        name: schema
        for name, schema in operation.parameters()
        if (operation.id, name) not in NOT_SENT and name not in LEFT_OUT
    }
    is_paged = sent.keys() >= PAGING
    # A list may have several statuses. Twilio takes one at most.
    renamed = RENAMED | ({"Status": "statuses"} if is_paged else {})
    expected = {
        sid if name == "Sid" else renamed.get(name, snake(name)): schema
        for name, schema in sent.items()
        if name not in PAGING
    }

    assert expected.keys() <= set(fields)
    assert ({"page_size", "page_token"} <= set(fields)) == is_paged
    misfits = [
        misfit(operation, fields[name], schema)
        for name, schema in expected.items()
        if name not in JSON_TEXTS
    ]
    assert [fault for fault in misfits if fault] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_property_is_returned(operation: Operation) -> None:
    output = method_of(operation).output_type
    properties = operation.properties()
    if not properties:
        assert not output.fields
        return
    resource = output.fields_by_number[1].message_type
    fields = dict(resource.fields_by_name)
    if "twilio" in fields:
        fields |= fields["twilio"].message_type.fields_by_name
    expected = {
        PROPERTIES.get(name, name): schema
        for name, schema in properties.items()
        if name not in LEFT_OUT
    }

    assert expected.keys() <= set(fields)
    misfits = [misfit(operation, fields[name], schema) for name, schema in expected.items()]
    assert [fault for fault in misfits if fault] == []
