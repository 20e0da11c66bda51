"""Rooms."""

from gateway.core.errors import AlreadyExists
from gateway.core.rooms import NewRoom
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import room


async def test_an_unknown_room_is_null(server: GraphQLServer) -> None:
    _, body = await server.post('{ room(ref: {uniqueName: "nobody"}) { sid } }')
    assert (body["data"], "errors" in body) == ({"room": None}, False)


async def test_a_connection_has_edges_nodes_and_page_info(server: GraphQLServer) -> None:
    _, body = await server.post(
        "{ rooms { edges { cursor node { sid } } nodes { sid } "
        "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    )
    assert body["data"]["rooms"] == {
        "edges": [{"cursor": "p0", "node": {"sid": room().sid}}],
        "nodes": [{"sid": room().sid}],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": "p0",
            "endCursor": None,
        },
    }


async def test_create_room_sends_only_the_given_arguments(server: GraphQLServer) -> None:
    await server.post("mutation { createRoom { sid } }")
    await server.post('mutation { createRoom(input: {uniqueName: "standup", type: null}) { sid } }')
    assert server.account.rooms.created == [NewRoom(), NewRoom(unique_name="standup")]


async def test_a_failed_mutation_returns_null_and_its_code(server: GraphQLServer) -> None:
    server.account.rooms.error = AlreadyExists("the name is taken: choose another one")
    status, body = await server.post(
        "mutation { createRoom { sid } }", "application/graphql-response+json"
    )
    assert (status, body["data"]) == (200, None)
    assert body["errors"][0]["extensions"]["code"] == "CONFLICT"
