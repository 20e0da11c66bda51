"""I-12: one gateway, two accounts at Twilio with rooms of the same name. No byte of one account reaches the other.

`serve` and the sandbox are processes of their own. What each account is answered is kept whole, and searched for everything
that only the other one has.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    running,
    take,
)

LOOPBACK = "127.0.0.1"
WATCH = """subscription($room: ID, $after: String) { roomEvents(room: $room, after: $after) {
    __typename cursor ... on RoomEvent { type roomSid } ... on ParticipantConnected { participant { sid identity } } } }"""
ROOM = """query($ref: ID!) { room(ref: $ref) { sid accountSid uniqueName asOf events { edges { cursor } }
    participants { nodes { sid identity publishedTracks { nodes { sid name } } } } } }"""
ROOMS = """query($name: String, $after: String) { rooms(uniqueName: $name, first: 1, after: $after) {
    nodes { sid uniqueName } pageInfo { endCursor hasNextPage } } }"""
ACCOUNTS_OWN = (
    "{ rooms { nodes { sid } } recordings { nodes { sid } } insightsRooms { nodes { roomSid } } }"
)
NAME, NAME_OF_ENDED = "standup", "retro"


class Tenant(Gateway):
    """The gateway as the callers of one account have it, with that account at Twilio behind."""

    def __init__(
        self, served: Gateway, base_url: str, row: dict[str, Any], channel: grpc.aio.Channel
    ) -> None:
        twilio = {"base_url": base_url, "account_sid": row["sid"], "auth_token": row["auth_token"]}
        ready = {**served.ready, "sandbox": base_url, "twilio": twilio, "api_key": key_of(row)}
        super().__init__(ready, served.process, served.http)
        self.clients: Clients = clients_on(channel, self.metadata)
        self.secrets = {row["auth_token"], row["api_key_secret"], key_of(row), guest(row["sid"])}
        """What no log may hold."""
        self.own = {row["sid"], row["api_key_sid"], *self.secrets}
        """What nobody else may read."""
        self.pried: set[str] = set()
        """What of the other's it has asked for: its own keys name that, as nothing is there."""
        self.told: list[str] = []
        self.room = ""
        self.participant = ""
        self.recording = ""
        self.ended = ""

    async def post(self, *asked: Any, **headers: Any) -> Any:
        reply = await super().post(*asked, **headers)
        self.told.append(json.dumps([dict(reply.headers), reply.body]))
        return reply

    async def settle_in(self) -> None:
        """Makes the room of the common name and lets somebody in."""
        room = await self.create_room(NAME, recordParticipantsOnConnect=True)
        joined = await self.sandbox(
            "POST",
            f"/rooms/{room['sid']}/participants",
            {"identity": guest(self.account_sid), "tracks": ["audio"]},
        )
        self.room, self.participant = room["sid"], joined["sid"]
        self.own |= {self.room, self.participant, joined["tracks"][0]["sid"]}
        found = await until(
            self.execute,
            "query($r: ID!) { room(ref: $r) { recordings { nodes { sid } } } }",
            r=self.room,
        )
        self.recording = found["room"]["recordings"]["nodes"][0]["sid"]
        self.ended = (await self.create_room(NAME_OF_ENDED))["sid"]
        await self.execute("mutation($r: ID!) { completeRoom(ref: $r) { sid } }", r=self.ended)
        self.own |= {self.recording, self.ended}


async def until(ask: Any, document: str, **variables: Any) -> Any:
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            found = await ask(document, **variables)
            if found["room"]["recordings"]["nodes"]:
                return found
            await asyncio.sleep(0.05)  # Twilio tells of a recording when it begins


def guest(account_sid: str) -> str:
    return f"guest-of-{account_sid}"


def key_of(row: dict[str, Any]) -> str:
    return f"rgk_of_{row['sid']}"


def described(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The account as GATEWAY_ACCOUNTS_FILE has it, with a key that may do all and one that has 100 points a minute."""
    web, small = (
        api_key_row("web", key_of(row)),
        api_key_row("small", f"{key_of(row)}-small").model_copy(update={"limit": 100}),
    )
    return {**row, "api_keys": [key.model_dump(exclude_none=True) for key in (web, small)], **more}


@asynccontextmanager
async def serving(
    folder: Path, base_url: str, rows: list[dict[str, Any]]
) -> AsyncIterator[Gateway]:
    """`serve` with these accounts; what it logs goes to `log` in the folder."""
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
        serving(folder, base_url, [described(row) for row in rows]) as served,
        served.channel() as channel,
    ):
        ada, bob = (Tenant(served, base_url, row, channel) for row in rows)
        await asyncio.gather(ada.settle_in(), bob.settle_in())
        yield ada, bob
        log = (folder / "log").read_text()
    for tenant, other in ((ada, bob), (bob, ada)):
        assert not [word for word in other.own for told in tenant.told if word in told]
        assert not [word for word in tenant.secrets if word in log]


async def test_i12_the_same_name_is_another_room_to_each(tenants: tuple[Tenant, Tenant]) -> None:
    for tenant in tenants:
        [by_name, by_sid] = [
            (await tenant.execute(ROOM, ref=ref))["room"] for ref in (NAME, tenant.room)
        ]
        assert by_name["sid"] == by_sid["sid"] == tenant.room
        assert by_name["accountSid"] == tenant.account_sid
        assert [person["sid"] for person in by_name["participants"]["nodes"]] == [
            tenant.participant
        ]
        found = await tenant.clients.rooms.GetRoom(room=NAME)
        assert found.room.sid == tenant.room
        everything = await tenant.execute(ACCOUNTS_OWN)
        assert [room["sid"] for room in everything["rooms"]["nodes"]] == [tenant.room]
        assert [recording["sid"] for recording in everything["recordings"]["nodes"]] == [
            tenant.recording
        ]
        assert [room["roomSid"] for room in everything["insightsRooms"]["nodes"]] == [tenant.ended]
        assert (
            await tenant.clients.insights.GetInsightsRoom(room=tenant.ended)
        ).room.room_name == NAME_OF_ENDED


async def test_i12_what_belongs_to_the_other_is_not_there(tenants: tuple[Tenant, Tenant]) -> None:
    for tenant, other in zip(tenants, reversed(tenants), strict=True):
        tenant.pried |= {other.room, other.participant, other.recording, other.ended}
        ids = [other.room, f"{other.room}:{other.participant}", other.recording]
        document = """query($ids: [ID!]!, $room: ID!, $id: ID!, $ended: ID!) { nodes(ids: $ids) { id } node(id: $id) { id }
            room(ref: $room) { sid } recording(sid: $id) { sid } insightsRoom(sid: $ended) { roomSid } }"""
        # Not kept with what was told: who asks for a SID may read it again in an error.
        variables = {"ids": ids, "room": other.room, "id": other.recording, "ended": other.ended}
        reply = await Gateway.post(tenant, document, variables)
        assert reply.body["data"] == {
            "nodes": [None] * 3, "node": None, "room": None, "recording": None, "insightsRoom": None,
        }, reply.body  # fmt: skip
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


async def test_i12_events_of_one_account_reach_its_own_callers_only(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    async with ada.subscribe_ws(WATCH) as by_ada, bob.subscribe_sse(WATCH) as by_bob:
        await take(by_ada, 1)
        await take(by_bob, 1)
        # No account tells of another's room: who follows one by its SID hears what his own account tells of that SID.
        room, told = new_sid(), {tenant: new_sid("PA") for tenant in tenants}
        async with bob.subscribe_ws(WATCH, room=room) as pried:
            await take(pried, 1)
            for tenant in tenants:
                fields = tenant.callback_fields(
                    "participant-connected", room, ParticipantSid=told[tenant]
                )
                assert await tenant.send_callback(fields) == 204
            assert (await take(by_ada, 1))[0]["participant"]["sid"] == told[ada]
            for [event] in [
                await take(pried, 1),
                [message for _, message in await take(by_bob, 1)],
            ]:
                assert event["participant"]["sid"] == told[bob]


async def test_i12_cursors_of_the_other_account_are_refused(tenants: tuple[Tenant, Tenant]) -> None:
    ada, bob = tenants
    for tenant in tenants:
        await tenant.create_room()
    seen = (await ada.execute(ROOM, ref=ada.room))["room"]
    page = (await ada.execute(ROOMS))["rooms"]["pageInfo"]
    assert page["hasNextPage"]
    for cursor in (seen["asOf"], seen["events"]["edges"][0]["cursor"]):
        for tenant, outcome in ((ada, "next"), (bob, "error")):
            async with tenant.websocket() as socket:
                payload = {"query": WATCH, "variables": {"room": tenant.room, "after": cursor}}
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


async def test_a_callback_is_believed_with_the_token_of_the_account_it_names_only(
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
        found = await tenant.execute("query($r: ID!) { room(ref: $r) { status } }", r=tenant.room)
        assert found["room"]["status"] == "IN_PROGRESS"


async def test_i12_the_refusal_of_a_callback_does_not_tell_which_accounts_are_served(
    tenants: tuple[Tenant, Tenant], folder: Path
) -> None:
    ada, _ = tenants
    answers = []
    for account_sid in (ada.account_sid, new_sid("AC")):
        form = {**ada.callback_fields("room-created", new_sid()), "AccountSid": account_sid}
        headers = {"X-Twilio-Signature": "A" * 27 + "="}
        async with ada.http.post(ada.ready["callbacks"], data=form, headers=headers) as reply:
            told = {name: value for name, value in reply.headers.items() if name != "Date"}
            answers.append((reply.status, told, await reply.text()))
        if account_sid != ada.account_sid:
            assert account_sid not in (folder / "log").read_text()
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


async def test_i12_the_quota_of_one_account_is_not_spent_by_the_other(
    tenants: tuple[Tenant, Tenant], sandbox: Gateway
) -> None:
    ada, bob = tenants
    document = "query($ref: ID!) { room(ref: $ref) { sid } }"

    async def cold_reads(tenant: Tenant, count: int) -> Counter[str]:
        replies = await asyncio.gather(
            *(tenant.post(document, {"ref": new_sid()}) for _ in range(count))
        )
        return Counter(
            reply.body["errors"][0]["extensions"]["code"] if "errors" in reply.body else "right"
            for reply in replies
        )

    by_ada, by_bob = await asyncio.gather(cold_reads(ada, 300), cold_reads(bob, 20))
    assert by_ada["QUOTA_EXCEEDED"] > 0
    assert by_bob == {"right": 20}
    calls = await sandbox.sandbox("GET", "/calls")
    assert {call["account_sid"] for call in calls} == {ada.account_sid, bob.account_sid}


async def test_i12_an_idempotency_key_is_known_in_its_own_account_only(
    tenants: tuple[Tenant, Tenant],
) -> None:
    document = "mutation($n: String!, $k: String) { createRoom(input: { uniqueName: $n }, idempotencyKey: $k) { sid } }"
    key, made = new_name(), list[str]()
    for tenant, name in zip(tenants, ("one", "another"), strict=True):
        made += {
            (await tenant.execute(document, n=name, k=key))["createRoom"]["sid"] for _ in range(2)
        }
    assert len(set(made)) == len(made) == 2


async def test_i12_a_key_of_one_account_spends_nothing_of_its_namesake_in_the_other(
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


async def test_i12_no_key_at_redis_is_outside_of_its_account(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    async with Redis.from_url(ada.ready["redis"]) as redis:
        names = [key.decode() async for key in redis.scan_iter(count=1000)]
        for tenant, other in ((ada, bob), (bob, ada)):
            mine = [name for name in names if name.startswith(f"rg:{{{tenant.account_sid}}}:")]
            assert mine
            assert not [
                name for name in mine if any(word in name for word in other.own - tenant.pried)
            ]
    assert all(
        name.startswith((f"rg:{{{ada.account_sid}}}:", f"rg:{{{bob.account_sid}}}:"))
        for name in names
    )


async def test_an_account_in_trouble_is_no_trouble_for_the_other(
    sandbox: Gateway, tmp_path: Path
) -> None:
    """Twilio says 401 to the one, and the log of the one is put away; the other reads, writes and watches."""
    base_url, rows = sandbox.ready["sandbox"], sandbox.ready["accounts"]
    wrong = described(rows[0], api_key_secret="0" * 32, auth_token="0" * 32)
    async with (
        serving(tmp_path, base_url, [wrong, described(rows[1])]) as served,
        served.channel() as channel,
    ):
        ada, bob = (Tenant(served, base_url, row, channel) for row in rows)
        assert (await ada.execute_error(ROOM, ref=new_sid()))["code"] == "UPSTREAM_REJECTED"
        async with sandbox.fault(
            match={"account_sid": bob.account_sid, "method": "GET"}, status=503
        ):
            assert (await bob.execute_error(ROOM, ref=new_sid()))["code"] == "UPSTREAM_UNAVAILABLE"
            assert (await ada.execute_error(ROOM, ref=new_sid()))["code"] == "UPSTREAM_REJECTED"
        async with log_put_away(served, bob), bob.subscribe_ws(WATCH) as messages:
            assert (await take(messages, 1))[0]["__typename"] == "StreamStarted"
            room = await bob.create_room(new_name())
            assert (await bob.execute(ROOM, ref=room["sid"]))["room"]["sid"] == room["sid"]
            assert (
                await bob.send_callback(
                    bob.callback_fields(
                        "participant-connected", room["sid"], ParticipantSid=new_sid("PA")
                    )
                )
                == 204
            )
            for type_ in ("RoomCreated", "ParticipantConnected"):
                await first_matching(
                    messages,
                    lambda told, type_=type_: (
                        (told["__typename"], told["roomSid"]) == (type_, room["sid"])
                    ),
                )
            assert (
                await ada.send_callback(
                    ada.callback_fields("room-created", new_sid()), auth_token="0" * 32
                )
                == 503
            )
            async with served.http.get(served.ready["console"] + "readyz") as reply:
                assert reply.status == 200


@asynccontextmanager
async def log_put_away(served: Gateway, other: Tenant) -> AsyncIterator[None]:
    """Redis lets the gateway have no key but those of the other account."""
    async with Redis.from_url(served.ready["redis"]) as redis:
        await redis.execute_command(
            "ACL", "SETUSER", "default", "resetkeys", f"~rg:{{{other.account_sid}}}:*"
        )
        try:
            yield
        finally:
            await redis.execute_command("ACL", "SETUSER", "default", "~*")


async def test_the_account_of_the_environment_and_a_file_of_accounts_are_not_mixed(
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
    assert (
        "GATEWAY_ACCOUNTS_FILE is set, and so is TWILIO_AUTH_TOKEN; describe all accounts in the file"
        in err
    )
    code, _, nobody = await run("serve", **environment)
    assert code == 2
    assert "api_keys" in nobody
    file.write_text("[[accounts]]\nsid = 'AC1'\nauth_token = 'canary'")
    code, _, wrong = await run("serve", **environment)
    assert code == 2
    assert "accounts.0.sid" in wrong
    assert "canary" not in err + nobody + wrong
