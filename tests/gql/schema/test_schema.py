"""The schema, its printed form, and the published documents."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from graphql import (
    FieldNode,
    GraphQLNonNull,
    GraphQLObjectType,
    Node,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    visit,
)

from gateway.gql.execution.documents import Documents
from gateway.gql.execution.graphql_core import (
    EXECUTABLE_SCHEMA,
    print_schema,
    resolver_metadata,
)

SCHEMA = Path(__file__).parents[3] / "schema"


class WithoutDescriptions(Visitor):
    def leave(self, node: Node, *_: object) -> Node:
        is_described = any(field.name == "description" for field in fields(node))
        return replace(node, description=None) if is_described else node  # type: ignore[call-arg]


SIGNATURES = print_ast(visit(parse(print_schema()), WithoutDescriptions())).replace("{  }", "{}")


def test_the_printed_schema_is_current() -> None:
    assert (SCHEMA / "schema.graphql").read_text() == print_schema(), "run `make schema`"


@pytest.mark.parametrize(
    "signature",
    [
        "room(ref: RoomRef!): Room\n",
        "rooms(filter: RoomFilter, first: Int = 50, after: String): RoomConnection\n",
        "node(id: ID!): Node\n",
        "nodes(ids: [ID!]!): [Node]!\n",
        "createRoom(input: CreateRoomInput!): CreateRoomPayload\n",
        "completeRoom(input: CompleteRoomInput!): CompleteRoomPayload\n",
        "disconnectParticipant(input: DisconnectParticipantInput!): DisconnectParticipantPayload\n",
        "roomEvents(room: RoomRef, filter: RoomEventFilter, after: String): StreamMessage!\n",
        "roomLive(room: RoomRef!): Room!\n",
        "roomPresence(room: RoomRef!): RoomPresence!\n",
    ],
)
def test_the_schema_has_these_signatures(signature: str) -> None:
    assert f"  {signature}" in SIGNATURES


@pytest.mark.parametrize(
    "path", sorted((SCHEMA / "operations").iterdir()), ids=lambda path: path.stem
)
def test_every_published_document_is_valid(path: Path) -> None:
    Documents(EXECUTABLE_SCHEMA, introspection=False).document(path.read_text())


def test_every_field_of_an_object_that_fetches_is_nullable() -> None:
    """Otherwise its failure would take the object with it, and the whole list."""
    roots = (
        EXECUTABLE_SCHEMA.query_type,
        EXECUTABLE_SCHEMA.mutation_type,
        EXECUTABLE_SCHEMA.subscription_type,
    )
    fetched = {
        f"{type_.name}.{name}": field
        for type_ in EXECUTABLE_SCHEMA.type_map.values()
        if isinstance(type_, GraphQLObjectType) and type_ not in roots
        for name, field in type_.fields.items()
        if not (resolver_metadata(field) or {"is_derived": True}).get("is_derived")
    }
    assert {"Room.participants", "Room.recordingRules", "InsightsRoom.participants"} <= set(fetched)
    non_null = [name for name, field in fetched.items() if isinstance(field.type, GraphQLNonNull)]
    assert non_null == []


def test_every_mutation_has_one_input_and_a_payload_with_errors() -> None:
    mutations = EXECUTABLE_SCHEMA.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        type_ = name[0].upper() + name[1:]
        assert {key: str(argument.type) for key, argument in field.args.items()} == {
            "input": f"{type_}Input!"
        }
        payload = field.type
        assert isinstance(payload, GraphQLObjectType)
        assert payload.name == f"{type_}Payload"
        *results, errors = payload.fields.items()
        assert (errors[0], str(errors[1].type)) == ("errors", "[MutationError!]!")
        assert results
        assert not any(isinstance(result.type, GraphQLNonNull) for _, result in results)


@pytest.mark.parametrize(
    "path", sorted((SCHEMA / "operations").iterdir()), ids=lambda path: path.stem
)
def test_every_published_document_selects_the_ids_that_caches_need(path: Path) -> None:
    """A cache of a client normalises an object by its type and its id."""
    types, missing = TypeInfo(EXECUTABLE_SCHEMA), list[str]()

    class ObjectsWithoutId(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            type_ = get_named_type(types.get_type())
            selections = node.selection_set.selections if node.selection_set else ()
            selected = {part.name.value for part in selections if isinstance(part, FieldNode)}
            if "id" in getattr(type_, "fields", {}) and "id" not in selected:
                missing.append(node.name.value)

    visit(parse(path.read_text()), TypeInfoVisitor(types, ObjectsWithoutId()))
    assert missing == []
