"""Room events and the other messages of a stream as GraphQL types."""

from typing import Any

import pytest

from gateway.core import events
from gateway.core.errors import CursorExpired
from gateway.core.events import (
    Bookmark,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomChangeKind,
    RoomEventType,
)
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema import events as views
from gateway.gql.schema.events import (
    EVENT_TYPES,
    EventParticipant,
    EventTrack,
    RecordingCompleted,
    message_view,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import TIMEOUT_S, delivered, event, participant, room


@pytest.mark.parametrize("type_", RoomEventType)
def test_every_event_type_has_a_graphql_type_of_its_name(type_: RoomEventType) -> None:
    message = message_view(delivered(1, event(type_)))
    assert type(message) is EVENT_TYPES[type_]
    assert type(message).__name__ == type_.value.title().replace("-", "")
    assert (message.cursor, message.prev) == ("c1", "c0")
    interface: Any = EXECUTABLE_SCHEMA.type_map["RoomEvent"]
    event_type: Any = EXECUTABLE_SCHEMA.type_map[type(message).__name__]
    assert EXECUTABLE_SCHEMA.is_sub_type(interface, event_type)


def test_other_messages_have_no_prev_except_a_gap() -> None:
    assert message_view(Bookmark("c1")) == views.Bookmark(cursor="c1", prev=None)
    assert message_view(Gap("c3", "c1")) == views.Gap(cursor="c3", prev="c1")
    resync = message_view(ResyncRequired("c9", ResyncReason.EPOCH))
    assert resync == views.ResyncRequired(cursor="c9", prev=None, reason=ResyncReason.EPOCH)


def test_a_recording_event_has_its_participant_and_track() -> None:
    recorded = message_view(
        delivered(
            1,
            event(
                RoomEventType.RECORDING_COMPLETED,
                participant_identity="ada",
                track_kind=events.TrackKind.AUDIO,
                recording_sid="RT1",
                recording_size=5_000_000_000,
                offset_ms=2**40,
            ),
        )
    )
    assert isinstance(recorded, RecordingCompleted)
    assert recorded.participant == EventParticipant(
        sid=None, identity="ada", status=None, duration=None
    )
    assert recorded.track == EventTrack(sid=None, kind=events.TrackKind.AUDIO, name=None)
    assert (recorded.recording.sid, recorded.recording.size, recorded.recording.offset_ms) == (
        "RT1",
        5_000_000_000,
        2**40,
    )


async def test_room_changed_shows_the_response_of_twilio(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        query = """subscription { roomEvents { cursor ... on RoomChanged { type source change
            room { uniqueName asOf } now: participant { identity } }
            ... on RecordingEvent { recording { sizeBytes offsetMs } } } }"""
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        await socket.receive_json(timeout=TIMEOUT_S)
        changed = event(
            RoomEventType.ROOM_CHANGED,
            source=events.RoomEventSource.MUTATION,
            room=room(),
            change=RoomChangeKind.ROOM,
        )
        server.account.feed.put(delivered(1, changed))
        assert (await socket.receive_json(timeout=TIMEOUT_S))["payload"]["data"]["roomEvents"] == {
            "cursor": "c1",
            "type": "ROOM_CHANGED",
            "source": "MUTATION",
            "change": "ROOM",
            "room": {"uniqueName": "standup", "asOf": "c1"},
            "now": None,
        }
        kicked = event(
            RoomEventType.ROOM_CHANGED, participant=participant(), change=RoomChangeKind.PARTICIPANT
        )
        server.account.feed.put(delivered(2, kicked))
        data = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]["data"]["roomEvents"]
        assert (data["change"], data["room"], data["now"]) == (
            "PARTICIPANT",
            None,
            {"identity": "ada"},
        )
        large = event(
            RoomEventType.RECORDING_COMPLETED, recording_size=5_000_000_000, offset_ms=2**40
        )
        server.account.feed.put(delivered(3, large))
        data = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]["data"]["roomEvents"]
        assert data["recording"] == {"sizeBytes": 5_000_000_000, "offsetMs": 2**40}


async def test_a_timeline_is_chained_like_a_stream(server: GraphQLServer) -> None:
    server.account.timeline.log = [
        event(RoomEventType.ROOM_CREATED),
        event(participant_identity="ada"),
    ]
    query = """query($after: String) { room(ref: {uniqueName: "standup"}) { events(after: $after) {
        nodes { cursor prev type ... on ParticipantEvent { participant { identity } } }
        pageInfo { hasPreviousPage startCursor endCursor hasNextPage }
        freshness { isStale } } } }"""
    data = (await server.data(query, after="c0"))["room"]["events"]
    assert data["nodes"] == [
        {"cursor": "c1", "prev": "c0", "type": "ROOM_CREATED"},
        {
            "cursor": "c2",
            "prev": "c1",
            "type": "PARTICIPANT_CONNECTED",
            "participant": {"identity": "ada"},
        },
    ]
    assert data["pageInfo"] == {
        "hasPreviousPage": True,
        "startCursor": "c1",
        "endCursor": "c2",
        "hasNextPage": False,
    }
    assert data["freshness"] is None
    assert (await server.data(query))["room"]["events"]["nodes"][0]["prev"] is None


async def test_a_timeline_has_only_the_selected_types(server: GraphQLServer) -> None:
    server.account.timeline.log = [event(RoomEventType.ROOM_CREATED), event()]
    data = await server.data(
        """{ room(ref: {uniqueName: "standup"}) { events(types: [ROOM_CREATED], first: 1) { nodes
            { type } } } }"""
    )
    assert data["room"]["events"]["nodes"] == [{"type": "ROOM_CREATED"}]
    [call] = server.account.timeline.calls
    assert (call.ref and call.ref.sid, call.types) == (
        room().sid,
        frozenset({RoomEventType.ROOM_CREATED}),
    )


async def test_a_timeline_from_a_lost_cursor_fails(server: GraphQLServer) -> None:
    server.account.timeline.error = CursorExpired(
        "the cursor has expired: start again without after"
    )
    error = await server.error(
        '{ room(ref: {uniqueName: "standup"}) { events(after: "c1") { nodes { cursor } } } }'
    )
    assert (error["extensions"]["code"], error["path"]) == ("CURSOR_EXPIRED", ["room", "events"])


async def test_a_timeline_rejects_an_empty_list_of_types(server: GraphQLServer) -> None:
    error = await server.error(
        '{ room(ref: {uniqueName: "standup"}) { events(types: []) { nodes { cursor } } } }'
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.timeline.calls == []
