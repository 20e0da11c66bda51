"""Twilio's operations in GraphQL, gRPC and Twilio's helper library.

The functions convert the three kinds of results to one form for comparison.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from string import Template
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
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

# Fields of a rule that are enums, although Twilio's documents do not say so.
RULE_ENUMS = ("type", "effect", "kind", "priority")

# Fields that depend on the time at which the test runs.
DURATIONS = ("duration", "offset")

# What GraphQL and gRPC call a property of Twilio's, where they do not use its name.
# GraphQL names contain the unit.
SPELLINGS = {
    "date_created": ("create_time",),
    "date_updated": ("update_time",),
    "duration": ("duration_seconds",),
    "max_participant_duration": ("max_participant_duration_seconds",),
    "empty_room_timeout": ("empty_room_timeout_minutes",),
    "unused_room_timeout": ("unused_room_timeout_minutes",),
    "audio_only": ("is_audio_only",),
    "large_room": ("is_large_room",),
    "size": ("size_bytes",),
    "offset": ("offset_ms",),
    "duration_sec": ("duration", "duration_seconds"),
    "total_participant_duration_sec": (
        "total_participant_duration",
        "total_participant_duration_seconds",
    ),
    "total_recording_duration_sec": (
        "total_recording_duration",
        "total_recording_duration_seconds",
    ),
    "recording_enabled": ("is_recording_enabled",),
    # The opposite of Twilio's property.
    "enabled": ("muted", "is_muted"),
}

# The units of Twilio's numbers that gRPC shows as durations, unless it is seconds.
UNITS = {
    "empty_room_timeout": timedelta(minutes=1),
    "unused_room_timeout": timedelta(minutes=1),
    "offset": timedelta(milliseconds=1),
}

# What both faces call Twilio's words, where they do not use them.
WORDS = {"room_ended_via_api": "API"}

# Twilio has deprecated it: it considers it always true.
LEFT_OUT = frozenset({"enable_turn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCalls(Generic[S]):
    """One operation as three calls.

    In `graphql`, a `$name` is a field of the scenario, and `...Type` stands for all
    properties that Twilio documents. `empty` has the properties without a value in the
    scenario: every other property must have one.
    """

    graphql: str
    grpc: Callable[[Clients, S], Awaitable[Message]]
    helper: Callable[[Client, S], Any]
    empty: frozenset[str] = field(default_factory=frozenset)
    is_write: bool = False


def properties(operation: Operation) -> dict[str, dict[str, Any]]:
    """Returns the properties of a resource, or of each item of a page.

    An operation without a response body has none.
    """
    if operation.schema is None:
        return {}
    result: dict[str, dict[str, Any]] = operation.resolve(operation.schema)["properties"]
    if "meta" in result:
        [items] = [schema for name, schema in result.items() if name != "meta"]
        result = operation.resolve(items["items"])["properties"]
    return {
        name: operation.resolve(schema) for name, schema in result.items() if name not in LEFT_OUT
    }


# The GraphQL document


def document(calls: OperationCalls[S], scenario: S, operation: Operation) -> str:
    text = Template(calls.graphql).substitute(asdict(scenario))
    return text + "".join(
        f" fragment {name} on {name} {_selection(name, properties(operation))}"
        for name in re.findall(r"\.\.\.(\w+)", text)
    )


def _selection(type_: str, names: Iterable[str] | None = None) -> str:
    """Returns a selection of the given or all fields, with nested objects."""
    kind = _object_type(type_)
    selected = set(kind.fields) if names is None else set()
    details = list[str]()
    for name in names or ():
        field = _graphql_name(kind, name)
        if field is None:
            details.append(name)
        else:
            selected.add(field)
    parts = ((name, get_named_type(kind.fields[name].type)) for name in sorted(selected))
    return (
        "{ "
        + " ".join(name if is_leaf_type(of) else name + _selection(of.name) for name, of in parts)
        + (f" twilio {_selection(f'{type_}TwilioDetails', details)}" if details else "")
        + " }"
    )


def _object_type(name: str) -> GraphQLObjectType:
    kind = EXECUTABLE_SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    return kind


def _graphql_name(kind: GraphQLObjectType, name: str) -> str | None:
    """Returns the name of the field that shows this property of Twilio's.

    None if the field is below `twilio`.
    """
    known = {_camel(text) for text in (name, *SPELLINGS.get(name, ()))}
    found = [str(field) for field in kind.fields if field in known]
    if not found and "twilio" in kind.fields:
        return None
    [field] = found
    return field


# The results, each as a list: one item for a resource, any number of items for a page


def from_graphql(data: Any) -> list[dict[str, Any]]:
    """Returns the innermost object or list. Every level above it has one field."""
    while isinstance(data, dict) and len(data) == 1:
        [data] = data.values()
    assert data is not None, "expected a value, not null"
    flat = [item | item.get("twilio", {}) for item in _as_list(data)]
    return [{_snake(name): _plain(part) for name, part in item.items()} for item in flat]


def from_grpc(result: Message) -> list[dict[str, Any]]:
    """Returns the value of the first field."""
    descriptor: Any = result.DESCRIPTOR
    return [_from_message(item) for item in _as_list(getattr(result, descriptor.fields[0].name))]


def from_helper(result: Any) -> list[dict[str, Any]]:
    return [{name: _plain(part) for name, part in vars(item).items()} for item in _as_list(result)]


def _as_list(result: Any) -> list[Any]:
    return list(result) if isinstance(result, Sequence) else [result]


def _from_message(message: Message) -> dict[str, Any]:
    descriptor: Any = message.DESCRIPTOR
    found: dict[str, Any] = {}
    for part in descriptor.fields:
        if part.name == "twilio":
            found |= _from_message(message.twilio)  # type: ignore[attr-defined]
        else:
            found[part.name] = _from_field(message, part)
    return found


def _from_field(message: Message, part: FieldDescriptor) -> Any:
    if part.has_presence and not message.HasField(part.name):
        return None
    value: Any = getattr(message, part.name)
    if part.is_repeated:
        return [_from_value(item, part) for item in value]
    return _from_value(value, part)


def _from_value(value: Any, part: FieldDescriptor) -> Any:
    if part.enum_type is not None:
        prefix = part.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        text = part.enum_type.values_by_number[value].name.removeprefix(prefix)
        return None if text == "UNSPECIFIED" else text
    match value:
        case Timestamp():
            return value.ToDatetime(tzinfo=UTC)
        case Duration():
            return value.ToTimedelta() // UNITS.get(part.name, timedelta(seconds=1))
        case Struct():
            return MessageToDict(value)
        case Message():
            return _plain(_from_message(value))
        case _:
            return value


def _plain(value: Any) -> Any:
    """Converts names to snake case, and removes null values and empty lists."""
    match value:
        case dict():
            return {
                _snake(name): _plain(part) for name, part in value.items() if part not in (None, [])
            }
        case list():
            return [_plain(part) for part in value]
        case _:
            return value


def normalize(operation: Operation, result: dict[str, Any]) -> dict[str, Any]:
    """Returns every documented property, with one form of enums, times and strings.

    Raises KeyError if a property is missing.
    """
    return {
        name: _read(operation, _property(result, name), schema)
        for name, schema in properties(operation).items()
    }


def _property(result: Mapping[str, Any], name: str) -> Any:
    """Returns the value of Twilio's property in a result of any caller."""
    [known] = [text for text in (name, *SPELLINGS.get(name, ())) if text in result] or [name]
    value = result[known]
    return not value if known in ("muted", "is_muted") and value is not None else value


def _read(operation: Operation, value: Any, schema: dict[str, Any]) -> Any:
    items = operation.resolve(schema.get("items", {}))
    if schema.get("type") == "array":
        return [_read(operation, item, items) for item in value or ()]
    if value is None:
        return None
    if "enum" in schema:
        return _enum_value(WORDS.get(value, value))
    if schema.get("format") == "date-time" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if schema.get("format", "").endswith("-rule"):
        return {
            {"effect": "type"}.get(name, name): _enum_value(part) if name in RULE_ENUMS else part
            for name, part in value.items()
        }
    if schema.get("type") == "object":
        return {name: _parse_text(name, part) for name, part in value.items()}
    return value


def shape(value: Any) -> Any:
    """Replaces SIDs, times and durations, and removes the mark of a callback URL.

    What remains is equal in the results of equal calls on different scenarios.
    """
    match value:
        case dict():
            return {
                name: "duration" if name in DURATIONS and part is not None else shape(part)
                for name, part in value.items()
            }
        case list():
            return [shape(part) for part in value]
        case datetime():
            return "time"
        case str():
            return re.sub(
                r"(?<=\b[A-Z]{2})[0-9a-f]{32}|(?<=video_extension_)[0-9a-f-]{36}|(?<=room-)[0-9a-f]{12}",
                "…",
                re.sub(r"\?key=[0-9a-f]{32}(?=#)", "", value),
            )
        case _:
            return value


def _parse_text(name: str, part: Any) -> Any:
    """Converts a property of a configuration, which Twilio returns as a string."""
    if name == "hints" and isinstance(part, str):
        return part.split(",")
    return {"true": True, "false": False}.get(part, part) if isinstance(part, str) else part


def _enum_value(text: str) -> str:
    return text.upper().replace("-", "_")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
