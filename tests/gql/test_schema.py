"""The schema, its printed form, the documents that go with it, and what the resolvers ask of the service."""

from pathlib import Path

import pytest

from gateway.core.errors import AlreadyExists
from gateway.core.rooms import NewRoom
from gateway.gql.documents import Documents
from gateway.gql.schema import EXECUTABLE, print_schema
from tests.gql.conftest import Served, room, sid

SCHEMA = Path(__file__).parents[2] / "schema"


def test_the_printed_schema_is_current() -> None:
    assert (SCHEMA / "schema.graphql").read_text() == print_schema(), "run `make schema`"


@pytest.mark.parametrize(
    "signature",
    [
        "room(ref: ID!): Room\n",
        "rooms(status: RoomStatus! = IN_PROGRESS, uniqueName: String, createdAfter: DateTime, createdBefore: DateTime, first: Int! = 50, after: String): RoomConnection!\n",  # noqa: E501
        "node(id: ID!): Node\n",
        "nodes(ids: [ID!]!): [Node]!\n",
        "createRoom(input: CreateRoomInput! = {}): Room!\n",
        "completeRoom(ref: ID!): Room!\n",
        "roomEvents(room: ID, types: [RoomEventType!], after: String): StreamMessage!\n",
    ],
)
def test_the_signatures_are_those_of_the_design(signature: str) -> None:
    assert f"  {signature}" in print_schema()


@pytest.mark.parametrize("path", sorted((SCHEMA / "operations").iterdir()), ids=lambda path: path.stem)
def test_every_document_that_we_publish_fits_the_schema_and_its_limits(path: Path) -> None:
    Documents(EXECUTABLE, introspection=False).document(path.read_text())


async def test_a_room_is_null_when_there_is_none(served: Served) -> None:
    _, body = await served.post('{ room(ref: "nobody") { sid } node(id: "standup") { id } }')
    assert body == {"data": {"room": None, "node": None}}


async def test_nodes_keep_their_order(served: Served) -> None:
    ids = [sid(1), "standup", sid(7), sid(1)]
    _, body = await served.post("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)
    here = {"__typename": "Room", "id": sid(1)}
    assert body["data"]["nodes"] == [here, None, None, here]


async def test_no_more_than_a_hundred_nodes_are_asked_for(served: Served) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    _, body = await served.post(query, ids=["x"] * 100)
    assert body["data"]["nodes"] == [None] * 100
    assert (await served.error(query, ids=["x"] * 101))["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_connection_has_edges_nodes_and_a_page_info(served: Served) -> None:
    _, body = await served.post(
        "{ rooms { edges { cursor node { sid } } nodes { sid } "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    )
    assert body["data"]["rooms"] == {
        "edges": [{"cursor": "p0", "node": {"sid": room().sid}}],
        "nodes": [{"sid": room().sid}],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": "p0", "endCursor": None},
    }


async def test_a_room_is_made_with_what_the_caller_gave_and_no_more(served: Served) -> None:
    await served.post("mutation { createRoom { sid } }")
    await served.post('mutation { createRoom(input: {uniqueName: "standup", type: null}) { sid } }')
    assert served.account.rooms.created == [NewRoom(), NewRoom(unique_name="standup")]


async def test_a_failing_mutation_is_null_with_its_code(served: Served) -> None:
    served.account.rooms.failure = AlreadyExists("the name is taken; choose another one")
    status, body = await served.post("mutation { createRoom { sid } }", "application/graphql-response+json")
    assert (status, body["data"]) == (200, None)
    assert body["errors"][0]["extensions"]["code"] == "CONFLICT"
