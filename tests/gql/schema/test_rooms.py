"""Rooms."""

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
