"""The cost of operations, counted by hand."""

import re
from typing import Any

import pytest
from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode, parse
from graphql.type import GraphQLObjectType

from gateway.core.errors import MaxCostExceeded
from gateway.core.paging import DEFAULT_FIRST
from gateway.gql.execution.cost import (
    MAX_CALLS,
    MAX_COST,
    Cost,
    check_cost,
    count_objects,
)
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA, resolver_metadata
from gateway.service.callers.charge import FETCH_COST
from tests.gql.conftest import GraphQLServer


def checked(text: str, **variables: Any) -> Cost:
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


def cost_of(text: str, **variables: Any) -> int:
    return checked(text, **variables).points


def calls_of(text: str, **variables: Any) -> int:
    return checked(text, **variables).calls


def refusal_of(text: str) -> str:
    with pytest.raises(MaxCostExceeded) as refused:
        checked(text)
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ __typename __schema { types { name } } }", {}, 0),
        ('{ room(ref: {uniqueName: "a"}) { sid freshness { isStale } } }', {}, FETCH_COST),
        ("{ rooms { nodes { sid } } }", {}, FETCH_COST + 50),
        ("{ rooms(first: 7) { nodes { sid } edges { node { sid } } } }", {}, FETCH_COST + 7),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { insights { id } } } }",
            {"n": 7},
            FETCH_COST + 7 + 7 * FETCH_COST,
        ),
        ("query($n: Int! = 5) { rooms(first: $n) { nodes { sid } } }", {}, FETCH_COST + 50),
        ("query($n: Int) { rooms(first: $n) { nodes { sid } } }", {"n": None}, FETCH_COST + 50),
        ("{ rooms(first: -5) { nodes { sid } } }", {}, FETCH_COST + 1),
        ("{ rooms(first: 1000000) { nodes { sid } } }", {}, FETCH_COST + 100),
        (
            '{ nodes(ids: ["a", "b"]) { ... on Room { insights { id } } } }',
            {},
            2 * FETCH_COST + 2 + 2 * FETCH_COST,
        ),
        ("query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": ["a"] * 9}, 9 * FETCH_COST + 9),
        ('{ nodes(ids: "a") { id } }', {}, FETCH_COST + 1),
        (
            (
                "{ rooms(first: 2) { ...R } } "
                "fragment R on RoomConnection { nodes { insights { id } } }"
            ),
            {},
            3 * FETCH_COST + 2,
        ),
        ("{ rooms(first: 2) { nodes { ... { insights { id } } } } }", {}, 3 * FETCH_COST + 2),
        (
            """mutation { createRoom(input: {}) { room { participants(first: 3) { nodes { room {
                sid } } } } } }""",
            {},
            2 * FETCH_COST + 3 + 3,
        ),
        (
            "subscription { roomEvents { ... on RoomChanged { room { insights { id } } } } }",
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
        pages = " ".join(f"p{number}: rooms(first: 100) {{ asOf }}" for number in range(59))
        return f"{{ {pages} last: rooms(first: {last_page}) {{ asOf }} }}"

    assert checked(operation(100)) == Cost(MAX_COST, MAX_CALLS)
    timelines = """{ room(ref: {uniqueName: "a"}) { events(first: %d) { asOf } } rooms(first: %d)
        { nodes {
        events(first: 100) { asOf } } } }"""
    assert cost_of(timelines % (100, 58)) <= MAX_COST
    more = refusal_of(timelines % (100, 60))
    assert more.startswith("the operation costs up to 7,735 points and the limit is 7,500")


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        # The room that has the name may have ended just now.
        ('{ room(ref: {uniqueName: "a"}) { sid freshness { isStale } } }', 2),
        ("{ rooms { nodes { sid participants { nodes { identity } } } } }", 51),
        ("{ rooms(first: 7) { edges { node { recordings { nodes { sid } } } } } }", 8),
        ("{ rooms { nodes { events { edges { cursor } } } } }", 1),
        ('{ room(ref: {uniqueName: "a"}) { participants { nodes { room { sid } } } } }', 4),
        ("{ rooms(first: 9) { nodes { participants { nodes { room { sid } } } } } }", 1 + 9 + 9),
        ('{ nodes(ids: ["a", "b"]) { ... on Room { insights { id } } } }', 4),
        ("{ quota { read { limit } } }", 0),
        ("subscription { roomEvents { cursor } }", 0),
        (
            """subscription { roomLive(room: {uniqueName: "a"}) { participants { nodes {
                publishedTracks { nodes {
            sid } } } } } }""",
            1 + 50,
        ),
    ],
)
def test_calls_to_twilio_are_counted_as_if_nothing_were_cached(text: str, calls: int) -> None:
    assert calls_of(text) == calls


@pytest.mark.parametrize(
    ("text", "variables", "calls"),
    [
        ("{ rooms(filter: {statuses: [COMPLETED, FAILED, FAILED]}) { nodes { sid } } }", {}, 2),
        ("{ rooms(filter: {statuses: COMPLETED}) { nodes { sid } } }", {}, 1),
        ("{ rooms(filter: null) { nodes { sid } } }", {}, 1),
        (
            "query($s: [RoomStatusInput!]) { rooms(filter: {statuses: $s}) { nodes { sid } } }",
            {"s": ["COMPLETED", "FAILED"]},
            2,
        ),
        (
            "query($f: RoomFilter) { rooms(filter: $f) { nodes { sid } } }",
            {"f": {"statuses": ["COMPLETED", "FAILED", "IN_PROGRESS"]}},
            3,
        ),
        ("query($f: RoomFilter) { rooms(filter: $f) { nodes { sid } } }", {}, 1),
        (
            """{ rooms(first: 9) { nodes { participants(filter: {statuses: [CONNECTED,
            DISCONNECTED]}) { nodes { sid } } } } }""",
            {},
            1 + 2 * 9,
        ),
    ],
)
def test_each_status_of_a_filter_needs_a_list_of_its_own(
    text: str, variables: dict[str, Any], calls: int
) -> None:
    assert calls_of(text, **variables) == calls


def test_too_many_calls_are_refused_with_the_field_and_a_cheaper_one() -> None:
    assert refusal_of(
        "{ rooms { nodes { participants { nodes { publishedTracks { nodes { sid } } } } } } }"
    ) == (
        "publishedTracks below rooms.participants could need 2,500 calls to Twilio and 60 are "
        "allowed: select presence of the room, which needs none, or use first: 7 or less for "
        "each page"
    )
    assert refusal_of("{ rooms(first: 100) { nodes { insights { id } } } }") == (
        "insights below rooms could need 100 calls to Twilio and 60 are allowed: use first: 59 "
        "or less for each page"
    )


def test_fields_that_need_equally_many_calls_are_all_named_and_one_with_a_cheaper_way_first() -> (
    None
):
    assert refusal_of(
        """{ rooms(first: 40) { nodes {
            insights { id } recordingRules { id } participants { nodes { sid } } } } }"""
    ) == (
        "the operation could need 121 calls to Twilio and 60 are allowed, 40 for participants "
        "below rooms and 40 for insights below rooms and 40 for recordingRules below rooms: "
        "select presence, which needs none, or use first: 19 or less for each page"
    )


def test_advice_below_presence_does_not_name_presence_again() -> None:
    message = refusal_of(
        """{ rooms { nodes { presence { participants { participant { publishedTracks { nodes {
            sid } } } } } } } }"""
    )
    assert message.startswith(
        "publishedTracks below rooms.presence.participants.participant could need "
    )
    assert "select participants and tracks of the presence itself, which need none" in message
    assert "select presence" not in message


def test_advice_for_ids_counts_ids() -> None:
    ids = ", ".join(f'"{number}"' for number in range(61))
    assert refusal_of(f"{{ nodes(ids: [{ids}]) {{ id }} }}").endswith(": send at most 60 ids")
    nested = "... on Room { participants { nodes { publishedTracks { nodes { sid } } } } }"
    assert refusal_of(f"{{ nodes(ids: [{ids}]) {{ {nested} }} }}").endswith(
        "or use first: 6 or less for each page, and send at most 6 ids"
    )


@pytest.mark.parametrize(
    "document",
    [
        "{ rooms(first: %d) { nodes { insights { id } recordingRules { id } } } }",
        "{ rooms(first: %d) { nodes { participants { nodes { room { insights { id } } } } } } }",
        """{ rooms(first: %d) { nodes { events(first: 100) { asOf } a: events(first: 100) { asOf
            } } } }""",
    ],
)
def test_pages_of_the_size_that_a_refusal_names_are_allowed_and_larger_ones_are_not(
    document: str,
) -> None:
    [size] = re.findall(r"first: (\d+) or less", refusal_of(document % 100))
    smaller = document.replace("events(first: 100)", f"events(first: {size})").replace(
        "participants {", f"participants(first: {size}) {{"
    )
    checked(smaller % int(size))
    larger = smaller.replace(f"first: {size}", f"first: {int(size) + 1}")
    refusal_of(larger % (int(size) + 1))


def test_where_no_page_can_be_smaller_the_advice_is_to_select_less() -> None:
    rules = " ".join(f"r{number}: recordingRules {{ id }}" for number in range(61))
    assert refusal_of(f'{{ room(ref: {{uniqueName: "a"}}) {{ {rules} }} }}').endswith(
        ": select less in one operation"
    )


async def test_refusal_has_a_reason_of_its_own_and_its_figures(server: GraphQLServer) -> None:
    error = await server.error("{ rooms(first: 100) { nodes { insights { id } } } }")
    extensions = error["extensions"]
    assert (extensions["code"], extensions["reason"]) == ("BAD_USER_INPUT", "MAX_COST_EXCEEDED")
    names = ("calls", "callsAllowed", "points", "pointsAllowed")
    assert [extensions[name] for name in names] == [101, MAX_CALLS, 2625, MAX_COST]


async def test_an_operation_that_costs_too_much_is_rejected_before_it_fetches(
    server: GraphQLServer,
) -> None:
    wide = """{ rooms(first: 100) { nodes { participants(first: 100) { nodes {
        publishedTracks { nodes { sid } } } } } } }"""
    error = await server.error(wide)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"{MAX_CALLS} are allowed: select presence" in error["message"]
    assert server.account.participants.calls == []


def test_every_field_that_fetches_says_how_many_calls_it_needs() -> None:
    for type_ in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                metadata = resolver_metadata(field)
                if metadata is not None and not metadata.get("is_derived"):
                    assert isinstance(metadata.get("calls"), int), f"{type_.name}.{name}"


def test_every_connection_has_the_default_page_size() -> None:
    """A connection without `first` would cost nothing."""
    for type_ in EXECUTABLE_SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if str(field.type).endswith("Connection!"):
                    default = field.args["first"].default_value
                    assert default == DEFAULT_FIRST, f"{type_.name}.{name}"


def test_count_objects_counts_those_on_pages_and_in_lists() -> None:
    page = {
        "nodes": [
            {"sid": "a", "tracks": {"nodes": [{"sid": "b"}, None]}},
            {"sid": "c", "codecs": ["VP8"]},
        ]
    }
    assert count_objects({"rooms": page, "room": {"sid": "d"}}) == 3
    assert count_objects(None) == count_objects({}) == 0
