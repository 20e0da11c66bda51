"""A room watched live from outside, by WebSocket, event stream and gRPC at once: each shows who is there and what they send."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.rooms.v1 import room_pb2, rule_pb2
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1.room_service_pb2_grpc import RoomServiceStub
from tests.running import RESPONSE_TIMEOUT_S, Gateway, first_matching, new_name, take

LIVE = """subscription($ref: ID!) { roomLive(ref: $ref) { sid status asOf participants { nodes { identity
    publishedTracks { nodes { kind enabled } } } } } }"""
PRESENCE = """subscription($room: ID!) { presence(room: $room) { cursor roomStatus participants { identity since
    tracks { kind enabled } } } }"""
EVENTS = "subscription($room: ID!, $after: String) { roomEvents(room: $room, after: $after) { __typename } }"

People = dict[str, dict[str, bool]]
"""Who is there, and for each kind of track they send whether it is on."""


def by_live(told: Mapping[str, Any]) -> People:
    assert told["status"] == "IN_PROGRESS"
    people = told["participants"]["nodes"]
    return {who["identity"]: _on(who["publishedTracks"]["nodes"]) for who in people}


def by_presence(told: tuple[str, Mapping[str, Any]]) -> People:
    id_, presence = told
    assert id_ == presence["cursor"]
    return {who["identity"]: _on(who["tracks"]) for who in presence["participants"]}


def by_grpc(told: pb.WatchRoomResponse) -> People:
    return {
        who.participant.identity: {
            rule_pb2.TrackKind.Name(track.kind).removeprefix("TRACK_KIND_"): track.enabled
            for track in who.tracks
        }
        for who in told.participants
    }


def _on(tracks: list[dict[str, Any]]) -> dict[str, bool]:
    return {track["kind"]: track["enabled"] for track in tracks}


@asynccontextmanager
async def watching_by_grpc(
    gateway: Gateway, room: str
) -> AsyncIterator[AsyncIterator[pb.WatchRoomResponse]]:
    async with gateway.channel() as channel:
        call = RoomServiceStub(channel).WatchRoom(
            pb.WatchRoomRequest(room=room), metadata=gateway.metadata
        )
        yield aiter(call)
        call.cancel()


async def test_three_transports_show_one_room_as_it_changes(gateway: Gateway) -> None:
    room = await gateway.create_room()
    people = f"/rooms/{room['sid']}/participants"
    await gateway.sandbox("POST", people, {"identity": "ada", "tracks": ["audio", "video"]})
    async with (
        gateway.subscribe_ws(LIVE, ref=room["uniqueName"]) as by_ws,
        gateway.subscribe_sse(PRESENCE, room=room["sid"]) as by_sse,
        watching_by_grpc(gateway, room["uniqueName"]) as by_stream,
    ):

        async def all_show(wanted: People) -> tuple[Any, Any, Any]:
            return (
                await first_matching(by_ws, lambda told: by_live(told) == wanted),
                await first_matching(by_sse, lambda told: by_presence(told) == wanted),
                await first_matching(by_stream, lambda told: by_grpc(told) == wanted),
            )

        await all_show({"ada": {"AUDIO": True, "VIDEO": True}})
        asked = await calls(gateway, room["sid"])
        await gateway.sandbox("POST", people, {"identity": "bob", "tracks": ["audio"]})
        await gateway.sandbox("POST", f"{people}/ada/tracks/audio", {"enabled": False})
        await gateway.sandbox("DELETE", f"{people}/ada/tracks/video")
        live, (id_, presence), view = await all_show(
            {"ada": {"AUDIO": False}, "bob": {"AUDIO": True}}
        )
        assert live["asOf"] == id_ == view.cursor
        assert all(who["since"] for who in presence["participants"])
        await gateway.sandbox("DELETE", f"{people}/ada")
        *_, view = await all_show({"bob": {"AUDIO": True}})
        assert await calls(gateway, room["sid"]) == asked, "no change costs a call"

        async with gateway.subscribe_sse(
            PRESENCE, query=f"?lastEventId={id_}", room=room["sid"]
        ) as resumed:
            [again] = await take(resumed, 1)
        assert by_presence(again) == {"bob": {"AUDIO": True}}

        await gateway.execute(
            "mutation($ref: ID!) { completeRoom(ref: $ref) { sid } }", ref=room["sid"]
        )
        ended = await first_matching(by_ws, lambda told: told["status"] == "COMPLETED")
        assert [who["publishedTracks"]["nodes"] for who in ended["participants"]["nodes"]] == [
            [],
            [],
        ]
        assert (await first_matching(by_sse, lambda told: told[1]["roomStatus"] == "COMPLETED"))[1][
            "participants"
        ] == []
        over = await first_matching(
            by_stream, lambda told: told.room.status == room_pb2.ROOM_STATUS_COMPLETED
        )
        assert list(over.participants) == []
    async with gateway.subscribe_ws(EVENTS, room=room["sid"], after=view.cursor) as events:
        assert await first_matching(events, lambda message: message["__typename"] == "RoomEnded")


async def test_callbacks_that_overtake_each_other_and_come_twice_lead_to_the_room_as_it_is(
    gateway: Gateway,
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"seed {seed}")
    room = await gateway.create_room()
    doing = _Dice(gateway, f"/rooms/{room['sid']}/participants", random.Random(seed))
    for _ in range(8):
        await doing.something()
    async with gateway.fault(callbacks={"duplicate": 0.3, "reorder_ms": 300}):
        for _ in range(20):
            await doing.something()
        # Watching begins in the midst of it.
        async with (
            gateway.subscribe_ws(LIVE, ref=room["sid"]) as by_ws,
            gateway.subscribe_sse(PRESENCE, room=room["sid"]) as by_sse,
            watching_by_grpc(gateway, room["sid"]) as by_stream,
        ):
            for _ in range(40):
                await doing.something()
            # Whatever was delayed has been logged before the one who tells the last state apart from all before it.
            await doing.until_told()
            await doing.joins("zoe")
            truth = doing.people
            assert await first_matching(by_ws, lambda told: by_live(told) == truth)
            assert await first_matching(by_sse, lambda told: by_presence(told) == truth)
            assert await first_matching(by_stream, lambda told: by_grpc(told) == truth)
    async with gateway.subscribe_ws(LIVE, ref=room["sid"]) as anew:
        assert by_live((await take(anew, 1))[0]) == doing.people


async def test_a_name_that_nobody_has_is_not_found(gateway: Gateway) -> None:
    for document, name in ((LIVE, "ref"), (PRESENCE, "room")):
        async with gateway.websocket() as socket:
            payload = {"query": document, "variables": {name: new_name()}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            told = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
        assert told["type"] == "error"
        assert told["payload"][0]["extensions"]["code"] == "NOT_FOUND"


class _Dice:
    """Lets people come, go, and switch what they send; `people` is what must be seen."""

    def __init__(self, gateway: Gateway, path: str, dice: random.Random) -> None:
        self._gateway = gateway
        self._path = path
        self._dice = dice
        self._turns = self._round()
        self.people: People = {}

    async def something(self) -> None:
        """Somebody's turn after the other's, so that no two words about one track are of one millisecond."""
        who = next(self._turns)
        sent = self.people.get(who)
        if sent is None:
            await self.joins(who)
        elif self._dice.random() < 0.25:
            await self._gateway.sandbox("DELETE", f"{self._path}/{who}")
            del self.people[who]
        else:
            kind = self._dice.choice(sorted(sent))
            sent[kind] = not sent[kind]
            await self._gateway.sandbox(
                "POST", f"{self._path}/{who}/tracks/{kind.lower()}", {"enabled": sent[kind]}
            )

    async def joins(self, who: str) -> None:
        await self._gateway.sandbox(
            "POST", self._path, {"identity": who, "tracks": ["audio", "video"]}
        )
        self.people[who] = {"AUDIO": True, "VIDEO": True}

    async def until_told(self) -> None:
        """Returns once every callback has been answered."""
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while True:
                callbacks = await self._gateway.sandbox("GET", "/callbacks")
                if all(sent["attempts"] for sent in callbacks):
                    return
                await asyncio.sleep(0.02)  # the sandbox's record is the only sign there is

    def _round(self) -> Iterator[str]:
        while True:
            yield from ("ada", "bob", "carl", "dora", "emil")


async def calls(gateway: Gateway, sid: str) -> int:
    return sum(sid in call["path"] for call in await gateway.sandbox("GET", "/calls"))
