"""Descriptions of the schema: each element has one, and no text is written twice."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    is_introspection_type,
    is_specified_scalar_type,
)

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA, executable_schema
from gateway.gql.schema import schema as definition
from gateway.gql.schema.subscriptions import Subscription
from gateway.gql.schema.texts import PROTO_TEXTS, describe

# Two texts with this part of their words in common say the same.
SAME_WORDS = 0.75
# Names and words that the protos have and GraphQL has not.
PROTO_WORDS = re.compile(
    r"`[a-z0-9]+_[a-z0-9_]+`|[A-Z]_UNSPECIFIED|\b[Uu]nset\b|\b(?:NOT_FOUND|OUT_OF_RANGE|ALREADY_EXISTS)\b"
    rf"|\b(?:{'|'.join(name.partition('.')[2] for name in PROTO_TEXTS if 'Service.' in name)})\b"
)


def elements(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Types, fields, arguments, input fields and enum values, by their coordinates."""
    for type_ in schema.type_map.values():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        yield type_.name, type_
        match type_:
            case GraphQLEnumType():
                for name, value in type_.values.items():
                    yield f"{type_.name}.{name}", value
            case GraphQLObjectType() | GraphQLInterfaceType() | GraphQLInputObjectType():
                for name, field in type_.fields.items():
                    yield f"{type_.name}.{name}", field
                    for argument in getattr(field, "args", ()):
                        yield f"{type_.name}.{name}({argument}:)", field.args[argument]


def descriptions(schema: GraphQLSchema) -> Mapping[str, str | None]:
    return {name: element.description for name, element in elements(schema)}


def undescribed_schema() -> GraphQLSchema:
    """The schema with the descriptions that are written in Python only."""
    return executable_schema(
        strawberry.Schema(
            definition.Query,
            definition.Mutation,
            Subscription,
            types=definition.MESSAGE_TYPES,
            config=definition.schema.config,
        )
    )


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_every_element_has_a_description() -> None:
    assert [name for name, text in descriptions(EXECUTABLE_SCHEMA).items() if not text] == []
    assert EXECUTABLE_SCHEMA.description


def test_every_description_is_sentences_in_the_words_of_graphql() -> None:
    texts = descriptions(EXECUTABLE_SCHEMA).items()
    assert [(name, text) for name, text in texts if PROTO_WORDS.search(text or "")] == []
    # An address may end a text.
    endings = re.compile(r"(?:[.`]|https://\S+)$")
    assert [(name, text) for name, text in texts if not endings.search(text or "")] == []


def test_every_scalar_says_where_it_is_specified() -> None:
    own = [
        scalar for _, scalar in elements(EXECUTABLE_SCHEMA) if isinstance(scalar, GraphQLScalarType)
    ]
    assert own
    assert [scalar.name for scalar in own if not scalar.specified_by_url] == []


def test_no_description_in_python_repeats_a_comment_of_a_proto() -> None:
    python = descriptions(undescribed_schema())
    bare = undescribed_schema()
    for _, element in elements(bare):
        element.description = None
    proto = descriptions(describe(bare))
    repeated = []
    for name, text in python.items():
        other = proto[name]
        if text and other:
            own, shared = words(text), words(other)
            if len(own & shared) >= SAME_WORDS * len(own | shared):
                repeated.append((name, text, other))
    assert repeated == []
