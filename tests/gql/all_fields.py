"""Selections of all fields of a type, for tests of whole types."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA, resolver_metadata

DEPTH = 4


def implementers(interface: str) -> list[GraphQLObjectType]:
    """The object types that implement an interface."""
    type_ = EXECUTABLE_SCHEMA.type_map[interface]
    assert isinstance(type_, GraphQLInterfaceType)
    return list(EXECUTABLE_SCHEMA.get_implementations(type_).objects)


def fields_that_fetch_nothing(type_: str, depth: int = DEPTH) -> str:
    """The selection of all fields of a type, but those that fetch."""
    return " ".join(_fields(EXECUTABLE_SCHEMA.type_map[type_], depth))


def _fetches(field: GraphQLField) -> bool:
    metadata = resolver_metadata(field)
    return metadata is not None and not metadata.get("is_derived")


def _fields(type_: Any, depth: int) -> Iterator[str]:
    field: GraphQLField
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        if _fetches(field):
            continue
        if is_leaf_type(named):
            yield name
        elif depth > 1:
            yield f"{name} {{ {' '.join(_fields(named, depth - 1))} }}"
