from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from gateway.gql.sharing import SharedAnswers, selection_key

WATCH = """subscription Watch($room: ID, $after: String, $named: Boolean! = true) {
    roomEvents(room: $room, after: $after) { cursor ...named }
}
fragment named on RoomEvent { roomName @include(if: $named) }"""
TWO = "subscription A { roomEvents { cursor } } subscription B { roomEvents { prev } }"


def key(query: str = WATCH, variables: dict[str, Any] | None = None, name: str | None = None) -> bytes:
    parts = parse(query).definitions
    fragments = {part.name.value: part for part in parts if isinstance(part, FragmentDefinitionNode)}
    [operation, *_] = [
        part
        for part in parts
        if isinstance(part, OperationDefinitionNode) and (name is None or (part.name and part.name.value == name))
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


def test_what_was_put_is_found_at_its_place_only() -> None:
    shared = SharedAnswers()
    shared.put((b"s", "c2", "c1"), b"text")
    assert shared.get((b"s", "c2", "c1")) == b"text"
    for other in ((b"t", "c2", "c1"), (b"s", "c3", "c1"), (b"s", "c2", "c0"), (b"s", "c2", None)):
        assert shared.get(other) is None


@pytest.mark.parametrize(("count", "bytes_"), [(2, 1_000), (1_000, 8)])
def test_i16_the_oldest_makes_room(count: int, bytes_: int) -> None:
    shared = SharedAnswers(count=count, bytes_=bytes_)
    for number in range(5):
        shared.put((b"s", f"c{number}", None), b"text")
    assert (len(shared), shared.size) == (2, 8)
    assert shared.get((b"s", "c2", None)) is None
    assert shared.get((b"s", "c4", None)) == b"text"


def test_i16_what_is_put_twice_counts_once() -> None:
    shared = SharedAnswers()
    for text in (b"text", b"te"):
        shared.put((b"s", "c1", None), text)
    assert (len(shared), shared.size) == (1, 2)


def test_i16_what_is_larger_than_all_is_not_kept() -> None:
    shared = SharedAnswers(bytes_=3)
    shared.put((b"s", "c1", None), b"text")
    assert (len(shared), shared.size) == (0, 0)
