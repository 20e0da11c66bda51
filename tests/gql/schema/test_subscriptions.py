"""Subscriptions ask the service for what they were asked."""

import pytest

from gateway.core.events import RoomEventType
from tests.gql.conftest import LIMIT_S, Served, sid


async def test_the_arguments_reach_the_feed(served: Served) -> None:
    async with served.socket() as socket:
        query = 'subscription { roomEvents(room: "standup", types: [ROOM_ENDED, TRACK_ADDED], after: "c5") { cursor } }'
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        await socket.receive_json(timeout=5)
    [asked] = served.account.feed.asked
    assert (asked.ref and asked.ref.name, asked.after) == ("standup", "c5")
    assert asked.types == {RoomEventType.ROOM_ENDED, RoomEventType.TRACK_ADDED}


async def test_no_types_at_all_is_refused(served: Served) -> None:
    async with served.socket() as socket:
        payload = {"query": "subscription { roomEvents(types: []) { cursor } }"}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        [error] = (await socket.receive_json(timeout=5))["payload"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert served.account.feed.asked == []


@pytest.mark.parametrize("field", ["roomLive(ref: $room)", "presence(room: $room)"])
async def test_a_live_view_is_asked_for_by_sid_or_name(served: Served, field: str) -> None:
    query = f"subscription($room: ID!) {{ {field} {{ __typename }} }}"
    async with served.socket() as socket:
        for number, named in enumerate(("standup", sid(1))):
            payload = {"query": query, "variables": {"room": named}}
            await socket.send_json({"id": str(number), "type": "subscribe", "payload": payload})
            assert (await socket.receive_json(timeout=LIMIT_S))["type"] == "next"
    assert [(ref.name, ref.sid) for ref in served.account.live.asked] == [
        ("standup", None),
        (None, sid(1)),
    ]
