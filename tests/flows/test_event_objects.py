"""The room, participant and track of an event, as a client cache takes them in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.running import Gateway, first_matching, new_sid, room_ref, take

WATCH = Path("schema/operations/watch.graphql").read_text()
TIMELINE = """query($room: RoomRef!) { room(ref: $room) { events { nodes { id
    room { id uniqueName type status endTime durationSeconds }
    ... on ParticipantEvent { participant { id identity status } }
    ... on PublishedTrackEvent { track { id kind isMuted } } } } } }"""
STREAM = """subscription($room: RoomRef!) { roomEvents(room: $room) { ... on RoomEvent { id
    room { id uniqueName type status endTime durationSeconds }
    ... on ParticipantEvent { participant { id identity status } }
    ... on PublishedTrackEvent { track { id kind isMuted } } } } }"""
CHANGES = """subscription($room: RoomRef!) { roomEvents(room: $room) { __typename
    ... on RoomChanged { change changedId } } }"""
BY_ID = """query($id: ID!) {
    room: node(id: $id) { ... on Room { id uniqueName status endTime durationSeconds } }
    participant: node(id: $id) { ... on Participant { id identity status } }
    track: node(id: $id) { ... on PublishedTrack { id kind isMuted } } }"""


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object with an id, at any depth."""
    if isinstance(value, dict):
        if "id" in value:
            yield value
        for part in value.values():
            yield from objects_in(part)


async def calls(gateway: Gateway, sid: str) -> int:
    """How many requests about the room the gateway has sent to Twilio."""
    return sum(sid in call["path"] for call in await gateway.sandbox("GET", "/calls"))


async def test_events_keep_a_normalised_cache_true_without_a_request(gateway: Gateway) -> None:
    room = await gateway.create_room()
    users = f"/rooms/{room['sid']}/participants"
    cache: dict[str, dict[str, Any]] = {}
    async with gateway.subscribe_ws(WATCH, room=room_ref(room["sid"])) as messages:
        [started] = await take(messages, 1)
        assert started["watchedRoom"] == room["sid"]

        async def merge_until(type_: str) -> None:
            message: dict[str, Any] = {}
            while message.get("type") != type_:
                [message] = await take(messages, 1)
                for found in objects_in(message):
                    if "cursor" in found:
                        continue  # the event itself, which no query shows
                    cache.setdefault(found["id"], {}).update(found)

        calls_before = await calls(gateway, room["sid"])
        await gateway.sandbox("POST", users, {"identity": "ada", "tracks": ["audio"]})
        await gateway.sandbox("POST", users, {"identity": "bob", "tracks": []})
        await gateway.sandbox("POST", f"{users}/ada/tracks/audio", {"enabled": False})
        await merge_until("TRACK_DISABLED")
        await gateway.sandbox("DELETE", f"{users}/bob")
        await merge_until("PARTICIPANT_DISCONNECTED")
        assert len(cache) == 4
        assert await calls(gateway, room["sid"]) == calls_before
        await same_as_read(gateway, cache)
        await gateway.execute(
            "mutation($room: RoomRef!) { completeRoom(input: {room: $room}) { room { sid } } }",
            room=room_ref(room["sid"]),
        )
        await merge_until("ROOM_ENDED")
    await same_as_read(gateway, {id_: cache[id_] for id_ in (room["sid"],)})


async def same_as_read(gateway: Gateway, cache: dict[str, dict[str, Any]]) -> None:
    """The cache shows what a query shows."""
    for id_, cached in cache.items():
        [read] = filter(None, (await gateway.execute(BY_ID, id=id_)).values())
        assert {name: cached.get(name) for name in read} == read


async def test_i9_no_event_after_the_end_shows_the_room_in_progress(gateway: Gateway) -> None:
    room, ada = new_sid(), new_sid("PA")
    async with gateway.subscribe_ws(STREAM, room=room_ref(room)) as messages:
        await take(messages, 1)
        for type_, fields in (
            ("room-created", {}),
            ("room-ended", {"RoomStatus": "completed", "RoomDuration": "60"}),
            # Twilio sent it before, and it was delayed on the way.
            ("participant-disconnected", {"ParticipantSid": ada, "RoomStatus": "in-progress"}),
        ):
            callback = gateway.callback_fields(type_, room, **fields)
            assert await gateway.send_callback(callback) == 204
        created, ended, left = await take(messages, 3)
    assert created["room"]["status"] == "IN_PROGRESS"
    assert (ended["room"]["status"], ended["room"]["durationSeconds"]) == ("COMPLETED", 60)
    assert left["room"] == ended["room"]
    assert left["participant"]["status"] == "DISCONNECTED"
    assert left["participant"]["id"] == f"{room}:{ada}"


async def test_a_timeline_shows_the_same_objects_as_the_stream(gateway: Gateway) -> None:
    room = await gateway.create_room()
    users = f"/rooms/{room['sid']}/participants"
    async with gateway.subscribe_ws(STREAM, room=room_ref(room["sid"])) as messages:
        await take(messages, 1)
        await gateway.sandbox("POST", users, {"identity": "ada", "tracks": ["audio"]})
        joined = await first_matching(messages, lambda message: "participant" in message)
        added = await first_matching(messages, lambda message: "track" in message)
    assert added["track"] == {
        "id": f"{added['participant']['id']}:{added['track']['id'].rpartition(':')[2]}",
        "kind": "AUDIO",
        "isMuted": False,
    }
    timeline = (await gateway.execute(TIMELINE, room=room_ref(room["sid"])))["room"]["events"][
        "nodes"
    ]
    assert [event for event in timeline if event["id"] in (joined["id"], added["id"])] == [
        joined,
        added,
    ]


async def test_a_change_has_the_id_of_the_node_that_it_changed(gateway: Gateway) -> None:
    room = await gateway.create_room()
    await gateway.sandbox("POST", f"/rooms/{room['sid']}/participants", {"identity": "ada"})
    change = """mutation($room: RoomRef!) {
        updateSubscribeRules(input: {room: $room, participant: {identity: "ada"},
            rules: [{exclude: {}}]}) { subscribeRules { id } errors { message } }
        updateRecordingRules(input: {room: $room, rules: [{include: {}}]}) {
            recordingRules { id } errors { message } }
        startTranscription(input: {room: $room}) { transcription { id } errors { message } }
        disconnectParticipant(input: {room: $room, participant: {identity: "ada"}}) {
            participant { id } errors { message } }
        completeRoom(input: {room: $room}) { room { id } errors { message } } }"""
    async with gateway.subscribe_ws(CHANGES, room=room_ref(room["sid"])) as messages:
        await take(messages, 1)
        payloads = await gateway.execute(change, room=room_ref(room["sid"]))
        changed = [
            (await first_matching(messages, lambda message: "change" in message))["changedId"]
            for _ in payloads
        ]
    assert changed == [
        value["id"]
        for payload in payloads.values()
        for name, value in payload.items()
        if name != "errors"
    ]
    found = await gateway.execute(
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=changed
    )
    types = ["SubscribeRules", "RecordingRules", "Transcription", "Participant", "Room"]
    assert found["nodes"] == [
        {"__typename": type_, "id": id_} for type_, id_ in zip(types, changed, strict=True)
    ]
