"""Twilio's operations in the words of GraphQL, of gRPC and of Twilio's own helper library, and their answers made alike."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from string import Template
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from twilio.rest import Client

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from tests.rpc.client import Clients
from tests.sandbox.documents import Operation
from tests.sandbox.scenario import Scenario

S = TypeVar("S", bound=Scenario)

# Twilio's documents do not call the words of a rule an enum.
WORDS_OF_RULES = ("type", "kind", "priority")

# Counted from moments.
WHILES = ("duration", "offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[S]):
    """One operation, asked in three ways. In `graphql` a `$name` is the stage's, and `...Type` stands for all that Twilio
    tells of it. `empty` are the properties that have no value on the stage: every other must have one."""

    graphql: str
    grpc: Callable[[Clients, S], Awaitable[Message]]
    helper: Callable[[Client, S], Any]
    empty: frozenset[str] = field(default_factory=frozenset)
    is_write: bool = False


def properties(operation: Operation) -> dict[str, dict[str, Any]]:
    """Of what is answered, or of each item of a page; none for an answer without a body."""
    if operation.schema is None:
        return {}
    found: dict[str, dict[str, Any]] = operation.resolve(operation.schema)["properties"]
    if "meta" in found:
        [items] = [each for name, each in found.items() if name != "meta"]
        found = operation.resolve(items["items"])["properties"]
    return {name: operation.resolve(each) for name, each in found.items()}


# The question in GraphQL


def document(asked: Asked[S], stage: S, operation: Operation) -> str:
    text = Template(asked.graphql).substitute(asdict(stage))
    return text + "".join(
        f" fragment {name} on {name} {_selection(name, properties(operation))}"
        for name in re.findall(r"\.\.\.(\w+)", text)
    )


def _selection(type_: str, names: Mapping[str, Any] | None = None) -> str:
    """These of its fields, or all that are leaves; whole objects below them."""
    kind = EXECUTABLE_SCHEMA.type_map[type_]
    assert isinstance(kind, GraphQLObjectType)
    wanted = {_camel(name) for name in names} if names is not None else kind.fields.keys()
    assert wanted <= kind.fields.keys(), f"{type_} does not show {wanted - kind.fields.keys()}"
    parts = ((name, get_named_type(kind.fields[name].type)) for name in sorted(wanted))
    return (
        "{ "
        + " ".join(name if is_leaf_type(of) else name + _selection(of.name) for name, of in parts)
        + " }"
    )


# The answers, each as a list of what Twilio's documents describe: one for a resource, any number for a page


def of_graphql(data: Any) -> list[dict[str, Any]]:
    """What lies innermost of an answer in which every level above has one field."""
    while isinstance(data, dict) and len(data) == 1:
        [data] = data.values()
    assert data is not None, "null where there is something"
    return [{_snake(name): _plain(part) for name, part in one.items()} for one in _as_list(data)]


def of_grpc(answer: Message) -> list[dict[str, Any]]:
    """What the first field holds."""
    descriptor: Any = answer.DESCRIPTOR
    return [_of_message(one) for one in _as_list(getattr(answer, descriptor.fields[0].name))]


def of_helper(answer: Any) -> list[dict[str, Any]]:
    return [{name: _plain(part) for name, part in vars(one).items()} for one in _as_list(answer)]


def _as_list(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, Sequence) else [answer]


def _of_message(message: Message) -> dict[str, Any]:
    descriptor: Any = message.DESCRIPTOR
    return {part.name: _of_field(message, part) for part in descriptor.fields}


def _of_field(message: Message, part: FieldDescriptor) -> Any:
    if part.has_presence and not message.HasField(part.name):
        return None
    value: Any = getattr(message, part.name)
    if part.is_repeated:
        return [_of_value(each, part) for each in value]
    return _of_value(value, part)


def _of_value(value: Any, part: FieldDescriptor) -> Any:
    if part.enum_type is not None:
        prefix = part.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        word = part.enum_type.values_by_number[value].name.removeprefix(prefix)
        return None if word == "UNSPECIFIED" else word
    match value:
        case Timestamp():
            return value.ToDatetime(tzinfo=UTC)
        case Struct():
            return MessageToDict(value)
        case Message():
            return _plain(_of_message(value))
        case _:
            return value


def _plain(value: Any) -> Any:
    """Without what is null, in the spelling of Twilio's answers."""
    match value:
        case dict():
            return {
                _snake(name): _plain(part) for name, part in value.items() if part not in (None, [])
            }
        case list():
            return [_plain(part) for part in value]
        case _:
            return value


def agreed_form(operation: Operation, answer: dict[str, Any]) -> dict[str, Any]:
    """Every documented property, in one spelling of words, moments and texts. Raises KeyError for one that is not told."""
    return {
        name: _read(operation, answer[name], schema)
        for name, schema in properties(operation).items()
    }


def _read(operation: Operation, value: Any, schema: dict[str, Any]) -> Any:
    items = operation.resolve(schema.get("items", {}))
    if schema.get("type") == "array":
        return [_read(operation, each, items) for each in value or ()]
    if value is None:
        return None
    if "enum" in schema:
        return _word(value)
    if schema.get("format") == "date-time" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if schema.get("format", "").endswith("-rule"):
        return {
            name: _word(part) if name in WORDS_OF_RULES else part for name, part in value.items()
        }
    if schema.get("type") == "object":
        return {name: _told_as_text(name, part) for name, part in value.items()}
    return value


def shape(value: Any) -> Any:
    """What is alike in the answers to equal questions about equal, but different, stages."""
    match value:
        case dict():
            return {
                name: "a while" if name in WHILES and part is not None else shape(part)
                for name, part in value.items()
            }
        case list():
            return [shape(part) for part in value]
        case datetime():
            return "a moment"
        case str():
            return re.sub(
                r"(?<=\b[A-Z]{2})[0-9a-f]{32}|(?<=video_extension_)[0-9a-f-]{36}|(?<=room-)[0-9a-f]{12}",
                "…",
                value,
            )
        case _:
            return value


def _told_as_text(name: str, part: Any) -> Any:
    """Twilio tells the parts of a configuration as texts."""
    if name == "hints" and isinstance(part, str):
        return part.split(",")
    return {"true": True, "false": False}.get(part, part) if isinstance(part, str) else part


def _word(word: str) -> str:
    return word.upper().replace("-", "_")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
