"""Who is in many rooms, in one query: what it shows, what it costs, and how often it
calls Twilio."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.running import (
    RESPONSE_TIMEOUT_S,
    Gateway,
    first_matching,
    new_sid,
    room_ref,
    take,
)

WALL = (Path(__file__).parents[2] / "schema/operations/wall.graphql").read_text()
NESTED = "{ rooms { nodes { sid participants { nodes { identity } } } } }"
TRACKS = "{ rooms { nodes { participants { nodes { publishedTracks { nodes { sid } } } } } } }"
CALL_POINTS, FETCH_POINTS = 10, 25

ByIdentity = dict[str, tuple[bool, list[str]]]
"""For each participant: whether it is muted, and the kinds of its tracks."""


def present(room: Mapping[str, Any]) -> ByIdentity | None:
    presence = room["presence"]
    if presence is None:
        assert room["participantCount"] is None
        return None
    assert presence["room"]["id"] == room["id"]
    assert room["participantCount"] == presence["participantCount"]
    assert room["participantCount"] == len(presence["participants"])
    for who in presence["participants"]:
        assert who["since"]
        assert who["participant"]["id"].startswith(f"{room['id']}:PA")
        assert who["id"] == f"{who['participant']['id']}:presence"
        for track in who["tracks"]:
            assert track["id"].startswith(f"{who['participant']['id']}:MT")
    return {
        who["participant"]["identity"]: (
            who["isMuted"],
            sorted(track["kind"] for track in who["tracks"]),
        )
        for who in presence["participants"]
    }


class Wall:
    """The rooms of one test, among those of other tests."""

    def __init__(self, gateway: Gateway, count: int = 3) -> None:
        self._gateway = gateway
        self._count = count
        self.sids: list[str] = []

    async def open(self) -> None:
        self.sids = [(await self._gateway.create_room())["sid"] for _ in range(self._count)]

    async def join(self, number: int, identity: str, *tracks: str) -> None:
        await self._gateway.sandbox(
            "POST",
            f"/rooms/{self.sids[number]}/participants",
            {"identity": identity, "tracks": list(tracks)},
        )

    async def read(self) -> list[ByIdentity | None]:
        data = await self._gateway.execute(WALL)
        rooms = {room["sid"]: present(room) for room in data["rooms"]["nodes"]}
        return [rooms.get(sid) for sid in self.sids]

    async def wait_for(self, *expected: ByIdentity | None) -> None:
        """Waits until the wall shows this. Callbacks take a moment."""
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while True:
                if await self.read() == list(expected):
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def wall(gateway: Gateway) -> AsyncIterator[Wall]:
    wall = Wall(gateway)
    await wall.open()
    yield wall
    for sid in wall.sids:
        await gateway.complete_room_at_twilio(sid)


@asynccontextmanager
async def calls_counted(gateway: Gateway, page_size: int) -> AsyncIterator[list[str]]:
    """The paths that are read from Twilio meanwhile in pages of this size. The
    reconciler's pages have other sizes."""
    before = len(await gateway.sandbox("GET", "/calls"))
    paths: list[str] = []
    yield paths
    calls = (await gateway.sandbox("GET", "/calls"))[before:]
    paths += [
        call["path"]
        for call in calls
        if parse_qs(call["query"]).get("PageSize") == [str(page_size)]
    ]


async def test_a_wall_of_rooms_shows_who_is_where_for_one_call_to_twilio(
    gateway: Gateway, wall: Wall
) -> None:
    await wall.join(0, "ada", "audio", "video")
    await wall.join(0, "bob", "audio")
    await wall.join(1, "carl", "video")
    ada, carl = (False, ["AUDIO", "VIDEO"]), (True, ["VIDEO"])
    await wall.wait_for({"ada": ada, "bob": (False, ["AUDIO"])}, {"carl": carl}, {})
    first = f"/rooms/{wall.sids[0]}/participants"
    await gateway.sandbox("POST", f"{first}/bob/tracks/audio", {"enabled": False})
    await gateway.sandbox("DELETE", f"{first}/ada")
    await wall.wait_for({"bob": (True, ["AUDIO"])}, {"carl": carl}, {})
    async with calls_counted(gateway, page_size=20) as paths:
        reply = await gateway.post(WALL)
    assert set(paths) <= {"/v1/Rooms"}
    assert len(paths) <= 1
    rooms = 20
    assert reply.body["extensions"]["cost"]["requested"] == (
        # a call, a page of rooms, two fields of each from the log, and 50 participants
        CALL_POINTS + FETCH_POINTS + rooms + 2 * rooms + 50 * rooms
    )


async def test_an_event_can_show_who_is_in_the_room_after_it(gateway: Gateway, wall: Wall) -> None:
    watch = """subscription($room: RoomRef!) { roomEvents(room: $room) { __typename
        ... on ParticipantConnected { room { id participantCount presence {
            participants { participant { identity } } } } } } }"""
    room = room_ref(wall.sids[0])
    async with gateway.subscribe_ws(watch, room=room) as messages:
        await take(messages, 1)
        for number, identity in enumerate(("ada", "bob"), 1):
            await wall.join(0, identity)
            joined = await first_matching(
                messages, lambda message: message["__typename"] == "ParticipantConnected"
            )
            present = joined["room"]["presence"]["participants"]
            assert joined["room"]["participantCount"] == number
            assert identity in [who["participant"]["identity"] for who in present]


async def test_the_nested_page_is_allowed_and_calls_twilio_once_for_each_room(
    gateway: Gateway, wall: Wall
) -> None:
    await wall.join(0, "ada")
    async with calls_counted(gateway, page_size=50) as paths:
        reply = await gateway.post(NESTED)
    assert "errors" not in reply.body
    rooms = reply.body["data"]["rooms"]["nodes"]
    assert {"nodes": [{"identity": "ada"}]} in [room["participants"] for room in rooms]
    assert len(paths) <= 1 + len(rooms) <= 51
    assert {f"/v1/Rooms/{sid}/Participants" for sid in wall.sids} <= set(paths)
    cost = reply.body["extensions"]["cost"]
    assert cost["requested"] == CALL_POINTS + 51 * FETCH_POINTS + 50 + 50 * 50
    assert CALL_POINTS + 3 * FETCH_POINTS < cost["actual"] < cost["requested"]


async def test_too_many_calls_are_refused_before_the_first(gateway: Gateway, wall: Wall) -> None:
    async with calls_counted(gateway, page_size=50) as paths:
        error = await gateway.execute_error(TRACKS)
    assert error["code"] == "BAD_USER_INPUT"
    assert error["message"] == (
        "publishedTracks below rooms.participants could need 2,500 calls to Twilio and 60 are "
        "allowed: select presence of the room, which needs none, or use first: 7 or less for "
        "each page"
    )
    assert paths == []


async def test_nobody_is_in_an_ended_room_and_an_unknown_one_has_no_presence(
    gateway: Gateway, wall: Wall
) -> None:
    await wall.join(0, "ada")
    await wall.wait_for({"ada": (True, [])}, {}, {})
    document = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Room {
        status participantCount presence { asOf participantCount participants { since } } } } }"""
    elsewhere = (await gateway.create_room_at_twilio())["sid"]
    over = wall.sids.pop(0)
    await gateway.complete_room_at_twilio(over)
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            ids = [over, elsewhere, new_sid()]
            ended, unknown, missing = (await gateway.execute(document, ids=ids))["nodes"]
            if ended["status"] == "COMPLETED":
                break
            await asyncio.sleep(0.02)
    assert ended["participantCount"] == ended["presence"]["participantCount"] == 0
    assert ended["presence"]["participants"] == []
    # The reconciler has not read the room that another backend has just created.
    assert (unknown["participantCount"], unknown["presence"], missing) == (None, None, None)
    await gateway.complete_room_at_twilio(elsewhere)
