"""Subscriptions ask the service for what they were asked."""

import pytest

from gateway.core.events import RoomEventType
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, room_sid


async def test_the_arguments_reach_the_feed(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        query = 'subscription { roomEvents(room: "standup", types: [ROOM_ENDED, TRACK_ADDED], after: "c5") { cursor } }'
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        await socket.receive_json(timeout=5)
    [asked] = server.account.feed.calls
    assert (asked.ref and asked.ref.name, asked.after) == ("standup", "c5")
    assert asked.types == {RoomEventType.ROOM_ENDED, RoomEventType.TRACK_ADDED}


async def test_no_types_at_all_is_refused(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        payload = {"query": "subscription { roomEvents(types: []) { cursor } }"}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        [error] = (await socket.receive_json(timeout=5))["payload"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.feed.calls == []


@pytest.mark.parametrize("field", ["roomLive(ref: $room)", "presence(room: $room)"])
async def test_a_live_view_is_asked_for_by_sid_or_name(server: GraphQLServer, field: str) -> None:
    query = f"subscription($room: ID!) {{ {field} {{ __typename }} }}"
    async with server.socket() as socket:
        for number, named in enumerate(("standup", room_sid(1))):
            payload = {"query": query, "variables": {"room": named}}
            await socket.send_json({"id": str(number), "type": "subscribe", "payload": payload})
            assert (await socket.receive_json(timeout=TIMEOUT_S))["type"] == "next"
    assert [(ref.name, ref.sid) for ref in server.account.live.calls] == [
        ("standup", None),
        (None, room_sid(1)),
    ]
