"""ensureRoom on both faces: what it returns, and which requests it sends to Twilio."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.rpc.client import Clients, refusal
from tests.running import Gateway, new_name

ENSURE = """mutation($input: EnsureRoomInput!) { ensureRoom(input: $input) {
    room { sid uniqueName status maxParticipants } created errors { code message field } } }"""
COMPLETE = """mutation($input: CompleteRoomInput!) { completeRoom(input: $input) {
    room { status } errors { code } } }"""
LIST, CREATE = "list", "create"

Ensure = Callable[[str], Awaitable[tuple[str, bool]]]
"""Returns the SID of the room with this name, and whether it was created."""


async def ensure(gateway: Gateway, name: str, **settings: Any) -> Any:
    data = await gateway.execute(ENSURE, input={"uniqueName": name, **settings})
    assert data["ensureRoom"]["errors"] == []
    return data["ensureRoom"]


@pytest.fixture(params=["GraphQL", "gRPC"])
def call(request: pytest.FixtureRequest, gateway: Gateway, clients: Clients) -> Ensure:
    async def by_graphql(name: str) -> tuple[str, bool]:
        payload = await ensure(gateway, name)
        return payload["room"]["sid"], payload["created"]

    async def by_grpc(name: str) -> tuple[str, bool]:
        response = await clients.rooms.EnsureRoom(unique_name=name)
        return response.room.sid, response.created

    return by_graphql if request.param == "GraphQL" else by_grpc


async def requests_of(gateway: Gateway, name: str, before: int) -> list[str]:
    """Returns the look-ups of the name and the creates, without what the reconciler
    reads."""
    requests = []
    for call in (await gateway.sandbox("GET", "/calls"))[before:]:
        if call["method"] == "POST":
            requests.append(CREATE)
        elif f"UniqueName={name}" in call["query"]:
            requests.append(LIST)
    return requests


async def call_count(gateway: Gateway) -> int:
    return len(await gateway.sandbox("GET", "/calls"))


async def test_ensure_room_creates_a_room_once_and_finds_it_without_a_request(
    gateway: Gateway, call: Ensure
) -> None:
    name, before = new_name(), await call_count(gateway)
    sid, created = await call(name)
    assert created
    assert await requests_of(gateway, name, before) == [LIST, CREATE]
    assert await call(name) == (sid, False)
    assert await requests_of(gateway, name, before) == [LIST, CREATE]


async def test_racing_ensure_room_sends_one_look_up_and_one_create(
    gateway: Gateway, call: Ensure
) -> None:
    name, before = new_name(), await call_count(gateway)
    results = await asyncio.gather(*(call(name) for _ in range(4)))
    assert len({sid for sid, _ in results}) == 1
    assert sorted(created for _, created in results) == [False, False, False, True]
    assert await requests_of(gateway, name, before) == [LIST, CREATE]


async def test_ensure_room_finds_the_room_of_another_backend_with_one_look_up(
    gateway: Gateway, call: Ensure
) -> None:
    name = new_name()
    theirs = (await gateway.create_room_at_twilio(UniqueName=name))["sid"]
    before = await call_count(gateway)
    assert await call(name) == (theirs, False)
    assert await requests_of(gateway, name, before) == [LIST]


async def test_ensure_room_after_the_end_of_a_room_creates_another(
    gateway: Gateway, call: Ensure
) -> None:
    name = new_name()
    first, _ = await call(name)
    await gateway.execute(COMPLETE, input={"room": {"sid": first}})
    second, created = await call(name)
    assert (created, second != first) == (True, True)


async def test_settings_apply_only_to_a_new_room(gateway: Gateway, clients: Clients) -> None:
    name = new_name()
    assert (await ensure(gateway, name, maxParticipants=7))["room"]["maxParticipants"] == 7
    again = await ensure(gateway, name, maxParticipants=3)
    assert (again["room"]["maxParticipants"], again["created"]) == (7, False)
    response = await clients.rooms.EnsureRoom(unique_name=name, max_participants=5)
    assert (response.room.max_participants, response.created) == (7, False)


async def test_room_is_found_after_a_lost_response_to_its_create(
    gateway: Gateway, call: Ensure
) -> None:
    name, before = new_name(), await call_count(gateway)
    fault = {"match": {"method": "POST", "path": "/v1/Rooms$"}, "hang_up": "after", "rate": 1}
    async with gateway.fault(**fault):
        sid, created = await call(name)
    assert created
    assert await requests_of(gateway, name, before) == [LIST, CREATE, LIST]
    assert await call(name) == (sid, False)


async def test_invalid_input_is_told_with_its_field(gateway: Gateway, clients: Clients) -> None:
    error = await gateway.execute_error(ENSURE, input={"uniqueName": "", "maxParticipants": 3})
    assert (error["code"], error["field"]) == ("INVALID_INPUT", ["uniqueName"])
    code, info, _ = await refusal(clients.rooms.EnsureRoom(max_participants=3))
    assert (code, info.reason) == ("INVALID_ARGUMENT", "INVALID_INPUT")
