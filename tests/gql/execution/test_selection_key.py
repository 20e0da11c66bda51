"""Keys of selections."""

from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from gateway.gql.execution.selection_key import selection_key

EVENTS = """subscription Watch($room: ID, $after: String, $named: Boolean! = true) {
    roomEvents(room: $room, after: $after) { cursor ...named }
}
fragment named on RoomEvent { room { uniqueName @include(if: $named) } }"""
TWO = "subscription A { roomEvents { cursor } } subscription B { roomEvents { prev } }"


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
    return selection_key(query, variables, operation, fragments)


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


def test_variables_of_a_root_field_in_a_fragment_change_the_key() -> None:
    """Such operations share less than they could, but never too much."""
    query = """subscription($x: String) { ...root }
        fragment root on Subscription { roomEvents(after: $x) { cursor } }"""
    assert key(query, {"x": "a"}) != key(query, {"x": "b"})


def test_another_document_has_another_key() -> None:
    assert key(EVENTS) != key(EVENTS.replace("cursor", "prev"))


def test_two_operations_of_one_document_have_two_keys() -> None:
    assert key(TWO, name="A") != key(TWO, name="B")


def test_a_missing_variable_and_a_null_variable_have_two_keys() -> None:
    """A missing variable has its default."""
    assert key(variables={"named": None}) != key()
