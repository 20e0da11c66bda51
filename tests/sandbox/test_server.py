"""The HTTP server: authentication, quotas, faults and the call log."""

import asyncio
import io
import json
import time

import aiohttp
import pytest

from gateway.sandbox import Account, Quotas, Sandbox, Timings
from tests.sandbox.conftest import LIMIT_S, Api, Receiver


async def test_81st_read_in_a_second_is_429_and_writes_have_their_own_quota(
    sandbox: Sandbox, api: Api, other_api: Api
) -> None:
    replies = await asyncio.gather(*(api.get("/v1/Rooms") for _ in range(100)))
    refused = [reply for reply in replies if reply.status != 200]

    assert len(refused) == 20
    assert {(reply.status, reply.body["code"]) for reply in refused} == {(429, 20429)}
    assert (await api.post("/v1/Rooms")).status == 201
    assert (await other_api.get("/v1/Rooms")).status == 200
    peak = (await api.control("GET", "/peak")).body
    assert (peak["read"], peak["write"]) == (101, 1)


async def test_faults_and_calls_belong_to_the_calling_account(
    sandbox: Sandbox, api: Api, other_api: Api, session: aiohttp.ClientSession
) -> None:
    first, second = (account.sid for account in sandbox.accounts)
    await api.control("POST", "/faults", {"match": {"account_sid": second}, "status": 503})
    stranger = Api(session, sandbox.url, Account("AC" + "0" * 32, "0" * 32))
    assert [(await client.get("/v1/Rooms")).status for client in (api, other_api, stranger)] == [
        200,
        503,
        401,
    ]
    calls = (await api.control("GET", "/calls")).body
    assert [call["account_sid"] for call in calls] == [first, second, None]


async def test_21st_write_in_a_second_is_429_and_not_processed(api: Api) -> None:
    statuses = [
        reply.status for reply in await asyncio.gather(*(api.post("/v1/Rooms") for _ in range(25)))
    ]

    assert sorted(statuses) == [201] * 20 + [429] * 5
    assert len((await api.get("/v1/Rooms")).body["rooms"]) == 20


async def test_limit_of_concurrent_requests_is_enforced(
    session: aiohttp.ClientSession,
) -> None:
    async with asyncio.TaskGroup() as tasks, Sandbox(quotas=Quotas(concurrent=3)) as sandbox:
        api = Api(session, sandbox.url, sandbox.accounts[0])
        await api.control("POST", "/faults", {"latency_ms": 600_000})
        for _ in range(3):
            tasks.create_task(get_rooms(api))
        async with asyncio.timeout(LIMIT_S):
            while (await api.control("GET", "/peak")).body["concurrent"] < 3:
                continue
        reply = await api.get("/v1/Rooms")

    assert (reply.status, reply.headers["Twilio-Concurrent-Requests"]) == (429, "4")
    assert sandbox.call_log.peak()["concurrent"] == 4


async def test_responses_have_twilios_headers(api: Api) -> None:
    headers = (await api.get("/v1/Rooms")).headers

    assert headers["Twilio-Request-Id"].startswith("RQ")
    assert headers["Twilio-Concurrent-Requests"] == "1"
    assert float(headers["Twilio-Request-Duration"]) >= 0


async def test_unknown_credentials_are_401(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    stranger = Api(session, sandbox.url, Account("AC" + "0" * 32, "guess"))
    reply = await stranger.get("/v1/Rooms")

    assert (reply.status, reply.body["code"]) == (401, 20003)
    assert "Basic" in reply.headers["WWW-Authenticate"]


async def test_api_key_authenticates_like_the_auth_token(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    api = Api(session, sandbox.url, Account(sandbox.api_key_sid, sandbox.api_key_secret))

    assert (await api.post("/v1/Rooms")).body["account_sid"] == sandbox.account_sid


async def test_calls_are_logged_with_their_status_and_without_the_control_api(api: Api) -> None:
    await api.get("/v1/Rooms?PageSize=5")
    since = time.time()
    await api.post("/v1/Rooms", MaxParticipants="0")
    everything = (await api.control("GET", "/calls")).body
    latest = (await api.control("GET", f"/calls?since={since}")).body

    assert [
        (call["method"], call["path"], call["query"], call["status"]) for call in everything
    ] == [
        ("GET", "/v1/Rooms", "PageSize=5", 200),
        ("POST", "/v1/Rooms", "", 400),
    ]
    assert latest == everything[1:]


async def test_status_fault_replaces_processing(api: Api) -> None:
    await api.control(
        "POST", "/faults", {"match": {"method": "POST"}, "status": 429, "retry_after_s": 2}
    )
    reply = await api.post("/v1/Rooms")
    await api.control("DELETE", "/faults")

    assert (reply.status, reply.body["code"], reply.headers["Retry-After"]) == (429, 20429, "2")
    assert (await api.get("/v1/Rooms")).body["rooms"] == []


async def test_status_fault_can_follow_processing(api: Api) -> None:
    await api.control(
        "POST", "/faults", {"match": {"method": "POST"}, "status": 502, "is_processed": True}
    )
    reply = await api.post("/v1/Rooms")

    assert (reply.status, reply.body) == (502, {"message": "An error occurred", "status": 502})
    assert len((await api.get("/v1/Rooms")).body["rooms"]) == 1


@pytest.mark.parametrize(("when", "rooms"), [("before", 0), ("after", 1)])
async def test_hang_up_happens_before_or_after_processing(api: Api, when: str, rooms: int) -> None:
    await api.control("POST", "/faults", {"match": {"method": "POST"}, "hang_up": when})

    with pytest.raises(aiohttp.ClientError):
        await api.post("/v1/Rooms")

    assert len((await api.get("/v1/Rooms")).body["rooms"]) == rooms
    assert [call["status"] for call in (await api.control("GET", "/calls")).body] == [0, 200]


async def test_malformed_json_is_half_of_the_response(api: Api) -> None:
    await api.control("POST", "/faults", {"malformed": True})

    with pytest.raises(json.JSONDecodeError):
        await api.get("/v1/Rooms")


async def test_latency_delays_the_response(api: Api) -> None:
    await api.control("POST", "/faults", {"match": {"path": "/v1/Rooms$"}, "latency_ms": 20})
    await api.control("POST", "/faults", {"match": {"path": "/v1/Rooms/"}, "latency_ms": 600_000})

    reply = await api.get("/v1/Rooms")

    assert float(reply.headers["Twilio-Request-Duration"]) >= 0.02


async def test_lagging_reads_return_the_past_and_writes_use_the_present(api: Api) -> None:
    await api.control("POST", "/faults", {"rest_lag_ms": 2000})
    sid = (await api.post("/v1/Rooms", UniqueName="standup")).body["sid"]
    await api.control("POST", f"/rooms/{sid}/participants", {"identity": "Ada"})
    assert (await api.get(f"/v1/Rooms/{sid}")).status == 404
    assert (await api.get("/v1/Rooms/standup")).status == 404
    assert (await api.get("/v1/Rooms")).body["rooms"] == []

    await api.control("POST", "/clock", {"advance_s": 3})
    completed = await api.post(f"/v1/Rooms/{sid}", Status="completed")
    assert completed.body["status"] == "completed"
    assert (await api.get(f"/v1/Rooms/{sid}")).body["status"] == "in-progress"
    assert (await api.get("/v1/Rooms/standup")).body["sid"] == sid
    assert [room["sid"] for room in (await api.get("/v1/Rooms")).body["rooms"]] == [sid]
    assert [
        participant["identity"]
        for participant in (await api.get(f"/v1/Rooms/{sid}/Participants")).body["participants"]
    ] == ["Ada"]

    await api.control("POST", "/clock", {"advance_s": 2})
    assert (await api.get(f"/v1/Rooms/{sid}")).body["status"] == "completed"
    assert (await api.get("/v1/Rooms/standup")).status == 404


async def test_invalid_form_body_is_400(api: Api) -> None:
    for body, headers in [
        (b'{"UniqueName": "x"}', {"Content-Type": "application/json"}),
        (io.BytesIO(b"x" * 2_000_000), {"Content-Type": "application/x-www-form-urlencoded"}),
        (
            b"not gzip",
            {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
        ),
    ]:
        reply = await api.raw("POST", "/v1/Rooms", data=body, headers=headers)
        assert reply.status == 400


MALFORMED = [
    b"GET /v1/Rooms/%FF%FE HTTP/1.1",
    b"GET /v1/Rooms/\xff\xfe HTTP/1.1",
    b"GET /v1/Rooms?UniqueName=%FF HTTP/1.1",
    b"GET /v1/Rooms?PageToken=%FF&Page=1 HTTP/1.1",
    b"GET /v1/Rooms/%00/Participants/%00 HTTP/1.1",
    b"GET /v1/Rooms/../../etc HTTP/1.1",
    b"GET //v1//Rooms HTTP/1.1",
    b"GET http://other.example/v1/Rooms HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /_sandbox/rooms/%FF/participants HTTP/1.1",
    b"GET /_sandbox/calls?since=nan HTTP/1.1",
    b"GET /_sandbox/\xff HTTP/1.1",
    b"DELETE /_sandbox/rooms/\xff/participants/\xfe HTTP/1.1",
    b"FROB /v1/Rooms HTTP/1.1",
    b"GET nonsense",
]


@pytest.mark.parametrize("line", MALFORMED)
async def test_malformed_requests_never_become_a_500(
    sandbox: Sandbox, api: Api, line: bytes
) -> None:
    login = api.login["Authorization"].encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    writer.write(
        line + b"\r\nHost: x\r\nConnection: close\r\nAuthorization: " + login + b"\r\n\r\n"
    )
    async with asyncio.timeout(LIMIT_S):
        status = (await reader.read()).split()[1]
    writer.close()
    await writer.wait_closed()

    assert status in (b"200", b"400", b"404", b"405")
    assert (await api.control("GET", "/calls")).status == 200


async def test_simulated_users_send_callbacks(receiver: Receiver) -> None:
    async with Sandbox(seed=1, timings=Timings(user_step_s=0.001)) as sandbox:
        sandbox.simulate_users(f"{receiver.url}/cb#rc=5&rp=all&ct=1000&rt=2500")
        initial = len(sandbox.callbacks())
        received = await receiver.wait_for(initial + 5)

    assert {callback.target for callback in received} == {"/cb"}


async def test_stopping_closes_connections_and_frees_the_port(
    session: aiohttp.ClientSession,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with Sandbox() as first:
            api = Api(session, first.url, first.accounts[0])
            await api.control("POST", "/faults", {"latency_ms": 600_000})
            pending = tasks.create_task(get_rooms(api))
            async with asyncio.timeout(LIMIT_S):
                while not (await api.control("GET", "/calls")).body:
                    continue
        async with asyncio.timeout(LIMIT_S):
            assert await pending == "disconnected"
    async with Sandbox(port=int(first.url.rpartition(":")[2])) as second:
        assert second.url == first.url


async def get_rooms(api: Api) -> str:
    try:
        await api.get("/v1/Rooms")
    except aiohttp.ClientError:
        return "disconnected"
    return "answered"


async def test_port_in_use_is_an_error_and_leaks_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="address already in use"):
        await Sandbox(port=int(sandbox.url.rpartition(":")[2])).__aenter__()
