"""Recordings and recording rules."""

from datetime import timedelta

from gateway.core.recordings import (
    RecordingFilter,
    RecordingStatus,
    RoomRecordingFilter,
)
from gateway.core.rooms import RoomRef
from gateway.core.rules import TrackKind
from gateway.gql.schema.recordings import RecordingMedia
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, AT, TAKE, VOICE, room_sid

ROOM_REF = RoomRef(room_sid(1), None)
DATES = {"a": "2026-11-20T12:00:00Z", "b": "2026-11-20T13:00:00Z"}
BETWEEN = {"created_after": AT, "created_before": AT + timedelta(hours=1)}


async def test_a_recording_is_read_by_sid_from_the_account_and_from_its_room(
    server: GraphQLServer,
) -> None:
    query = """query($sid: ID!) { recording(ref: $sid) { id sid status type sizeBytes media {
        url } } room(ref: {uniqueName: "standup"}) { recording(ref: $sid) { id } } }"""
    data = await server.data(query, sid=TAKE)
    assert data["recording"] == {
        "id": TAKE,
        "sid": TAKE,
        "status": "COMPLETED",
        "type": "AUDIO",
        "sizeBytes": 2**40,
        "media": {"url": "https://media.example/take"},
    }
    assert data["room"]["recording"] == {"id": TAKE}
    other = "RT" + "f" * 32
    assert await server.data(query, sid=other) == {"recording": None, "room": {"recording": None}}
    assert (
        "RT and 32 hex digits"
        in (await server.error('{ recording(ref: "take") { sid } }'))["message"]
    )


async def test_recordings_of_the_account_passes_every_filter(server: GraphQLServer) -> None:
    query = """query($a: DateTime, $b: DateTime, $track: ID, $of: [ID!]) {
        recordings(filter: {statuses: [COMPLETED], sourceSid: $track, groupingSids: $of,
            createdAfter: $a, createdBefore: $b, mediaType: VIDEO}, first: 7, after: "x") {
            nodes { sid } } }"""
    await server.data(query, track=VOICE, of=[room_sid(1), ADA], **DATES)
    filters = RecordingFilter(
        statuses=(RecordingStatus.COMPLETED,),
        source_sid=VOICE,
        grouping_sids=(room_sid(1), ADA),
        media_type=TrackKind.VIDEO,
        **BETWEEN,
    )
    assert server.account.recordings.calls == [("page", filters, 7, "x")]


async def test_recordings_of_a_room_passes_every_filter(server: GraphQLServer) -> None:
    query = """query($a: DateTime, $b: DateTime, $track: ID) { room(ref: {uniqueName: "standup"}) {
        recordings(filter: {statuses: [PROCESSING], sourceSid: $track, createdAfter: $a,
            createdBefore: $b}, first: 7, after: "x") { nodes { sid } } } }"""
    await server.data(query, track=VOICE, **DATES)
    filters = RoomRecordingFilter(
        statuses=(RecordingStatus.PROCESSING,), source_sid=VOICE, **BETWEEN
    )
    assert server.account.recordings.calls == [("room_page", ROOM_REF, filters, 7, "x")]


async def test_recording_rules_can_be_read(server: GraphQLServer) -> None:
    data = await server.data(
        """{ room(ref: {uniqueName: "standup"}) { recordingRules { rules { effect all priority }
            roomSid } } }"""
    )
    assert data["room"]["recordingRules"] == {
        "rules": [{"effect": "EXCLUDE", "all": True, "priority": None}],
        "roomSid": room_sid(1),
    }


def test_the_url_of_media_is_not_in_its_repr() -> None:
    assert "media.example" not in repr(RecordingMedia(url="https://media.example/take"))
