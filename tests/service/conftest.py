"""Accounts as the application builds them, over a real Redis and the sandbox, behind a
gate that a test can close."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import HttpUrl, SecretStr

from gateway.app.wiring import AccountTimings, build_account
from gateway.core.callers import Caller, Scope
from gateway.core.cursors import CursorCodec, LogPosition, tag_of
from gateway.core.events import RoomEvent, RoomEventType, StreamMessage
from gateway.core.rooms import AccountSid, NewRoom, Room, RoomRef, RoomSid, RoomStatus, RoomType
from gateway.core.sids import RecordingSid
from gateway.sandbox.faults.injector import CallbackFault, Fault
from gateway.sandbox.server import Sandbox
from gateway.sandbox.world.model import (
    RECORD_ALL,
    Participant,
    RoomSettings,
    TrackKind,
    TrackSettings,
)
from gateway.sandbox.world.model import Room as SandboxRoom
from gateway.service.accounts import Account
from gateway.service.cache.timings import CacheTimings
from gateway.service.callers.connection_limit import ConnectionLimit
from gateway.service.log.room_memory import RoomMemory
from gateway.service.log.tail import Tail
from gateway.service.log.timings import LogTimings
from gateway.service.reconcile.leader import ReconcileTimings
from gateway.service.streams.feed import stream_limit
from gateway.service.streams.timings import StreamTimings
from gateway.service.upstream.timings import UpstreamTimings
from gateway.service.writes.mutations import WriteTimings
from gateway.settings.environment import Settings
from gateway.store.connection import Connections
from gateway.store.eventlog import Appended, EventLog
from gateway.store.keys import Keys
from gateway.twilio.client import open_session
from tests.event_sids import required_sids

LIMIT_S = 20
ACCOUNT = AccountSid(Sandbox().account_sid)
SECRET = "a secret"
ADMIN = Caller(ACCOUNT, "admin", frozenset({Scope.ADMIN}))


# On a busy machine, memory must not seem to lag the log.
PATIENT = LogTimings(caught_up_s=LIMIT_S)


async def append_unreadable(
    connections: Connections, last: LogPosition, event: str, room_sid: RoomSid | None = None
) -> LogPosition:
    """Appends an event as a newer release may write it, after the last position: to the
    account's log and, with `room_sid`, to the room's."""
    fields: dict[Any, Any] = {
        "e": last.epoch,
        "t": str(round(time.time() * 1000)),
        "d": "0" * 16,
        "j": event,
    }
    pipeline = connections.commands.pipeline(transaction=True)
    pipeline.xadd(Keys(ACCOUNT).log, fields, id=f"{last.n + 1}-0")
    if room_sid is not None:
        pipeline.xadd(Keys(ACCOUNT).room_log(room_sid), fields, id=f"{last.n + 1}-0")
    tag = tag_of(event.encode())
    pipeline.hset(Keys(ACCOUNT).meta, mapping={"n": last.n + 1, "last": "0" * 16, "tag": tag.hex()})
    await pipeline.execute()
    return LogPosition(last.epoch, last.n + 1, tag)


def restricted(*grants: str) -> Caller:
    """A caller with all scopes, for these rooms only."""
    return Caller(ACCOUNT, "restricted", frozenset({Scope.ADMIN}), frozenset(grants))


def shift_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Moves the wall clock forward, so that cached values seem older."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


def sid(number: int) -> RoomSid:
    return RoomSid(f"RM{number:032x}")


def ref(text: str) -> RoomRef:
    return RoomRef.of(text)


async def status(account: Account, room: str) -> RoomStatus | None:
    seen = await account.rooms.room(ADMIN, ref(room))
    return None if seen is None else seen.value.status


def some_room(
    number: int = 1, status: RoomStatus = RoomStatus.IN_PROGRESS, **mutations: Any
) -> Room:
    values: dict[str, Any] = {
        "sid": sid(number),
        "account_sid": ACCOUNT,
        "status": status,
        "type": RoomType.GROUP,
        "unique_name": f"room {number}",
        "max_participants": 50,
        "max_participant_duration": 14_400,
        "empty_room_timeout": 5,
        "unused_room_timeout": 5,
    }
    return Room(**values | mutations)


def event(
    type_: RoomEventType = RoomEventType.PARTICIPANT_CONNECTED,
    room_sid: RoomSid | None = None,
    **values: Any,
) -> RoomEvent:
    return RoomEvent(
        type=type_,
        account_sid=ACCOUNT,
        room_sid=room_sid or sid(1),
        **{"event_time": datetime.now(UTC)} | required_sids(type_) | values,
    )


async def in_time(answer: Any) -> Any:
    """The result, or TimeoutError."""
    async with asyncio.timeout(LIMIT_S):
        return await answer


async def wait_until(condition: Callable[[], bool]) -> None:
    """Polls a condition that another task of this process makes true without an
    event."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - the tested code needs no event for tests
            await asyncio.sleep(0.001)


async def wait_until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """Like `wait_until`, for a condition that is awaited."""
    async with asyncio.timeout(LIMIT_S):
        while not await condition():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def take(messages: AsyncGenerator[StreamMessage, None], count: int) -> list[StreamMessage]:
    async with asyncio.timeout(LIMIT_S):
        return [await anext(messages) for _ in range(count)]


async def append_all(log: EventLog, events: Iterable[RoomEvent]) -> list[Appended]:
    return [
        await log.append(item, f"{item.type} {item.room_sid} {item.event_time}") for item in events
    ]


class Gate:
    """A proxy before the sandbox. While it is closed, requests wait, and are counted as
    they come and go. While it holds responses, Twilio has processed what waits."""

    def __init__(self, behind: str, session: aiohttp.ClientSession) -> None:
        self._behind = behind
        self._session = session
        self._open = asyncio.Event()
        self._open.set()
        self._may_respond = asyncio.Event()
        self._may_respond.set()
        self.calls: list[str] = []
        self.waiting = 0
        self.waiting_to_respond = 0
        self.left = 0
        self.url = ""

    def close(self) -> None:
        self._open.clear()

    def hold_responses(self) -> None:
        self._may_respond.clear()

    def open(self) -> None:
        self._open.set()
        self._may_respond.set()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.calls.append(f"{request.method} {request.path}")
        self.waiting += 1
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.waiting -= 1
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "Content-Type")
            if name in request.headers
        }
        body = await request.read()
        try:
            response = await self._forwarded(request, body, headers)
        except aiohttp.ServerDisconnectedError:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        self.waiting_to_respond += 1
        try:
            await self._may_respond.wait()
        finally:
            self.waiting_to_respond -= 1
        return response

    async def _forwarded(
        self, request: web.BaseRequest, body: bytes, headers: dict[str, str]
    ) -> web.Response:
        async with self._session.request(
            request.method,
            self._behind + request.raw_path,
            data=body or None,
            headers=headers,
            allow_redirects=False,
        ) as reply:
            names = ("Content-Type", "Location", "Retry-After")
            kept = {name: reply.headers[name] for name in names if name in reply.headers}
            return web.Response(status=reply.status, body=await reply.read(), headers=kept)


@dataclass
class Site:
    """One sandbox, one Redis, and as many replicas of the gateway as a test starts."""

    sandbox: Sandbox
    gate: Gate
    connections: Connections
    session: aiohttp.ClientSession
    tasks: asyncio.TaskGroup
    log_timings: LogTimings = PATIENT
    stream_timings: StreamTimings = field(default_factory=StreamTimings)
    stream_limit: ConnectionLimit = field(default_factory=stream_limit)
    upstream_timings: UpstreamTimings = field(default_factory=UpstreamTimings)
    cache_timings: CacheTimings = field(default_factory=CacheTimings)
    write_timings: WriteTimings = field(default_factory=WriteTimings)
    reconcile_timings: ReconcileTimings = field(default_factory=ReconcileTimings)
    accounts: list[Account] = field(default_factory=list)
    tails: list["asyncio.Task[None]"] = field(default_factory=list)

    def settings(self, **mutations: Any) -> Settings:
        values: dict[str, Any] = {
            "twilio_account_sid": self.sandbox.account_sid,
            "twilio_auth_token": SecretStr(self.sandbox.auth_token),
            "twilio_video_base_url": HttpUrl(self.gate.url),
            "gateway_public_url": HttpUrl("http://127.0.0.1:1"),
        }
        return Settings(**values | mutations)

    async def replica(self, connections: Connections | None = None, **mutations: Any) -> Account:
        settings = self.settings(**mutations)
        account = build_account(
            settings,
            settings.accounts[0],
            connections or self.connections,
            self.session,
            self.stream_limit,
            AccountTimings(
                log=self.log_timings,
                streams=self.stream_timings,
                upstream=self.upstream_timings,
                cache=self.cache_timings,
                writes=self.write_timings,
                reconcile=self.reconcile_timings,
            ),
        )
        self.accounts.append(account)
        self.tails.append(self.tasks.create_task(account.tail.run()))
        await in_time(account.tail.ready())
        return account

    @property
    def log(self) -> EventLog:
        return EventLog(self.connections, ACCOUNT)

    async def append(self, *events: RoomEvent) -> list[Appended]:
        """Appends events as callbacks do, and waits until every replica has read
        them."""
        appended = await append_all(self.log, events)
        await self.wait_until_read(appended[-1].position.n)
        return appended

    async def wait_until_read(self, n: int) -> None:
        for account in self.accounts:
            await self.wait_until_read_by(account, n)

    async def wait_until_read_by(self, account: Account, n: int) -> None:
        await wait_until(lambda: account.tail.position.n >= n)

    def make_at_twilio(
        self, name: str | None = None, status_callback: str | None = None
    ) -> RoomSid:
        """Creates a room in the sandbox, as another backend would."""
        settings = RoomSettings(unique_name=name, status_callback=status_callback)
        return RoomSid(self.sandbox.world.create_room(ACCOUNT, settings).sid)

    def rooms_at_twilio(self) -> list[SandboxRoom]:
        """All rooms in the sandbox, with those that have ended."""
        return list(self.sandbox.world.store(ACCOUNT).all_rooms())

    def posts(self) -> int:
        """How many requests to create a room reached the sandbox."""
        return self.gate.calls.count("POST /v1/Rooms")

    def end_at_twilio(self, room_sid: RoomSid) -> None:
        self.sandbox.world.complete(self.room_at_twilio(room_sid))

    async def create(self, account: Account, name: str | None = None) -> Room:
        return (await account.rooms.create(ADMIN, NewRoom(unique_name=name))).room.value

    def join(self, room_sid: RoomSid, identity: str, *tracks: str) -> Participant:
        """A participant joins in the sandbox, with these tracks, each named after its
        kind."""
        settings = tuple(TrackSettings(TrackKind(kind), kind) for kind in tracks)
        return self.sandbox.world.join(self.room_at_twilio(room_sid), identity, settings)

    def leave(self, room_sid: RoomSid, identity: str) -> None:
        room = self.room_at_twilio(room_sid)
        who = room.participant(identity)
        assert who is not None
        self.sandbox.world.leave(room, who)

    def record(self, room_sid: RoomSid) -> None:
        """Makes the room record all tracks from now on."""
        self.sandbox.world.set_recording_rules(self.room_at_twilio(room_sid), RECORD_ALL)

    def recordings(self, room_sid: RoomSid) -> list[RecordingSid]:
        return [RecordingSid(item.sid) for item in self.room_at_twilio(room_sid).recordings]

    def room_at_twilio(self, room_sid: RoomSid) -> SandboxRoom:
        room = self.sandbox.world.find_room(room_sid)
        assert room is not None
        return room

    def calm(self) -> None:
        """Clears all faults but one: callbacks are dropped, because the tests append
        the events themselves."""
        self.sandbox.faults.clear()
        self.sandbox.faults.add(Fault(callbacks=CallbackFault(drop=1.0)))


@asynccontextmanager
async def gated(behind: str, session: aiohttp.ClientSession) -> AsyncIterator[Gate]:
    gate = Gate(behind, session)
    # The server notices at once when a caller disconnects.
    runner = web.ServerRunner(
        web.Server(gate.handle, handler_cancellation=True, access_log=None), shutdown_timeout=0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gate.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield gate
    finally:
        gate.open()
        await runner.cleanup()


@pytest.fixture(scope="session")
async def running_sandbox() -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    async with Sandbox() as sandbox, aiohttp.ClientSession(auto_decompress=False) as session:
        yield sandbox, session


@pytest.fixture
async def site(
    running_sandbox: tuple[Sandbox, aiohttp.ClientSession], connections: Connections
) -> AsyncIterator[Site]:
    sandbox, session = running_sandbox
    sandbox.reset()
    async with (
        gated(sandbox.url, session) as gate,
        open_session() as calls,
        asyncio.TaskGroup() as tasks,
    ):
        site = Site(sandbox, gate, connections, calls, tasks)
        site.calm()
        try:
            yield site
        finally:
            gate.open()
            for account in site.accounts:
                account.tail.close()
                await account.aclose()
            for tail in site.tails:
                tail.cancel()


@dataclass
class Confined:
    """Connections to the same Redis, with permissions that a test can take away."""

    connections: Connections
    admin: Connections

    async def keep(self, *patterns: str) -> None:
        """Allows these keys only, from now on."""
        await self.admin.commands.execute_command(
            "ACL", "SETUSER", "confined", "resetkeys", *patterns
        )


@pytest.fixture
async def confined(redis_url: str, connections: Connections) -> AsyncIterator[Confined]:
    """A test must list it before `site`: replicas end before their connections are
    closed."""
    acl = connections.commands.execute_command
    await acl("ACL", "SETUSER", "confined", "reset", "on", ">secret", "+@all", "&*", "~*")
    limited = Connections(redis_url.replace("://", "://confined:secret@", 1))
    yield Confined(limited, connections)
    await limited.aclose()
    await acl("ACL", "DELUSER", "confined")


@dataclass
class RunningTail:
    """A tail without the rest of a replica, with the memory that it updates."""

    tail: Tail
    memory: RoomMemory
    events: EventLog
    cursor_codec: CursorCodec
    task: "asyncio.Task[None]"

    async def append(self, *events: RoomEvent) -> list[Appended]:
        """Appends events, and waits until the tail has read them."""
        appended = await append_all(self.events, events)
        await wait_until(lambda: self.tail.position.n >= appended[-1].position.n)
        return appended


@asynccontextmanager
async def running_tail(
    connections: Connections, timings: LogTimings = PATIENT
) -> AsyncIterator[RunningTail]:
    events, memory, cursor_codec = (
        EventLog(connections, ACCOUNT),
        RoomMemory(timings),
        CursorCodec((SECRET,), ACCOUNT),
    )
    tail = Tail(events, memory, cursor_codec, timings)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(tail.run())
        try:
            await in_time(tail.ready())
            yield RunningTail(tail, memory, events, cursor_codec, task)
        finally:
            task.cancel()
