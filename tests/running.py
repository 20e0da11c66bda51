"""The gateway as a user runs it: `rooms-gateway dev` in a process of its own, told apart only by its ready file."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
from twilio.request_validator import RequestValidator

START_LIMIT_S = 60
ANSWER_LIMIT_S = 30


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any


class Gateway:
    """A running gateway and its sandbox, with the few moves a test makes again and again."""

    def __init__(
        self,
        ready: dict[str, Any],
        process: asyncio.subprocess.Process,
        http: aiohttp.ClientSession,
    ) -> None:
        self.ready = ready
        self.process = process
        self.http = http
        # `serve` writes no secret into its ready file; only `dev` does.
        self.auth = {"Authorization": f"Bearer {ready.get('api_key')}"}
        self.metadata = (("authorization", self.auth["Authorization"]),)
        self.account_sid: str = ready.get("twilio", {}).get("account_sid", "")
        self.auth_token: str = ready.get("twilio", {}).get("auth_token", "")

    # GraphQL

    async def post(
        self, document: str, variables: Mapping[str, Any] | None = None, **headers: str
    ) -> Reply:
        body = {"query": document, "variables": dict(variables or {})}
        async with self.http.post(
            self.ready["graphql"], json=body, headers={**self.auth, **headers}
        ) as reply:
            return Reply(reply.status, reply.headers, await reply.json(content_type=None))

    async def ask(self, document: str, **variables: Any) -> Any:
        """The `data` of an answer without errors."""
        reply = await self.post(document, variables)
        assert "errors" not in reply.body, reply.body
        return reply.body["data"]

    async def refusal(self, document: str, **variables: Any) -> dict[str, Any]:
        """The first error's extensions, and its message under `message`."""
        reply = await self.post(document, variables)
        [error, *_] = reply.body["errors"]
        return {"message": error["message"], **error["extensions"]}

    async def create_room(self, name: str | None = None, **fields: Any) -> dict[str, Any]:
        variables = {"input": {"uniqueName": name or new_name(), **fields}}
        document = "mutation($input: CreateRoomInput!) { createRoom(input: $input) { sid uniqueName status } }"
        room: dict[str, Any] = (await self.ask(document, **variables))["createRoom"]
        return room

    # Subscriptions: each yields the payloads of its one field as dicts.

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A connection that has been acknowledged."""
        async with self.http.ws_connect(
            self.ready["ws"], protocols=("graphql-transport-ws",), headers=self.auth
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            assert (await socket.receive_json(timeout=ANSWER_LIMIT_S))["type"] == "connection_ack"
            yield socket

    @asynccontextmanager
    async def watch_ws(
        self, document: str, **variables: Any
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with self.websocket() as socket:
            payload = {"query": document, "variables": variables}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})

            async def messages() -> AsyncIterator[dict[str, Any]]:
                async for frame in socket:
                    message = json.loads(frame.data)
                    if message["type"] == "next":
                        yield _only(message["payload"]["data"])
                    else:
                        assert message["type"] in ("ping", "pong"), message

            yield messages()

    @asynccontextmanager
    async def watch_sse(
        self,
        document: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        **variables: Any,
    ) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
        """Yields (the event's id, payload)."""
        sent = {**self.auth, "Accept": "text/event-stream", **(headers or {})}
        body = {"query": document, "variables": variables}
        limit = aiohttp.ClientTimeout(total=None)
        async with self.http.post(
            self.ready["graphql"] + query, json=body, headers=sent, timeout=limit
        ) as reply:
            assert reply.status == 200, await reply.text()

            async def messages() -> AsyncIterator[tuple[str, dict[str, Any]]]:
                fields: dict[str, str] = {}
                async for raw in reply.content:
                    line = raw.decode().rstrip("\n")
                    if line:
                        name, _, value = line.partition(":")
                        fields[name] = value.removeprefix(" ")
                    elif fields:
                        if fields.get("event") == "next":
                            yield fields.get("id", ""), _only(json.loads(fields["data"])["data"])
                        fields = {}

            yield messages()

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.ready["grpc"])

    # Twilio's side

    async def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.ready['sandbox']}/_sandbox{path}"
        async with self.http.request(method, url, json=body) as reply:
            assert reply.status < 300, await reply.text()
            return await reply.json() if reply.content_type == "application/json" else None

    @asynccontextmanager
    async def fault(self, **fault: Any) -> AsyncIterator[None]:
        await self.sandbox("POST", "/faults", fault)
        try:
            yield
        finally:
            await self.sandbox("DELETE", "/faults")

    async def make_room_at_twilio(self, **fields: str) -> dict[str, Any]:
        """A room that some other backend made: it does not report to the gateway."""
        return await self._post_to_twilio("/v1/Rooms", fields)

    async def end_room_at_twilio(self, sid: str) -> dict[str, Any]:
        """Ends a room as another backend would; the gateway hears of it by Twilio's callback only."""
        return await self._post_to_twilio(f"/v1/Rooms/{sid}", {"Status": "completed"})

    async def _post_to_twilio(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        twilio = self.ready["twilio"]
        login = {
            "Authorization": aiohttp.encode_basic_auth(twilio["account_sid"], twilio["auth_token"])
        }
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                async with self.http.post(
                    twilio["base_url"] + path, data=form, headers=login
                ) as reply:
                    if reply.status != 429:
                        assert reply.status < 300, await reply.text()
                        room: dict[str, Any] = await reply.json()
                        return room
                await asyncio.sleep(
                    0.05
                )  # Twilio refuses by the second; the other backend tries again

    def event_fields(self, event: str, room_sid: str, **more: str) -> dict[str, str]:
        """A callback's form as Twilio would send it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "AccountSid": self.account_sid,
            "RoomSid": room_sid,
            "RoomName": room_sid,
            "RoomStatus": "completed" if event == "room-ended" else "in-progress",
            "RoomType": "group",
            "StatusCallbackEvent": event,
            "Timestamp": now,
            "SequenceNumber": "1",
            **more,
        }

    async def callback(self, fields: Mapping[str, str], *, auth_token: str | None = None) -> int:
        """Posts a signed callback; its answer's status. Signed by Twilio's own library."""
        signature = RequestValidator(auth_token or self.auth_token).compute_signature(
            self.ready["callbacks"], dict(fields)
        )
        headers = {
            "X-Twilio-Signature": signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.http.post(
            self.ready["callbacks"], data=urlencode(fields), headers=headers
        ) as reply:
            return reply.status


def _only(data: Mapping[str, Any]) -> dict[str, Any]:
    [payload] = data.values()
    return dict(payload)


def new_name() -> str:
    return f"room-{uuid.uuid4().hex[:12]}"


def new_sid(kind: str = "RM") -> str:
    return kind + uuid.uuid4().hex


async def first(messages: AsyncIterator[Any], wanted: Any) -> Any:
    """The first message for which `wanted` holds, within a limit."""
    async with asyncio.timeout(ANSWER_LIMIT_S):
        async for message in messages:
            if wanted(message):
                return message
    raise AssertionError("the stream ended first")


async def take(messages: AsyncIterator[Any], count: int) -> list[Any]:
    """The next so many messages, within a limit."""
    taken: list[Any] = []
    async with asyncio.timeout(ANSWER_LIMIT_S):
        async for message in messages:
            taken.append(message)
            if len(taken) == count:
                break
    return taken


@asynccontextmanager
async def running(
    folder: Path,
    arguments: Sequence[str] = ("dev", "--no-users"),
    environment: Mapping[str, str] | None = None,
    log: int = asyncio.subprocess.DEVNULL,
    module: str = "gateway",
) -> AsyncIterator[Gateway]:
    """Starts the command and waits for its ready file; stops it by SIGTERM at the end. `log`: an open file for what it says."""
    ready_file = folder / f"ready-{uuid.uuid4().hex[:8]}.json"
    ports = (
        ("--http-port", "0", "--grpc-port", "0", "--sandbox-port", "0")
        if arguments[0] == "dev"
        else ()
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, *ports, "--ready-file", str(ready_file),
        env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=log,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not ready_file.exists():
                assert process.returncode is None, f"the gateway stopped with {process.returncode}"
                await asyncio.sleep(0.02)  # the file is the only sign there is
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Gateway(json.loads(ready_file.read_text()), process, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), START_LIMIT_S)
