from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from gateway.gql.execution.selection_key import selection_key

WATCH = """subscription Watch($room: ID, $after: String, $named: Boolean! = true) {
    roomEvents(room: $room, after: $after) { cursor ...named }
}
fragment named on RoomEvent { roomName @include(if: $named) }"""
TWO = "subscription A { roomEvents { cursor } } subscription B { roomEvents { prev } }"


def key(
    query: str = WATCH, variables: dict[str, Any] | None = None, name: str | None = None
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


def test_what_only_chooses_the_events_makes_no_difference() -> None:
    assert key(variables={"room": "a", "after": "c1"}) == key(variables={"room": "b"}) == key()


def test_what_chooses_the_fields_does() -> None:
    assert key(variables={"named": False}) != key(variables={"named": True})


def test_a_variable_that_does_both_does() -> None:
    query = "subscription($x: String) { roomEvents(after: $x) { room { participants(after: $x) { cursor } } } }"
    assert key(query, {"x": "a"}) != key(query, {"x": "b"})


def test_a_variable_inside_a_list_or_an_object_counts() -> None:
    query = "subscription($x: Int) { roomEvents { field(input: {list: [$x]}) } }"
    assert key(query, {"x": 1}) != key(query, {"x": 2})


def test_a_condition_of_the_root_field_counts() -> None:
    query = "subscription($x: Boolean!) { roomEvents @include(if: $x) { cursor } }"
    assert key(query, {"x": True}) != key(query, {"x": False})


def test_a_root_field_inside_a_fragment_counts_with_its_arguments() -> None:
    """Such operations share less, and are right nevertheless."""
    query = "subscription($x: String) { ...root } fragment root on Subscription { roomEvents(after: $x) { cursor } }"
    assert key(query, {"x": "a"}) != key(query, {"x": "b"})


def test_other_words_are_another_selection() -> None:
    assert key(WATCH) != key(WATCH.replace("cursor", "prev"))


def test_two_operations_of_one_document_are_two_selections() -> None:
    assert key(TWO, name="A") != key(TWO, name="B")


def test_a_variable_left_out_is_not_one_that_is_null() -> None:
    """The one takes its default."""
    assert key(variables={"named": None}) != key()
