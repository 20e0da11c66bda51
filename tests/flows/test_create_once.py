"""createRoom with an idempotency key, on both faces and with lost responses."""

import asyncio
from typing import Any

from tests.rpc.client import Clients, refusal
from tests.running import Gateway, new_name

CREATE = """mutation($input: CreateRoomInput!) { createRoom(input: $input) {
    room { sid status twilio { statusCallback } } created errors { code field
        ... on OutcomeUnknown { retryWith } } } }"""
IS_CREATE = {"method": "POST", "path": "/v1/Rooms$"}


async def rooms_named(gateway: Gateway, name: str) -> list[str]:
    document = "query($n: String) { rooms(filter: {uniqueName: $n}) { nodes { sid } } }"
    return [room["sid"] for room in (await gateway.execute(document, n=name))["rooms"]["nodes"]]


async def test_create_room_with_one_key_on_both_faces_creates_one_room(
    gateway: Gateway, clients: Clients
) -> None:
    name, key = new_name(), new_name()

    async def by_graphql() -> Any:
        return (await gateway.execute(CREATE, input={"uniqueName": name, "idempotencyKey": key}))[
            "createRoom"
        ]["room"]["sid"]

    async def by_grpc() -> Any:
        return (await clients.rooms.CreateRoom(unique_name=name, request_id=key)).room.sid

    created = await asyncio.gather(*(call() for call in (by_graphql, by_grpc) * 5))
    assert await rooms_named(gateway, name) == [created[0]]
    assert set(created) == {created[0]}


async def test_key_used_for_another_room_is_a_conflict_on_both_faces(
    gateway: Gateway, clients: Clients
) -> None:
    key = new_name()
    await gateway.execute(CREATE, input={"uniqueName": new_name(), "idempotencyKey": key})
    error = await gateway.execute_error(
        CREATE, input={"uniqueName": new_name(), "idempotencyKey": key}
    )
    assert error == {"code": "IDEMPOTENCY_KEY_REUSED", "field": ["idempotencyKey"]}
    code, info, _ = await refusal(clients.rooms.CreateRoom(unique_name=new_name(), request_id=key))
    assert (code, info.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED")


async def test_create_room_with_a_lost_response_returns_the_room_and_its_callbacks(
    gateway: Gateway,
) -> None:
    name = new_name()
    async with gateway.fault(match=IS_CREATE, hang_up="after", rate=1):
        created = (
            await gateway.execute(CREATE, input={"uniqueName": name, "idempotencyKey": new_name()})
        )["createRoom"]["room"]
    assert await rooms_named(gateway, name) == [created["sid"]]
    # Its callbacks are signed for the callback URL with the marker, and accepted.
    await gateway.sandbox("POST", f"/rooms/{created['sid']}/participants", {"identity": "Grace"})
    document = """query($r: ID!) { room(ref: {sid: $r}) { freshness { source } events { nodes {
        type source } } } }"""
    async with asyncio.timeout(10):
        while True:
            room = (await gateway.execute(document, r=created["sid"]))["room"]
            told = [(event["type"], event["source"]) for event in room["events"]["nodes"]]
            if ("PARTICIPANT_CONNECTED", "CALLBACK") in told:
                break
            await asyncio.sleep(0.02)
    assert [kind for kind, _ in told] == ["ROOM_CREATED", "PARTICIPANT_CONNECTED"]
    assert room["freshness"]["source"] == "CALLBACKS"


async def test_create_unnamed_room_with_a_lost_response_is_not_repeated(
    gateway: Gateway,
) -> None:
    key, before = new_name(), len(await gateway.sandbox("GET", "/calls"))
    async with gateway.fault(match=IS_CREATE, hang_up="after", rate=1):
        assert (await gateway.execute_error(CREATE, input={"idempotencyKey": key}))[
            "code"
        ] == "OUTCOME_UNKNOWN"
    error = await gateway.execute_error(CREATE, input={"idempotencyKey": key})
    assert (error["code"], error["retryWith"]) == ("OUTCOME_UNKNOWN", None)
    calls = (await gateway.sandbox("GET", "/calls"))[before:]
    assert sum(call["method"] == "POST" for call in calls) == 1
