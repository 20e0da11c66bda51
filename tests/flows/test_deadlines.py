"""How long a caller waits, as he says it over HTTP; the same for gRPC is in tests/rpc."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from tests.flows.test_quota import READ
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_sid

COMPLETE = "mutation($ref: ID!) { completeRoom(ref: $ref) { sid } }"


async def calls(
    gateway: Gateway, sid: str, wanted: Callable[[list[int | None]], bool]
) -> list[int | None]:
    """The statuses of the calls for the room at Twilio, once they are as wanted: None while a call is under way, 0 for one
    whose connection was closed."""
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            made = [
                call["status"]
                for call in await gateway.sandbox("GET", "/calls")
                if sid in call["path"]
            ]
            if wanted(made):
                return made
            await asyncio.sleep(0.02)  # Twilio tells nobody what it is doing


async def test_i15_a_read_ends_in_the_time_that_its_caller_gives_and_at_twilio_too(
    gateway: Gateway,
) -> None:
    sid = new_sid()
    async with gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, latency_ms=700):
        reply = await gateway.post(READ, {"ref": sid}, **{"X-Request-Timeout-Ms": "400"})
        [error] = reply.body["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == (
            "GATEWAY_TIMEOUT",
            True,
        )
        assert await calls(gateway, sid, lambda made: made not in ([], [None])) == [0]


async def test_i15_the_time_given_when_a_websocket_is_opened_is_that_of_each_of_its_operations(
    gateway: Gateway,
) -> None:
    headers = {**gateway.auth, "X-Request-Timeout-Ms": "400"}
    protocols = ("graphql-transport-ws",)
    async with (
        gateway.fault(match={"method": "GET"}, latency_ms=700),
        gateway.http.ws_connect(
            gateway.ready["ws"], protocols=protocols, headers=headers
        ) as socket,
    ):
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json(timeout=RESPONSE_TIMEOUT_S))["type"] == "connection_ack"
        for id_ in ("1", "2"):
            sid = new_sid()
            payload = {"query": READ, "variables": {"ref": sid}}
            await socket.send_json({"id": id_, "type": "subscribe", "payload": payload})
            message = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
            assert message["payload"]["errors"][0]["extensions"]["code"] == "GATEWAY_TIMEOUT"
            assert await calls(gateway, sid, lambda made: made not in ([], [None])) == [0]
            assert (await socket.receive_json(timeout=RESPONSE_TIMEOUT_S))["type"] == "complete"


async def test_i15_a_caller_who_leaves_takes_his_read_along(gateway: Gateway) -> None:
    sid = new_sid()
    async with (
        gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, latency_ms=700),
        aiohttp.ClientSession() as leaving,
    ):
        body = {"query": READ, "variables": {"ref": sid}}
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(
                leaving.post(gateway.ready["graphql"], json=body, headers=gateway.auth).__aenter__()
            )
            await calls(gateway, sid, lambda made: made == [None])
            asking.cancel()
        assert await calls(gateway, sid, lambda made: made not in ([], [None])) == [0]


async def test_a_change_that_is_at_twilio_when_time_is_up_is_told_to_be_open_and_finished(
    gateway: Gateway,
) -> None:
    sid = (await gateway.create_room())["sid"]
    async with gateway.fault(match={"method": "POST", "path": f"/v1/Rooms/{sid}"}, latency_ms=700):
        reply = await gateway.post(COMPLETE, {"ref": sid}, **{"X-Request-Timeout-Ms": "400"})
        [error] = reply.body["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == (
            "OUTCOME_UNKNOWN",
            False,
        )
        assert 0 not in await calls(gateway, sid, lambda made: bool(made) and None not in made)
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while (await gateway.execute(READ, ref=sid))["room"]["status"] != "COMPLETED":  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # it is recorded behind the caller's back


async def test_a_timeout_that_is_none_is_refused(gateway: Gateway) -> None:
    reply = await gateway.post("{ __typename }", **{"X-Request-Timeout-Ms": "1.5"})
    assert (reply.status, reply.body["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    headers = {**gateway.auth, "X-Request-Timeout-Ms": "1.5"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",), headers=headers
        )
    assert refused.value.status == 400


async def test_i15_who_joins_the_read_of_a_caller_in_a_hurry_has_all_his_own_time(
    gateway: Gateway,
) -> None:
    sid = new_sid()
    async with (
        gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, latency_ms=700),
        asyncio.TaskGroup() as tasks,
    ):
        hurried = tasks.create_task(
            gateway.post(READ, {"ref": sid}, **{"X-Request-Timeout-Ms": "400"})
        )
        await calls(gateway, sid, lambda made: made == [None])
        patient = tasks.create_task(gateway.post(READ, {"ref": sid}))
    assert hurried.result().body["errors"][0]["extensions"]["code"] == "GATEWAY_TIMEOUT"
    assert patient.result().body.get("errors") is None
    assert await calls(gateway, sid, lambda made: None not in made) == [404]
