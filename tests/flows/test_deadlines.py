"""Timeouts that callers set over HTTP. The tests of gRPC are in tests/rpc."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from tests.flows.test_quota import READ
from tests.running import RESPONSE_TIMEOUT_S, Gateway, new_sid, payload_errors

COMPLETE = """mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) {
    errors { code ... on OutcomeUnknown { retryWith } } } }"""


async def wait_for_calls(
    gateway: Gateway, sid: str, condition: Callable[[list[int | None]], bool]
) -> list[int | None]:
    """Waits until the statuses of the room's requests at Twilio meet the condition.

    The status is None for a request in flight, and 0 if its connection was closed.
    """
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            statuses = [
                call["status"]
                for call in await gateway.sandbox("GET", "/calls")
                if sid in call["path"]
            ]
            if condition(statuses):
                return statuses
            await asyncio.sleep(0.02)  # the sandbox sends no notification


async def test_i15_read_ends_at_its_timeout_and_closes_its_twilio_request(
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
        assert await wait_for_calls(
            gateway, sid, lambda statuses: statuses not in ([], [None])
        ) == [0]


async def test_i15_timeout_of_a_websocket_applies_to_each_of_its_operations(
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
            assert await wait_for_calls(
                gateway, sid, lambda statuses: statuses not in ([], [None])
            ) == [0]
            assert (await socket.receive_json(timeout=RESPONSE_TIMEOUT_S))["type"] == "complete"


async def test_i15_disconnect_cancels_the_read_at_twilio(gateway: Gateway) -> None:
    sid = new_sid()
    async with (
        gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, latency_ms=700),
        aiohttp.ClientSession() as session,
    ):
        body = {"query": READ, "variables": {"ref": sid}}
        async with asyncio.TaskGroup() as tasks:
            request = tasks.create_task(
                session.post(gateway.ready["graphql"], json=body, headers=gateway.auth).__aenter__()
            )
            await wait_for_calls(gateway, sid, lambda statuses: statuses == [None])
            request.cancel()
        assert await wait_for_calls(
            gateway, sid, lambda statuses: statuses not in ([], [None])
        ) == [0]


async def test_mutation_at_its_timeout_is_outcome_unknown_and_still_completes(
    gateway: Gateway,
) -> None:
    sid = (await gateway.create_room())["sid"]
    async with gateway.fault(match={"method": "POST", "path": f"/v1/Rooms/{sid}"}, latency_ms=700):
        reply = await gateway.post(COMPLETE, {"ref": sid}, **{"X-Request-Timeout-Ms": "400"})
        [error] = payload_errors(reply.body["data"])
        assert error["code"] == "OUTCOME_UNKNOWN"
        assert error["retryWith"]
        assert 0 not in await wait_for_calls(
            gateway, sid, lambda statuses: bool(statuses) and None not in statuses
        )
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while (await gateway.execute(READ, ref=sid))["room"]["status"] != "COMPLETED":  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the result is recorded in the background


async def test_invalid_timeout_is_rejected(gateway: Gateway) -> None:
    reply = await gateway.post("{ __typename }", **{"X-Request-Timeout-Ms": "1.5"})
    assert (reply.status, reply.body["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    headers = {**gateway.auth, "X-Request-Timeout-Ms": "1.5"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as rejected:
        await gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",), headers=headers
        )
    assert rejected.value.status == 400


async def test_i15_caller_that_joins_a_read_keeps_its_own_timeout(
    gateway: Gateway,
) -> None:
    sid = new_sid()
    async with (
        gateway.fault(match={"path": f"/v1/Rooms/{sid}"}, latency_ms=700),
        asyncio.TaskGroup() as tasks,
    ):
        impatient = tasks.create_task(
            gateway.post(READ, {"ref": sid}, **{"X-Request-Timeout-Ms": "400"})
        )
        await wait_for_calls(gateway, sid, lambda statuses: statuses == [None])
        patient = tasks.create_task(gateway.post(READ, {"ref": sid}))
    assert impatient.result().body["errors"][0]["extensions"]["code"] == "GATEWAY_TIMEOUT"
    assert patient.result().body.get("errors") is None
    assert await wait_for_calls(gateway, sid, lambda statuses: None not in statuses) == [404]
