"""Insights."""

from datetime import timedelta

from gateway.core.insights import InsightsRoomFilter
from gateway.core.recordings import MediaCodec
from gateway.core.rooms import RoomType
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, AT, room_sid


async def test_insights_are_read_through_the_room_and_by_its_sid(server: GraphQLServer) -> None:
    data = await server.data(
        """query($sid: ID!, $none: ID!, $participant: ID!) {
            insightsRoom(ref: $sid) { roomSid durationSeconds
                participants(first: 3) { nodes { participantSid properties publisherInfo } }
                participant(ref: $participant) { status } }
            none: insightsRoom(ref: $none) { roomSid }
            room(ref: {uniqueName: "standup"}) { insights { roomSid } } }""",
        sid=room_sid(1),
        none=room_sid(7),
        participant=ADA,
    )
    assert data == {
        "insightsRoom": {
            "roomSid": room_sid(1),
            "durationSeconds": 2**40,
            "participants": {
                "nodes": [
                    {"participantSid": ADA, "properties": {"a": [1, None]}, "publisherInfo": {}}
                ]
            },
            "participant": {"status": None},
        },
        "none": None,
        "room": {"insights": {"roomSid": room_sid(1)}},
    }
    assert ("participants", room_sid(1), 3, None) in server.account.insights.calls


async def test_insights_rooms_passes_every_filter(server: GraphQLServer) -> None:
    query = """query($a: DateTime, $b: DateTime) {
        insightsRooms(filter: {roomTypes: [GROUP, GO], codecs: [VP8, OPUS], roomName: "standup",
            createdAfter: $a, createdBefore: $b}, first: 7, after: "x") { nodes { roomSid } asOf
            } }"""
    await server.data(query, a="2026-11-20T12:00:00Z", b="2026-11-20T13:00:00Z")
    filters = InsightsRoomFilter(
        room_types=(RoomType.GROUP, RoomType.GO),
        codecs=(MediaCodec.VP8, MediaCodec.OPUS),
        room_name="standup",
        created_after=AT,
        created_before=AT + timedelta(hours=1),
    )
    assert server.account.insights.calls == [("rooms", filters, 7, "x")]


async def test_insights_reject_anything_but_a_sid(server: GraphQLServer) -> None:
    assert (
        "RM and 32 hex digits"
        in (await server.error('{ insightsRoom(ref: "standup") { roomSid } }'))["message"]
    )
    query = """{ room(ref: {uniqueName: "standup"}) { insights { participant(ref: "ada") { status
        } } } }"""
    assert "PA and 32 hex digits" in (await server.error(query))["message"]
