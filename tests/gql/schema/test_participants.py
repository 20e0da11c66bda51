"""Participants, tracks and subscribe rules."""

from datetime import timedelta

import pytest

from gateway.core.errors import NotFound
from gateway.core.participants import (
    ParticipantFilter,
    ParticipantRef,
    ParticipantStatus,
    TrackRef,
)
from gateway.core.rooms import RoomRef
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import ADA, AT, SCREEN, VOICE, room_sid

ROOM_REF = RoomRef(room_sid(1), None)
ADA_REF = ParticipantRef(ADA, None)


@pytest.mark.parametrize(
    "ref", [{"identity": "ada"}, {"sid": ADA}, {"sid": f"{room_sid(1)}:{ADA}"}]
)
async def test_a_participant_is_found_by_sid_identity_or_id(
    server: GraphQLServer, ref: dict[str, str]
) -> None:
    query = """query($ref: ParticipantRef!) {
        participant(room: {uniqueName: "standup"}, ref: $ref) { id sid identity status }
        room(ref: {uniqueName: "standup"}) { participant(ref: $ref) { id } } }"""
    data = await server.data(query, ref=ref)
    id_ = f"{room_sid(1)}:{ADA}"
    assert data["participant"] | {"id": id_} == {
        "id": id_,
        "sid": ADA,
        "identity": "ada",
        "status": "CONNECTED",
    }
    assert data["room"]["participant"]["id"] == id_
    participant = ParticipantRef(None, "ada") if "identity" in ref else ADA_REF
    assert server.account.participants.calls == [
        ("participant", RoomRef(None, "standup"), participant),
        ("participant", ROOM_REF, participant),
    ]


async def test_an_unknown_participant_is_null(server: GraphQLServer) -> None:
    data = await server.data(
        """{ participant(room: {uniqueName: "standup"}, ref: {identity: "bob"}) { sid }
            room(ref: {uniqueName: "standup"}) { participant(ref: {identity: "bob"}) { sid } } }"""
    )
    assert data == {"participant": None, "room": {"participant": None}}


async def test_a_participant_of_an_unknown_room_is_null(
    server: GraphQLServer,
) -> None:
    server.account.participants.error = NotFound("no such room: check the SID or the name")
    assert await server.data(
        '{ participant(room: {uniqueName: "nowhere"}, ref: {identity: "ada"}) { sid } }'
    ) == {"participant": None}


async def test_participants_passes_every_filter(server: GraphQLServer) -> None:
    query = """query($a: DateTime, $b: DateTime) { room(ref: {uniqueName: "standup"}) {
        participants(filter: {statuses: [DISCONNECTED], identity: "ada", createdAfter: $a,
            createdBefore: $b}, first: 7) { nodes { id } } } }"""
    await server.data(query, a="2026-11-20T12:00:00Z", b="2026-11-20T13:00:00Z")
    filters = ParticipantFilter(
        statuses=(ParticipantStatus.DISCONNECTED,),
        identity="ada",
        created_after=AT,
        created_before=AT + timedelta(hours=1),
    )
    assert server.account.participants.calls == [("pages", filters, 7)]


async def test_fields_of_a_participant_are_fetched_by_its_sids(server: GraphQLServer) -> None:
    data = await server.data(
        """query($screen: ID!) { participant(room: {uniqueName: "standup"}, ref: {identity:
            "ada"}) {
        publishedTracks(first: 3, after: "x") { nodes { id sid kind name } asOf }
        publishedTrack(ref: {name: "voice"}) { sid }
        subscribedTracks { nodes { sid kind publisherSid } }
        subscribedTrack(ref: $screen) { name }
        subscribeRules { rules { effect all kind publisher track priority }
            updateTime freshness { isStale } }
        room { uniqueName } } }""",
        screen=SCREEN,
    )
    assert data["participant"] == {
        "publishedTracks": {
            "nodes": [
                {
                    "id": f"{room_sid(1)}:{ADA}:{VOICE}",
                    "sid": VOICE,
                    "kind": "AUDIO",
                    "name": "voice",
                }
            ],
            "asOf": "c0",
        },
        "publishedTrack": {"sid": VOICE},
        "subscribedTracks": {"nodes": [{"sid": SCREEN, "kind": "VIDEO", "publisherSid": None}]},
        "subscribedTrack": {"name": "screen"},
        "subscribeRules": {
            "rules": [
                {
                    "effect": "INCLUDE",
                    "all": None,
                    "kind": "VIDEO",
                    "publisher": None,
                    "track": None,
                    "priority": "LOW",
                }
            ],
            "updateTime": None,
            "freshness": {"isStale": False},
        },
        "room": {"uniqueName": "standup"},
    }


async def test_subscribed_track_rejects_anything_but_a_sid(server: GraphQLServer) -> None:
    query = """{ participant(room: {uniqueName: "standup"}, ref: {identity: "ada"}) {
        subscribedTrack(ref: "screen") { sid } } }"""
    assert "MT and 32 hex digits" in (await server.error(query))["message"]
    assert [call[0] for call in server.account.participants.calls] == ["participant"]


async def test_a_published_track_is_found_by_sid_name_or_id(server: GraphQLServer) -> None:
    query = """query($ref: TrackRef!) {
        participant(room: {uniqueName: "standup"}, ref: {identity: "ada"}) {
        publishedTrack(ref: $ref) { sid } } }"""
    for ref in ({"name": "voice"}, {"sid": VOICE}, {"sid": f"{room_sid(1)}:{ADA}:{VOICE}"}):
        assert (await server.data(query, ref=ref))["participant"]["publishedTrack"] == {
            "sid": VOICE
        }
    other = {"name": "other"}
    assert (await server.data(query, ref=other))["participant"]["publishedTrack"] is None
    assert [
        call[-1] for call in server.account.participants.calls if call[0] == "published_track"
    ] == [
        TrackRef(None, "voice"),
        TrackRef(VOICE, None),
        TrackRef(VOICE, None),
        TrackRef(None, "other"),
    ]
