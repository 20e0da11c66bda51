"""The face on a real HTTP server, over an account kept in memory: what it is told to do, it does at once."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.core.caching import ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.errors import GatewayError, NotFound
from gateway.core.events import (
    Delivered,
    RoomEvent,
    RoomEventType,
    StreamMessage,
    StreamMode,
    StreamStarted,
)
from gateway.core.paging import Page
from gateway.core.participants import ParticipantFilter, PublishedTrack
from gateway.core.room_state.live import LiveRoom, Stay
from gateway.core.rooms import (
    AccountSid,
    NewRoom,
    Room,
    RoomFilter,
    RoomRef,
    RoomSid,
    RoomStatus,
    RoomType,
)
from gateway.gql.transport.http import GraphQLHttp
from gateway.service.callers.authenticator import ApiKey, Authenticator
from gateway.service.streams.feed import EventSubscription, WriteNow
from tests.gql.service import (
    ACCOUNT,
    AT,
    Insights,
    Participants,
    Recordings,
    Tokens,
    Transcriptions,
    seen,
    sid,
)

KEY = "rgk_test"
LIMIT_S = 20


def room(number: int = 1, name: str | None = "standup", **changes: Any) -> Room:
    values: dict[str, Any] = {
        "sid": sid(number),
        "account_sid": ACCOUNT,
        "status": RoomStatus.IN_PROGRESS,
        "type": RoomType.GROUP,
        "unique_name": name,
        "max_participants": 50,
        "max_participant_duration": 14_400,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
        "date_created": AT,
    }
    return Room(**{**values, **changes})


def event(type_: RoomEventType = RoomEventType.PARTICIPANT_CONNECTED, **values: Any) -> RoomEvent:
    return RoomEvent(type=type_, account_sid=ACCOUNT, room_sid=sid(1), at=AT, **values)


def delivered(n: int, what: RoomEvent | None = None) -> Delivered:
    return Delivered(f"c{n}", f"c{n - 1}", what or event())


@dataclass
class Rooms:
    """`failure` is raised by whatever is asked next; `hold` makes every answer wait for ever."""

    known: list[Room] = field(default_factory=lambda: [room()])
    failure: Exception | None = None
    hold: bool = False
    created: list[NewRoom] = field(default_factory=list)
    batches: list[list[RoomSid | None]] = field(default_factory=list)

    async def _ready(self) -> None:
        if self.hold:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure

    async def room(self, caller: Caller, ref: RoomRef) -> ReadResult[Room] | None:
        await self._ready()
        return next(
            (
                seen(room)
                for room in self.known
                if room.sid == ref.sid or room.unique_name == ref.name
            ),
            None,
        )

    async def batch(self, caller: Caller, refs: Sequence[RoomRef]) -> list[ReadResult[Room] | None]:
        self.batches.append([ref.sid for ref in refs])
        return [await self.room(caller, ref) for ref in refs]

    async def rooms(
        self, caller: Caller, wanted: RoomFilter, first: int, after: str | None
    ) -> ReadResult[Page[ReadResult[Room]]]:
        await self._ready()
        found = [room for room in self.known if room.status is wanted.status][:first]
        return seen(
            Page(
                tuple((f"p{n}", seen(room)) for n, room in enumerate(found)),
                None,
                has_next_page=False,
            )
        )

    async def create(
        self, caller: Caller, new: NewRoom, idempotency_key: str | None = None
    ) -> ReadResult[Room]:
        await self._ready()
        self.created.append(new)
        return seen(room(9, new.unique_name))

    async def complete(self, caller: Caller, ref: RoomRef) -> ReadResult[Room]:
        found = await self.room(caller, ref)
        if found is None:
            raise NotFound("no such room is in progress; check the SID or the name")
        return found


@dataclass
class Asked:
    ref: RoomRef | None
    types: frozenset[RoomEventType] | None
    after: str | None


@dataclass(eq=False)
class OpenStream:
    subscription: EventSubscription[Any]
    write_now: WriteNow[Any] | None
    queue: asyncio.Queue[StreamMessage | Exception | None] = field(default_factory=asyncio.Queue)

    def write(self, *messages: Delivered) -> bool:
        encode = self.subscription.encode
        return self.write_now is not None and self.write_now([encode(each) for each in messages])


class Feed:
    """Gives every subscriber what `put` is told, None being the end; errors are raised."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.log: list[RoomEvent] = []
        self.open = 0
        self.changed = asyncio.Condition()
        self.refusal: GatewayError | None = None
        self.streams: list[OpenStream] = []

    def put(self, message: StreamMessage | Exception | None) -> None:
        for stream in self.streams:
            stream.queue.put_nowait(message)

    def write_now(self, *messages: Delivered) -> bool:
        """Writes past the task of the only stream. False if the stream does not accept it."""
        [stream] = self.streams
        return stream.write(*messages)

    async def subscribe(
        self,
        caller: Caller,
        subscription: EventSubscription[Any],
        write_now: WriteNow[Any] | None = None,
    ) -> AsyncGenerator[Any, None]:
        selected = subscription.filter
        self.asked.append(Asked(selected.room, selected.types, subscription.after))
        if self.refusal is not None:
            raise self.refusal
        stream = OpenStream(subscription, write_now)
        self.streams.append(stream)
        await self._count(+1)
        try:
            yield subscription.encode(StreamStarted("c0", StreamMode.LIVE, sid(1), AT))
            while (message := await stream.queue.get()) is not None:
                if isinstance(message, Exception):
                    raise message
                yield subscription.encode(message)
        finally:
            self.streams.remove(stream)
            await self._count(-1)

    async def timeline(
        self,
        caller: Caller,
        room: RoomRef,
        types: frozenset[RoomEventType] | None,
        first: int,
        after: str | None,
    ) -> Page[RoomEvent]:
        self.asked.append(Asked(room, types, after))
        if self.refusal is not None:
            raise self.refusal
        items = [
            (f"c{n}", event)
            for n, event in enumerate(self.log, 1)
            if types is None or event.type in types
        ]
        return Page(
            tuple(items[:first]), items[-1][0] if items else None, has_next_page=len(items) > first
        )

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open += change
            self.changed.notify_all()

    async def until_open(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S), self.changed:
            await self.changed.wait_for(lambda: self.open == count)


class Live:
    """Gives every watcher what `put` is told, None being the end; begins with `first`."""

    def __init__(self) -> None:
        self.asked: list[RoomRef] = []
        self.first = seen(LiveRoom(room(), ()))
        self.refusal: GatewayError | None = None
        self._queues: list[asyncio.Queue[ReadResult[LiveRoom] | None]] = []

    def put(self, view: ReadResult[LiveRoom] | None) -> None:
        for queue in self._queues:
            queue.put_nowait(view)

    def participants(
        self, live: LiveRoom, wanted: ParticipantFilter, first: int, after: str | None
    ) -> Page[Stay]:
        return live.page(wanted, first, after)

    def tracks(self, stay: Stay, first: int, after: str | None) -> Page[PublishedTrack]:
        return stay.page(first, after)

    async def watch(
        self, caller: Caller, ref: RoomRef
    ) -> AsyncGenerator[ReadResult[LiveRoom], None]:
        self.asked.append(ref)
        if self.refusal is not None:
            raise self.refusal
        queue: asyncio.Queue[ReadResult[LiveRoom] | None] = asyncio.Queue()
        self._queues.append(queue)
        yield self.first
        while (view := await queue.get()) is not None:
            yield view


@dataclass
class Account:
    sid: AccountSid
    rooms: Rooms = field(default_factory=Rooms)
    feed: Feed = field(default_factory=Feed)
    live: Live = field(default_factory=Live)
    participants: Participants = field(default_factory=Participants)
    recordings: Recordings = field(default_factory=Recordings)
    transcriptions: Transcriptions = field(default_factory=Transcriptions)
    insights: Insights = field(default_factory=Insights)
    tokens: Tokens = field(default_factory=Tokens)


@dataclass
class Served:
    """A running face, its account, and a client."""

    face: GraphQLHttp
    account: Account
    url: str
    http: aiohttp.ClientSession
    auth = {"Authorization": f"Bearer {KEY}"}  # noqa: RUF012 - never changed

    async def post(
        self, query: str, accept: str | None = None, **variables: Any
    ) -> tuple[int, Any]:
        headers = self.auth | ({} if accept is None else {"Accept": accept})
        body = {"query": query, "variables": variables}
        async with self.http.post(self.url, json=body, headers=headers) as reply:
            return reply.status, await reply.json(content_type=None)

    async def data(self, query: str, **variables: Any) -> Any:
        """Of an answer without errors."""
        _, body = await self.post(query, **variables)
        assert "errors" not in body, body
        return body["data"]

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The one error of an answer."""
        _, body = await self.post(query, **variables)
        [error] = body["errors"]
        return dict(error)

    @asynccontextmanager
    async def socket(self, payload: Any = None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Acknowledged, with the key in `connection_init`."""
        async with self.http.ws_connect(self.url, protocols=("graphql-transport-ws",)) as socket:
            await socket.send_json(
                {"type": "connection_init", "payload": payload or {"apiKey": KEY}}
            )
            assert await socket.receive_json(timeout=LIMIT_S) == {"type": "connection_ack"}
            yield socket


@asynccontextmanager
async def serving(account_sid: AccountSid = ACCOUNT, **settings: Any) -> AsyncIterator[Served]:
    """The key is one of ACCOUNT's, which is served unless another one is given."""
    account = Account(account_sid)
    caller = Caller(ACCOUNT, "test", frozenset({Scope.ADMIN}))
    authenticator = Authenticator([ApiKey(hashlib.sha256(KEY.encode()).hexdigest(), caller)])
    face = GraphQLHttp(authenticator, {account_sid: account}, **settings)  # type: ignore[dict-item]
    app = web.Application()
    face.mount(app)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as http:
            yield Served(face, account, f"http://127.0.0.1:{port}/graphql", http)
    finally:
        await face.aclose()
        await runner.cleanup()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served
