"""Callbacks over real sockets, to a receiver with configured responses."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from gateway.sandbox import Sandbox
from gateway.sandbox.callbacks import requests as callbacks
from gateway.sandbox.world.model import RoomSettings
from tests.sandbox.conftest import LIMIT_S, Api, Receiver


async def create(api: Api, url: str, **params: Any) -> str:
    reply = await api.post("/v1/Rooms", StatusCallback=url, **params)
    assert reply.status == 201
    return str(reply.body["sid"])


async def drain(sandbox: Sandbox) -> list[Any]:
    async with asyncio.timeout(LIMIT_S):
        await sandbox.drain_callbacks()
    return sandbox.callbacks()


async def hang(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def test_post_callback_is_a_signed_form(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    url = f"{receiver.url}/cb?tenant=t1"
    sid = await create(api, url, UniqueName="Zoë & co")
    [received] = await receiver.wait_for(1)

    assert (received.method, received.target) == ("POST", "/cb?tenant=t1")
    assert received.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert (received.params["RoomSid"], received.params["RoomName"]) == (sid, "Zoë & co")
    assert received.headers["X-Twilio-Signature"] == callbacks.sign(
        url, received.params.items(), sandbox.auth_token
    )
    assert received.headers["I-Twilio-Idempotency-Token"]


async def test_get_callback_signature_covers_the_query(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await create(
        api, f"{receiver.url}/cb?tenant=t1", StatusCallbackMethod="GET", UniqueName="Zoë & co"
    )
    [received] = await receiver.wait_for(1)

    assert (received.method, received.body, received.params["RoomName"]) == ("GET", "", "Zoë & co")
    assert received.params["tenant"] == "t1"
    signature = callbacks.sign(receiver.url + received.target, [], sandbox.auth_token)
    assert received.headers["X-Twilio-Signature"] == signature


async def test_each_account_signs_with_its_own_auth_token(
    sandbox: Sandbox, other_api: Api, receiver: Receiver
) -> None:
    await create(other_api, receiver.url)
    [received] = await receiver.wait_for(1)

    token = sandbox.accounts[1].auth_token
    assert received.headers["X-Twilio-Signature"] == callbacks.sign(
        receiver.url, received.params.items(), token
    )


async def test_fragment_is_echoed_but_not_sent(api: Api, receiver: Receiver) -> None:
    url = f"{receiver.url}/cb#rc=5&rp=all"
    sid = await create(api, url)
    [received] = await receiver.wait_for(1)

    assert received.target == "/cb"
    assert (await api.get(f"/v1/Rooms/{sid}")).body["status_callback"] == url


async def test_without_a_fragment_a_5xx_is_not_retried(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.responses = [503]
    await create(api, receiver.url)

    [delivery] = await drain(sandbox)
    assert (delivery.state, [attempt.status for attempt in delivery.attempts]) == ("failed", [503])
    assert len(receiver.received) == 1


async def test_rp_all_retries_with_the_same_body_signature_and_token(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.responses = [503, 404, cut, 200]
    await create(api, f"{receiver.url}/cb#rc=5&rp=all")

    [delivery] = await drain(sandbox)
    assert delivery.state == "delivered"
    assert [attempt.failure for attempt in delivery.attempts] == ["5xx", "4xx", "ct", None]
    assert len(receiver.received) == 4
    assert len({received.body for received in receiver.received}) == 1
    assert len({received.headers["X-Twilio-Signature"] for received in receiver.received}) == 1
    assert (
        len({received.headers["I-Twilio-Idempotency-Token"] for received in receiver.received}) == 1
    )


@pytest.mark.parametrize(
    ("policy", "status", "attempts"),
    [("4xx", 404, 4), ("4xx", 500, 1), ("5xx", 500, 4), ("5xx", 404, 1)],
)
async def test_only_the_failures_in_rp_are_retried(
    sandbox: Sandbox, api: Api, receiver: Receiver, policy: str, status: int, attempts: int
) -> None:
    receiver.responses = [status] * 10
    await create(api, f"{receiver.url}/cb#rc=3&rp={policy}")

    await drain(sandbox)
    assert len(receiver.received) == attempts


@pytest.mark.parametrize(("fragment", "attempts"), [("rt=100&rc=1&rp=rt", 2), ("rt=100", 1)])
async def test_read_timeout_is_retried_only_with_rt(
    sandbox: Sandbox, api: Api, receiver: Receiver, fragment: str, attempts: int
) -> None:
    receiver.responses = [hang, hang]
    await create(api, f"{receiver.url}/cb#{fragment}")

    [delivery] = await drain(sandbox)
    assert [attempt.failure for attempt in delivery.attempts] == ["rt"] * attempts


async def test_retries_stop_at_the_total_timeout(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.responses = [hang] * 6
    await create(api, f"{receiver.url}/cb#rc=5&rp=all&rt=15000&tt=150")

    [delivery] = await drain(sandbox)
    assert (delivery.state, len(delivery.attempts)) == ("failed", 1)


async def test_failed_connection_is_retried_once_by_default(sandbox: Sandbox, api: Api) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        await create(api, f"http://127.0.0.1:{closed.getsockname()[1]}/")
        [delivery] = await drain(sandbox)

    assert (delivery.state, [attempt.failure for attempt in delivery.attempts]) == (
        "failed",
        ["ct", "ct"],
    )


async def test_invalid_host_name_is_a_connection_failure(sandbox: Sandbox, api: Api) -> None:
    await create(api, f"http://{'a' * 64}.example/")

    [delivery] = await drain(sandbox)
    assert [attempt.failure for attempt in delivery.attempts] == ["ct", "ct"]


async def test_credentials_are_sent_only_after_a_401(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.responses = [401]
    await create(api, receiver.url.replace("//", "//ada:secret@"))

    [delivery] = await drain(sandbox)
    first, second = receiver.received
    assert delivery.state == "delivered"
    assert ("Authorization" in first.headers, second.headers["Authorization"]) == (
        False,
        "Basic YWRhOnNlY3JldA==",
    )
    assert first.headers["X-Twilio-Signature"] == second.headers["X-Twilio-Signature"]
    assert "secret" not in delivery.url


async def test_callbacks_start_in_event_order_without_waiting_for_each_other(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    gate = asyncio.Event()

    async def wait(_: web.BaseRequest) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    receiver.responses = [wait] * 4
    sid = await create(api, receiver.url)
    await api.control(
        "POST", f"/rooms/{sid}/participants", {"identity": "Ada", "tracks": ["audio", "video"]}
    )
    received = await receiver.wait_for(4)
    gate.set()

    assert sorted(int(callback.params["SequenceNumber"]) for callback in received) == [0, 1, 2, 3]
    events = [delivery.event for delivery in await drain(sandbox)]
    assert events == ["room-created", "participant-connected", "track-added", "track-added"]


async def test_dropped_callback_is_logged_but_not_sent(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control("POST", "/faults", {"callbacks": {"drop": 1}})
    await create(api, receiver.url)

    [delivery] = await drain(sandbox)
    assert (delivery.state, delivery.attempts, receiver.received) == ("dropped", [], [])


async def test_duplicated_callback_is_sent_twice_unchanged(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control("POST", "/faults", {"callbacks": {"duplicate": 1}})
    await create(api, receiver.url)

    await drain(sandbox)
    first, second = receiver.received
    assert (first.body, first.headers["I-Twilio-Idempotency-Token"]) == (
        second.body,
        second.headers["I-Twilio-Idempotency-Token"],
    )


async def test_reordered_callbacks_all_arrive(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control(
        "POST", "/faults", {"callbacks": {"reorder_ms": 100, "delay_ms": 1}, "seed": 3}
    )
    sid = await create(api, receiver.url)
    for _ in range(10):
        await api.control("POST", f"/rooms/{sid}/participants", {"identity": "Ada"})

    await drain(sandbox)
    order = [int(received.params["SequenceNumber"]) for received in receiver.received]
    assert order != sorted(order) == list(range(20))


async def test_room_without_a_callback_url_sends_nothing(sandbox: Sandbox, api: Api) -> None:
    await api.post("/v1/Rooms")

    assert sandbox.callbacks() == []


async def test_callbacks_in_flight_are_cancelled_when_the_sandbox_stops(receiver: Receiver) -> None:
    receiver.responses = [hang]
    async with Sandbox() as sandbox:
        room = sandbox.world.create_room(
            sandbox.account_sid, RoomSettings(status_callback=receiver.url)
        )
        await receiver.wait_for(1)
    [delivery] = sandbox.callbacks()

    assert (delivery.room_sid, delivery.state) == (room.sid, "waiting")
