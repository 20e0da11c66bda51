"""Events, and the messages of the feed, as GraphQL types."""

import pytest

from gateway.core import events
from gateway.core.errors import CursorExpired
from gateway.core.events import Bookmark, Changed, Gap, ResyncReason, ResyncRequired, RoomEventType
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema import events as shown
from gateway.gql.schema.events import (
    EVENT_TYPES,
    EventParticipant,
    EventTrack,
    RecordingCompleted,
    message_view,
)
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import delivered, event, participant, room


@pytest.mark.parametrize("type_", RoomEventType)
def test_every_event_has_a_type_of_its_name(type_: RoomEventType) -> None:
    message = message_view(delivered(1, event(type_)))
    assert type(message) is EVENT_TYPES[type_]
    assert type(message).__name__ == type_.value.title().replace("-", "")
    assert (message.cursor, message.prev) == ("c1", "c0")
    [interface] = [EXECUTABLE_SCHEMA.type_map["RoomEvent"]]
    assert EXECUTABLE_SCHEMA.is_sub_type(
        interface, EXECUTABLE_SCHEMA.type_map[type(message).__name__]
    )  # type: ignore[arg-type]


def test_the_other_messages_stand_outside_the_chain_unless_something_is_lost() -> None:
    assert message_view(Bookmark("c1")) == shown.Bookmark(cursor="c1", prev=None)
    assert message_view(Gap("c3", "c1")) == shown.Gap(cursor="c3", prev="c1")
    lost = message_view(ResyncRequired("c9", ResyncReason.EPOCH))
    assert lost == shown.ResyncRequired(cursor="c9", prev=None, reason=ResyncReason.EPOCH)


def test_a_recording_tells_whose_and_of_what() -> None:
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


async def test_a_changed_room_is_shown_as_twilio_answered_it(server: GraphQLServer) -> None:
    async with server.socket() as socket:
        query = """subscription { roomEvents { cursor ... on RoomChanged { type source changed
            room { uniqueName asOf } now: participant { identity } }
            ... on RecordingEvent { recording { size offsetMs } } } }"""
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        await socket.receive_json(timeout=5)
        changed = event(
            RoomEventType.ROOM_CHANGED,
            source=events.EventSource.MUTATION,
            room=room(),
            changed=Changed.ROOM,
        )
        server.account.feed.put(delivered(1, changed))
        assert (await socket.receive_json(timeout=5))["payload"]["data"]["roomEvents"] == {
            "cursor": "c1",
            "type": "ROOM_CHANGED",
            "source": "MUTATION",
            "changed": "ROOM",
            "room": {"uniqueName": "standup", "asOf": "c1"},
            "now": None,
        }
        kicked = event(
            RoomEventType.ROOM_CHANGED, participant=participant(), changed=Changed.PARTICIPANT
        )
        server.account.feed.put(delivered(2, kicked))
        told = (await socket.receive_json(timeout=5))["payload"]["data"]["roomEvents"]
        assert (told["changed"], told["room"], told["now"]) == (
            "PARTICIPANT",
            None,
            {"identity": "ada"},
        )
        large = event(
            RoomEventType.RECORDING_COMPLETED, recording_size=5_000_000_000, offset_ms=2**40
        )
        server.account.feed.put(delivered(3, large))
        told = (await socket.receive_json(timeout=5))["payload"]["data"]["roomEvents"]
        assert told["recording"] == {"size": 5_000_000_000, "offsetMs": 2**40}


async def test_a_room_has_a_timeline_that_is_chained_like_a_stream(server: GraphQLServer) -> None:
    server.account.timeline.log = [
        event(RoomEventType.ROOM_CREATED),
        event(participant_identity="ada"),
    ]
    query = """query($after: String) { room(ref: "standup") { events(after: $after) {
        nodes { cursor prev type ... on ParticipantEvent { participant { identity } } }
        pageInfo { hasPreviousPage startCursor endCursor hasNextPage } freshness { isStale } } } }"""
    told = (await server.data(query, after="c0"))["room"]["events"]
    assert told["nodes"] == [
        {"cursor": "c1", "prev": "c0", "type": "ROOM_CREATED"},
        {
            "cursor": "c2",
            "prev": "c1",
            "type": "PARTICIPANT_CONNECTED",
            "participant": {"identity": "ada"},
        },
    ]
    assert told["pageInfo"] == {
        "hasPreviousPage": True,
        "startCursor": "c1",
        "endCursor": "c2",
        "hasNextPage": False,
    }
    assert told["freshness"] is None
    assert (await server.data(query))["room"]["events"]["nodes"][0]["prev"] is None


async def test_a_timeline_is_of_the_types_that_were_asked_for(server: GraphQLServer) -> None:
    server.account.timeline.log = [event(RoomEventType.ROOM_CREATED), event()]
    told = await server.data(
        '{ room(ref: "standup") { events(types: [ROOM_CREATED], first: 1) { nodes { type } } } }'
    )
    assert told["room"]["events"]["nodes"] == [{"type": "ROOM_CREATED"}]
    [asked] = server.account.timeline.calls
    assert (asked.ref and asked.ref.sid, asked.types) == (room().sid, {RoomEventType.ROOM_CREATED})


async def test_a_place_that_the_log_lost_is_said(server: GraphQLServer) -> None:
    server.account.timeline.error = CursorExpired("the log begins later; begin anew without after")
    error = await server.error(
        '{ room(ref: "standup") { events(after: "c1") { nodes { cursor } } } }'
    )
    assert (error["extensions"]["code"], error["path"]) == ("CURSOR_EXPIRED", ["room", "events"])


async def test_a_timeline_of_no_types_at_all_is_refused(server: GraphQLServer) -> None:
    error = await server.error(
        '{ room(ref: "standup") { events(types: []) { nodes { cursor } } } }'
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.timeline.calls == []
