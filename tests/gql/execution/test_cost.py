"""What an operation may cost, counted by hand."""

from typing import Any

import pytest
from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode, parse
from graphql.type import GraphQLObjectType

from gateway.core.errors import InvalidArgument
from gateway.gql.execution import cost
from gateway.gql.execution.cost import LIMIT, check_cost, objects_of
from gateway.gql.schema.schema import EXECUTABLE
from gateway.service.callers.points import FETCH
from tests.gql.conftest import Served


def check(text: str, **variables: Any) -> None:
    document: DocumentNode = parse(text)
    [operation] = [
        part for part in document.definitions if isinstance(part, OperationDefinitionNode)
    ]
    fragments = {
        part.name.value: part
        for part in document.definitions
        if isinstance(part, FragmentDefinitionNode)
    }
    check_cost(EXECUTABLE, operation, fragments, variables)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ __typename __schema { types { name } } }", {}, 0),
        ('{ room(ref: "a") { sid freshness { isStale } } }', {}, FETCH),
        ("{ rooms { nodes { sid } } }", {}, FETCH + 50),
        ("{ rooms(first: 7) { nodes { sid } edges { node { sid } } } }", {}, FETCH + 7),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { insights { url } } } }",
            {"n": 7},
            FETCH + 7 + 7 * FETCH,
        ),
        ("query($n: Int! = 5) { rooms(first: $n) { nodes { sid } } }", {}, FETCH + 50),
        ("query($n: Int) { rooms(first: $n) { nodes { sid } } }", {"n": None}, FETCH + 1),
        ("{ rooms(first: -5) { nodes { sid } } }", {}, FETCH + 1),
        ("{ rooms(first: 1000000) { nodes { sid } } }", {}, FETCH + 100),
        (
            '{ nodes(ids: ["a", "b"]) { ... on Room { insights { url } } } }',
            {},
            2 * FETCH + 2 + 2 * FETCH,
        ),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 9}, 9 * FETCH + 9),
        ('{ nodes(ids: "a") { id } }', {}, FETCH + 1),
        (
            "{ rooms(first: 2) { ...R } } fragment R on RoomConnection { nodes { insights { url } } }",
            {},
            3 * FETCH + 2,
        ),
        ("{ rooms(first: 2) { nodes { ... { insights { url } } } } }", {}, 3 * FETCH + 2),
        (
            "mutation { createRoom { participants(first: 3) { nodes { room { sid } } } } }",
            {},
            2 * FETCH + 3 + 3,
        ),
        (
            "subscription { roomEvents { ... on RoomChanged { room { insights { url } } } } }",
            {},
            2 * FETCH,
        ),
    ],
)
def test_a_fetch_and_a_full_page_count(
    monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, Any], expected: int
) -> None:
    monkeypatch.setattr(cost, "LIMIT", expected)
    check(text, **variables)
    if expected:
        monkeypatch.setattr(cost, "LIMIT", expected - 1)
        with pytest.raises(InvalidArgument, match=f"costs up to {expected}:"):
            check(text, **variables)


def test_a_page_of_fifty_rooms_with_their_participants_is_allowed() -> None:
    check("{ rooms { nodes { sid participants { nodes { identity } } } } }")


async def test_what_would_cost_too_much_is_refused_before_anything_is_fetched(
    served: Served,
) -> None:
    wide = "{ rooms(first: 100) { nodes { participants(first: 100) { nodes { publishedTracks { nodes { sid } } } } } } }"
    error = await served.error(wide)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"up to {LIMIT} are allowed: ask for smaller pages" in error["message"]
    assert served.account.participants.asked == []


def test_every_page_is_known_as_one() -> None:
    """A connection without `first` would count for nothing."""
    for type_ in EXECUTABLE.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if str(field.type).endswith("Connection!"):
                    assert field.args["first"].default_value == cost.PAGE, f"{type_.name}.{name}"


def test_objects_are_counted_on_pages_and_in_lists() -> None:
    page = {
        "nodes": [
            {"sid": "a", "tracks": {"nodes": [{"sid": "b"}, None]}},
            {"sid": "c", "codecs": ["VP8"]},
        ]
    }
    assert objects_of({"rooms": page, "room": {"sid": "d"}}) == 3
    assert objects_of(None) == objects_of({}) == 0
