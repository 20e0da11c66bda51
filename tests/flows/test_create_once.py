"""createRoom with an idempotency key: through both faces, with answers lost on the way."""

import asyncio
from typing import Any

from tests.rpc.client import Clients, refusal
from tests.running import Gateway, new_name

CREATE = """mutation($input: CreateRoomInput!, $key: String) {
  createRoom(input: $input, idempotencyKey: $key) { sid status statusCallback } }"""
IS_CREATE = {"method": "POST", "path": "/v1/Rooms$"}


async def rooms_named(gateway: Gateway, name: str) -> list[str]:
    document = "query($n: String) { rooms(uniqueName: $n) { nodes { sid } } }"
    return [room["sid"] for room in (await gateway.execute(document, n=name))["rooms"]["nodes"]]


async def test_one_key_makes_one_room_through_both_faces(
    gateway: Gateway, clients: Clients
) -> None:
    name, key = new_name(), new_name()

    async def by_graphql() -> Any:
        return (await gateway.execute(CREATE, input={"uniqueName": name}, key=key))["createRoom"][
            "sid"
        ]

    async def by_grpc() -> Any:
        return (await clients.rooms.CreateRoom(unique_name=name, request_id=key)).room.sid

    made = await asyncio.gather(*(call() for call in (by_graphql, by_grpc) * 5))
    assert await rooms_named(gateway, name) == [made[0]]
    assert set(made) == {made[0]}


async def test_a_key_given_for_another_room_is_a_conflict_on_both_faces(
    gateway: Gateway, clients: Clients
) -> None:
    key = new_name()
    await gateway.execute(CREATE, input={"uniqueName": new_name()}, key=key)
    told = await gateway.execute_error(CREATE, input={"uniqueName": new_name()}, key=key)
    assert (told["code"], told["retryable"]) == ("CONFLICT", False)
    code, info, _ = await refusal(clients.rooms.CreateRoom(unique_name=new_name(), request_id=key))
    assert (code, info.reason) == ("ALREADY_EXISTS", "ALREADY_EXISTS")


async def test_a_room_whose_answer_was_lost_is_found_and_reports_here(gateway: Gateway) -> None:
    name = new_name()
    async with gateway.fault(match=IS_CREATE, hang_up="after", rate=1):
        made = (await gateway.execute(CREATE, input={"uniqueName": name}, key=new_name()))[
            "createRoom"
        ]
    assert await rooms_named(gateway, name) == [made["sid"]]
    # Its callbacks are signed for the address with the mark, and taken.
    document = (
        "query($r: ID!) { room(ref: $r) { freshness { source } events { nodes { type source } } } }"
    )
    async with asyncio.timeout(10):
        while True:
            room = (await gateway.execute(document, r=made["sid"]))["room"]
            told = {(event["type"], event["source"]) for event in room["events"]["nodes"]}
            if ("ROOM_CREATED", "CALLBACK") in told:
                break
            await asyncio.sleep(0.02)
    assert room["freshness"]["source"] == "CALLBACKS"


async def test_a_room_without_a_name_whose_answer_was_lost_is_never_asked_for_again(
    gateway: Gateway,
) -> None:
    key, before = new_name(), len(await gateway.sandbox("GET", "/calls"))
    async with gateway.fault(match=IS_CREATE, hang_up="after", rate=1):
        assert (await gateway.execute_error(CREATE, input={}, key=key))["code"] == "OUTCOME_UNKNOWN"
    told = await gateway.execute_error(CREATE, input={}, key=key)
    assert (told["code"], told["retryable"]) == ("OUTCOME_UNKNOWN", False)
    calls = (await gateway.sandbox("GET", "/calls"))[before:]
    assert sum(call["method"] == "POST" for call in calls) == 1
