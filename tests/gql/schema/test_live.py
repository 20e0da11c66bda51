"""Live views: what they show is in their hands already."""

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
from gateway.gql.execution.engine import GraphQLEngine, GraphQLRequest, GraphQLResult
from gateway.gql.execution.graphql_core import EXECUTABLE_SCHEMA
from gateway.gql.schema.live import Presence, resume_cursor
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
LIVE = """subscription { roomLive(ref: "standup") { sid status asOf freshness { isStale }
    participants { nodes { id identity status publishedTracks { nodes { name enabled } pageInfo { hasNextPage } } }
        pageInfo { hasNextPage } asOf }
    ada: participant(ref: "ada") { sid publishedTracks { nodes { sid } } } } }"""
PRESENCE = """subscription { presence(room: "standup") { cursor roomSid roomName roomStatus
    participants { sid identity since tracks { sid kind name enabled } } } }"""


def body_of(answer: GraphQLResult) -> Any:
    return json.loads(answer.encoded)


def view(*stays: Stay, cursor: str = "c1", **changes: Any) -> ReadResult[LiveRoom]:
    return replace(read_result(LiveRoom(room(**changes), stays)), as_of=cursor)


HERE = Stay(participant(date_created=AT, start_time=AT), AT, (replace(PUBLISHED, enabled=True),))
GONE = Stay(
    participant(
        sid=BOB,
        identity="bob",
        status=ParticipantStatus.DISCONNECTED,
        date_created=AT + timedelta(seconds=1),
    ),
    AT + timedelta(seconds=1),
)


def answers(account: Account, query: str) -> "aclosing[AsyncGenerator[GraphQLResult, None]]":
    return aclosing(ENGINE.prepare(GraphQLRequest(query), operation_context(account)).results())


async def first(account: Account, query: str) -> dict[str, Any]:
    async with answers(account, query) as told:
        answer = await anext(told)
    assert "errors" not in body_of(answer), answer.encoded
    [value] = body_of(answer)["data"].values()
    return dict(value)


async def test_a_room_is_shown_with_its_people_and_their_tracks_and_nothing_is_fetched() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = view(HERE, GONE)
    told = await first(account, LIVE)
    assert (told["status"], told["asOf"], told["freshness"]) == (
        "IN_PROGRESS",
        "c1",
        {"isStale": False},
    )
    tracks = {"nodes": [{"name": "voice", "enabled": True}], "pageInfo": {"hasNextPage": False}}
    assert told["participants"] == {
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
    assert told["ada"] == {"sid": ADA, "publishedTracks": {"nodes": [{"sid": VOICE}]}}
    assert account.participants.calls == account.participants.batches == []
    assert account.live.calls[0].name == "standup"


async def test_each_change_is_told_with_its_cursor() -> None:
    account = Account(ACCOUNT)
    async with answers(account, LIVE) as told:
        assert (await anext(told)).cursor == "c0"
        account.live.put(view(HERE, cursor="c4"))
        second = await anext(told)
        account.live.put(
            view(replace(HERE, tracks=()), GONE, cursor="c7", status=RoomStatus.COMPLETED)
        )
        third = await anext(told)
        account.live.put(None)
        assert [answer async for answer in told] == []
    assert (second.cursor, third.cursor) == ("c4", "c7")
    assert body_of(third)["data"]["roomLive"]["status"] == "COMPLETED"
    shown = body_of(third)["data"]["roomLive"]["participants"]["nodes"]
    assert [node["identity"] for node in shown] == ["ada", "bob"]


async def test_those_who_left_before_the_watching_are_asked_for_as_ever() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = view(HERE)
    query = """subscription { roomLive(ref: "standup") { participants(status: DISCONNECTED, first: 7) { nodes { sid } }
        bob: participant(ref: "bob") { sid } gone: participant(ref: "%s") { sid } } }"""
    assert (await first(account, query % BOB))["bob"] is None
    assert sorted(str(what) for what, *_ in account.participants.calls) == ["pages", "participant"]


async def test_pages_of_a_view_are_its_own() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = view(
        HERE, replace(GONE, participant=replace(GONE.participant, status=HERE.participant.status))
    )
    page = "subscription { roomLive(ref: %s) { participants(first: 1%s) { nodes { sid } pageInfo { endCursor } } } }"
    one = (await first(account, page % ('"standup"', "")))["participants"]
    after = f', after: "{one["pageInfo"]["endCursor"]}"'
    two = (await first(account, page % ('"standup"', after)))["participants"]
    assert [node["sid"] for node in one["nodes"] + two["nodes"]] == [ADA, BOB]


async def test_presence_tells_who_is_there_since_when_and_with_which_tracks() -> None:
    account = Account(ACCOUNT)
    account.live.first_view = view(HERE, GONE)
    assert await first(account, PRESENCE) == {
        "cursor": "c1",
        "roomSid": room().sid,
        "roomName": "standup",
        "roomStatus": "IN_PROGRESS",
        "participants": [
            {
                "sid": ADA,
                "identity": "ada",
                "since": "2026-11-20T12:00:00Z",
                "tracks": [{"sid": VOICE, "kind": "AUDIO", "name": "voice", "enabled": True}],
            }
        ],
    }


@pytest.mark.parametrize("query", [LIVE, PRESENCE])
async def test_a_room_that_is_not_there_is_an_error(query: str) -> None:
    account = Account(ACCOUNT)
    account.live.error = NotFound("no such room is in progress; check the SID or the name")
    async with answers(account, query) as told:
        [refused] = [answer async for answer in told]
    assert body_of(refused)["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_every_view_has_a_cursor() -> None:
    assert (
        resume_cursor(Room.from_live(view(HERE)))
        == resume_cursor(Presence.from_live(view(HERE)))
        == "c1"
    )


async def test_an_event_stream_has_the_views_cursors_as_ids(server: GraphQLServer) -> None:
    server.account.live.first_view = view(HERE, cursor="c3")
    headers = {**server.auth, "Accept": "text/event-stream", "Last-Event-ID": "c1"}
    async with server.client.post(server.url, json={"query": PRESENCE}, headers=headers) as reply:
        async with asyncio.timeout(TIMEOUT_S):
            lines = [(await reply.content.readline()).decode().strip() for _ in range(5)]
    assert lines[2:4] == ["id: c3", "event: next"]
    assert json.loads(lines[4].removeprefix("data: "))["data"]["presence"]["cursor"] == "c3"
