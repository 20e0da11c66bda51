"""Keys of selections."""

from contextlib import ExitStack
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from gateway.core.errors import Throttled
from gateway.gql.execution.selection_key import SELECTIONS, OpenSelections, selection_key
from tests.gql.fakes import ACCOUNT

EVENTS = """subscription Watch($room: ID, $after: String, $named: Boolean! = true) {
    roomEvents(room: $room, after: $after) { cursor ...named }
}
fragment named on RoomEvent { room { uniqueName @include(if: $named) } }"""
TWO = "subscription A { roomEvents { cursor } } subscription B { roomEvents { prev } }"

SEEN: dict[bytes, str] = {}
"""The selection of each key of `test_other_selections_have_other_keys`."""


def key(
    query: str = EVENTS, variables: dict[str, Any] | None = None, name: str | None = None
) -> bytes:
    parts = parse(query).definitions
    fragments = {
        part.name.value: part for part in parts if isinstance(part, FragmentDefinitionNode)
    }
    [operation, *_] = [
        part
        for part in parts
        if isinstance(part, OperationDefinitionNode)
        and (name is None or (part.name and part.name.value == name))
    ]
    return selection_key(variables, operation, fragments)


def test_variables_of_the_root_field_do_not_change_the_key() -> None:
    assert key(variables={"room": "a", "after": "c1"}) == key(variables={"room": "b"}) == key()


def test_variables_of_the_selection_change_the_key() -> None:
    assert key(variables={"named": False}) != key(variables={"named": True})


def test_a_variable_of_both_changes_the_key() -> None:
    query = """subscription($x: String) {
        roomEvents(after: $x) { room { participants(after: $x) { cursor } } } }"""
    assert key(query, {"x": "a"}) != key(query, {"x": "b"})


def test_a_variable_inside_a_list_or_an_object_changes_the_key() -> None:
    query = "subscription($x: Int) { roomEvents { field(input: {list: [$x]}) } }"
    assert key(query, {"x": 1}) != key(query, {"x": 2})


def test_a_variable_in_a_directive_of_the_root_field_changes_the_key() -> None:
    query = "subscription($x: Boolean!) { roomEvents @include(if: $x) { cursor } }"
    assert key(query, {"x": True}) != key(query, {"x": False})


def test_variables_of_a_root_field_in_a_fragment_do_not_change_the_key() -> None:
    query = """subscription($x: String) { ...root }
        fragment root on Subscription { roomEvents(after: $x) { cursor } }"""
    assert key(query, {"x": "a"}) == key(query, {"x": "b"})


@pytest.mark.parametrize(
    "text",
    [
        EVENTS.replace("Watch", "Other"),
        EVENTS.replace("named on", "other on").replace("...named", "...other"),
        EVENTS.replace("$named", "$other"),
        EVENTS.replace(" { ", "{,,,"),
        "# a comment\n" + EVENTS,
        EVENTS.replace("$room: ID, $after: String, ", "").replace(
            "room: $room, after: $after", 'after: "c1"'
        ),
        EVENTS.replace("(room: $room, after: $after)", ""),
        EVENTS + " query Other { __typename }",
    ],
)
def test_texts_that_select_the_same_have_one_key(text: str) -> None:
    assert key(text, name="Other" if "Other" in text and "query" not in text else None) == key()


@pytest.mark.parametrize(
    "selection",
    [
        "cursor",
        "prev cursor",
        "cursor prev: cursor",
        "a: cursor prev",
        "cursor prev @include(if: false)",
        "cursor prev @include(if: true)",
        "cursor prev @skip(if: true)",
        "... on RoomEvent { cursor } prev",
        "... on RoomEnded { cursor } prev",
        "... { cursor } prev",
        "... @include(if: true) { cursor } prev",
        "cursor prev x { y }",
        "cursor prev x { y { z } }",
        "cursor prev x { y z }",
        "cursor prev x(a: 1)",
        'cursor prev x(a: "1")',
        "cursor prev x(a: [1])",
        "cursor prev x(a: {b: 1})",
        'cursor prev x(a: {b: "given"})',
        "cursor prev x(b: 1)",
        "cursor prev x(a: null)",
        "cursor prev x(a: ONE)",
    ],
)
def test_other_selections_have_other_keys(selection: str) -> None:
    """Two equal keys would send a client what it did not select."""
    keys = SEEN.setdefault(key(f"subscription {{ roomEvents {{ {selection} }} }}"), selection)
    assert keys == selection
    assert key("subscription { roomEvents { cursor prev } }") not in SEEN
    assert key(f"subscription {{ a: roomEvents {{ {selection} }} }}") not in SEEN


def test_a_default_and_a_literal_have_one_key_and_a_given_value_another() -> None:
    query = "subscription($x: Int = 1) { roomEvents { field(a: $x) } }"
    assert key(query) == key("subscription { roomEvents { field(a: 1) } }")
    assert key(query, {"x": 2}) != key(query)


def test_different_selections_of_one_caller_are_limited() -> None:
    selections, caller = OpenSelections(), (ACCOUNT, "a")
    with ExitStack() as stack:
        for number in range(SELECTIONS):
            stack.enter_context(selections.enter(caller, b"%d" % number))
        stack.enter_context(selections.enter(caller, b"0"))
        stack.enter_context(selections.enter((ACCOUNT, "b"), b"new"))
        with (
            pytest.raises(Throttled, match="100 different selections"),
            selections.enter(caller, b"x"),
        ):
            pass
    assert selections._open == {}
    with selections.enter(caller, b"x"):
        pass


def test_another_document_has_another_key() -> None:
    assert key(EVENTS) != key(EVENTS.replace("cursor", "prev"))


def test_two_operations_of_one_document_have_two_keys() -> None:
    assert key(TWO, name="A") != key(TWO, name="B")


def test_a_missing_variable_and_a_null_variable_have_two_keys() -> None:
    """A missing variable has its default."""
    assert key(variables={"named": None}) != key()
