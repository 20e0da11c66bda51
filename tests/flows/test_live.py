"""Live views of a room by WebSocket, event stream and gRPC at the same time.

Each shows the connected participants and their published tracks.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.rpc.v1 import room_pb2, rule_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1.room_service_pb2_grpc import RoomServiceStub
from tests.running import RESPONSE_TIMEOUT_S, Gateway, first_matching, new_name, room_ref, take

LIVE = """subscription($room: RoomRef!) { roomLive(room: $room) { sid status asOf participants {
    nodes {
    identity publishedTracks { nodes { kind isMuted } } } } } }"""
PRESENCE = """subscription($room: RoomRef!) { roomPresence(room: $room) { asOf room { status }
    participants { since participant { identity } tracks { kind isMuted } } } }"""
EVENTS = """subscription($room: RoomRef!, $after: String) { roomEvents(room: $room, after: $after) {
    __typename } }"""

TracksByIdentity = dict[str, dict[str, bool]]
"""For each connected identity: its kinds of tracks, and whether each is enabled."""


def from_live(message: Mapping[str, Any]) -> TracksByIdentity:
    assert message["status"] == "IN_PROGRESS"
    expected_tracks = message["participants"]["nodes"]
    return {
        participant["identity"]: _on(participant["publishedTracks"]["nodes"])
        for participant in expected_tracks
    }


def from_presence(message: tuple[str, Mapping[str, Any]]) -> TracksByIdentity:
    id_, presence = message
    assert id_ == presence["asOf"]
    return {who["participant"]["identity"]: _on(who["tracks"]) for who in presence["participants"]}


def by_grpc(message: pb.WatchRoomResponse) -> TracksByIdentity:
    return {
        participant.participant.identity: {
            rule_pb2.TrackKind.Name(track.kind).removeprefix("TRACK_KIND_"): not track.muted
            for track in participant.tracks
        }
        for participant in message.participants
    }


def _on(tracks: list[dict[str, Any]]) -> dict[str, bool]:
    return {track["kind"]: not track["isMuted"] for track in tracks}


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


async def test_all_transports_show_the_same_live_room(gateway: Gateway) -> None:
    room = await gateway.create_room()
    expected_tracks = f"/rooms/{room['sid']}/participants"
    await gateway.sandbox(
        "POST", expected_tracks, {"identity": "ada", "tracks": ["audio", "video"]}
    )
    async with (
        gateway.subscribe_ws(LIVE, room=room_ref(room["uniqueName"])) as by_ws,
        gateway.subscribe_sse(PRESENCE, room=room_ref(room["sid"])) as by_sse,
        watching_by_grpc(gateway, room["uniqueName"]) as by_stream,
    ):

        async def all_show(expected: TracksByIdentity) -> tuple[Any, Any, Any]:
            return (
                await first_matching(by_ws, lambda message: from_live(message) == expected),
                await first_matching(by_sse, lambda message: from_presence(message) == expected),
                await first_matching(by_stream, lambda message: by_grpc(message) == expected),
            )

        await all_show({"ada": {"AUDIO": True, "VIDEO": True}})
        calls_before = await calls(gateway, room["sid"])
        await gateway.sandbox("POST", expected_tracks, {"identity": "bob", "tracks": ["audio"]})
        await gateway.sandbox("POST", f"{expected_tracks}/ada/tracks/audio", {"enabled": False})
        await gateway.sandbox("DELETE", f"{expected_tracks}/ada/tracks/video")
        live, (id_, presence), view = await all_show(
            {"ada": {"AUDIO": False}, "bob": {"AUDIO": True}}
        )
        assert live["asOf"] == id_ == view.cursor == presence["asOf"]
        assert all(participant["since"] for participant in presence["participants"])
        await gateway.sandbox("DELETE", f"{expected_tracks}/ada")
        *_, view = await all_show({"bob": {"AUDIO": True}})
        assert await calls(gateway, room["sid"]) == calls_before, (
            "no change may cost a Twilio request"
        )

        async with gateway.subscribe_sse(
            PRESENCE, query=f"?lastEventId={id_}", room=room_ref(room["sid"])
        ) as resumed:
            [again] = await take(resumed, 1)
        assert from_presence(again) == {"bob": {"AUDIO": True}}

        await gateway.execute(
            "mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) { room { sid } } }",
            ref=room["sid"],
        )
        ended = await first_matching(by_ws, lambda message: message["status"] == "COMPLETED")
        assert [
            participant["publishedTracks"]["nodes"]
            for participant in ended["participants"]["nodes"]
        ] == [
            [],
            [],
        ]
        assert (
            await first_matching(
                by_sse, lambda message: message[1]["room"]["status"] == "COMPLETED"
            )
        )[1]["participants"] == []
        last = await first_matching(
            by_stream, lambda message: message.room.status == room_pb2.ROOM_STATUS_COMPLETED
        )
        assert list(last.participants) == []
    async with gateway.subscribe_ws(
        EVENTS, room=room_ref(room["sid"]), after=view.cursor
    ) as events:
        assert await first_matching(events, lambda message: message["__typename"] == "RoomEnded")


async def test_reordered_and_duplicate_callbacks_converge_to_the_true_state(
    gateway: Gateway,
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    print(f"seed {seed}")
    room = await gateway.create_room()
    users = _RandomUsers(gateway, f"/rooms/{room['sid']}/participants", random.Random(seed))
    for _ in range(8):
        await users.act()
    async with gateway.fault(callbacks={"duplicate": 0.3, "reorder_ms": 300}):
        for _ in range(20):
            await users.act()
        # The subscriptions start while events are happening.
        async with (
            gateway.subscribe_ws(LIVE, room=room_ref(room["sid"])) as by_ws,
            gateway.subscribe_sse(PRESENCE, room=room_ref(room["sid"])) as by_sse,
            watching_by_grpc(gateway, room["sid"]) as by_stream,
        ):
            for _ in range(40):
                await users.act()
            # All delayed callbacks are logged before the last participant joins.
            # The last state therefore differs from all states before it.
            await users.wait_for_callbacks()
            await users.join("zoe")
            expected = users.expected_tracks
            assert await first_matching(by_ws, lambda message: from_live(message) == expected)
            assert await first_matching(by_sse, lambda message: from_presence(message) == expected)
            assert await first_matching(by_stream, lambda message: by_grpc(message) == expected)
    async with gateway.subscribe_ws(LIVE, room=room_ref(room["sid"])) as fresh:
        assert from_live((await take(fresh, 1))[0]) == users.expected_tracks


async def test_unknown_name_is_not_found(gateway: Gateway) -> None:
    for document in (LIVE, PRESENCE):
        async with gateway.websocket() as socket:
            payload = {"query": document, "variables": {"room": room_ref(new_name())}}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
            message = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"


class _RandomUsers:
    """Participants who join, leave, mute and unmute at random.

    `expected_tracks` is the state that the live views must show.
    """

    def __init__(self, gateway: Gateway, path: str, rng: random.Random) -> None:
        self._gateway = gateway
        self._path = path
        self._dice = rng
        self._identities = self._round_robin()
        self.expected_tracks: TracksByIdentity = {}

    async def act(self) -> None:
        """Makes one change by the next participant.

        Participants take turns, so that two events of one track never have the same
        millisecond.
        """
        participant = next(self._identities)
        tracks = self.expected_tracks.get(participant)
        if tracks is None:
            await self.join(participant)
        elif self._dice.random() < 0.25:
            await self._gateway.sandbox("DELETE", f"{self._path}/{participant}")
            del self.expected_tracks[participant]
        else:
            kind = self._dice.choice(sorted(tracks))
            tracks[kind] = not tracks[kind]
            await self._gateway.sandbox(
                "POST",
                f"{self._path}/{participant}/tracks/{kind.lower()}",
                {"enabled": tracks[kind]},
            )

    async def join(self, participant: str) -> None:
        await self._gateway.sandbox(
            "POST", self._path, {"identity": participant, "tracks": ["audio", "video"]}
        )
        self.expected_tracks[participant] = {"AUDIO": True, "VIDEO": True}

    async def wait_for_callbacks(self) -> None:
        """Waits until every callback has been sent."""
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while True:
                callbacks = await self._gateway.sandbox("GET", "/callbacks")
                if all(tracks["attempts"] for tracks in callbacks):
                    return
                await asyncio.sleep(0.02)  # the sandbox sends no notification

    def _round_robin(self) -> Iterator[str]:
        while True:
            yield from ("ada", "bob", "carl", "dora", "emil")


async def calls(gateway: Gateway, sid: str) -> int:
    return sum(sid in call["path"] for call in await gateway.sandbox("GET", "/calls"))
