"""Callbacks over real sockets, to a receiver that answers as it is told."""

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


async def settled(sandbox: Sandbox) -> list[Any]:
    async with asyncio.timeout(LIMIT_S):
        await sandbox.settled()
    return sandbox.callbacks()


async def hang(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody wakes this up")


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def test_a_callback_is_a_signed_form(sandbox: Sandbox, api: Api, receiver: Receiver) -> None:
    url = f"{receiver.url}/cb?tenant=t1"
    sid = await create(api, url, UniqueName="Zoë & co")
    [heard] = await receiver.hear(1)

    assert (heard.method, heard.target) == ("POST", "/cb?tenant=t1")
    assert heard.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert (heard.params["RoomSid"], heard.params["RoomName"]) == (sid, "Zoë & co")
    assert heard.headers["X-Twilio-Signature"] == callbacks.sign(
        url, heard.params.items(), sandbox.auth_token
    )
    assert heard.headers["I-Twilio-Idempotency-Token"]


async def test_a_get_has_everything_in_its_query_and_the_signature_covers_it(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await create(
        api, f"{receiver.url}/cb?tenant=t1", StatusCallbackMethod="GET", UniqueName="Zoë & co"
    )
    [heard] = await receiver.hear(1)

    assert (heard.method, heard.body, heard.params["RoomName"]) == ("GET", "", "Zoë & co")
    assert heard.params["tenant"] == "t1"
    signature = callbacks.sign(receiver.url + heard.target, [], sandbox.auth_token)
    assert heard.headers["X-Twilio-Signature"] == signature


async def test_each_account_signs_with_its_own_token(
    sandbox: Sandbox, other_api: Api, receiver: Receiver
) -> None:
    await create(other_api, receiver.url)
    [heard] = await receiver.hear(1)

    token = sandbox.accounts[1].auth_token
    assert heard.headers["X-Twilio-Signature"] == callbacks.sign(
        receiver.url, heard.params.items(), token
    )


async def test_the_fragment_is_not_sent_but_echoed(api: Api, receiver: Receiver) -> None:
    url = f"{receiver.url}/cb#rc=5&rp=all"
    sid = await create(api, url)
    [heard] = await receiver.hear(1)

    assert heard.target == "/cb"
    assert (await api.get(f"/v1/Rooms/{sid}")).body["status_callback"] == url


async def test_without_a_fragment_a_5xx_loses_the_event(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.answers = [503]
    await create(api, receiver.url)

    [sending] = await settled(sandbox)
    assert (sending.state, [attempt.status for attempt in sending.attempts]) == ("failed", [503])
    assert len(receiver.heard) == 1


async def test_with_rp_all_it_is_sent_again_with_the_same_body_signature_and_token(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.answers = [503, 404, cut, 200]
    await create(api, f"{receiver.url}/cb#rc=5&rp=all")

    [sending] = await settled(sandbox)
    assert sending.state == "delivered"
    assert [attempt.failure for attempt in sending.attempts] == ["5xx", "4xx", "ct", None]
    assert len(receiver.heard) == 4
    assert len({heard.body for heard in receiver.heard}) == 1
    assert len({heard.headers["X-Twilio-Signature"] for heard in receiver.heard}) == 1
    assert len({heard.headers["I-Twilio-Idempotency-Token"] for heard in receiver.heard}) == 1


@pytest.mark.parametrize(
    ("policy", "answer", "tries"),
    [("4xx", 404, 4), ("4xx", 500, 1), ("5xx", 500, 4), ("5xx", 404, 1)],
)
async def test_only_what_rp_names_is_tried_again(
    sandbox: Sandbox, api: Api, receiver: Receiver, policy: str, answer: int, tries: int
) -> None:
    receiver.answers = [answer] * 10
    await create(api, f"{receiver.url}/cb#rc=3&rp={policy}")

    await settled(sandbox)
    assert len(receiver.heard) == tries


@pytest.mark.parametrize(("fragment", "tries"), [("rt=100&rc=1&rp=rt", 2), ("rt=100", 1)])
async def test_a_slow_answer_is_tried_again_only_with_rt(
    sandbox: Sandbox, api: Api, receiver: Receiver, fragment: str, tries: int
) -> None:
    receiver.answers = [hang, hang]
    await create(api, f"{receiver.url}/cb#{fragment}")

    [sending] = await settled(sandbox)
    assert [attempt.failure for attempt in sending.attempts] == ["rt"] * tries


async def test_tries_stop_when_the_total_time_is_over(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.answers = [hang] * 6
    await create(api, f"{receiver.url}/cb#rc=5&rp=all&rt=15000&tt=150")

    [sending] = await settled(sandbox)
    assert (sending.state, len(sending.attempts)) == ("failed", 1)


async def test_without_a_connection_there_is_one_retry_by_default(
    sandbox: Sandbox, api: Api
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        await create(api, f"http://127.0.0.1:{closed.getsockname()[1]}/")
        [sending] = await settled(sandbox)

    assert (sending.state, [attempt.failure for attempt in sending.attempts]) == (
        "failed",
        ["ct", "ct"],
    )


async def test_a_host_that_cannot_be_one_is_a_failure_like_any_other(
    sandbox: Sandbox, api: Api
) -> None:
    await create(api, f"http://{'a' * 64}.example/")

    [sending] = await settled(sandbox)
    assert [attempt.failure for attempt in sending.attempts] == ["ct", "ct"]


async def test_a_password_is_sent_only_after_a_401(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    receiver.answers = [401]
    await create(api, receiver.url.replace("//", "//ada:secret@"))

    [sending] = await settled(sandbox)
    first, second = receiver.heard
    assert sending.state == "delivered"
    assert ("Authorization" in first.headers, second.headers["Authorization"]) == (
        False,
        "Basic YWRhOnNlY3JldA==",
    )
    assert first.headers["X-Twilio-Signature"] == second.headers["X-Twilio-Signature"]
    assert "secret" not in sending.url


async def test_callbacks_of_a_room_start_in_their_order_and_do_not_wait_for_each_other(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    gate = asyncio.Event()

    async def wait(_: web.BaseRequest) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    receiver.answers = [wait] * 4
    sid = await create(api, receiver.url)
    await api.control(
        "POST", f"/rooms/{sid}/participants", {"identity": "Ada", "tracks": ["audio", "video"]}
    )
    heard = await receiver.hear(4)
    gate.set()

    assert sorted(int(each.params["SequenceNumber"]) for each in heard) == [0, 1, 2, 3]
    events = [sending.event for sending in await settled(sandbox)]
    assert events == ["room-created", "participant-connected", "track-added", "track-added"]


async def test_a_lost_callback_is_logged_and_not_sent(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control("POST", "/faults", {"callbacks": {"drop": 1}})
    await create(api, receiver.url)

    [sending] = await settled(sandbox)
    assert (sending.state, sending.attempts, receiver.heard) == ("dropped", [], [])


async def test_a_doubled_callback_is_the_same_twice(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control("POST", "/faults", {"callbacks": {"duplicate": 1}})
    await create(api, receiver.url)

    await settled(sandbox)
    first, second = receiver.heard
    assert (first.body, first.headers["I-Twilio-Idempotency-Token"]) == (
        second.body,
        second.headers["I-Twilio-Idempotency-Token"],
    )


async def test_reordered_callbacks_overtake_each_other_and_all_arrive(
    sandbox: Sandbox, api: Api, receiver: Receiver
) -> None:
    await api.control(
        "POST", "/faults", {"callbacks": {"reorder_ms": 100, "delay_ms": 1}, "seed": 3}
    )
    sid = await create(api, receiver.url)
    for _ in range(10):
        await api.control("POST", f"/rooms/{sid}/participants", {"identity": "Ada"})

    await settled(sandbox)
    order = [int(heard.params["SequenceNumber"]) for heard in receiver.heard]
    assert order != sorted(order) == list(range(20))


async def test_a_room_without_an_address_is_silent(sandbox: Sandbox, api: Api) -> None:
    await api.post("/v1/Rooms")

    assert sandbox.callbacks() == []


async def test_what_is_under_way_is_given_up_at_the_end(receiver: Receiver) -> None:
    receiver.answers = [hang]
    async with Sandbox() as brief:
        room = brief.world.create_room(
            brief.account_sid, RoomSettings(status_callback=receiver.url)
        )
        await receiver.hear(1)
    [sending] = brief.callbacks()

    assert (sending.room_sid, sending.state) == (room.sid, "waiting")
