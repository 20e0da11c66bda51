"""Each face's errors call a field by the face's own name.

Below the faces, messages name fields as core does, in backticks, and each face
replaces these names. The tests read every message in the code.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

import gateway
from gateway.core.errors import InvalidArgument
from gateway.core.validation import check_known
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema import names as gql_names
from gateway.rpc import names as rpc_names
from gateway.rpc.enums import NARROW_TABLES, TABLES
from gateway.rpc.servicers import SERVICE_NAMES

ROOT = Path(next(iter(gateway.__path__)))
BELOW_THE_FACES = ("core", "service", "store", "twilio")
# Functions that take the name of a field, and which argument it is.
NAMED_BY = {
    "at": 0,
    "check_text": 1,
    "check_range": 3,
    "check_known": 1,
    "checked_sid": 2,
    "checked_name": 1,
    "checked_identity": 1,
    "checked_track_name": 1,
}
IN_BACKTICKS = re.compile(r"`([a-z_]+)`")
VALUE_IN_BACKTICKS = re.compile(r"`([A-Z]\w*\.\w+)`")
CAPITALS = re.compile(r"(?<![\w.])[A-Z][A-Z0-9_]+\b")
CAMEL_CASE = re.compile(r"\b[a-z]+[A-Z]\w*")
# The protocol of GraphQL over WebSockets has two words of its own in snake case, and a
# URL of Redis has parameters.
SNAKE_CASE = re.compile(r"(?<![`\w.?])(?!connection_(?:init|ack)\b)[a-z]+_[a-z_]+\b")


def trees(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            if not file.name.endswith(("_pb2.py", "_pb2_grpc.py")):
                yield ast.parse(file.read_text())


def messages(*folders: str) -> Iterator[str]:
    """Yields every text of more than one word that a caller may read."""
    for tree in trees(*folders):
        for_developers = {
            id(node.value if isinstance(node, ast.Expr) else node.msg)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr | ast.Assert)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in for_developers
                and " " in node.value.strip()
            ):
                yield node.value


def fields() -> Iterator[str]:
    """Yields every name of a field that an error below the faces may carry."""
    for tree in trees(*BELOW_THE_FACES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from fields_of(node)
            elif isinstance(node, ast.FunctionDef):
                yield from default_fields_of(node)
    for message in messages(*BELOW_THE_FACES):
        yield from IN_BACKTICKS.findall(message)


def fields_of(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [each.value for each in call.keywords if each.arg == "field"]
    if name == "check_zones":
        yield from (each.arg for each in call.keywords if each.arg is not None)
    if name in NAMED_BY and len(call.args) > NAMED_BY[name]:
        given.append(call.args[NAMED_BY[name]])
    for node in given:
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        yield from (
            part.value
            for part in parts
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )


def default_fields_of(function: ast.FunctionDef) -> Iterator[str]:
    arguments = function.args.args[::-1]
    for argument, default in zip(arguments, function.args.defaults[::-1], strict=False):
        if argument.arg == "field" and isinstance(default, ast.Constant):
            assert isinstance(default.value, str)
            yield default.value


def core_values() -> set[str]:
    # "API" is a word of English, and no value that a request may have.
    return {member.name for table in TABLES.values() for member in table.numbers} - {"API"}


def proto_values() -> set[str]:
    """Returns the names of all values of all enums."""
    enums = [Default().FindEnumTypeByName(name) for name in TABLES]
    return {value.name for enum in enums for value in enum.values}


@cache
def graphql_names() -> frozenset[str]:
    """Returns the names of all arguments and of all fields of inputs and objects."""
    found = set()
    for type_ in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            found |= type_.fields.keys()
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                found |= {name, *field.args}
    return frozenset(found)


@cache
def proto_names() -> frozenset[str]:
    """Returns the names of all fields of all messages, and of metadata in messages."""
    # The only one that errors name and that is in the metadata of ErrorInfo.
    found = {"retry_with"}
    pending: list[Descriptor] = [
        message
        for service in SERVICE_NAMES
        for method in Default().FindServiceByName(service).methods
        for message in (method.input_type, method.output_type)
    ]
    seen = set()
    while pending:
        message = pending.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            found.add(field.name)
            if field.message_type is not None:
                pending.append(field.message_type)
    return frozenset(found)


@pytest.mark.parametrize("field", sorted(set(fields())))
@pytest.mark.parametrize(
    ("name_of", "known"),
    [(gql_names.graphql_name, graphql_names), (rpc_names.name_of, proto_names)],
    ids=["graphql", "grpc"],
)
def test_each_face_has_a_field_of_the_name_that_its_errors_use(
    field: str, name_of: Callable[[str], str], known: Callable[[], frozenset[str]]
) -> None:
    assert name_of(field) in known()


@pytest.mark.parametrize("message", sorted(set(messages(*BELOW_THE_FACES))))
def test_messages_below_the_faces_name_fields_in_backticks_only(message: str) -> None:
    assert not CAMEL_CASE.search(message)
    assert not SNAKE_CASE.search(message)


@pytest.mark.parametrize("message", sorted(set(messages(*BELOW_THE_FACES))))
def test_messages_below_the_faces_name_values_in_backticks_only(message: str) -> None:
    """GraphQL's name of a value is core's own; gRPC's begins with the enum."""
    assert not set(CAPITALS.findall(message)) & core_values()
    for value in VALUE_IN_BACKTICKS.findall(message):
        assert rpc_names.name_of(value) in proto_values()
        assert rpc_names.name_of(value).endswith(gql_names.graphql_name(value))


@pytest.mark.parametrize("message", sorted(set(messages(*BELOW_THE_FACES))))
def test_messages_call_an_idempotency_key_by_the_name_of_its_field(message: str) -> None:
    assert not re.search(r"idempotency key|\b(a new|another|this) key\b", message)


def test_every_message_of_grpc_about_a_value_has_names_of_the_protos() -> None:
    for table in (*TABLES.values(), *NARROW_TABLES.values()):
        assert set(table.choices.split(", ")) < proto_values()
        unknown = next((each for each in table.numbers if each.name == "UNKNOWN"), None)
        if unknown is not None:
            with pytest.raises(InvalidArgument) as raised:
                check_known(unknown, "field")
            words = set(CAPITALS.findall(raised.value.text(rpc_names.name_of)))
            assert words == set(table.names.values())


def test_messages_of_grpc_use_no_names_of_graphql() -> None:
    assert [message for message in messages("rpc") if CAMEL_CASE.search(message)] == []


def test_messages_of_graphql_use_no_names_of_grpc() -> None:
    assert [message for message in messages("gql") if SNAKE_CASE.search(message)] == []
