"""Clients of the gateways under faults: subscribers, a callback sender and readers.

They record in a history what they observe.
"""

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
from gateway.rpc import enums
from gateway.rpc.v1 import events_pb2
from gateway.rpc.v1 import room_service_pb2 as pb
from gateway.rpc.v1 import room_service_pb2_grpc as stubs
from tests.faults.history import (
    Bookmark,
    Callback,
    Event,
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

START_TIMEOUT_S = 3.0
"""Without a response in this time, a client tries another replica or gives up."""
RETRY_DELAY_S = 0.05
MAX_DELAY_S = 0.3
TWILIO_TIMEOUT_S = 2.5
TWILIO_RETRY_S = 15.0

CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    grpc.aio.AioRpcError,
    EOFError,
    ValueError,
)
"""What a client gets when a replica is dead, suspended or draining."""

WATCH = """subscription($room: RoomRef, $filter: RoomEventFilter, $after: String) {
  roomEvents(room: $room, filter: $filter, after: $after) {
    __typename cursor prev
    ... on StreamStarted { mode }
    ... on ResyncRequired { reason }
    ... on RoomEvent { type eventTime room { sid } }
    ... on ParticipantEvent { participant { sid } }
  } }"""
READ = "query($ref: ID!) { room(ref: {sid: $ref}) { sid status freshness { isStale fetchTime } } }"
READ_BY_NAME = """query($name: String!) { room(ref: {uniqueName: $name}) { sid status freshness {
    isStale fetchTime } } }"""
LIST = """query($name: String) { rooms(filter: {uniqueName: $name}) { nodes { sid status
    freshness { isStale
    fetchTime } } } }"""
CREATE = """mutation($name: String) { createRoom(input: {uniqueName: $name}) {
    room { sid status } } }"""
COMPLETE = """mutation($ref: ID!) { completeRoom(input: {room: {sid: $ref}}) {
    room { sid status } } }"""


class ConnectionClosed(EOFError):
    """A WebSocket was closed. The argument is the close code."""


NO_ROOM: dict[str, Any] = {"status": None, "freshness": {"isStale": False, "fetchTime": None}}


@dataclass
class HistoryRecorder:
    """Collects the records of all clients in the order in which they happened."""

    records: list[Record] = field(default_factory=list)
    _streams: int = 0

    def record(self, record: Record) -> None:
        self.records.append(record)

    def new_stream(self) -> int:
        self._streams += 1
        return self._streams


def event_key(type_: str, room: str, at: datetime, participant: str | None) -> str:
    return f"{type_} {room} {round(at.timestamp() * 1000)} {participant or ''}"


@dataclass
class Watcher:
    """Follows the log.

    After each end it resumes on another replica, if one is running.
    """

    recorder: HistoryRecorder
    cluster: Cluster
    name: str
    transport: Transport
    rng: random.Random
    home_index: int
    """The index of the replica to connect to first."""
    room: str | None = None
    types: tuple[str, ...] | None = None
    is_reference: bool = False
    cursor: str | None = None
    complete_since: str | None = None
    """The cursor after which the watcher has received every matching event."""
    seen_keys: set[str] = field(default_factory=set)
    resyncs: list[Resync] = field(default_factory=list)
    started_at: float = float("-inf")
    is_followed: bool = False
    start_timeout_s: float = START_TIMEOUT_S
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stream_ends: list[tuple[float, str]] = field(default_factory=list)
    """When and how each stream ended.

    The second value is a close code, a gRPC status, "end" for the end of a response, or
    the name of an exception.
    """
    replica: Replica | None = None

    async def run(self) -> None:
        while True:
            await self.watch_once()
            await asyncio.sleep(RETRY_DELAY_S * self.rng.random())

    async def watch_once(self) -> None:
        """Follows one stream to its end.

        Records only the attempt if no response comes.
        """
        running_replicas = self.cluster.running_replicas()
        if not running_replicas:
            return
        if self.replica is None:
            self.replica = running_replicas[self.home_index % len(running_replicas)]
        else:
            self.replica = self.rng.choice(
                [replica for replica in running_replicas if replica is not self.replica]
                or running_replicas
            )
        assert self.replica.gateway is not None
        stream = self.recorder.new_stream()
        opened = Opened(
            stream,
            self.name,
            self.replica.name,
            self.transport,
            time.monotonic(),
            self.room,
            self.types,
            self.cursor,
            self.is_reference,
        )
        self.recorder.record(opened)
        streams = {"ws": self._by_ws, "sse": self._by_sse, "grpc": self._by_grpc}
        messages = streams[self.transport](self.replica.gateway, stream)
        try:
            async with asyncio.timeout(self.start_timeout_s):
                self._receive(await anext(messages))
            async for message in messages:
                self._receive(message)
            self._record_stream_end("end")
        except ConnectionClosed as closed:
            self._record_stream_end(str(*closed.args))
        except grpc.aio.AioRpcError as error:
            self._record_stream_end(error.code().name)
        except (*CONNECTION_ERRORS, StopAsyncIteration) as error:
            self._record_stream_end(type(error).__name__)
        finally:
            await messages.aclose()

    def matches(self, event: Event) -> bool:
        return self.room in (None, event.room) and (self.types is None or event.type in self.types)

    def has_started(self) -> bool:
        return self.complete_since is not None

    def has_seen(self, keys: set[str]) -> bool:
        return keys <= self.seen_keys

    def has_started_since(self, since: float) -> bool:
        return self.started_at > since

    def has_events(self, count: int) -> bool:
        return len(self.seen_keys) == count

    def resyncs_since(self, since: float) -> list[Resync]:
        return [resync for resync in self.resyncs if resync.at > since]

    async def until(self, condition: Callable[[], object], limit_s: float) -> None:
        """Returns when the condition holds. Checks it after each message."""
        async with asyncio.timeout(limit_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _record_stream_end(self, how: str) -> None:
        self.stream_ends.append((time.monotonic(), how))
        self.changed.set()

    def _receive(self, message: Message) -> None:
        self.recorder.record(message)
        self.cursor = message.cursor
        match message:
            case Event():
                self.seen_keys.add(message.key)
            case Started():
                self.started_at, self.complete_since = (
                    message.at,
                    self.complete_since or message.cursor,
                )
            case Resync():
                self.complete_since = message.cursor
                self.resyncs.append(message)
        self.changed.set()

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
            raise ConnectionClosed(socket.close_code)

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
        # Each client needs its own connection. By default, the channels of a process
        # share one connection and its limit on streams.
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(gateway.ready["grpc"], options) as channel:
            types = [
                enums.ROOM_EVENT_TYPE.numbers[RoomEventType(value)] for value in self.types or ()
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
        variables: dict[str, Any] = {
            "room": None if self.room is None else {"sid": self.room},
            "after": after,
        }
        if self.types is not None:
            types = [value.upper().replace("-", "_") for value in self.types]
            variables["filter"] = {"types": types}
        return {
            "query": WATCH,
            "variables": {name: value for name, value in variables.items() if value is not None},
        }


def parse_graphql(payload: Mapping[str, Any], stream: int) -> Message:
    now, cursor = time.monotonic(), payload["cursor"]
    match payload["__typename"]:
        case "StreamStarted":
            return Started(stream, now, cursor, payload["mode"].lower())
        case "Bookmark":
            return Bookmark(stream, now, cursor)
        case "Gap":
            return Gap(stream, now, cursor, payload["prev"])
        case "ResyncRequired":
            return Resync(stream, now, cursor, payload["reason"].lower())
    type_, room = payload["type"].lower().replace("_", "-"), payload["room"]["sid"]
    participant = (payload.get("participant") or {}).get("sid")
    key = event_key(type_, room, datetime.fromisoformat(payload["eventTime"]), participant)
    return Event(stream, now, cursor, payload["prev"], key, type_, room)


def parse_pb(payload: pb.WatchRoomEventsResponse, stream: int) -> Message:
    now, cursor = time.monotonic(), payload.cursor
    match payload.WhichOneof("message"):
        case "started":
            mode = (
                events_pb2.StreamMode.Name(payload.started.mode)
                .removeprefix("STREAM_MODE_")
                .lower()
            )
            return Started(stream, now, cursor, cast('Literal["live", "resumed", "resync"]', mode))
        case "bookmark":
            return Bookmark(stream, now, cursor)
        case "gap":
            return Gap(stream, now, cursor, payload.prev)
        case "resync_required":
            reason = events_pb2.ResyncReason.Name(payload.resync_required.reason)
            return Resync(stream, now, cursor, reason.removeprefix("RESYNC_REASON_").lower())
    event = payload.event
    kind = event.WhichOneof("event") or ""
    participant = getattr(getattr(event, kind), "participant", None)
    type_, at = kind.replace("_", "-"), event.event_time.ToDatetime(tzinfo=UTC)
    key = event_key(type_, event.room.sid, at, participant.sid if participant else "")
    return Event(stream, now, cursor, payload.prev, key, type_, event.room.sid)


@dataclass
class CallbackSender:
    """Sends signed callbacks as Twilio does, to any running replica, with retries."""

    recorder: HistoryRecorder
    cluster: Cluster
    rng: random.Random
    http: aiohttp.ClientSession
    acknowledged_keys: set[str] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)

    def fields(self, event: str, room: str) -> tuple[str, dict[str, str]]:
        """Returns the key and the fields of a new callback."""
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
                "ParticipantIdentity": "ada",
                "ParticipantStatus": "connected",
            }
        return event_key(event, room, at, participant), fields

    async def deliver(self, event: str, room: str) -> str | None:
        """Delivers a callback. Returns its key, or None if it was never acknowledged.

        One callback in ten is delayed, so later ones overtake it. One in ten is sent
        again after its acknowledgement, perhaps to another replica.
        """
        key, fields = self.fields(event, room)
        if self.rng.random() < 0.1:
            await asyncio.sleep(self.rng.uniform(0, MAX_DELAY_S))
        give_up_at = time.monotonic() + TWILIO_RETRY_S
        while not await self._send(key, fields):
            if time.monotonic() > give_up_at:
                return None
            await asyncio.sleep(RETRY_DELAY_S)
        self.acknowledged_keys.add(key)
        if self.rng.random() < 0.1:
            await self._send(key, fields)
        return key

    async def _send(self, key: str, fields: Mapping[str, str]) -> bool:
        running_replicas = self.cluster.running_replicas()
        if not running_replicas:
            return False
        replica = self.rng.choice(running_replicas)
        assert replica.gateway is not None
        signature = RequestValidator(self.cluster.sandbox.auth_token).compute_signature(
            self.cluster.callbacks, dict(fields)
        )
        headers = {
            "X-Twilio-Signature": signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        limit = aiohttp.ClientTimeout(total=TWILIO_TIMEOUT_S)
        name, started_at, status = replica.name, time.monotonic(), None
        with suppress(OSError, TimeoutError, aiohttp.ClientError):
            async with self.http.post(
                replica.gateway.ready["callbacks"],
                data=urlencode(fields),
                headers=headers,
                timeout=limit,
            ) as reply:
                status = reply.status
        callback = Callback(key, name, status, started_at, time.monotonic())
        self.recorder.record(callback)
        if callback.is_acked:
            self.latencies.append(callback.answered_at - started_at)
        return callback.is_acked


@dataclass
class Reader:
    """Reads rooms by SID, by name and in lists, and creates and completes rooms."""

    recorder: HistoryRecorder
    cluster: Cluster
    name: str
    rng: random.Random

    async def read(self, sid: str, unique_name: str) -> None:
        how: Literal["sid", "name", "list"] = self.rng.choice(("sid", "name", "list"))
        document, variables = {
            "sid": (READ, {"ref": sid}),
            "name": (READ_BY_NAME, {"name": unique_name}),
            "list": (LIST, {"name": unique_name}),
        }[how]
        result = await self._execute(document, variables)
        if result is None:
            return
        replica, started_at, data = result
        rooms = data["rooms"]["nodes"] if how == "list" else [data["room"]]
        room = (
            next((room for room in rooms if room is not None and room["sid"] == sid), None)
            or NO_ROOM
        )
        fetched_at_text, is_stale = room["freshness"]["fetchTime"], room["freshness"]["isStale"]
        fetched_at = (
            None if fetched_at_text is None else datetime.fromisoformat(fetched_at_text).timestamp()
        )
        status, now = _to_twilio_value(room["status"]), time.monotonic()
        self.recorder.record(
            Read(self.name, replica, sid, how, started_at, now, status, fetched_at, is_stale)
        )

    async def create(self) -> tuple[str, str] | None:
        """Returns the SID and the name of a new room, or None if the request failed."""
        unique_name = f"room-{self.rng.getrandbits(48):012x}"
        sid = await self._write(CREATE, "createRoom", name=unique_name)
        return None if sid is None else (sid, unique_name)

    async def complete(self, sid: str) -> None:
        await self._write(COMPLETE, "completeRoom", ref=sid)

    async def _write(self, document: str, mutation: str, **variables: str) -> str | None:
        result = await self._execute(document, variables)
        if result is None:
            return None
        replica, started_at, data = result
        room = data[mutation]["room"]
        if room is None:
            return None
        self.recorder.record(
            Write(
                self.name,
                replica,
                room["sid"],
                started_at,
                time.monotonic(),
                _to_twilio_value(room["status"]) or "",
            )
        )
        return str(room["sid"])

    async def _execute(
        self, document: str, variables: Mapping[str, Any]
    ) -> tuple[str, float, Any] | None:
        """Executes an operation on any running replica.

        Returns the replica's name, the start time and the data, or None if it failed.
        """
        running_replicas = self.cluster.running_replicas()
        if not running_replicas:
            return None
        replica = self.rng.choice(running_replicas)
        assert replica.gateway is not None
        name, started_at = replica.name, time.monotonic()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                reply = await replica.gateway.post(document, variables)
        except CONNECTION_ERRORS:
            return None
        return None if "errors" in reply.body else (name, started_at, reply.body["data"])


def _to_twilio_value(status: str | None) -> str | None:
    return None if status is None else status.lower().replace("_", "-")
