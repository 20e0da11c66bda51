"""The cost of operations, counted by hand."""

from typing import Any

import pytest
from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode, parse
from graphql.type import GraphQLObjectType

from gateway.core.errors import InvalidArgument
from gateway.gql.execution.cost import DEFAULT_PAGE_SIZE, MAX_COST, check_cost, count_objects
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.service.callers.charge import FETCH_COST
from tests.gql.conftest import GraphQLServer


def cost_of(text: str, **variables: Any) -> int:
    document: DocumentNode = parse(text)
    [operation] = [
        part for part in document.definitions if isinstance(part, OperationDefinitionNode)
    ]
    fragments = {
        part.name.value: part
        for part in document.definitions
        if isinstance(part, FragmentDefinitionNode)
    }
    return check_cost(EXECUTABLE_SCHEMA, operation, fragments, variables)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ __typename __schema { types { name } } }", {}, 0),
        ('{ room(ref: "a") { sid freshness { isStale } } }', {}, FETCH_COST),
        ("{ rooms { nodes { sid } } }", {}, FETCH_COST + 50),
        ("{ rooms(first: 7) { nodes { sid } edges { node { sid } } } }", {}, FETCH_COST + 7),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { insights { url } } } }",
            {"n": 7},
            FETCH_COST + 7 + 7 * FETCH_COST,
        ),
        ("query($n: Int! = 5) { rooms(first: $n) { nodes { sid } } }", {}, FETCH_COST + 50),
        ("query($n: Int) { rooms(first: $n) { nodes { sid } } }", {"n": None}, FETCH_COST + 1),
        ("{ rooms(first: -5) { nodes { sid } } }", {}, FETCH_COST + 1),
        ("{ rooms(first: 1000000) { nodes { sid } } }", {}, FETCH_COST + 100),
        (
            '{ nodes(ids: ["a", "b"]) { ... on Room { insights { url } } } }',
            {},
            2 * FETCH_COST + 2 + 2 * FETCH_COST,
        ),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 9}, 9 * FETCH_COST + 9),
        ('{ nodes(ids: "a") { id } }', {}, FETCH_COST + 1),
        (
            (
                "{ rooms(first: 2) { ...R } } "
                "fragment R on RoomConnection { nodes { insights { url } } }"
            ),
            {},
            3 * FETCH_COST + 2,
        ),
        ("{ rooms(first: 2) { nodes { ... { insights { url } } } } }", {}, 3 * FETCH_COST + 2),
        (
            "mutation { createRoom { participants(first: 3) { nodes { room { sid } } } } }",
            {},
            2 * FETCH_COST + 3 + 3,
        ),
        (
            "subscription { roomEvents { ... on RoomChanged { room { insights { url } } } } }",
            {},
            2 * FETCH_COST,
        ),
    ],
)
def test_fetches_and_full_pages_are_counted(
    text: str, variables: dict[str, Any], expected: int
) -> None:
    assert cost_of(text, **variables) == expected


def test_an_operation_may_cost_exactly_the_maximum() -> None:
    def operation(last_page: int) -> str:
        wide = "{ nodes { insights { url } } }"
        pages = " ".join(f"p{number}: rooms(first: 100) {{ asOf }}" for number in range(18))
        return f"{{ rooms(first: 100) {wide} {pages} last: rooms(first: {last_page}) {{ asOf }} }}"

    assert cost_of(operation(100)) == MAX_COST
    more = operation(100).replace("last:", "more: rooms(first: 1) { asOf } last:")
    with pytest.raises(InvalidArgument, match=f"costs up to {MAX_COST + FETCH_COST + 1} points"):
        cost_of(more)


def test_a_page_of_fifty_rooms_with_their_participants_is_accepted() -> None:
    cost_of("{ rooms { nodes { sid participants { nodes { identity } } } } }")


async def test_an_operation_that_costs_too_much_is_rejected_before_it_fetches(
    server: GraphQLServer,
) -> None:
    wide = """{ rooms(first: 100) { nodes { participants(first: 100) { nodes {
        publishedTracks { nodes { sid } } } } } } }"""
    error = await server.error(wide)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"the limit is {MAX_COST}: request smaller pages" in error["message"]
    assert server.account.participants.calls == []


def test_every_connection_has_the_default_page_size() -> None:
    """A connection without `first` would cost nothing."""
    for type_ in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if str(field.type).endswith("Connection!"):
                    default = field.args["first"].default_value
                    assert default == DEFAULT_PAGE_SIZE, f"{type_.name}.{name}"


def test_count_objects_counts_those_on_pages_and_in_lists() -> None:
    page = {
        "nodes": [
            {"sid": "a", "tracks": {"nodes": [{"sid": "b"}, None]}},
            {"sid": "c", "codecs": ["VP8"]},
        ]
    }
    assert count_objects({"rooms": page, "room": {"sid": "d"}}) == 3
    assert count_objects(None) == count_objects({}) == 0
