"""Creating and ending rooms."""

from gateway.core.rooms import NewRoom
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import room

CREATE = """mutation($input: CreateRoomInput!) { createRoom(input: $input) {
    room { sid uniqueName } created errors { code field } } }"""


async def test_create_room_sends_only_the_given_fields(server: GraphQLServer) -> None:
    await server.data(CREATE, input={})
    data = await server.data(CREATE, input={"uniqueName": "standup", "type": None})
    assert server.account.rooms.created == [NewRoom(), NewRoom(unique_name="standup")]
    assert data["createRoom"] == {
        "room": {"sid": room(9).sid, "uniqueName": "standup"},
        "created": True,
        "errors": [],
    }


async def test_a_wrong_field_creates_no_room(server: GraphQLServer) -> None:
    data = await server.data(CREATE, input={"maxParticipants": 51})
    assert data["createRoom"] == {
        "room": None,
        "created": None,
        "errors": [{"code": "INVALID_INPUT", "field": ["maxParticipants"]}],
    }
    assert server.account.rooms.created == []


async def test_complete_room_returns_the_room(server: GraphQLServer) -> None:
    query = """mutation($input: CompleteRoomInput!) { completeRoom(input: $input) {
        room { sid } errors { code } } }"""
    for ref in ({"uniqueName": "standup"}, {"sid": room().sid}):
        data = await server.data(query, input={"room": ref})
        assert data["completeRoom"] == {"room": {"sid": room().sid}, "errors": []}


async def test_ensure_room_tells_whether_it_made_the_room(server: GraphQLServer) -> None:
    query = """mutation($input: EnsureRoomInput!) { ensureRoom(input: $input) {
        room { uniqueName } created errors { code field } } }"""
    data = await server.data(query, input={"uniqueName": "standup", "maxParticipants": 2})
    assert data["ensureRoom"] == {
        "room": {"uniqueName": "standup"},
        "created": False,
        "errors": [],
    }
    data = await server.data(query, input={"uniqueName": ""})
    assert data["ensureRoom"]["errors"] == [{"code": "INVALID_INPUT", "field": ["uniqueName"]}]
    error = await server.error(query, input={})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
