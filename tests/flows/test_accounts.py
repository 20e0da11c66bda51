"""I-12: one gateway serves two Twilio accounts whose rooms have the same names.

No data of one account may reach the other. The tests keep every response to the callers
of an account, and search the responses for everything that only the other account has.
`serve` and the sandbox run in their own processes.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from gateway.app.server import bind
from gateway.cli.keys import api_key_row
from tests.flows.test_command_line import run
from tests.rpc.client import Clients, clients_on, refusal
from tests.running import (
    RESPONSE_TIMEOUT_S,
    Gateway,
    first_matching,
    new_name,
    new_sid,
    room_ref,
    running,
    take,
)

LOOPBACK = "127.0.0.1"
WATCH = """subscription($room: RoomRef, $after: String) { roomEvents(room: $room, after: $after) {
    __typename cursor ... on RoomEvent { type room { sid } } ... on ParticipantConnected {
    participant { sid identity } } } }"""
ROOM = """query($ref: RoomRef!) { room(ref: $ref) { sid accountSid uniqueName asOf events { edges {
    cursor } } participants { nodes { sid identity publishedTracks { nodes { sid name } } } }
    } }"""
ROOMS = """query($name: String, $after: String) { rooms(filter: {uniqueName: $name}, first: 1,
    after: $after) { nodes { sid uniqueName } pageInfo { endCursor hasNextPage } } }"""
ACCOUNTS_OWN = (
    "{ rooms { nodes { sid } } recordings { nodes { sid } } insightsRooms { nodes { roomSid } } }"
)
NAME, NAME_OF_ENDED = "standup", "retro"


class Tenant(Gateway):
    """The gateway for callers of one account, and the sandbox as that account."""

    def __init__(
        self, served: Gateway, base_url: str, row: dict[str, Any], channel: grpc.aio.Channel
    ) -> None:
        twilio = {"base_url": base_url, "account_sid": row["sid"], "auth_token": row["auth_token"]}
        ready = {**served.ready, "sandbox": base_url, "twilio": twilio, "api_key": key_of(row)}
        super().__init__(ready, served.process, served.http)
        self.clients: Clients = clients_on(channel, self.metadata)
        self.secrets = {row["auth_token"], row["api_key_secret"], key_of(row), guest(row["sid"])}
        """Values that no log may contain."""
        self.own = {row["sid"], row["api_key_sid"], *self.secrets}
        """Values that no other account may receive."""
        self.requested_sids: set[str] = set()
        """SIDs of the other account in this account's requests.

        Its Redis keys contain them, because it caches that they are missing.
        """
        self.responses: list[str] = []
        self.room = ""
        self.participant = ""
        self.recording = ""
        self.ended = ""

    async def post(self, *arguments: Any, **headers: Any) -> Any:
        reply = await super().post(*arguments, **headers)
        self.responses.append(json.dumps([dict(reply.headers), reply.body]))
        return reply

    async def create_resources(self) -> None:
        """Creates a room with the common name and lets a participant join."""
        room = await self.create_room(NAME, recordParticipantsOnConnect=True)
        joined = await self.sandbox(
            "POST",
            f"/rooms/{room['sid']}/participants",
            {"identity": guest(self.account_sid), "tracks": ["audio"]},
        )
        self.room, self.participant = room["sid"], joined["sid"]
        self.own |= {self.room, self.participant, joined["tracks"][0]["sid"]}
        result = await wait_for_recording(
            self.execute,
            "query($r: ID!) { room(ref: {sid: $r}) { recordings { nodes { sid } } } }",
            r=self.room,
        )
        self.recording = result["room"]["recordings"]["nodes"][0]["sid"]
        self.ended = (await self.create_room(NAME_OF_ENDED))["sid"]
        await self.execute(
            """mutation($r: ID!) { completeRoom(input: {room: {sid: $r}}) { room {
            sid } } }""",
            r=self.ended,
        )
        self.own |= {self.recording, self.ended}


async def wait_for_recording(ask: Any, document: str, **variables: Any) -> Any:
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            result = await ask(document, **variables)
            if result["room"]["recordings"]["nodes"]:
                return result
            await asyncio.sleep(0.05)  # the recording starts after the participant has joined


def guest(account_sid: str) -> str:
    return f"guest-of-{account_sid}"


def key_of(row: dict[str, Any]) -> str:
    return f"rgk_of_{row['sid']}"


def account_row(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Returns the account's row of GATEWAY_ACCOUNTS_FILE.

    It has a key with all scopes and a key with 100 points per minute.
    """
    web, small = (
        api_key_row("web", key_of(row)),
        api_key_row("small", f"{key_of(row)}-small").model_copy(update={"limit": 100}),
    )
    return {**row, "api_keys": [key.model_dump(exclude_none=True) for key in (web, small)], **more}


@asynccontextmanager
async def serving(
    folder: Path, base_url: str, rows: list[dict[str, Any]]
) -> AsyncIterator[Gateway]:
    """Runs `serve` with these accounts. Its log is the file `log` in the folder."""
    accounts = folder / "accounts.json"
    accounts.write_text(json.dumps({"accounts": rows}))
    with bind(LOOPBACK, 0) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_ACCOUNTS_FILE": str(accounts),
        "TWILIO_VIDEO_BASE_URL": base_url,
        "GATEWAY_PUBLIC_URL": f"http://{LOOPBACK}:{port}",
        "GATEWAY_DATA_DIR": str(folder / "data"),
    }
    arguments = ("serve", "--host", LOOPBACK, "--http-port", str(port), "--grpc-port", "0")
    with (folder / "log").open("w") as log:
        async with running(folder, arguments, environment, log.fileno()) as served:
            yield served


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    arguments = ("sandbox", "--sandbox-port", "0", "--accounts", "2")
    async with running(tmp_path_factory.mktemp("twilio"), arguments) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts")


@pytest.fixture(scope="module")
async def tenants(sandbox: Gateway, folder: Path) -> AsyncIterator[tuple[Tenant, Tenant]]:
    base_url, rows = sandbox.ready["sandbox"], sandbox.ready["accounts"]
    async with (
        serving(folder, base_url, [account_row(row) for row in rows]) as served,
        served.channel() as channel,
    ):
        ada, bob = (Tenant(served, base_url, row, channel) for row in rows)
        await asyncio.gather(ada.create_resources(), bob.create_resources())
        yield ada, bob
        log = (folder / "log").read_text()
    for tenant, other in ((ada, bob), (bob, ada)):
        assert not [
            word for word in other.own for responses in tenant.responses if word in responses
        ]
        assert not [word for word in tenant.secrets if word in log]


async def test_i12_one_name_is_a_different_room_in_each_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    for tenant in tenants:
        [by_name, by_sid] = [
            (await tenant.execute(ROOM, ref=room_ref(ref)))["room"] for ref in (NAME, tenant.room)
        ]
        assert by_name["sid"] == by_sid["sid"] == tenant.room
        assert by_name["accountSid"] == tenant.account_sid
        assert [person["sid"] for person in by_name["participants"]["nodes"]] == [
            tenant.participant
        ]
        result = await tenant.clients.rooms.GetRoom(room=NAME)
        assert result.room.sid == tenant.room
        all_resources = await tenant.execute(ACCOUNTS_OWN)
        assert [room["sid"] for room in all_resources["rooms"]["nodes"]] == [tenant.room]
        assert [recording["sid"] for recording in all_resources["recordings"]["nodes"]] == [
            tenant.recording
        ]
        assert [room["roomSid"] for room in all_resources["insightsRooms"]["nodes"]] == [
            tenant.ended
        ]
        assert (
            await tenant.clients.insights.GetInsightsRoom(room=tenant.ended)
        ).room.room_name == NAME_OF_ENDED


async def test_i12_resources_of_another_account_are_not_found(
    tenants: tuple[Tenant, Tenant],
) -> None:
    for tenant, other in zip(tenants, reversed(tenants), strict=True):
        tenant.requested_sids |= {other.room, other.participant, other.recording, other.ended}
        ids = [other.room, f"{other.room}:{other.participant}", other.recording]
        document = """query($ids: [ID!]!, $room: ID!, $id: ID!, $ended: ID!) { nodes(ids: $ids) {
            id } node(id: $id) { id } room(ref: {sid: $room}) { sid } recording(ref: $id) { sid }
            insightsRoom(ref: $ended) { roomSid } }"""
        # Not recorded as a response, because an error may contain the requested SID.
        variables = {"ids": ids, "room": other.room, "id": other.recording, "ended": other.ended}
        reply = await Gateway.post(tenant, document, variables)
        assert reply.body["data"] == {
            "nodes": [None] * 3,
            "node": None,
            "room": None,
            "recording": None,
            "insightsRoom": None,
        }, reply.body
        for call in (
            tenant.clients.rooms.GetRoom(room=other.room),
            tenant.clients.rooms.CompleteRoom(room=other.room),
            tenant.clients.insights.GetInsightsRoom(room=other.ended),
            tenant.clients.participants.GetParticipant(
                room=other.room, participant=other.participant
            ),
            tenant.clients.recordings.GetRecording(recording=other.recording),
            tenant.clients.recordings.DeleteRecording(recording=other.recording),
        ):
            assert (await refusal(call))[0] == "NOT_FOUND"
        batch = await tenant.clients.rooms.BatchGetRooms(rooms=[tenant.room, other.room])
        assert ([room.sid for room in batch.rooms], list(batch.missing)) == (
            [tenant.room],
            [other.room],
        )


async def test_i12_events_of_an_account_reach_only_its_own_callers(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    async with ada.subscribe_ws(WATCH) as ada_outcomes, bob.subscribe_sse(WATCH) as bob_outcomes:
        await take(ada_outcomes, 1)
        await take(bob_outcomes, 1)
        # A subscription by SID receives only the events of its own account, even if
        # both accounts report events of the same SID.
        room, responses = new_sid(), {tenant: new_sid("PA") for tenant in tenants}
        async with bob.subscribe_ws(WATCH, room=room_ref(room)) as requested_sids:
            await take(requested_sids, 1)
            for tenant in tenants:
                fields = tenant.callback_fields(
                    "participant-connected", room, ParticipantSid=responses[tenant]
                )
                assert await tenant.send_callback(fields) == 204
            assert (await take(ada_outcomes, 1))[0]["participant"]["sid"] == responses[ada]
            for [event] in [
                await take(requested_sids, 1),
                [message for _, message in await take(bob_outcomes, 1)],
            ]:
                assert event["participant"]["sid"] == responses[bob]


async def test_i12_cursors_of_another_account_are_rejected(tenants: tuple[Tenant, Tenant]) -> None:
    ada, bob = tenants
    for tenant in tenants:
        await tenant.create_room()
    timeline = (await ada.execute(ROOM, ref=room_ref(ada.room)))["room"]
    page = (await ada.execute(ROOMS))["rooms"]["pageInfo"]
    assert page["hasNextPage"]
    for cursor in (timeline["asOf"], timeline["events"]["edges"][0]["cursor"]):
        for tenant, outcome in ((ada, "next"), (bob, "error")):
            async with tenant.websocket() as socket:
                payload = {
                    "query": WATCH,
                    "variables": {"room": room_ref(tenant.room), "after": cursor},
                }
                await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
                answer = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
                assert answer["type"] == outcome
                assert (
                    outcome == "next"
                    or answer["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
                )
        assert (await refusal(bob.clients.rooms.WatchRoomEvents(after=cursor)))[
            0
        ] == "INVALID_ARGUMENT"
        assert (await refusal(bob.clients.rooms.ListRoomEvents(room=bob.room, page_token=cursor)))[
            0
        ] == "INVALID_ARGUMENT"
    assert (await bob.execute_error(ROOMS, after=page["endCursor"]))["code"] == "BAD_USER_INPUT"
    assert (await refusal(bob.clients.rooms.ListRooms(page_token=page["endCursor"])))[
        0
    ] == "INVALID_ARGUMENT"


async def test_callback_needs_the_auth_token_of_its_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    fields = ada.callback_fields("room-ended", ada.room, RoomName=NAME)
    stranger = {**fields, "AccountSid": new_sid("AC")}
    assert [
        await ada.send_callback(fields, auth_token=bob.auth_token),
        await ada.send_callback(stranger),
    ] == [403, 403]
    for tenant in tenants:
        result = await tenant.execute(
            "query($r: ID!) { room(ref: {sid: $r}) { status } }", r=tenant.room
        )
        assert result["room"]["status"] == "IN_PROGRESS"


async def test_i12_rejected_callback_does_not_reveal_which_accounts_are_served(
    tenants: tuple[Tenant, Tenant], folder: Path
) -> None:
    ada, _ = tenants
    rejections = []
    for account_sid in (ada.account_sid, new_sid("AC")):
        form = {**ada.callback_fields("room-created", new_sid()), "AccountSid": account_sid}
        headers = {"X-Twilio-Signature": "A" * 27 + "="}
        async with ada.http.post(ada.ready["callbacks"], data=form, headers=headers) as reply:
            responses = {name: value for name, value in reply.headers.items() if name != "Date"}
            rejections.append((reply.status, responses, await reply.text()))
        if account_sid != ada.account_sid:
            assert account_sid not in (folder / "log").read_text()
    assert rejections[0] == rejections[1]
    assert rejections[0][0] == 403


async def test_i12_one_account_does_not_use_the_quota_of_the_other(
    tenants: tuple[Tenant, Tenant], sandbox: Gateway
) -> None:
    ada, bob = tenants
    document = "query($ref: ID!) { room(ref: {sid: $ref}) { sid } }"

    async def cold_reads(tenant: Tenant, count: int) -> Counter[str]:
        replies = await asyncio.gather(
            *(tenant.post(document, {"ref": new_sid()}) for _ in range(count))
        )
        return Counter(
            reply.body["errors"][0]["extensions"]["code"] if "errors" in reply.body else "right"
            for reply in replies
        )

    ada_outcomes, bob_outcomes = await asyncio.gather(cold_reads(ada, 300), cold_reads(bob, 20))
    assert ada_outcomes["QUOTA_EXCEEDED"] > 0
    assert bob_outcomes == {"right": 20}
    calls = await sandbox.sandbox("GET", "/calls")
    assert {call["account_sid"] for call in calls} == {ada.account_sid, bob.account_sid}


async def test_i12_idempotency_keys_are_separate_in_each_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    document = """mutation($n: String!, $k: String) { createRoom(input: { uniqueName: $n,
        idempotencyKey: $k}) { room { sid } } }"""
    key, created = new_name(), list[str]()
    for tenant, name in zip(tenants, ("one", "another"), strict=True):
        created += {
            (await tenant.execute(document, n=name, k=key))["createRoom"]["room"]["sid"]
            for _ in range(2)
        }
    assert len(set(created)) == len(created) == 2


async def test_i12_api_keys_with_one_id_have_separate_points_in_each_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    statuses = []
    for tenant in tenants:
        headers = {"Authorization": tenant.auth["Authorization"] + "-small"}
        statuses.append(
            [(await tenant.post("{ __typename }", **headers)).status for _ in range(12)]
        )
        assert statuses[-1][0] == 200
    assert statuses[0][-1] == 429


async def test_i12_every_redis_key_belongs_to_one_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    async with Redis.from_url(ada.ready["redis"]) as redis:
        names = [key.decode() async for key in redis.scan_iter(count=1000)]
        for tenant, other in ((ada, bob), (bob, ada)):
            own_names = [name for name in names if name.startswith(f"rg:{{{tenant.account_sid}}}:")]
            assert own_names
            assert not [
                name
                for name in own_names
                if any(word in name for word in other.own - tenant.requested_sids)
            ]
    assert all(
        name.startswith((f"rg:{{{ada.account_sid}}}:", f"rg:{{{bob.account_sid}}}:"))
        for name in names
    )


async def test_failing_account_does_not_affect_the_other(sandbox: Gateway, tmp_path: Path) -> None:
    """Twilio rejects one account with 401, and its log is unavailable in Redis.

    The other account can still read, write and subscribe.
    """
    base_url, rows = sandbox.ready["sandbox"], sandbox.ready["accounts"]
    wrong = account_row(rows[0], api_key_secret="0" * 32, auth_token="0" * 32)
    async with (
        serving(tmp_path, base_url, [wrong, account_row(rows[1])]) as served,
        served.channel() as channel,
    ):
        ada, bob = (Tenant(served, base_url, row, channel) for row in rows)
        assert (await ada.execute_error(ROOM, ref=room_ref(new_sid())))[
            "code"
        ] == "UPSTREAM_REJECTED"
        async with sandbox.fault(
            match={"account_sid": bob.account_sid, "method": "GET"}, status=503
        ):
            assert (await bob.execute_error(ROOM, ref=room_ref(new_sid())))[
                "code"
            ] == "UPSTREAM_UNAVAILABLE"
            assert (await ada.execute_error(ROOM, ref=room_ref(new_sid())))[
                "code"
            ] == "UPSTREAM_REJECTED"
        async with without_log_access(served, bob), bob.subscribe_ws(WATCH) as messages:
            assert (await take(messages, 1))[0]["__typename"] == "StreamStarted"
            room = await bob.create_room(new_name())
            assert (await bob.execute(ROOM, ref=room_ref(room["sid"])))["room"]["sid"] == room[
                "sid"
            ]
            assert (
                await bob.send_callback(
                    bob.callback_fields(
                        "participant-connected", room["sid"], ParticipantSid=new_sid("PA")
                    )
                )
                == 204
            )
            for type_ in ("RoomCreated", "ParticipantConnected"):
                await first_matching(messages, partial(is_event, type_, room["sid"]))
            assert (
                await ada.send_callback(
                    ada.callback_fields("room-created", new_sid()), auth_token="0" * 32
                )
                == 503
            )
            async with served.http.get(served.ready["console"] + "readyz") as reply:
                assert reply.status == 200


def is_event(type_: str, room: str, message: dict[str, Any]) -> bool:
    return (message["__typename"], message["room"]["sid"]) == (type_, room)


@asynccontextmanager
async def without_log_access(served: Gateway, other: Tenant) -> AsyncIterator[None]:
    """Gives the gateway access only to the Redis keys of the other account."""
    async with Redis.from_url(served.ready["redis"]) as redis:
        await redis.execute_command(
            "ACL", "SETUSER", "default", "resetkeys", f"~rg:{{{other.account_sid}}}:*"
        )
        try:
            yield
        finally:
            await redis.execute_command("ACL", "SETUSER", "default", "~*")


async def test_account_variables_and_an_accounts_file_cannot_be_combined(
    tmp_path: Path,
) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(f"""
        [[accounts]]
        sid = "AC{"0" * 32}"
        auth_token = "canary"
    """)
    environment = {
        "GATEWAY_ACCOUNTS_FILE": str(file),
        "GATEWAY_PUBLIC_URL": "https://rooms.example",
    }
    code, _, err = await run("serve", TWILIO_AUTH_TOKEN="canary", **environment)
    assert code == 2
    assert "GATEWAY_ACCOUNTS_FILE is set together with TWILIO_AUTH_TOKEN" in err
    code, _, without_keys = await run("serve", **environment)
    assert code == 2
    assert "no API keys or JWT issuers configured" in without_keys
    file.write_text("[[accounts]]\nsid = 'AC1'\nauth_token = 'canary'")
    code, _, wrong = await run("serve", **environment)
    assert code == 2
    assert "accounts[0].sid" in wrong
    assert "canary" not in err + without_keys + wrong
