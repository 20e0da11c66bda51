"""Insights."""

from datetime import timedelta

from gateway.core.insights import InsightsRoomFilter
from gateway.core.recordings import Codec
from gateway.core.rooms import RoomType
from tests.gql.conftest import Served, sid
from tests.gql.service import ADA, AT


async def test_insights_are_read_of_a_room_and_by_its_sid(served: Served) -> None:
    told = await served.data(
        """query($sid: ID!, $none: ID!, $who: ID!) { insightsRoom(sid: $sid) { roomSid durationSec
        participants(first: 3) { nodes { participantSid properties publisherInfo } } participant(sid: $who) { status } }
        none: insightsRoom(sid: $none) { roomSid } room(ref: "standup") { insights { roomSid } } }""",
        sid=sid(1),
        none=sid(7),
        who=ADA,
    )
    assert told == {
        "insightsRoom": {
            "roomSid": sid(1),
            "durationSec": 2**40,
            "participants": {
                "nodes": [
                    {"participantSid": ADA, "properties": {"a": [1, None]}, "publisherInfo": {}}
                ]
            },
            "participant": {"status": None},
        },
        "none": None,
        "room": {"insights": {"roomSid": sid(1)}},
    }
    assert ("participants", sid(1), 3, None) in served.account.insights.asked


async def test_rooms_are_chosen_by_every_filter(served: Served) -> None:
    query = """query($a: DateTime, $b: DateTime) { insightsRooms(roomTypes: [GROUP, GO], codecs: [VP8, OPUS],
        roomName: "standup", createdAfter: $a, createdBefore: $b, first: 7, after: "x") { nodes { roomSid } asOf } }"""
    await served.data(query, a="2026-11-20T12:00:00Z", b="2026-11-20T13:00:00Z")
    wanted = InsightsRoomFilter(
        room_types=(RoomType.GROUP, RoomType.GO),
        codecs=(Codec.VP8, Codec.OPUS),
        room_name="standup",
        created_after=AT,
        created_before=AT + timedelta(hours=1),
    )
    assert served.account.insights.asked == [("rooms", wanted, 7, "x")]


async def test_insights_know_sids_only(served: Served) -> None:
    assert (
        "RM and 32 hex digits"
        in (await served.error('{ insightsRoom(sid: "standup") { roomSid } }'))["message"]
    )
    query = '{ room(ref: "standup") { insights { participant(sid: "ada") { status } } } }'
    assert "PA and 32 hex digits" in (await served.error(query))["message"]
