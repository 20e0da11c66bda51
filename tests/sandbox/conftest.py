"""A sandbox on a free port, a client of its API, and a receiver of its callbacks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web

from gateway.sandbox import Account, Sandbox, Timings
from gateway.sandbox.world.model import Instant

# How long a test waits for an event before it fails.
LIMIT_S = 30


def instant(seconds: float = 0.0) -> Instant:
    """Returns the instant that many seconds after a fixed start, on both clocks."""
    return Instant(
        datetime(2026, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC) + timedelta(seconds=seconds),
        1_000.0 + seconds,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A response. `body` is decoded JSON, or None for other content."""

    status: int
    body: Any
    headers: Any


def error_of(reply: Reply) -> tuple[int, int]:
    """Returns the status and the error code."""
    return reply.status, reply.body["code"]


def sids(reply: Reply) -> list[str]:
    """Returns the SIDs of a page."""
    assert reply.status == 200
    return [item["sid"] for item in reply.body[reply.body["meta"]["key"]]]


class Api:
    """A client of the sandbox. `control` calls the control API, which has no login."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: Account) -> None:
        self._session = session
        self.login = {"Authorization": aiohttp.encode_basic_auth(account.sid, account.auth_token)}
        self.url = url

    async def get(self, path: str, **headers: str) -> Reply:
        return await self._send("GET", path, headers=self.login | headers)

    async def post(self, path: str, **form: Any) -> Reply:
        return await self._send("POST", path, data=form, headers=self.login)

    async def raw(self, method: str, path: str, **options: Any) -> Reply:
        headers = self.login | options.pop("headers", {})
        return await self._send(method, path, headers=headers, **options)

    async def control(self, method: str, path: str, body: Any = None) -> Reply:
        return await self._send(method, f"/_sandbox{path}", json=body)

    async def _send(self, method: str, path: str, **options: Any) -> Reply:
        url = path if path.startswith("http") else self.url + path
        async with self._session.request(method, url, **options) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else None
            return Reply(response.status, body, response.headers)


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """A callback as it arrived. `target` is its path and query as sent."""

    method: str
    target: str
    headers: Any
    body: str

    @property
    def params(self) -> dict[str, str]:
        text = self.body if self.method == "POST" else self.target.partition("?")[2]
        return dict(parse_qsl(text, keep_blank_values=True))


Responder = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Receiver:
    """A web server that records the callbacks that it receives.

    It gives the `responses` in order, and then 204.
    """

    def __init__(self) -> None:
        self.received: list[ReceivedCallback] = []
        self.responses: list[int | Responder] = []
        self._changed = asyncio.Condition()
        self.url = ""

    async def wait_for(self, count: int) -> list[ReceivedCallback]:
        """Waits until `count` callbacks have arrived, and returns all of them."""
        async with asyncio.timeout(LIMIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.text()
        callback = ReceivedCallback(request.method, request.raw_path, request.headers, body)
        async with self._changed:
            self.received.append(callback)
            self._changed.notify_all()
        response = self.responses.pop(0) if self.responses else 204
        if isinstance(response, int):
            return web.Response(status=response)
        return await response(request)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    accounts = [Account.generate(0), Account.generate(1)]
    async with Sandbox(accounts, seed=7, timings=Timings(callback_retry_s=0.0)) as sandbox:
        yield sandbox


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def api(sandbox: Sandbox, session: aiohttp.ClientSession) -> Api:
    return Api(session, sandbox.url, sandbox.accounts[0])


@pytest.fixture
def other_api(sandbox: Sandbox, session: aiohttp.ClientSession) -> Api:
    return Api(session, sandbox.url, sandbox.accounts[1])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    http = web.Server(receiver, access_log=None)
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield receiver
    server.close()
    await http.shutdown(0.01)
