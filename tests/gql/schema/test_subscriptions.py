"""The arguments of subscriptions."""

import pytest

from gateway.core.events import RoomEventType
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, room_sid


async def test_room_events_passes_its_arguments_to_the_feed(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        query = """subscription { roomEvents(room: {uniqueName: "standup"}, filter: {types: [
            ROOM_ENDED, TRACK_ADDED]}, after: "c5") { cursor } }"""
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        await socket.receive_json(timeout=TIMEOUT_S)
    [call] = server.account.feed.calls
    assert (call.ref and call.ref.name, call.after) == ("standup", "c5")
    assert call.types == frozenset({RoomEventType.ROOM_ENDED, RoomEventType.TRACK_ADDED})


async def test_room_events_rejects_an_empty_list_of_types(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        payload = {"query": "subscription { roomEvents(filter: {types: []}) { cursor } }"}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        [error] = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"].startswith("filter.types is empty")
    assert server.account.feed.calls == []


@pytest.mark.parametrize("field", ["roomLive(room: $room)", "roomPresence(room: $room)"])
async def test_a_live_view_accepts_a_sid_or_a_name(server: GraphQLServer, field: str) -> None:
    query = f"subscription($room: RoomRef!) {{ {field} {{ __typename }} }}"
    async with server.socket() as socket:
        for number, ref in enumerate(({"uniqueName": "standup"}, {"sid": room_sid(1)})):
            payload = {"query": query, "variables": {"room": ref}}
            await socket.send_json({"id": str(number), "type": "subscribe", "payload": payload})
            assert (await socket.receive_json(timeout=TIMEOUT_S))["type"] == "next"
    assert [(ref.name, ref.sid) for ref in server.account.live.calls] == [
        ("standup", None),
        (None, room_sid(1)),
    ]
