"""Every use of names of graphql-core and strawberry that are not documented API.

An upgrade of either library may change these names. The tests of this module fail when
one of them is missing or works differently.
"""

import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any

import graphql
import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
)
from graphql.execution import Executor
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gateway.gql.schema.context import Context
from gateway.gql.schema.live import SubscriptionMessage
from gateway.gql.schema.schema import schema
from gateway.gql.schema.texts import describe


def executable_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema as graphql-core represents it."""
    return schema._schema


EXECUTABLE_SCHEMA = describe(executable_schema(schema))


def _mark_one_of_inputs() -> None:
    """Lets graphql-core check and print the inputs that take exactly one field.

    strawberry checks them in its own executor, which is not used here.
    """
    for type_ in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            definition = type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
            type_.is_one_of = definition.is_one_of


_mark_one_of_inputs()


def print_schema() -> str:
    """The schema in the schema definition language, as in `schema/schema.graphql`."""
    return graphql.print_schema(EXECUTABLE_SCHEMA) + "\n"


def resolver_metadata(field: GraphQLField) -> Mapping[Any, Any] | None:
    """The strawberry metadata of a field with a resolver; None for other fields."""
    definition = (field.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if definition is None or definition.base_resolver is None:
        return None
    metadata: Mapping[Any, Any] = definition.metadata
    return metadata


def list_size(field: GraphQLField) -> int | None:
    """The most objects in a field's list, from its strawberry metadata; None if it does
    not say."""
    definition = (field.extensions or {}).get(GraphQLCoreConverter.DEFINITION_BACKREF)
    size: int | None = None if definition is None else definition.metadata.get("list_size")
    return size


class OperationExecutor(Executor[Context]):
    """An executor that holds no more memory than its operation needs.

    graphql-core's executor refers to itself through its async helpers. Only the garbage
    collector could free it, together with the context and all data that was read. Weak
    references in the helpers let it go when the operation ends.

    graphql-core also shares one memo of subfields between all events of a subscription,
    and never removes an entry: 4 kB an event. Here each event has a memo of its own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        this = weakref.proxy(self)
        self.async_helpers = GraphQLResolveInfoHelpers(
            gather=partial(Executor.gather_async_work, this),
            track=partial(Executor.track_async_work, this),
        )

    def build_per_event_executor(self, payload: SubscriptionMessage) -> Executor[Context]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}
        return executor
