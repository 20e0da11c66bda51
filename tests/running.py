"""Runs the gateway as a user does: the command line, in its own process.

Everything that a test knows about the process is in its ready file.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import grpc
from twilio.request_validator import RequestValidator
from yarl import URL

from gateway.core.rooms import is_room_sid

START_TIMEOUT_S = 60
RESPONSE_TIMEOUT_S = 30

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any


def room_ref(text: str) -> dict[str, str]:
    """Returns a `RoomRef` by SID, or by name for any other text."""
    return {"sid" if is_room_sid(text) else "uniqueName": text}


class Gateway:
    """A running gateway and its sandbox, with the requests that most tests make."""

    def __init__(
        self,
        ready: dict[str, Any],
        process: asyncio.subprocess.Process,
        http: aiohttp.ClientSession,
    ) -> None:
        self.ready = ready
        self.process = process
        self.http = http
        # Only the ready file of `dev` has secrets; that of `serve` does not.
        self.auth = {"Authorization": f"Bearer {ready.get('api_key')}"}
        self.metadata = (("authorization", self.auth["Authorization"]),)
        self.account_sid: str = ready.get("twilio", {}).get("account_sid", "")
        self.auth_token: str = ready.get("twilio", {}).get("auth_token", "")

    # GraphQL operations

    async def post(
        self, document: str, variables: Mapping[str, Any] | None = None, /, **headers: str
    ) -> Reply:
        body = {"query": document, "variables": dict(variables or {})}
        async with self.http.post(
            self.ready["graphql"], json=body, headers={**self.auth, **headers}
        ) as reply:
            return Reply(reply.status, reply.headers, await reply.json(content_type=None))

    async def execute(self, document: str, **variables: Any) -> Any:
        """Returns the `data` of a response, which must have no errors.

        The payloads of mutations must not have any either, if they are selected.
        """
        reply = await self.post(document, variables)
        assert "errors" not in reply.body, reply.body
        assert not payload_errors(reply.body["data"]), reply.body
        return reply.body["data"]

    async def execute_error(self, document: str, **variables: Any) -> dict[str, Any]:
        """Returns the extensions of the first error, and its message as `message`.

        An error in the payload of a mutation is returned as it is.
        """
        reply = await self.post(document, variables)
        if "errors" not in reply.body:
            return payload_errors(reply.body["data"])[0]
        [error, *_] = reply.body["errors"]
        return {"message": error["message"], **error["extensions"]}

    async def create_room(self, name: str | None = None, **fields: Any) -> dict[str, Any]:
        variables = {"input": {"uniqueName": name or new_name(), **fields}}
        document = """mutation($input: CreateRoomInput!) {
            createRoom(input: $input) { room { sid uniqueName status } } }"""
        room: dict[str, Any] = (await self.execute(document, **variables))["createRoom"]["room"]
        return room

    # GraphQL subscriptions: each yields the payloads of its only field.

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Opens a connection and waits for its acknowledgement."""
        async with self.http.ws_connect(
            self.ready["ws"], protocols=("graphql-transport-ws",), headers=self.auth
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            message = await socket.receive_json(timeout=RESPONSE_TIMEOUT_S)
            assert message["type"] == "connection_ack"
            yield socket

    @asynccontextmanager
    async def subscribe_ws(
        self, document: str, **variables: Any
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with self.websocket() as socket:
            payload = {"query": document, "variables": variables}
            await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})

            async def messages() -> AsyncIterator[dict[str, Any]]:
                async for frame in socket:
                    message = json.loads(frame.data)
                    if message["type"] == "next":
                        yield _only_field(message["payload"]["data"])
                    else:
                        assert message["type"] in ("ping", "pong"), message

            yield messages()

    @asynccontextmanager
    async def subscribe_sse(
        self,
        document: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        **variables: Any,
    ) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
        """Yields pairs of event id and payload. `query` is appended to the URL."""
        all_headers = {**self.auth, "Accept": "text/event-stream", **(headers or {})}
        body = {"query": document, "variables": variables}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.http.post(
            self.ready["graphql"] + query, json=body, headers=all_headers, timeout=timeout
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
                            payload = _only_field(json.loads(fields["data"])["data"])
                            yield fields.get("id", ""), payload
                        fields = {}

            yield messages()

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.ready["grpc"])

    # The sandbox, and requests that Twilio or another backend would make

    async def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the control API of the sandbox."""
        url = f"{self.ready['sandbox']}/_sandbox{path}"
        async with self.http.request(method, url, json=body) as reply:
            assert reply.status < 300, await reply.text()
            return await reply.json() if reply.content_type == "application/json" else None

    @asynccontextmanager
    async def fault(self, **fault: Any) -> AsyncIterator[None]:
        """Injects a fault, and removes all faults at the end."""
        await self.sandbox("POST", "/faults", fault)
        try:
            yield
        finally:
            await self.sandbox("DELETE", "/faults")

    async def create_room_at_twilio(self, **fields: str) -> dict[str, Any]:
        """Creates a room as another backend would, without callbacks to the gateway."""
        return await self._post_to_twilio("/v1/Rooms", fields)

    async def complete_room_at_twilio(self, sid: str) -> dict[str, Any]:
        """Ends a room as another backend would.

        The gateway only learns of it through Twilio's callback.
        """
        return await self._post_to_twilio(f"/v1/Rooms/{sid}", {"Status": "completed"})

    async def _post_to_twilio(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        twilio = self.ready["twilio"]
        login = {
            "Authorization": aiohttp.encode_basic_auth(twilio["account_sid"], twilio["auth_token"])
        }
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            while True:
                async with self.http.post(
                    twilio["base_url"] + path, data=form, headers=login
                ) as reply:
                    if reply.status != 429:
                        assert reply.status < 300, await reply.text()
                        room: dict[str, Any] = await reply.json()
                        return room
                # Twilio counts requests per second. A backend waits and tries again.
                await asyncio.sleep(0.05)

    def callback_fields(self, event: str, room_sid: str, **more: str) -> dict[str, str]:
        """Returns the form of a callback as Twilio would send it."""
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

    def signature(
        self, fields: Mapping[str, str], query: str = "", *, auth_token: str | None = None
    ) -> str:
        """Returns Twilio's signature of a callback, made by Twilio's own library."""
        url = self.ready["callbacks"] + (f"?{query}" if query else "")
        validator = RequestValidator(auth_token or self.auth_token)
        return str(validator.compute_signature(url, dict(fields)))

    async def send_callback(
        self, fields: Mapping[str, str], *, auth_token: str | None = None
    ) -> int:
        """Posts a callback signed by Twilio's own library.

        Returns the response status.
        """
        return await self.post_callback(fields, self.signature(fields, auth_token=auth_token))

    async def post_callback(
        self, fields: Mapping[str, str], signature: str, query: str = ""
    ) -> int:
        """Posts a callback with this signature, and returns the response status."""
        headers = {
            "X-Twilio-Signature": signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = URL(self.ready["callbacks"] + (f"?{query}" if query else ""), encoded=True)
        async with self.http.post(url, data=urlencode(fields), headers=headers) as reply:
            return reply.status


def payload_errors(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the selected errors in the payloads of mutations."""
    return [
        error
        for payload in data.values()
        if isinstance(payload, dict)
        for error in payload.get("errors", ())
    ]


def _only_field(data: Mapping[str, Any]) -> dict[str, Any]:
    [payload] = data.values()
    return dict(payload)


def new_name() -> str:
    return f"room-{uuid.uuid4().hex[:12]}"


def new_sid(prefix: str = "RM") -> str:
    return prefix + uuid.uuid4().hex


async def first_matching(messages: AsyncIterator[T], condition: Callable[[T], object]) -> T:
    """Waits for the first message that meets the condition."""
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        async for message in messages:
            if condition(message):
                return message
    raise AssertionError("the stream ended before a message met the condition")


async def take(messages: AsyncIterator[T], count: int) -> list[T]:
    """Waits for the next `count` messages. Returns fewer if the stream ends."""
    taken: list[T] = []
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
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
    """Starts the command, waits for its ready file, and stops it by SIGTERM at the end.

    `log` is an open file for its standard error.
    """
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
        async with asyncio.timeout(START_TIMEOUT_S):
            while not ready_file.exists():
                assert process.returncode is None, f"the gateway exited with {process.returncode}"
                await asyncio.sleep(0.02)  # a file sends no notification
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Gateway(json.loads(ready_file.read_text()), process, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), START_TIMEOUT_S)
