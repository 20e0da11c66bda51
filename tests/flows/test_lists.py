"""Every list that a request may have is bounded, on every face.

The cases come from the protos and the schema, so that no new list is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    build_schema,
    get_named_type,
    get_nullable_type,
)
from grpc_status import rpc_status

from gateway.core.validation import LIST_LIMIT
from gateway.rpc.servicers import SERVICE_NAMES
from tests.flows.test_connect import base_of
from tests.running import Gateway, new_name, new_sid

SCHEMA: Final = build_schema((Path(__file__).parents[2] / "schema/schema.graphql").read_text())
SAMPLES: Final = {"unique_name": new_name(), "room": new_sid()}

Case = tuple[str, tuple[str, ...]]


def repeated_paths(message: Descriptor, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field in message.fields:
        if field.is_repeated:
            yield (*above, field.name)
        elif field.message_type is not None and field.message_type.full_name not in (
            "google.protobuf.Duration",
            "google.protobuf.Timestamp",
        ):
            yield from repeated_paths(field.message_type, (*above, field.name))


def descriptor_of(method: str) -> Any:
    return Default().FindMethodByName(method.removeprefix("/").replace("/", "."))


CASES: Final[list[Case]] = [
    (f"/{service}/{method.name}", path)
    for service in SERVICE_NAMES
    for method in Default().FindServiceByName(service).methods
    for path in repeated_paths(method.input_type)
]


def field_at(case: Case) -> FieldDescriptor:
    message = descriptor_of(case[0]).input_type
    for name in case[1][:-1]:
        message = message.fields_by_name[name].message_type
    field: FieldDescriptor = message.fields_by_name[case[1][-1]]
    return field


# A mask is one string in JSON, which the size of a message bounds.
CONNECT_CASES: Final = [
    case
    for case in CASES
    if case[1][0] != "read_mask" and not descriptor_of(case[0]).server_streaming
]
# Filters that select by a set. Repeated values mean nothing.
SETS: Final = ("statuses", "types")
ENUM_CASES: Final = [
    case for case in CASES if field_at(case).enum_type is not None and case[1][-1] not in SETS
]


def request_with(case: Case, count: int) -> Message:
    """Returns a request with a name and a room, and `count` entries in this list."""
    method, path = case
    request: Any = GetMessageClass(descriptor_of(method).input_type)()
    for name, value in SAMPLES.items():
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, value)
    message = request
    for name in path[:-1]:
        message = getattr(message, name)
    field = field_at(case)
    entries = getattr(message, field.name)
    if field.message_type is not None:
        entries.extend(GetMessageClass(field.message_type)() for _ in range(count))
    else:
        entries.extend([1 if field.enum_type is not None else "x"] * count)
    assert isinstance(request, Message)
    return request


async def violations(gateway: Gateway, method: str, request: Message) -> list[tuple[str, str]]:
    """Returns the fields at fault, and what is wrong with each."""
    async with gateway.channel() as channel:
        start: Any = channel.unary_stream(method)
        call = start(request.SerializeToString(), metadata=gateway.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad_request = error_details_pb2.BadRequest()
    status = rpc_status.from_call(refused.value)
    assert status is not None
    assert any(detail.Unpack(bad_request) for detail in status.details)
    return [(each.field, each.description) for each in bad_request.field_violations]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_list_of_grpc_is_bounded(gateway: Gateway, case: Case) -> None:
    request = request_with(case, LIST_LIMIT + 1)

    [(field, message)] = await violations(gateway, case[0], request)
    assert field == ".".join(case[1])
    assert f"has {LIST_LIMIT + 1} entries; give up to {LIST_LIMIT}" in message


@pytest.mark.parametrize("case", CONNECT_CASES, ids=str)
async def test_a_list_of_connect_is_bounded(gateway: Gateway, case: Case) -> None:
    body = json_format.MessageToJson(request_with(case, LIST_LIMIT + 1))
    headers = {**gateway.auth, "Content-Type": "application/json"}
    url = base_of(gateway) + case[0]
    async with gateway.http.post(url, data=body, headers=headers) as response:
        assert response.status == 400
        assert f"give up to {LIST_LIMIT}" in (await response.json())["message"]


@pytest.mark.parametrize("case", ENUM_CASES, ids=str)
async def test_a_list_of_an_enum_of_grpc_holds_each_value_once(
    gateway: Gateway, case: Case
) -> None:
    [(field, message)] = await violations(gateway, case[0], request_with(case, 2))
    assert field == ".".join(case[1])
    assert "holds a value twice; leave one out" in message


# A document for each list of an enum in GraphQL's inputs, without the sets.
DOCUMENTS: Final = {
    "InsightsRoomFilter.roomTypes": "query($v: [RoomTypeInput!]) {"
    "insightsRooms(filter: {roomTypes: $v}) { nodes { id } } }",
    "InsightsRoomFilter.codecs": "query($v: [MediaCodecInput!]) {"
    "insightsRooms(filter: {codecs: $v}) { nodes { id } } }",
    "CreateRoomInput.videoCodecs": "mutation($v: [VideoCodecInput!]) {"
    "createRoom(input: {videoCodecs: $v}) { room { sid } errors { code message field } } }",
    "EnsureRoomInput.videoCodecs": "mutation($v: [VideoCodecInput!], $name: String!) {"
    "ensureRoom(input: {uniqueName: $name, videoCodecs: $v}) {"
    "room { sid } errors { code message field } } }",
}


def enum_lists() -> dict[str, GraphQLEnumType]:
    lists = {}
    for type_ in SCHEMA.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            for name, field in type_.fields.items():
                enum = get_named_type(field.type)
                is_list = isinstance(get_nullable_type(field.type), GraphQLList)
                if is_list and isinstance(enum, GraphQLEnumType) and name not in SETS:
                    lists[f"{type_.name}.{name}"] = enum
    return lists


def test_every_list_of_an_enum_in_graphql_has_a_document() -> None:
    assert set(DOCUMENTS) == set(enum_lists())


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_list_of_an_enum_of_graphql_holds_each_value_once(
    gateway: Gateway, name: str
) -> None:
    variables = {"name": new_name()} if "$name" in DOCUMENTS[name] else {}
    value = next(iter(enum_lists()[name].values))
    error = await gateway.execute_error(DOCUMENTS[name], v=[value] * 2, **variables)
    assert error["code"] in ("BAD_USER_INPUT", "INVALID_INPUT")
    assert f"{name.partition('.')[2]} holds a value twice; leave one out" in error["message"]


@pytest.mark.parametrize(
    "variables",
    [
        {"v": ["VP8"] * 501},
        {"v": [{"hints": ["x"] * 501}]},
        {"unused": {"rules": [[], [[{}] * 501]]}},
    ],
    ids=["a list", "a list below a list", "an unused variable"],
)
async def test_a_list_in_the_variables_of_graphql_is_bounded(
    gateway: Gateway, variables: dict[str, Any]
) -> None:
    reply = await gateway.post(DOCUMENTS["CreateRoomInput.videoCodecs"], variables)
    assert reply.body["errors"][0]["message"] == (
        "a list in the variables has 501 values: send up to 500"
    )
