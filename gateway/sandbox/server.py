"""The sandbox as an HTTP server: takes requests apart, applies faults and quotas, and owns all that runs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self
from urllib.parse import unquote

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.sandbox import forms
from gateway.sandbox.accounts import Account, Authenticator
from gateway.sandbox.callbacks.sender import Sender, Sending
from gateway.sandbox.control.api import Control
from gateway.sandbox.control.call_log import CallLog
from gateway.sandbox.errors import TwilioError, not_found
from gateway.sandbox.faults.corrupt import Target, corrupted, dripping
from gateway.sandbox.faults.injector import FaultInjector, FaultPlan
from gateway.sandbox.forms import Form
from gateway.sandbox.rest.operations import Rest
from gateway.sandbox.rest.quota import AccountQuota, Quotas
from gateway.sandbox.rest.requests import RestRequest, RestResponse
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import new_sid
from gateway.sandbox.world.simulated_users import SimulatedUsers
from gateway.sandbox.world.world import Capacity, World

CONTROL = "_sandbox"
READS = ("GET", "HEAD")
JSON = {"Content-Type": "application/json"}
HUNG_UP = 0


class Sandbox:
    """Twilio Video on a port of its own, from `async with` to its end.

    Each account has its own rooms and quotas. `seed` makes faults and people repeatable; SIDs never repeat.
    `callback_spacing_s` is the pause between a callback's tries. At most `keep_ended` ended rooms an account are
    remembered.
    """

    def __init__(
        self,
        accounts: Sequence[Account] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        callback_spacing_s: float = 0.1,
        quotas: Quotas = Quotas(),
        capacity: Capacity = Capacity(),
        keep_ended: int = 2_000,
        seed: int | None = None,
    ) -> None:
        self.accounts = tuple(accounts) or (Account.generate(),)
        self.clock = Clock()
        self.faults = FaultInjector(seed)
        self.call_log = CallLog()
        self.world = World(
            [account.sid for account in self.accounts],
            self.clock,
            capacity,
            keep_ended,
            lambda event: self._sender.send(event),
        )
        self._tokens = {account.sid: account.auth_token for account in self.accounts}
        self._authenticator = Authenticator(self.accounts)
        self._rest = Rest(self.world)
        self._control = Control(
            self.world, self.clock, self.faults, self.call_log, self.callbacks, self.reset
        )
        self._address = host, port
        self._quota_settings = quotas
        self._spacing_s = callback_spacing_s
        self._seed = seed
        self._quotas = self._full_quotas()

    @property
    def url(self) -> str:
        """The base URL, with the real port; known once the sandbox has started."""
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def account_sid(self) -> str:
        return self.accounts[0].sid

    @property
    def auth_token(self) -> str:
        return self.accounts[0].auth_token

    @property
    def api_key_sid(self) -> str:
        """Of the first account, which must have a key."""
        return next(iter(self.accounts[0].api_keys))

    @property
    def api_key_secret(self) -> str:
        return self.accounts[0].api_keys[self.api_key_sid]

    async def __aenter__(self) -> Self:
        http = web.Server(self._handle, access_log=None)
        # Bound before anything runs, so that a taken port is a plain OSError.
        server = await asyncio.get_running_loop().create_server(
            http, *self._address, start_serving=False
        )
        self._address = self._address[0], server.sockets[0].getsockname()[1]
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self.clock.clear)
            self._sender = Sender(
                self._tasks, self.faults, self._tokens.__getitem__, self._spacing_s
            )
            stack.push_async_callback(self._sender.close)
            # aiohttp waits as long for connections that are idle, and there is nothing here worth waiting for.
            stack.push_async_callback(http.shutdown, 0.01)
            stack.callback(server.close)
            await server.start_serving()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def simulate_users(self, callback_url: str, pace_s: float = 1.0) -> SimulatedUsers:
        """A handful of rooms, made at once, in which people come, publish, mute and leave until the sandbox stops."""
        people = SimulatedUsers(self.world, self.account_sid, callback_url, self._seed)
        people.open()
        self._stack.callback(self._tasks.create_task(people.live(pace_s)).cancel)
        return people

    async def settled(self) -> None:
        """Returns when no callback is under way any more."""
        await self._sender.settled()

    def callbacks(self) -> list[Sending]:
        """What was sent, in the order of the events."""
        return list(self._sender.log)

    def reset(self) -> None:
        """Rooms, faults, counts, logs and callbacks under way are gone; the seed starts anew."""
        self.world.reset()
        self.faults.clear()
        self.faults.seed(self._seed)
        self._sender.reset()
        self.call_log.clear()
        self._quotas = self._full_quotas()

    def _full_quotas(self) -> dict[str, AccountQuota]:
        return {account.sid: AccountQuota(self._quota_settings) for account in self.accounts}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        segments = tuple(
            unquote(_printable(segment)) for segment in path.removeprefix("/").split("/")
        )
        if segments[0] == CONTROL:
            return await self._handle_control(request, segments[1:], query)
        return await self._handle_rest(request, path, segments, query)

    async def _handle_control(
        self, request: web.BaseRequest, segments: tuple[str, ...], query: str
    ) -> web.Response:
        try:
            body = await _body(request)
        except TwilioError as exc:
            return _respond(RestResponse(exc.status, {"error": str(exc)}))
        return _respond(self._control.answer(request.method, segments, forms.parse(query), body))

    async def _handle_rest(
        self, request: web.BaseRequest, path: str, segments: tuple[str, ...], query: str
    ) -> web.StreamResponse:
        began_s = time.monotonic()
        logged = self.call_log.begin(
            request.method, _printable(path), _printable(query), request.method in READS
        )
        try:
            account = self._authenticator.admit(request.headers.get("Authorization", ""))
            logged.account_sid = account.sid
            plan = self.faults.plan(request.method, path, account.sid)
            response = await self._serve(request, account, segments, query, plan)
        except TwilioError as exc:
            response = _refuse(exc)
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        finally:
            self.call_log.end()
        is_cut = request.transport is None or request.transport.is_closing()
        logged.status = HUNG_UP if is_cut else response.status
        response.headers["Twilio-Request-Id"] = new_sid("RQ")
        response.headers["Twilio-Request-Duration"] = f"{time.monotonic() - began_s:.3f}"
        return response

    async def _serve(
        self,
        request: web.BaseRequest,
        account: Account,
        segments: tuple[str, ...],
        query: str,
        plan: FaultPlan,
    ) -> web.Response:
        quota = self._quotas[account.sid]
        quota.in_flight += 1
        try:
            in_flight = str(quota.in_flight)
            # Counted when it arrives, like the peaks, and before any latency.
            if quota.take(request.method in READS, time.monotonic()):
                response = await self._apply_plan(request, account, segments, query, plan)
            else:
                response = _refuse(TwilioError(20429))
            response.headers["Twilio-Concurrent-Requests"] = in_flight
            return response
        finally:
            quota.in_flight -= 1

    async def _apply_plan(
        self,
        request: web.BaseRequest,
        account: Account,
        segments: tuple[str, ...],
        query: str,
        plan: FaultPlan,
    ) -> web.Response:
        """What the fault dial lets through, before and after processing."""
        if plan.latency_s:
            await asyncio.sleep(plan.latency_s)
        if plan.hang_up == "before":
            return _hang_up(request)
        response = _fault(plan)
        if response and not plan.is_processed:
            return response
        answer = await self._process(request, account, segments, query, plan.lag_s)
        if plan.hang_up == "after":
            return _hang_up(request)
        if response:
            return response
        if plan.answer is None:
            return _respond(answer, is_malformed=plan.is_malformed)
        target = Target(_base(request), *request.raw_path.partition("?")[::2])
        answer = corrupted(answer, plan.answer, target, plan.elsewhere)
        return _dripping(answer) if plan.answer == "drip" else _respond(answer)

    async def _process(
        self,
        request: web.BaseRequest,
        account: Account,
        segments: tuple[str, ...],
        query: str,
        lag_s: float,
    ) -> RestResponse:
        try:
            if segments[0] != "v1":
                raise not_found(*segments)
            form = Form() if request.method in READS else await _form(request)
            call = RestRequest(
                account,
                request.method,
                segments[1:],
                forms.parse(query),
                form,
                _base(request),
                lag_s,
            )
            return self._rest.answer(call)
        except TwilioError as exc:
            return RestResponse(exc.status, exc.body())


def _base(request: web.BaseRequest) -> str:
    """The scheme and host that the caller used."""
    return f"{request.scheme}://{request.host}"


async def _form(request: web.BaseRequest) -> Form:
    body = await _body(request)
    if body and request.content_type != "application/x-www-form-urlencoded":
        raise TwilioError(20001, "The body must be application/x-www-form-urlencoded")
    return forms.parse(body.decode("utf-8", "surrogateescape"))


async def _body(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as exc:
        raise TwilioError(20001, "The body is larger than 1 MB") from exc
    except (web.RequestPayloadError, HttpProcessingError) as exc:
        raise TwilioError(20001, "The body cannot be read") from exc


def _respond(answer: RestResponse, *, is_malformed: bool = False) -> web.Response:
    """Bytes go out as they are: nothing, or the media of a recording."""
    if isinstance(answer.body, bytes):
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
    body = msgspec.json.encode(answer.body)
    # Half of a JSON object is never JSON.
    body = body[: len(body) // 2] if is_malformed else body
    return web.Response(body=body, status=answer.status, headers={**JSON, **answer.headers})


def _dripping(answer: RestResponse) -> web.Response:
    return web.Response(body=dripping(answer.body), status=answer.status, headers=answer.headers)


def _refuse(error: TwilioError) -> web.Response:
    return _respond(RestResponse(error.status, error.body()))


def _fault(plan: FaultPlan) -> web.Response | None:
    if plan.status is None:
        return None
    known = {401: 20003, 404: 20404, 405: 20004, 429: 20429}
    # Twilio's edge answers without `code` and `more_info`:
    # https://www.twilio.com/docs/usage/twilios-response
    edge = {"message": "An error occurred", "status": plan.status}
    body = TwilioError(known[plan.status]).body() if plan.status in known else edge
    response = _respond(RestResponse(plan.status, body))
    if plan.retry_after_s is not None:
        response.headers["Retry-After"] = f"{plan.retry_after_s:g}"
    return response


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Nothing of the response is sent: its connection is gone."""
    if request.transport:
        request.transport.abort()
    response = web.Response()
    response.force_close()
    return response


def _printable(text: str) -> str:
    """Paths come with bytes that are no UTF-8 as surrogates, which JSON cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
