"""Room events and the other messages of a stream as GraphQL types."""

import pytest
import strawberry
from graphql import parse, validate

from gateway.core import events
from gateway.core.errors import CursorExpired
from gateway.core.events import (
    Bookmark,
    Gap,
    ResyncReason,
    ResyncRequired,
    RoomChangeKind,
    RoomEventType,
    StreamMode,
    StreamStarted,
)
from gateway.core.rooms import Ended, RoomStatus
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema import events as views
from gateway.gql.schema.events import EVENT_TYPES, message_view
from gateway.gql.schema.ids import parse_id
from tests.gql.all_fields import fields_that_fetch_nothing, implementers
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import (
    ADA,
    AT,
    TAKE,
    TIMEOUT_S,
    TTID,
    VOICE,
    delivered,
    event,
    participant,
    room,
    room_sid,
)


def document_of_everything() -> str:
    """A subscription to all fields of all messages, without an alias."""
    parts = [
        f"... on {type_.name} {{ {fields_that_fetch_nothing(type_.name)} }}"
        for type_ in implementers("StreamMessage")
    ]
    return f"subscription {{ roomEvents {{ __typename {' '.join(parts)} }} }}"


@pytest.mark.parametrize("type_", RoomEventType)
def test_every_event_type_has_a_graphql_type_of_its_name(type_: RoomEventType) -> None:
    message = message_view(delivered(1, event(type_)))
    assert type(message) is EVENT_TYPES[type_]
    assert type(message).__name__ == type_.value.title().replace("-", "")
    assert (message.cursor, message.prev) == ("c1", "c0")
    assert type(message).__name__ in {type_.name for type_ in implementers("RoomEvent")}


def test_a_message_is_an_event_or_about_the_stream_itself() -> None:
    messages, events_, controls = (
        {type_.name for type_ in implementers(interface)}
        for interface in ("StreamMessage", "RoomEvent", "StreamControl")
    )
    assert controls == {"StreamStarted", "Bookmark", "Gap", "ResyncRequired"}
    assert messages == events_ | controls
    assert not events_ & controls


def test_one_document_selects_all_fields_of_all_messages_without_an_alias() -> None:
    document = parse(document_of_everything())
    assert validate(EXECUTABLE_SCHEMA, document) == []


def test_other_messages_have_no_prev_except_a_gap() -> None:
    assert message_view(Bookmark("c1")) == views.Bookmark(cursor="c1", prev=None)
    assert message_view(Gap("c3", "c1")) == views.Gap(cursor="c3", prev="c1")
    resync = message_view(ResyncRequired("c9", ResyncReason.EPOCH))
    assert resync == views.ResyncRequired(cursor="c9", prev=None, reason=ResyncReason.EPOCH)
    started = message_view(StreamStarted("c1", StreamMode.LIVE, room_sid(1), AT))
    assert started == views.StreamStarted(
        cursor="c1",
        prev=None,
        mode=StreamMode.LIVE,
        watched_room=strawberry.ID(room_sid(1)),
        history_start_time=AT,
    )


# What a stream delivers, and what it shows of the event's objects.
EVENTS = """subscription { roomEvents { cursor
    ... on RoomEvent { id type source eventTime isLate
        room { id uniqueName status endTime durationSeconds maxParticipants asOf
            freshness { isStale } } }
    ... on ParticipantEvent { participant { id identity status startTime } }
    ... on PublishedTrackEvent { track { id kind isMuted } }
    ... on RecordingEvent { participantIdentity
        recording { id status codec sizeBytes groupingSids { participantSid } } }
    ... on RecordingFailed { failedOperation }
    ... on RoomChanged { change changedId changedParticipant { id identity }
        deletedRecordingId } } }"""


async def test_events_show_their_objects_with_the_ids_of_queries(server: GraphQLServer) -> None:
    facts = {"room_name": "standup", "room_status": RoomStatus.IN_PROGRESS}
    ada = {"participant_sid": ADA, "participant_identity": "ada"}
    recording = facts | ada | {"recording_sid": TAKE, "codec": "opus"}
    sent = [
        event(RoomEventType.PARTICIPANT_CONNECTED, **facts, **ada),
        event(
            RoomEventType.TRACK_DISABLED,
            **facts,
            **ada,
            track_sid=VOICE,
            track_kind=events.TrackKind.AUDIO,
        ),
        event(RoomEventType.RECORDING_COMPLETED, **recording, recording_size=5_000_000_000),
        event(RoomEventType.RECORDING_FAILED, **recording, failed_operation="RecordingStart"),
        event(RoomEventType.ROOM_ENDED, **facts, room_duration=60),
        event(RoomEventType.TRACK_REMOVED, **facts, room_end=Ended(RoomStatus.FAILED, AT, 60)),
    ]
    shown = []
    async with server.socket() as socket:
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": EVENTS}})
        await socket.receive_json(timeout=TIMEOUT_S)
        for number, told in enumerate(sent, 1):
            server.account.feed.put(delivered(number, told))
            payload = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
            assert "errors" not in payload
            shown.append(payload["data"]["roomEvents"])
    connected, muted, recorded, failed, ended, removed = shown
    at, rooms_id = "2026-11-20T12:00:00Z", room_sid(1)
    assert connected == {
        "cursor": "c1",
        "id": "c1",
        "type": "PARTICIPANT_CONNECTED",
        "source": "CALLBACK",
        "eventTime": at,
        "isLate": False,
        "room": {
            "id": rooms_id,
            "uniqueName": "standup",
            "status": "IN_PROGRESS",
            "endTime": None,
            "durationSeconds": None,
            "maxParticipants": None,
            "freshness": None,
            "asOf": "c1",
        },
        "participant": {
            "id": f"{rooms_id}:{ADA}",
            "identity": "ada",
            "status": "CONNECTED",
            "startTime": at,
        },
    }
    assert muted["track"] == {"id": f"{rooms_id}:{ADA}:{VOICE}", "kind": "AUDIO", "isMuted": True}
    assert recorded["participantIdentity"] == "ada"
    assert recorded["recording"] == {
        "id": TAKE,
        "status": "COMPLETED",
        "codec": "OPUS",
        "sizeBytes": 5_000_000_000,
        "groupingSids": {"participantSid": ADA},
    }
    assert (failed["failedOperation"], failed["recording"]["status"]) == ("START", "FAILED")
    for view, status in ((ended, "COMPLETED"), (removed, "FAILED")):
        assert (view["room"]["status"], view["room"]["endTime"]) == (status, at)
        assert view["room"]["durationSeconds"] == 60


async def test_room_changed_shows_the_response_of_twilio(server: GraphQLServer) -> None:
    ours = {"source": events.RoomEventSource.MUTATION}
    changes = [
        event(RoomEventType.ROOM_CHANGED, **ours, room=room(), change=RoomChangeKind.ROOM),
        event(
            RoomEventType.ROOM_CHANGED,
            **ours,
            participant=participant(),
            changed_sid=ADA,
            change=RoomChangeKind.PARTICIPANT,
            room_name="standup",
        ),
        event(
            RoomEventType.ROOM_CHANGED,
            **ours,
            recording_sid=TAKE,
            change=RoomChangeKind.RECORDING,
        ),
        *(
            event(RoomEventType.ROOM_CHANGED, **ours, change=change, changed_sid=sid)
            for change, sid in (
                (RoomChangeKind.SUBSCRIBE_RULES, ADA),
                (RoomChangeKind.RECORDING_RULES, None),
                (RoomChangeKind.TRANSCRIPTION, TTID),
                (RoomChangeKind.TRANSCRIPTION, None),
            )
        ),
    ]
    shown = []
    async with server.socket() as socket:
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": EVENTS}})
        await socket.receive_json(timeout=TIMEOUT_S)
        for number, change in enumerate(changes, 1):
            server.account.feed.put(delivered(number, change))
            payload = (await socket.receive_json(timeout=TIMEOUT_S))["payload"]
            shown.append(payload["data"]["roomEvents"])
    of_room, of_participant, of_recording, *_ = shown
    ids = [view["changedId"] for view in shown]
    assert ids == [
        room_sid(1),
        f"{room_sid(1)}:{ADA}",
        TAKE,
        f"{room_sid(1)}:{ADA}:subscribeRules",
        f"{room_sid(1)}:recordingRules",
        f"{room_sid(1)}:{TTID}",
        None,
    ]
    assert {parse_id(id_) is not None for id_ in ids[:-1]} == {True}, "`node` finds each"
    assert (of_room["change"], of_room["source"]) == ("ROOM", "MUTATION")
    assert (of_room["room"]["maxParticipants"], of_room["room"]["asOf"]) == (50, "c1")
    assert (of_room["changedParticipant"], of_room["deletedRecordingId"]) == (None, None)
    assert of_participant["changedParticipant"] == {
        "id": f"{room_sid(1)}:{ADA}",
        "identity": "ada",
    }
    assert of_participant["room"]["uniqueName"] == "standup"
    assert (of_recording["change"], of_recording["deletedRecordingId"]) == ("RECORDING", TAKE)


async def test_a_timeline_is_chained_like_a_stream(server: GraphQLServer) -> None:
    server.account.timeline.log = [
        event(RoomEventType.ROOM_CREATED, room_name="standup"),
        event(participant_identity="ada"),
    ]
    query = """query($after: String) { room(ref: {uniqueName: "standup"}) { events(after: $after) {
        nodes { cursor prev type room { uniqueName }
            ... on ParticipantEvent { participant { identity } } }
        pageInfo { hasPreviousPage startCursor endCursor hasNextPage }
        freshness { isStale } } } }"""
    data = (await server.data(query, after="c0"))["room"]["events"]
    assert data["nodes"] == [
        {"cursor": "c1", "prev": "c0", "type": "ROOM_CREATED", "room": {"uniqueName": "standup"}},
        {
            "cursor": "c2",
            "prev": "c1",
            "type": "PARTICIPANT_CONNECTED",
            "room": {"uniqueName": None},
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
        """{ room(ref: {uniqueName: "standup"}) {
            events(filter: {types: [ROOM_CREATED]}, first: 1) { nodes { type } } } }"""
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
        """{ room(ref: {uniqueName: "standup"}) {
            events(filter: {types: []}) { nodes { cursor } } } }"""
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert server.account.timeline.calls == []
