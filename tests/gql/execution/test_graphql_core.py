"""The private names of graphql-core and strawberry that the gateway uses."""

import weakref

import graphql
import strawberry
from graphql import GraphQLField, GraphQLResolveInfo, parse
from graphql.execution import Executor
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gateway.gql.execution.graphql_core import (
    EXECUTABLE_SCHEMA,
    OperationExecutor,
    executable_schema,
    list_size,
    print_schema,
    resolver_metadata,
)
from tests.gql.fakes import ACCOUNT, Account, operation_context


def executor() -> OperationExecutor:
    built = OperationExecutor.build(
        EXECUTABLE_SCHEMA,
        parse("subscription { roomEvents { cursor } }"),
        context_value=operation_context(Account(ACCOUNT)),
    )
    assert isinstance(built, OperationExecutor)
    return built


def field(type_: str, name: str) -> GraphQLField:
    found: GraphQLField = EXECUTABLE_SCHEMA.type_map[type_].fields[name]  # type: ignore[attr-defined]
    return found


def test_strawberry_keeps_its_graphql_core_schema_in_the_attribute_that_we_read() -> None:
    @strawberry.type
    class Query:
        answer: int

    schema = strawberry.Schema(Query)
    assert isinstance(schema._schema, graphql.GraphQLSchema)
    assert executable_schema(schema) is schema._schema


def test_strawberry_links_each_field_to_its_definition() -> None:
    definition = field("Room", "participants").extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    assert definition.base_resolver is not None
    assert definition.metadata["calls"] == 1


def test_resolver_metadata_is_none_for_a_plain_attribute() -> None:
    assert resolver_metadata(field("Room", "sid")) is None
    not_shared, shared = (
        resolver_metadata(field(type_, name)) or {}
        for type_, name in (("Room", "recordings"), ("Participant", "room"))
    )
    assert not_shared == {"is_shared": False, "calls": 1, "cheaper": ""}
    assert shared == {"is_shared": True, "calls": 1, "cheaper": ""}
    assert resolver_metadata(GraphQLField(graphql.GraphQLString)) is None


def test_list_size_is_the_one_that_the_field_says() -> None:
    assert list_size(field("RoomPresence", "participants")) == 50
    assert list_size(field("PresentParticipant", "tracks")) is None
    assert list_size(GraphQLField(graphql.GraphQLString)) is None


def test_graphql_core_has_the_helpers_that_we_make_weak() -> None:
    names = {"gather_async_work", "track_async_work"}
    assert names <= vars(Executor).keys()
    assert "async_helpers" in Executor.__annotations__
    assert "async_helpers" in GraphQLResolveInfo._fields


async def test_the_weak_helpers_work_as_those_of_graphql_core() -> None:
    async def double(number: int) -> int:
        return 2 * number

    built = executor()
    assert await built.async_helpers.gather([double(1), double(2)]) == [2, 4]
    built.async_helpers.track([1, double(3)])
    assert len(built.background_futures) == 1
    await next(iter(built.background_futures))


def test_an_executor_is_freed_without_the_garbage_collector() -> None:
    built = executor()
    freed = weakref.ref(built)
    del built
    assert freed() is None


def test_graphql_core_memoizes_subfields_in_the_attribute_that_we_replace() -> None:
    assert executor()._relevant_sub_fields == {}
    plain = Executor.build(EXECUTABLE_SCHEMA, parse("{ __typename }"))
    assert isinstance(plain, Executor)
    assert plain.build_per_event_executor(None)._relevant_sub_fields is plain._relevant_sub_fields


def test_each_event_has_a_memo_of_its_own() -> None:
    parent = executor()
    first, second = (parent.build_per_event_executor(None) for _ in range(2))  # type: ignore[arg-type]
    memos = {id(each._relevant_sub_fields) for each in (parent, first, second)}
    assert len(memos) == 3


def test_an_input_that_takes_one_field_is_printed_and_checked_as_such() -> None:
    assert "input RoomRef @oneOf {" in print_schema()
    assert EXECUTABLE_SCHEMA.type_map["RoomRef"].is_one_of  # type: ignore[attr-defined]
