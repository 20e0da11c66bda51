"""A sandbox on a free port, somebody to call it, and somebody for it to call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web

from gateway.sandbox import Account, Sandbox
from gateway.sandbox.world.model import Moment

LIMIT_S = 30


def moment(seconds: float = 0.0) -> Moment:
    """So many seconds after a fixed beginning, on both clocks."""
    return Moment(
        datetime(2026, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC) + timedelta(seconds=seconds),
        1_000.0 + seconds,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: Any


def refused(reply: Reply) -> tuple[int, int]:
    return reply.status, reply.body["code"]


def sids(reply: Reply) -> list[str]:
    assert reply.status == 200
    return [each["sid"] for each in reply.body[reply.body["meta"]["key"]]]


class Api:
    """Calls the sandbox as one of its accounts; `control` calls its control API."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: Account) -> None:
        self._session = session
        self.login = {"Authorization": aiohttp.encode_basic_auth(account.sid, account.auth_token)}
        self.url = url

    async def get(self, path: str, **headers: str) -> Reply:
        return await self._send("GET", path, headers=self.login | headers)

    async def post(self, path: str, **form: Any) -> Reply:
        return await self._send("POST", path, data=form, headers=self.login)

    async def raw(self, method: str, path: str, **more: Any) -> Reply:
        headers = self.login | more.pop("headers", {})
        return await self._send(method, path, headers=headers, **more)

    async def control(self, method: str, path: str, body: Any = None) -> Reply:
        return await self._send(method, f"/_sandbox{path}", json=body)

    async def _send(self, method: str, path: str, **more: Any) -> Reply:
        url = path if path.startswith("http") else self.url + path
        async with self._session.request(method, url, **more) as answer:
            body = await answer.json() if answer.content_type == "application/json" else None
            return Reply(answer.status, body, answer.headers)


@dataclass(frozen=True, slots=True)
class Heard:
    """A callback as it arrived. `target` is the request target: path and query as sent."""

    method: str
    target: str
    headers: Any
    body: str

    @property
    def params(self) -> dict[str, str]:
        text = self.body if self.method == "POST" else self.target.partition("?")[2]
        return dict(parse_qsl(text, keep_blank_values=True))


Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Receiver:
    """A web server that keeps what it is sent. `answers` are used up one by one, then it says 204."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: list[int | Answering] = []
        self._news = asyncio.Condition()
        self.url = ""

    async def hear(self, count: int) -> list[Heard]:
        async with asyncio.timeout(LIMIT_S), self._news:
            await self._news.wait_for(lambda: len(self.heard) >= count)
        return self.heard

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        heard = Heard(request.method, request.raw_path, request.headers, await request.text())
        async with self._news:
            self.heard.append(heard)
            self._news.notify_all()
        answer = self.answers.pop(0) if self.answers else 204
        return web.Response(status=answer) if isinstance(answer, int) else await answer(request)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(
        [Account.generate(0), Account.generate(1)], callback_spacing_s=0.0, seed=7
    ) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


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
