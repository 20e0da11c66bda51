"""Accounts as the application builds them, over a real Redis and the sandbox behind a gate that a test can close."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
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
from gateway.service.streams.feed import stream_limit
from gateway.service.streams.timings import StreamTimings
from gateway.service.upstream.timings import UpstreamTimings
from gateway.settings.environment import Settings
from gateway.store.connection import Connections
from gateway.store.eventlog import Appended, EventLog
from gateway.store.keys import Keys
from gateway.twilio.client import open_session

LIMIT_S = 20
ACCOUNT = AccountSid(Sandbox().account_sid)
SECRET = "a secret"
ANYBODY = Caller(ACCOUNT, "anybody", frozenset({Scope.ADMIN}))


# On a busy machine, memory must not seem to lag the log.
PATIENT = LogTimings(caught_up_s=LIMIT_S)


async def tell_unreadable(
    connections: Connections, last: LogPosition, event: str, room_sid: RoomSid | None = None
) -> LogPosition:
    """Appends an event as a newer release may write it, after the last position: to the
    account's log and, with `room_sid`, to the room's."""
    fields = {"e": last.epoch, "t": str(round(time.time() * 1000)), "d": "0" * 16, "j": event}
    pipeline = connections.commands.pipeline(transaction=True)
    pipeline.xadd(Keys(ACCOUNT).log, fields, id=f"{last.n + 1}-0")
    if room_sid is not None:
        pipeline.xadd(Keys(ACCOUNT).room_log(room_sid), fields, id=f"{last.n + 1}-0")
    tag = tag_of(event.encode())
    pipeline.hset(Keys(ACCOUNT).meta, mapping={"n": last.n + 1, "last": "0" * 16, "tag": tag.hex()})
    await pipeline.execute()
    return LogPosition(last.epoch, last.n + 1, tag)


def restricted(*grants: str) -> Caller:
    """Somebody who may do all, but with these rooms only."""
    return Caller(ACCOUNT, "restricted", frozenset({Scope.ADMIN}), frozenset(grants))


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Cached values look so much older."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


def sid(number: int) -> RoomSid:
    return RoomSid(f"RM{number:032x}")


def ref(text: str) -> RoomRef:
    return RoomRef.of(text)


async def status(account: Account, room: str) -> RoomStatus | None:
    seen = await account.rooms.room(ANYBODY, ref(room))
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
        **{"at": datetime.now(UTC)} | values,
    )


async def soon(answer: Any) -> Any:
    """The answer, within a limit."""
    async with asyncio.timeout(LIMIT_S):
        return await answer


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds: for what other tasks of this process bring about and nobody announces."""
    async with asyncio.timeout(LIMIT_S):
        while not holds():  # noqa: ASYNC110 - it is looked at from outside, so that what is tested needs no event for it
            await asyncio.sleep(0.001)


async def eventually(asked: Callable[[], Awaitable[bool]]) -> None:
    """Returns once the answer is yes."""
    async with asyncio.timeout(LIMIT_S):
        while not await asked():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)


async def take(messages: AsyncGenerator[StreamMessage, None], count: int) -> list[StreamMessage]:
    async with asyncio.timeout(LIMIT_S):
        return [await anext(messages) for _ in range(count)]


class Gate:
    """Stands before the sandbox and passes calls on. While it is closed they wait, and are counted as they come and go."""

    def __init__(self, behind: str, session: aiohttp.ClientSession) -> None:
        self._behind = behind
        self._session = session
        self._open = asyncio.Event()
        self._open.set()
        self.calls: list[str] = []
        self.waiting = 0
        self.left = 0
        self.url = ""

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

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
    """One sandbox and one Redis, and as many replicas of the gateway over them as a test asks for."""

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
            ),
        )
        self.accounts.append(account)
        self.tails.append(self.tasks.create_task(account.tail.run()))
        await soon(account.tail.ready())
        return account

    @property
    def log(self) -> EventLog:
        return EventLog(self.connections, ACCOUNT)

    async def tell(self, *events: RoomEvent) -> list[Appended]:
        """Logs events as callbacks would, and waits until every replica has heard of them."""
        told = [
            await self.log.append(each, f"{each.type} {each.room_sid} {each.at}") for each in events
        ]
        await self.heard(told[-1].position.n)
        return told

    async def heard(self, n: int) -> None:
        for account in self.accounts:
            await self.heard_by(account, n)

    async def heard_by(self, account: Account, n: int) -> None:
        await until(lambda: account.tail.position.n >= n)

    def make_at_twilio(
        self, name: str | None = None, status_callback: str | None = None
    ) -> RoomSid:
        """A room that some other backend made."""
        settings = RoomSettings(unique_name=name, status_callback=status_callback)
        return RoomSid(self.sandbox.world.create_room(ACCOUNT, settings).sid)

    def rooms_at_twilio(self) -> list[SandboxRoom]:
        """All of them, those that have ended too."""
        return list(self.sandbox.world.store(ACCOUNT).all_rooms())

    def posts(self) -> int:
        """How often Twilio was asked to make a room."""
        return self.gate.calls.count("POST /v1/Rooms")

    def end_at_twilio(self, room_sid: RoomSid) -> None:
        self.sandbox.world.complete(self._at_twilio(room_sid))

    async def create(self, account: Account, name: str | None = None) -> Room:
        return (await account.rooms.create(ANYBODY, NewRoom(unique_name=name))).value

    def join(self, room_sid: RoomSid, identity: str, *tracks: str) -> Participant:
        """Somebody joins at Twilio with these tracks, each named after its kind."""
        settings = tuple(TrackSettings(TrackKind(kind), kind) for kind in tracks)
        return self.sandbox.world.join(self._at_twilio(room_sid), identity, settings)

    def leave(self, room_sid: RoomSid, identity: str) -> None:
        room = self._at_twilio(room_sid)
        who = room.participant(identity)
        assert who is not None
        self.sandbox.world.leave(room, who)

    def record(self, room_sid: RoomSid) -> None:
        """The room records all tracks from now on."""
        self.sandbox.world.set_recording_rules(self._at_twilio(room_sid), RECORD_ALL)

    def recordings(self, room_sid: RoomSid) -> list[RecordingSid]:
        return [RecordingSid(each.sid) for each in self._at_twilio(room_sid).recordings]

    def _at_twilio(self, room_sid: RoomSid) -> SandboxRoom:
        room = self.sandbox.world.find_room(room_sid)
        assert room is not None
        return room

    def calm(self) -> None:
        """Takes all faults back but one: callbacks are lost, for what the log hears is told by the tests themselves."""
        self.sandbox.faults.clear()
        self.sandbox.faults.add(Fault(callbacks=CallbackFault(drop=1.0)))


@asynccontextmanager
async def gated(behind: str, session: aiohttp.ClientSession) -> AsyncIterator[Gate]:
    gate = Gate(behind, session)
    # Callers that leave are noticed at once.
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
    """Connections to the same Redis, whose rights a test can take away."""

    connections: Connections
    admin: Connections

    async def keep(self, *patterns: str) -> None:
        """From now on these keys only."""
        await self.admin.commands.execute_command(
            "ACL", "SETUSER", "confined", "resetkeys", *patterns
        )


@pytest.fixture
async def confined(redis_url: str, connections: Connections) -> AsyncIterator[Confined]:
    """To be named before `site` by a test: a replica must have ended before its connections are closed."""
    acl = connections.commands.execute_command
    await acl("ACL", "SETUSER", "confined", "reset", "on", ">secret", "+@all", "&*", "~*")
    limited = Connections(redis_url.replace("://", "://confined:secret@", 1))
    yield Confined(limited, connections)
    await limited.aclose()
    await acl("ACL", "DELUSER", "confined")


@dataclass
class Followed:
    """A tail by itself, with what it feeds."""

    tail: Tail
    memory: RoomMemory
    events: EventLog
    cursor_codec: CursorCodec
    task: "asyncio.Task[None]"

    async def tell(self, *events: RoomEvent) -> list[Appended]:
        told = [
            await self.events.append(each, f"{each.type} {each.room_sid} {each.at}")
            for each in events
        ]
        await until(lambda: self.tail.position.n >= told[-1].position.n)
        return told


@asynccontextmanager
async def following(
    connections: Connections, timings: LogTimings = PATIENT
) -> AsyncIterator[Followed]:
    events, memory, cursor_codec = (
        EventLog(connections, ACCOUNT),
        RoomMemory(timings),
        CursorCodec((SECRET,), ACCOUNT),
    )
    tail = Tail(events, memory, cursor_codec, timings)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(tail.run())
        try:
            await soon(tail.ready())
            yield Followed(tail, memory, events, cursor_codec, task)
        finally:
            task.cancel()
