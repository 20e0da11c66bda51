"""Subscriptions ask the feed for what they were asked."""

from gateway.core.events import RoomEventType
from tests.gql.conftest import Served


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
