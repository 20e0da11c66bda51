"""An idempotency key aims at what the first request found, on both faces alike."""

from typing import Any

from tests.rpc.client import Clients
from tests.running import Gateway, new_name

COMPLETE = """mutation($input: CompleteRoomInput!) { completeRoom(input: $input) {
    room { sid status } } }"""
DISCONNECT = """mutation($input: DisconnectParticipantInput!) {
    disconnectParticipant(input: $input) { participant { sid status } } }"""
START = """mutation($input: StartTranscriptionInput!) { startTranscription(input: $input) {
    transcription { ttid } errors { code } } }"""
STATUS = """query($sid: ID!) { room(ref: {sid: $sid}) { status } }"""


async def join(gateway: Gateway, room: str, identity: str) -> str:
    path = f"/rooms/{room}/participants"
    return str((await gateway.sandbox("POST", path, {"identity": identity}))["sid"])


async def test_key_ends_the_room_that_had_the_name_at_first(
    gateway: Gateway, clients: Clients
) -> None:
    name, key = new_name(), new_name()
    first = (await gateway.create_room(name))["sid"]
    by_name = {"room": {"uniqueName": name}, "idempotencyKey": key}
    expected = {"completeRoom": {"room": {"sid": first, "status": "COMPLETED"}}}
    assert await gateway.execute(COMPLETE, input=by_name) == expected
    second = (await gateway.create_room(name))["sid"]
    assert await gateway.execute(COMPLETE, input=by_name) == expected
    assert (await clients.rooms.CompleteRoom(room=name, request_id=key)).room.sid == first
    assert await gateway.execute(STATUS, sid=second) == {"room": {"status": "IN_PROGRESS"}}


async def test_key_disconnects_the_participant_that_had_the_identity_at_first(
    gateway: Gateway, clients: Clients
) -> None:
    name, key = new_name(), new_name()
    room = (await gateway.create_room(name))["sid"]
    first = await join(gateway, room, "Ada")
    target = {"room": {"uniqueName": name}, "participant": {"identity": "Ada"}}
    gone = await gateway.execute(DISCONNECT, input={**target, "idempotencyKey": key})
    assert gone["disconnectParticipant"]["participant"]["sid"] == first
    second = await join(gateway, room, "Ada")
    again = await clients.participants.DisconnectParticipant(
        room=name, participant="Ada", request_id=key
    )
    assert again.participant.sid == first
    present = (await clients.participants.ListParticipants(room=room)).participants
    assert [participant.sid for participant in present] == [second]


async def test_key_returns_the_transcription_that_it_started(
    gateway: Gateway, clients: Clients
) -> None:
    name, key = new_name(), new_name()
    await gateway.create_room(name)
    target: dict[str, Any] = {"room": {"uniqueName": name}}
    started = await gateway.execute(START, input={**target, "idempotencyKey": key})
    ttid = started["startTranscription"]["transcription"]["ttid"]
    again = await clients.transcriptions.StartTranscription(room=name, request_id=key)
    assert again.transcription.ttid == ttid
    refused = await gateway.execute_error(START, input={**target, "idempotencyKey": new_name()})
    assert refused["code"] != "IDEMPOTENCY_KEY_REUSED"


async def test_key_of_a_room_that_has_ended_returns_that_room(gateway: Gateway) -> None:
    """For the room in progress or a new one, there is ensureRoom."""
    name, key = new_name(), new_name()
    create = """mutation($input: CreateRoomInput!) { createRoom(input: $input) {
        room { sid status } created } }"""
    ensure = """mutation($input: EnsureRoomInput!) { ensureRoom(input: $input) {
        room { sid status } created } }"""
    by_key = {"uniqueName": name, "idempotencyKey": key}
    first = (await gateway.execute(create, input=by_key))["createRoom"]
    sid = first["room"]["sid"]
    assert first == {"room": {"sid": sid, "status": "IN_PROGRESS"}, "created": True}
    await gateway.execute(COMPLETE, input={"room": {"sid": sid}})
    again = (await gateway.execute(create, input=by_key))["createRoom"]
    assert again == {"room": {"sid": sid, "status": "COMPLETED"}, "created": False}
    ensured = (await gateway.execute(ensure, input={"uniqueName": name}))["ensureRoom"]
    assert ensured["created"]
    assert ensured["room"]["sid"] != sid
