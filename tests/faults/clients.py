"""Those who use the gateways while they fail, and write down what they see: watchers, a Twilio, readers."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast
from urllib.parse import urlencode

import aiohttp
import grpc
from twilio.request_validator import RequestValidator

from gateway.core.events import RoomEventType
from gateway.rooms.v1 import events_pb2
from gateway.rooms.v1 import room_service_pb2 as pb
from gateway.rooms.v1 import room_service_pb2_grpc as stubs
from gateway.rpc import enums
from tests.faults.history import (
    Bookmark,
    Callback,
    Event,
    Fault,
    Gap,
    Message,
    Opened,
    Read,
    Record,
    Resync,
    Started,
    Transport,
    Write,
)
from tests.faults.nemesis import Cluster, Replica
from tests.running import Gateway, new_sid

START_S = 3.0
"""Who hears nothing for so long after asking goes elsewhere, or gives up a read."""
PAUSE_S = 0.05
HELD_UP_S = 0.3
TWILIO_ANSWER_S = 2.5
TWILIO_GIVES_UP_S = 15.0

GONE = (OSError, TimeoutError, aiohttp.ClientError, grpc.aio.AioRpcError, EOFError, ValueError)
"""A replica went away, is stopped, or drains."""

WATCH = """subscription($room: ID, $types: [RoomEventType!], $after: String) {
  roomEvents(room: $room, types: $types, after: $after) {
    __typename cursor prev
    ... on StreamStarted { mode }
    ... on ResyncRequired { reason }
    ... on RoomEvent { type roomSid at }
    ... on ParticipantEvent { participant { sid } }
  } }"""
READ = "query($ref: ID!) { room(ref: $ref) { sid status freshness { isStale fetchedAt } } }"
LIST = "query($name: String) { rooms(uniqueName: $name) { nodes { sid status freshness { isStale fetchedAt } } } }"
CREATE = "mutation($name: String) { createRoom(input: {uniqueName: $name}) { sid status } }"
COMPLETE = "mutation($ref: ID!) { completeRoom(ref: $ref) { sid status } }"


class Closed(EOFError):
    """Of a WebSocket, with its code."""


NO_ROOM: dict[str, Any] = {"status": None, "freshness": {"isStale": False, "fetchedAt": None}}


@dataclass
class Diary:
    """What everybody writes into, in the order in which it happened."""

    records: list[Record] = field(default_factory=list)
    _streams: int = 0

    def write(self, record: Record) -> None:
        self.records.append(record)

    def note(self, fault: Fault) -> None:
        self.records.append(fault)

    def new_stream(self) -> int:
        self._streams += 1
        return self._streams


def key_of(type_: str, room: str, at: datetime, participant: str | None) -> str:
    return f"{type_} {room} {round(at.timestamp() * 1000)} {participant or ''}"


@dataclass
class Watcher:
    """Follows the log, and comes back with its cursor, to another replica if there is one."""

    diary: Diary
    cluster: Cluster
    name: str
    transport: Transport
    rng: random.Random
    home: int
    """Which replica it goes to first; later on to any other one."""
    room: str | None = None
    types: tuple[str, ...] | None = None
    is_reference: bool = False
    cursor: str | None = None
    begin: str | None = None
    """Since where everything that matches has been seen."""
    seen: set[str] = field(default_factory=set)
    """Keys."""
    words: list[Resync] = field(default_factory=list)
    started_at: float = float("-inf")
    is_followed: bool = False
    patience_s: float = START_S
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    farewells: list[tuple[float, str]] = field(default_factory=list)
    """How its streams ended, and when: a close code, a gRPC status, the end of a response, or an error's name."""
    replica: Replica | None = None

    async def run(self) -> None:
        while True:
            await self.watch_once()
            await asyncio.sleep(PAUSE_S * self.rng.random())

    async def watch_once(self) -> None:
        """Until the replica is gone. Writes nothing but the attempt when it never answers."""
        up = self.cluster.up()
        if not up:
            return
        if self.replica is None:
            self.replica = up[self.home % len(up)]
        else:
            self.replica = self.rng.choice(
                [replica for replica in up if replica is not self.replica] or up
            )
        assert self.replica.gateway is not None
        stream = self.diary.new_stream()
        opened = Opened(
            stream, self.name, self.replica.name, self.transport, time.monotonic(), self.room, self.types, self.cursor,
            self.is_reference,
        )  # fmt: skip
        self.diary.write(opened)
        ways = {"ws": self._by_ws, "sse": self._by_sse, "grpc": self._by_grpc}
        messages = ways[self.transport](self.replica.gateway, stream)
        try:
            async with asyncio.timeout(self.patience_s):
                self._take(await anext(messages))
            async for message in messages:
                self._take(message)
            self._hear_farewell("end")
        except Closed as closed:
            self._hear_farewell(str(*closed.args))
        except grpc.aio.AioRpcError as error:
            self._hear_farewell(error.code().name)
        except (*GONE, StopAsyncIteration) as error:
            self._hear_farewell(type(error).__name__)
        finally:
            await messages.aclose()

    def wants(self, event: Event) -> bool:
        return self.room in (None, event.room) and (self.types is None or event.type in self.types)

    async def until(self, holds: Callable[[], object], limit_s: float) -> None:
        """Returns once it holds, looked at after each message."""
        async with asyncio.timeout(limit_s):
            while not holds():
                self.heard.clear()
                await self.heard.wait()

    def _hear_farewell(self, how: str) -> None:
        self.farewells.append((time.monotonic(), how))
        self.heard.set()

    def _take(self, message: Message) -> None:
        self.diary.write(message)
        self.cursor = message.cursor
        match message:
            case Event():
                self.seen.add(message.key)
            case Started():
                self.started_at, self.begin = message.at, self.begin or message.cursor
            case Resync():
                self.begin = message.cursor
                self.words.append(message)
        self.heard.set()

    async def _by_ws(self, gateway: Gateway, stream: int) -> Any:
        async with gateway.http.ws_connect(
            gateway.ready["ws"], protocols=("graphql-transport-ws",), headers=gateway.auth
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            await socket.send_json(
                {"id": "1", "type": "subscribe", "payload": self._payload(self.cursor)}
            )
            async for frame in socket:
                message = json.loads(frame.data)
                if message["type"] == "next":
                    yield parse_graphql(message["payload"]["data"]["roomEvents"], stream)
                elif message["type"] in ("error", "complete"):
                    raise EOFError(message)
            raise Closed(socket.close_code)

    async def _by_sse(self, gateway: Gateway, stream: int) -> Any:
        headers = {**gateway.auth, "Accept": "text/event-stream"}
        if self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        async with gateway.http.post(
            gateway.ready["graphql"],
            json=self._payload(None),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as reply:
            name, data = "", ""
            async for raw in reply.content:
                part, _, value = raw.decode().rstrip("\n").partition(":")
                if part == "event":
                    name = value.strip()
                elif part == "data":
                    data = value
                elif not part and name == "next":
                    payload = json.loads(data)
                    if "data" not in payload:
                        raise EOFError(payload)
                    yield parse_graphql(payload["data"]["roomEvents"], stream)
                    name = ""

    async def _by_grpc(self, gateway: Gateway, stream: int) -> Any:
        # A connection of its own, as each client has: channels of one process share one, and with it its limit of streams.
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(gateway.ready["grpc"], options) as channel:
            types = [
                enums.ROOM_EVENT_TYPE.numbers[RoomEventType(word)] for word in self.types or ()
            ]
            request = pb.WatchRoomEventsRequest(
                room=self.room or "", types=types, after=self.cursor or ""
            )
            stub: Any = stubs.RoomServiceStub  # the generated code has no types
            call = stub(channel).WatchRoomEvents(request, metadata=gateway.metadata)
            try:
                async for message in call:
                    yield parse_pb(message, stream)
            finally:
                call.cancel()

    def _payload(self, after: str | None) -> dict[str, Any]:
        variables: dict[str, Any] = {"room": self.room, "after": after}
        if self.types is not None:
            variables["types"] = [word.upper().replace("-", "_") for word in self.types]
        return {
            "query": WATCH,
            "variables": {name: value for name, value in variables.items() if value is not None},
        }


def parse_graphql(said: Mapping[str, Any], stream: int) -> Message:
    now, cursor = time.monotonic(), said["cursor"]
    match said["__typename"]:
        case "StreamStarted":
            return Started(stream, now, cursor, said["mode"].lower())
        case "Bookmark":
            return Bookmark(stream, now, cursor)
        case "Gap":
            return Gap(stream, now, cursor, said["prev"])
        case "ResyncRequired":
            return Resync(stream, now, cursor, said["reason"].lower())
    type_, room = said["type"].lower().replace("_", "-"), said["roomSid"]
    participant = (said.get("participant") or {}).get("sid")
    key = key_of(type_, room, datetime.fromisoformat(said["at"]), participant)
    return Event(stream, now, cursor, said["prev"], key, type_, room)


def parse_pb(said: pb.WatchRoomEventsResponse, stream: int) -> Message:
    now, cursor = time.monotonic(), said.cursor
    match said.WhichOneof("message"):
        case "started":
            mode = (
                events_pb2.StreamMode.Name(said.started.mode).removeprefix("STREAM_MODE_").lower()
            )
            return Started(stream, now, cursor, cast('Literal["live", "resumed", "resync"]', mode))
        case "bookmark":
            return Bookmark(stream, now, cursor)
        case "gap":
            return Gap(stream, now, cursor, said.prev)
        case "resync_required":
            reason = events_pb2.ResyncReason.Name(said.resync_required.reason)
            return Resync(stream, now, cursor, reason.removeprefix("RESYNC_REASON_").lower())
    event = said.event
    type_ = str(enums.ROOM_EVENT_TYPE.from_pb(event.type, "type"))
    key = key_of(type_, event.room_sid, event.at.ToDatetime(tzinfo=UTC), event.participant.sid)
    return Event(stream, now, cursor, said.prev, key, type_, event.room_sid)


@dataclass
class Twilio:
    """Sends callbacks as Twilio does: signed, again when they are not taken, to whichever replica is there."""

    diary: Diary
    cluster: Cluster
    rng: random.Random
    http: aiohttp.ClientSession
    acked: set[str] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)

    def fields(self, event: str, room: str) -> tuple[str, dict[str, str]]:
        """A new callback and its key."""
        at = datetime.now(UTC)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        fields = self.cluster.sandbox.callback_fields(
            event, room, Timestamp=at.isoformat(timespec="milliseconds")
        )
        participant = None
        if event.startswith("participant"):
            participant = new_sid("PA")
            fields |= {
                "ParticipantSid": participant,
                "ParticipantIdentity": "somebody",
                "ParticipantStatus": "connected",
            }
        return key_of(event, room, at, participant), fields

    async def deliver(self, event: str, room: str) -> str | None:
        """Its key, if it was taken before Twilio gave up. One in ten is held up on its way, and later ones overtake it; one in
        ten is sent once more, perhaps by way of another replica."""
        key, fields = self.fields(event, room)
        if self.rng.random() < 0.1:
            await asyncio.sleep(self.rng.uniform(0, HELD_UP_S))
        give_up_at = time.monotonic() + TWILIO_GIVES_UP_S
        while not await self._send(key, fields):
            if time.monotonic() > give_up_at:
                return None
            await asyncio.sleep(PAUSE_S)
        self.acked.add(key)
        if self.rng.random() < 0.1:
            await self._send(key, fields)
        return key

    async def _send(self, key: str, fields: Mapping[str, str]) -> bool:
        up = self.cluster.up()
        if not up:
            return False
        replica = self.rng.choice(up)
        assert replica.gateway is not None
        signature = RequestValidator(self.cluster.sandbox.auth_token).compute_signature(
            self.cluster.callbacks, dict(fields)
        )
        headers = {
            "X-Twilio-Signature": signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        limit = aiohttp.ClientTimeout(total=TWILIO_ANSWER_S)
        name, begun, status = replica.name, time.monotonic(), None
        with suppress(OSError, TimeoutError, aiohttp.ClientError):
            async with self.http.post(
                replica.gateway.ready["callbacks"],
                data=urlencode(fields),
                headers=headers,
                timeout=limit,
            ) as reply:
                status = reply.status
        callback = Callback(key, name, status, begun, time.monotonic())
        self.diary.write(callback)
        if callback.is_acked:
            self.latencies.append(callback.answered_at - begun)
        return callback.is_acked


@dataclass
class Reader:
    """Reads rooms by SID, by name and in lists, one question after another, and completes some of them."""

    diary: Diary
    cluster: Cluster
    name: str
    rng: random.Random

    async def read(self, sid: str, unique_name: str) -> None:
        how: Literal["sid", "name", "list"] = self.rng.choice(("sid", "name", "list"))
        document, variables = {
            "sid": (READ, {"ref": sid}),
            "name": (READ, {"ref": unique_name}),
            "list": (LIST, {"name": unique_name}),
        }[how]
        told = await self._ask(document, variables)
        if told is None:
            return
        replica, begun, data = told
        rooms = data["rooms"]["nodes"] if how == "list" else [data["room"]]
        room = (
            next((room for room in rooms if room is not None and room["sid"] == sid), None)
            or NO_ROOM
        )
        told_at, is_stale = room["freshness"]["fetchedAt"], room["freshness"]["isStale"]
        fetched_at = None if told_at is None else datetime.fromisoformat(told_at).timestamp()
        status, now = _word(room["status"]), time.monotonic()
        self.diary.write(
            Read(self.name, replica, sid, how, begun, now, status, fetched_at, is_stale)
        )

    async def create(self) -> tuple[str, str] | None:
        """SID and name, if it was made."""
        unique_name = f"room-{self.rng.getrandbits(48):012x}"
        sid = await self._write(CREATE, "createRoom", name=unique_name)
        return None if sid is None else (sid, unique_name)

    async def complete(self, sid: str) -> None:
        await self._write(COMPLETE, "completeRoom", ref=sid)

    async def _write(self, document: str, mutation: str, **variables: str) -> str | None:
        told = await self._ask(document, variables)
        if told is None:
            return None
        replica, begun, data = told
        room = data[mutation]
        self.diary.write(
            Write(
                self.name,
                replica,
                room["sid"],
                begun,
                time.monotonic(),
                _word(room["status"]) or "",
            )
        )
        return str(room["sid"])

    async def _ask(
        self, document: str, variables: Mapping[str, Any]
    ) -> tuple[str, float, Any] | None:
        """Of some replica: its name, when it was asked, and what it said. What fails is not written down."""
        up = self.cluster.up()
        if not up:
            return None
        replica = self.rng.choice(up)
        assert replica.gateway is not None
        name, begun = replica.name, time.monotonic()
        try:
            async with asyncio.timeout(START_S):
                reply = await replica.gateway.post(document, variables)
        except GONE:
            return None
        return None if "errors" in reply.body else (name, begun, reply.body["data"])


def _word(status: str | None) -> str | None:
    return None if status is None else status.lower().replace("_", "-")
