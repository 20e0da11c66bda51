"""Live views."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.caching import ReadResult
from gateway.core.errors import NotFound
from gateway.core.participants import ParticipantStatus
from gateway.core.room_state.live import LiveRoom, Stay
from gateway.core.rooms import RoomStatus
from gateway.core.sids import ParticipantSid
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.execution.results import GraphQLResult
from gateway.gql.schema.live import live_presence, resume_cursor
from gateway.gql.schema.rooms import Room
from tests.gql.conftest import GraphQLServer
from tests.gql.fakes import (
    ACCOUNT,
    ADA,
    AT,
    PUBLISHED,
    TIMEOUT_S,
    VOICE,
    Account,
    operation_context,
    participant,
    read_result,
    room,
)

ENGINE = GraphQLEngine(EXECUTABLE_SCHEMA, introspection=False, deadline_s=TIMEOUT_S)
BOB = ParticipantSid("PA" + "b" * 32)
LIVE = """subscription { roomLive(room: {uniqueName: "standup"}) { sid status asOf freshness {
    isStale }
    participants {
        nodes { id identity status
            publishedTracks { nodes { name isMuted } pageInfo { hasNextPage } } }
        pageInfo { hasNextPage } asOf }
    ada: participant(ref: {identity: "ada"}) { sid publishedTracks { nodes { sid } } } } }"""
PRESENCE = """subscription { roomPresence(room: {uniqueName: "standup"}) { id asOf
    participantCount
    room { sid uniqueName status participantCount presence { id asOf } }
    participants { since isMuted participant { id identity asOf freshness { isStale } }
        tracks { id kind name isMuted } } } }"""


def body_of(result: GraphQLResult) -> Any:
    return json.loads(result.encoded)


def live_view(*stays: Stay, cursor: str = "c1", **changes: Any) -> ReadResult[LiveRoom]:
    return replace(read_result(LiveRoom(room(**changes), stays)), as_of=cursor)


PRESENT = Stay(participant(create_time=AT, start_time=AT), AT, (replace(PUBLISHED, muted=False),))
GONE = Stay(
    participant(
        sid=BOB,
        identity="bob",
        status=ParticipantStatus.DISCONNECTED,
        create_time=AT + timedelta(seconds=1),
    ),
    AT + timedelta(seconds=1),
)


def results(account: Account, query: str) -> "aclosing[AsyncGenerator[GraphQLResult, None]]":
    return aclosing(ENGINE.prepare(GraphQLRequest(query), operation_context(account)).results())


async def first(account: Account, query: str) -> dict[str, Any]:
    async with results(account, query) as stream:
        result = await anext(stream)
    assert "errors" not in body_of(result), result.encoded
    [value] = body_of(result)["data"].values()
    return dict(value)


async def test_a_live_room_has_its_participants_and_tracks_without_a_fetch() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = live_view(PRESENT, GONE)
    data = await first(account, LIVE)
    assert (data["status"], data["asOf"], data["freshness"]) == (
        "IN_PROGRESS",
        "c1",
        {"isStale": False},
    )
    tracks = {"nodes": [{"name": "voice", "isMuted": False}], "pageInfo": {"hasNextPage": False}}
    assert data["participants"] == {
        "nodes": [
            {
                "id": f"{room().sid}:{ADA}",
                "identity": "ada",
                "status": "CONNECTED",
                "publishedTracks": tracks,
            }
        ],
        "pageInfo": {"hasNextPage": False},
        "asOf": "c1",
    }
    assert data["ada"] == {"sid": ADA, "publishedTracks": {"nodes": [{"sid": VOICE}]}}
    assert (account.participants.calls, account.participants.batches) == ([], [])
    assert account.live.calls[0].name == "standup"


async def test_each_view_has_its_cursor() -> None:
    account = Account(ACCOUNT)
    async with results(account, LIVE) as stream:
        assert (await anext(stream)).cursor == "c0"
        account.live.put(live_view(PRESENT, cursor="c4"))
        second = await anext(stream)
        account.live.put(
            live_view(replace(PRESENT, tracks=()), GONE, cursor="c7", status=RoomStatus.COMPLETED)
        )
        third = await anext(stream)
        account.live.put(None)
        assert [result async for result in stream] == []
    assert (second.cursor, third.cursor) == ("c4", "c7")
    assert body_of(third)["data"]["roomLive"]["status"] == "COMPLETED"
    nodes = body_of(third)["data"]["roomLive"]["participants"]["nodes"]
    assert [node["identity"] for node in nodes] == ["ada", "bob"]


async def test_participants_that_the_view_does_not_hold_are_fetched() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = live_view(PRESENT)
    query = """subscription { roomLive(room: {uniqueName: "standup"}) {
        participants(filter: {statuses: [DISCONNECTED]}, first: 7) { nodes { sid } }
        bob: participant(ref: {identity: "bob"}) { sid } gone: participant(ref: {sid: "%s"}) {
        sid } } }"""
    assert (await first(account, query % BOB))["bob"] is None
    assert sorted(str(method) for method, *_ in account.participants.calls) == [
        "pages",
        "participant",
    ]


async def test_participants_of_a_view_are_paged() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = live_view(
        PRESENT,
        replace(GONE, participant=replace(GONE.participant, status=PRESENT.participant.status)),
    )
    page = """subscription { roomLive(room: {uniqueName: "standup"}) {
        participants(first: 1%s) { nodes { sid } pageInfo { endCursor } } } }"""
    one = (await first(account, page % ""))["participants"]
    after = f', after: "{one["pageInfo"]["endCursor"]}"'
    two = (await first(account, page % after))["participants"]
    assert [node["sid"] for node in one["nodes"] + two["nodes"]] == [ADA, BOB]


async def test_presence_lists_participants_and_their_tracks() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = live_view(PRESENT, GONE)
    id_ = f"{room().sid}:presence"
    assert await first(account, PRESENCE) == {
        "id": id_,
        "asOf": "c1",
        "participantCount": 1,
        "room": {
            "sid": room().sid,
            "uniqueName": "standup",
            "status": "IN_PROGRESS",
            "participantCount": 1,
            "presence": {"id": id_, "asOf": "c1"},
        },
        "participants": [
            {
                "since": "2026-11-20T12:00:00Z",
                "isMuted": False,
                "participant": {
                    "id": f"{room().sid}:{ADA}",
                    "identity": "ada",
                    "asOf": "c1",
                    "freshness": None,
                },
                "tracks": [
                    {
                        "id": f"{room().sid}:{ADA}:{VOICE}",
                        "kind": "AUDIO",
                        "name": "voice",
                        "isMuted": False,
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("query", [LIVE, PRESENCE])
async def test_a_live_view_of_an_unknown_room_fails(query: str) -> None:
    account = Account(ACCOUNT)
    account.live.error = NotFound("no such room is in progress: check the SID or the name")
    async with results(account, query) as stream:
        [rejected] = [result async for result in stream]
    assert body_of(rejected)["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_resume_cursor_of_a_view_is_its_position() -> None:
    assert (
        resume_cursor(Room.from_live(live_view(PRESENT)))
        == resume_cursor(live_presence(live_view(PRESENT)))
        == "c1"
    )


async def test_an_event_stream_has_the_cursors_of_views_as_ids(server: GraphQLServer) -> None:
    server.account.live.first_view = live_view(PRESENT, cursor="c3")
    headers = {**server.auth, "Accept": "text/event-stream", "Last-Event-ID": "c1"}
    async with server.client.post(
        server.url, json={"query": PRESENCE}, headers=headers
    ) as response:
        async with asyncio.timeout(TIMEOUT_S):
            lines = [(await response.content.readline()).decode().strip() for _ in range(5)]
    assert lines[2:4] == ["id: c3", "event: next"]
    assert json.loads(lines[4].removeprefix("data: "))["data"]["roomPresence"]["asOf"] == "c3"
