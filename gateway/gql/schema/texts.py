"""Descriptions that the schema shares with the protos. Reads its data when imported.

The comments of the protos are the source; `make proto` writes them to `texts.json`. An
element of the schema that has no description in Python gets the comment of the proto
element that means the same:

- a type has the message or enum of its name; an input has the request;
- an enum value has the value with the prefix of the enum;
- a field has the field of its name in snake case, without a unit at its end
  (`durationSeconds` has `duration`) and without `is` before it, or the method that
  answers it (`Query.rooms` has `ListRooms`);
- an argument has the field of that method's request;
- a field without any of these has the text of the interface that declares it.

Names in backticks become those of GraphQL, and "unset" becomes "null". This module also
has the texts of what only GraphQL has and what follows from a name, such as pages.
Other texts of GraphQL alone are in Python where the element is defined.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Final, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

PROTO_TEXTS: Final[Mapping[str, str]] = json.loads(
    files("gateway.gql.schema").joinpath("texts.json").read_text(encoding="utf-8")
)
"""Comments of the protos by name: `Room`, `Room.sid`, `RoomService.GetRoom`."""

_Endings: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

_UNITS: Final = ("Seconds", "Minutes", "Ms", "Bytes")
_BOOLEAN: Final = re.compile(r"(?:is|has)(?=[A-Z])")
_SNAKE: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_CODE: Final = re.compile(r"(Twilio calls it )?`(\w+)`")
# Words of a proto, and what GraphQL has instead.
_WORDS: Final = (
    (re.compile(r"\bFails with `?NOT_FOUND`? (?=if|when)"), "Null "),
    (re.compile(r"`?\bOUT_OF_RANGE\b`?"), "CURSOR_EXPIRED"),
    (re.compile(r"\bUnset\b"), "Null"),
    (re.compile(r"\bunset\b"), "null"),
)
_READ_VERB: Final = re.compile(r"^(?:BatchGet|Get|List|Watch)")
_VERBS: Final = {"Mutation": ("",), "Subscription": ("Watch",)}

# GraphQL name: name in the protos, where the rules above do not lead to it.
_MESSAGES: Final[Mapping[str, str]] = {"RecordedKindInput": "TrackKind"}
_FIELDS: Final[Mapping[str, str]] = {
    "idempotencyKey": "request_id",
    "deletedRecordingId": "deleted_recording_sid",
}
_OTHER_METHODS: Final[Mapping[str, str]] = {
    "roomLive": "WatchRoom",
    "roomPresence": "GetRoomPresence",
}
_GRAPHQL_NAMES: Final[Mapping[str, str]] = {
    **{proto: field for field, proto in _FIELDS.items()},
    **{method: field for field, method in _OTHER_METHODS.items()},
    "page_size": "first",
    "page_token": "after",
}
# The ending of a type's name, and the messages or enums that mean the same.
_ENDINGS: Final[_Endings] = (("Input", ("{}Request", "{}")),)
# The same, for messages that have its fields but another meaning.
_FIELD_ENDINGS: Final[_Endings] = (
    *_ENDINGS,
    ("Payload", ("{}Response",)),
    ("Connection", ("List{}sResponse",)),
    ("Filter", ("List{}sRequest",)),
    ("Match", ("{}",)),
)

_SCHEMA: Final = (
    "Twilio Video rooms: their participants, tracks, recordings and transcriptions, with live "
    "events."
)
# Types by the ending of their name. `{}` is the rest of it.
_TYPES: Final = {
    "Connection": "A page of a list of `{}`. It can be shorter than `first` and still have a "
    "next page.",
    "Edge": "One `{}` of a page, with its cursor.",
    "PageInfo": "Where a page begins and ends, by the Relay specification.",
}
# Fields by the ending of their type's name.
_TYPE_FIELDS: Final = {
    "Connection": {
        "edges": "The objects of this page, each with its cursor.",
        "nodes": "The objects of this page.",
        "pageInfo": "Where this page begins and ends.",
        "totalCount": "The number of objects in the whole list. Null when it is not known "
        "without another call to Twilio.",
    },
    "Edge": {
        "cursor": "The place of the object in the list, for `after`.",
        "node": "The object.",
    },
    "PageInfo": {
        "endCursor": "The cursor of the last object of the page. Null when the page is empty.",
        "hasNextPage": "Whether there are objects after the page.",
        "hasPreviousPage": "Whether the page begins after a cursor. Pages go forward only.",
        "startCursor": "The cursor of the first object of the page. Null when the page is empty.",
    },
    "": {
        "id": "The object's id in the whole schema, for `node` and for caches of clients.",
    },
}
# Fields of every type of a resource. The protos have them beside most resources.
_RESOURCE_FIELDS: Final = {
    "asOf": "A cursor: a stream of events after it delivers every change that this data does not "
    "show. In an event, it is the cursor of the event, and in presence that of the presence. Null "
    "in the payload of a mutation, except for rooms, and while the event log cannot be read.",
    "freshness": "How fresh this data is. Null in an event and in presence, which are not read "
    "from Twilio, and in the payload of a mutation, except for rooms.",
}
_FIELD_TEXTS: Final = {
    "Room.asOf": _RESOURCE_FIELDS["asOf"],
    "Room.freshness": _RESOURCE_FIELDS["freshness"],
    "RoomEventConnection.asOf": "Always null: `roomEvents` continues after `pageInfo.endCursor`.",
    "RoomEventConnection.freshness": "Always null: the list is from the event log, not a cache.",
}
_ARGUMENTS: Final = {
    "id": "The object's `id`.",
    "ids": "The `id` of each object: up to 60.",
    "filter": "Which objects to select: those that match every field of the filter.",
    "first": "The largest number of objects in the page, 1 to 100. Null means 50.",
    "input": "The parameters of the mutation.",
}
_PAGE_ARGUMENTS: Final = {
    **_ARGUMENTS,
    "after": "The cursor after which the page begins. Null for the first page.",
}

_Composite: TypeAlias = GraphQLObjectType | GraphQLInterfaceType


def describe(schema: GraphQLSchema, proto_texts: Mapping[str, str] = PROTO_TEXTS) -> GraphQLSchema:
    """Returns the schema, in which each element without a description gets its text.

    An element for which there is no text stays without one.
    """
    schema.description = schema.description or _SCHEMA
    texts = _Texts(schema, proto_texts)
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    # An object's field takes the text of its interface, hence the interfaces first.
    for type_ in sorted(schema.type_map.values(), key=_depth):
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        type_.description = type_.description or texts.of_type(type_.name)
        match type_:
            case GraphQLEnumType():
                for name, value in type_.values.items():
                    value.description = value.description or texts.of_value(type_.name, name)
            case GraphQLInputObjectType():
                for name, element in type_.fields.items():
                    element.description = element.description or texts.of_field(type_.name, name)
            case GraphQLObjectType() | GraphQLInterfaceType():
                is_root = type_ in roots
                for name, field in type_.fields.items():
                    _describe_field(texts, type_, name, field, is_root)
    return schema


def _depth(type_: object) -> int:
    """Sorts interfaces before those that implement them, and objects last."""
    return len(type_.interfaces) if isinstance(type_, GraphQLInterfaceType) else 1_000


def _describe_field(
    texts: "_Texts", type_: _Composite, name: str, field: GraphQLField, is_root: bool
) -> None:
    methods = texts.methods(type_.name, name)
    # Below a room, `participant` is a link to an object unless it takes a `ref`.
    is_call = is_root or "first" in field.args or "ref" in field.args
    inherited = (
        above.fields[name].description for above in type_.interfaces if name in above.fields
    )
    field.description = (
        field.description
        or texts.of_field(type_.name, name)
        or next(filter(None, inherited), None)
        or (texts.first(methods) if is_call else None)
    )
    general = _PAGE_ARGUMENTS if "first" in field.args else _ARGUMENTS
    for argument_name, argument in field.args.items():
        if not argument.description:
            text = texts.of_argument(methods, name, argument_name)
            if text and argument_name == "ref" and get_named_type(argument.type).name == "ID":
                text = f"{text.removesuffix('.')}, or its `id`."  # a proto takes the SID only
            argument.description = general.get(argument_name) or text


class _Texts:
    """The texts of the protos, in the words of a schema."""

    def __init__(self, schema: GraphQLSchema, proto_texts: Mapping[str, str]) -> None:
        self._names = set(_names(schema))
        self._proto_texts = proto_texts
        self._methods = {}
        prefixes = set()
        for name in proto_texts:
            parent, _, child = name.partition(".")
            if parent.endswith("Service") and child:
                self._methods[child] = name
            elif child.startswith(_prefix(parent)):
                prefixes.add(_prefix(parent))
        self._prefix = re.compile(rf"\b(?:{'|'.join(prefixes)})(?=[A-Z])")

    def of_type(self, name: str) -> str | None:
        for ending, text in _TYPES.items():
            if name.endswith(ending):
                return text.format(name.removesuffix(ending))
        return self.first(_messages(name, _ENDINGS))

    def of_value(self, enum: str, value: str) -> str | None:
        return self.first(
            f"{source}.{_prefix(source)}{value}" for source in _messages(enum, _ENDINGS)
        )

    def of_field(self, type_: str, field: str) -> str | None:
        if own := _FIELD_TEXTS.get(f"{type_}.{field}"):
            return own
        sources = _messages(type_, _FIELD_ENDINGS)
        text = self.first(f"{source}.{name}" for source in sources for name in _proto_fields(field))
        if text is not None:
            return text
        for ending, fields in _TYPE_FIELDS.items():
            if type_.endswith(ending) and field in fields:
                return fields[field]
        return _RESOURCE_FIELDS.get(field)

    def of_argument(self, methods: Iterable[str], field: str, argument: str) -> str | None:
        names = _proto_fields(argument)
        if argument == "ref":  # insightsRoom(ref:) is GetInsightsRoomRequest.room
            names = [_snake(field), _snake(field).rpartition("_")[2]]
        requests = (method.partition(".")[2] for method in methods)
        return self.first(f"{request}Request.{name}" for request in requests for name in names)

    def methods(self, type_: str, field: str) -> list[str]:
        """Names such as `RoomService.ListRooms` of methods that answer a field.

        Events of a room are from ListRoomEvents, participants of an InsightsRoom from
        ListInsightsParticipants.
        """
        name = f"{field[0].upper()}{field[1:]}"
        verbs = _VERBS.get(type_, ("Get", "List"))
        owners = dict.fromkeys((type_, re.sub(r"[A-Z][a-z]*$", "", type_), ""))
        names = [f"{verb}{owner}{name}" for owner in owners for verb in verbs]
        names += [_OTHER_METHODS[field]] if field in _OTHER_METHODS else []
        return [self._methods[name] for name in names if name in self._methods]

    def first(self, names: Iterable[str]) -> str | None:
        """The text of the first of these proto elements that has one."""
        for name in names:
            if name in self._proto_texts:
                return self._in_graphql_words(self._proto_texts[name])
        return None

    def _in_graphql_words(self, text: str) -> str:
        for pattern, replacement in _WORDS:
            text = pattern.sub(replacement, text)
        text = self._prefix.sub("", text)
        return _CODE.sub(self._in_backticks, text)

    def _in_backticks(self, code: re.Match[str]) -> str:
        lead, name = code.groups()
        # Twilio's word has no unit at its end.
        return f"{lead}`{_camel(name)}`" if lead else f"`{self._graphql_name(name)}`"

    def _graphql_name(self, name: str) -> str:
        """The name of a proto's field, method or type in the schema."""
        if name in _GRAPHQL_NAMES:
            return _GRAPHQL_NAMES[name]
        if name in self._methods:
            return _lower_first(_READ_VERB.sub("", name))
        if not _SNAKE.fullmatch(name):
            return name
        camel = _camel(name)
        with_units = [f"{camel}{unit}" for unit in ("", *_UNITS)]
        with_verbs = [f"{verb}{camel[0].upper()}{camel[1:]}" for verb in ("is", "has")]
        return next((known for known in with_units + with_verbs if known in self._names), camel)


def _names(schema: GraphQLSchema) -> Iterator[str]:
    """Names of all fields and arguments."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            yield from type_.fields
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                yield name
                yield from field.args


def _messages(type_: str, endings: _Endings) -> Iterator[str]:
    """Names of messages or enums that may mean the same as a type, the best first."""
    yield _MESSAGES.get(type_, type_)
    for ending, patterns in endings:
        if type_.endswith(ending):
            stem = type_.removesuffix(ending)
            yield from (pattern.format(stem) for pattern in patterns)


def _proto_fields(name: str) -> list[str]:
    """Names of proto fields that may mean the same as a field, the best first."""
    if name in _FIELDS:
        return [_FIELDS[name]]
    without_unit = [name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)]
    without_verb = [_BOOLEAN.sub("", name)] if _BOOLEAN.match(name) else []
    return [_snake(each) for each in (name, *without_unit, *without_verb)]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _lower_first(name: str) -> str:
    return name[0].lower() + name[1:]


def _prefix(enum: str) -> str:
    return f"{_snake(enum).upper()}_"
