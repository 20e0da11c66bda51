"""The sandbox as an HTTP server.

It parses requests, applies faults and quotas, and owns the tasks and connections.
"""

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
from gateway.sandbox.callbacks.sender import Delivery, Sender
from gateway.sandbox.control.api import Control
from gateway.sandbox.control.call_log import CallLog
from gateway.sandbox.errors import TwilioError, not_found
from gateway.sandbox.faults.corrupt import RequestTarget, corrupt, drip_bytes
from gateway.sandbox.faults.injector import FaultInjector, FaultPlan
from gateway.sandbox.forms import Form
from gateway.sandbox.rest.operations import Rest
from gateway.sandbox.rest.quota import AccountQuota, Quotas
from gateway.sandbox.rest.requests import RestRequest, RestResponse
from gateway.sandbox.timings import Timings
from gateway.sandbox.world.clock import Clock
from gateway.sandbox.world.model import new_sid
from gateway.sandbox.world.simulated_users import SimulatedUsers
from gateway.sandbox.world.world import Capacity, World

CONTROL_SEGMENT = "_sandbox"
READ_METHODS = ("GET", "HEAD")
JSON = {"Content-Type": "application/json"}

# The logged status of a request whose connection was closed without a response.
NO_RESPONSE = 0


class Sandbox:
    """Serves Twilio Video on a port of its own while its context is open.

    Each account has its own rooms and quotas, and keeps at most `max_ended_rooms` ended
    rooms. `seed` makes faults and simulated users repeatable; SIDs never repeat. Port 0
    selects a free port.
    """

    def __init__(
        self,
        accounts: Sequence[Account] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        quotas: Quotas = Quotas(),
        capacity: Capacity = Capacity(),
        max_ended_rooms: int = 2_000,
        seed: int | None = None,
        timings: Timings = Timings(),
    ) -> None:
        self.accounts = tuple(accounts) or (Account.generate(),)
        self.clock = Clock()
        self.faults = FaultInjector(seed)
        self.call_log = CallLog()
        self.world = World(
            [account.sid for account in self.accounts],
            self.clock,
            capacity,
            max_ended_rooms,
            lambda event: self._sender.send(event),
        )
        self._auth_tokens = {account.sid: account.auth_token for account in self.accounts}
        self._authenticator = Authenticator(self.accounts)
        self._rest = Rest(self.world)
        self._control = Control(
            self.world, self.clock, self.faults, self.call_log, self.callbacks, self.reset
        )
        self._address = host, port
        self._quota_limits = quotas
        self._seed = seed
        self._timings = timings
        self._quotas = self._new_quotas()

    @property
    def url(self) -> str:
        """The base URL. The port is known once the sandbox has started."""
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
        """The SID of the first account's first API key."""
        return next(iter(self.accounts[0].api_keys))

    @property
    def api_key_secret(self) -> str:
        return self.accounts[0].api_keys[self.api_key_sid]

    async def __aenter__(self) -> Self:
        http = web.Server(self._handle, access_log=None)
        # Bind first, so that a port in use raises an OSError before anything runs.
        server = await asyncio.get_running_loop().create_server(
            http, *self._address, start_serving=False
        )
        self._address = self._address[0], server.sockets[0].getsockname()[1]
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self.clock.cancel_all)
            self._sender = Sender(
                self._tasks,
                self.faults,
                self._auth_tokens.__getitem__,
                self._timings.callback_retry_s,
            )
            stack.push_async_callback(self._sender.close)
            # The timeout is short because aiohttp waits for idle connections too.
            # Requests in flight are cut off.
            stack.push_async_callback(http.shutdown, 0.01)
            stack.callback(server.close)
            await server.start_serving()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def simulate_users(self, callback_url: str) -> None:
        """Creates a few rooms whose participants join, publish, mute and leave.

        They do so until the sandbox stops.
        """
        users = SimulatedUsers(self.world, self.account_sid, callback_url, self._seed)
        users.open_rooms()
        task = self._tasks.create_task(users.run(self._timings.user_step_s))
        self._stack.callback(task.cancel)

    async def drain_callbacks(self) -> None:
        """Waits until no callback is in flight."""
        await self._sender.drain()

    def callbacks(self) -> list[Delivery]:
        """Returns the recent callbacks, in the order of their events."""
        return list(self._sender.log)

    def reset(self) -> None:
        """Removes rooms, faults, counters and logs, and restarts the random numbers.

        Callbacks in flight are cancelled.
        """
        self.world.reset()
        self.faults.clear()
        self.faults.seed(self._seed)
        self._sender.reset()
        self.call_log.clear()
        self._quotas = self._new_quotas()

    def _new_quotas(self) -> dict[str, AccountQuota]:
        return {account.sid: AccountQuota(self._quota_limits) for account in self.accounts}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        segments = tuple(
            unquote(_printable(segment)) for segment in path.removeprefix("/").split("/")
        )
        if segments[0] == CONTROL_SEGMENT:
            return await self._handle_control(request, segments[1:], query)
        return await self._handle_rest(request, path, segments, query)

    async def _handle_control(
        self, request: web.BaseRequest, segments: tuple[str, ...], query: str
    ) -> web.Response:
        try:
            body = await _body(request)
        except TwilioError as exc:
            return _to_http(RestResponse(exc.status, {"error": str(exc)}))
        return _to_http(self._control.handle(request.method, segments, forms.parse(query), body))

    async def _handle_rest(
        self, request: web.BaseRequest, path: str, segments: tuple[str, ...], query: str
    ) -> web.StreamResponse:
        started_s = time.monotonic()
        logged = self.call_log.begin(
            request.method, _printable(path), _printable(query), request.method in READ_METHODS
        )
        try:
            account = self._authenticator.authenticate(request.headers.get("Authorization", ""))
            logged.account_sid = account.sid
            plan = self.faults.plan(request.method, path, account.sid)
            response = await self._serve(request, account, segments, query, plan)
        except TwilioError as exc:
            response = _error_response(exc)
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        finally:
            self.call_log.end()
        is_closed = request.transport is None or request.transport.is_closing()
        logged.status = NO_RESPONSE if is_closed else response.status
        response.headers["Twilio-Request-Id"] = new_sid("RQ")
        response.headers["Twilio-Request-Duration"] = f"{time.monotonic() - started_s:.3f}"
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
            # Like the peaks, the quota counts a request on arrival.
            if quota.allow(request.method in READ_METHODS, time.monotonic()):
                response = await self._serve_with_faults(request, account, segments, query, plan)
            else:
                response = _error_response(TwilioError(20429))
            response.headers["Twilio-Concurrent-Requests"] = in_flight
            return response
        finally:
            quota.in_flight -= 1

    async def _serve_with_faults(
        self,
        request: web.BaseRequest,
        account: Account,
        segments: tuple[str, ...],
        query: str,
        plan: FaultPlan,
    ) -> web.Response:
        """Processes the request unless a fault prevents it. Applies the faults."""
        if plan.latency_s:
            await asyncio.sleep(plan.latency_s)
        if plan.hang_up == "before":
            return _close_connection(request)
        fault_response = _fault_response(plan)
        if fault_response and not plan.is_processed:
            return fault_response
        response = await self._process(request, account, segments, query, plan.lag_s)
        if plan.hang_up == "after":
            return _close_connection(request)
        if fault_response:
            return fault_response
        if plan.corruption is None:
            return _to_http(response, is_malformed=plan.is_malformed)
        target = RequestTarget(_base_url(request), *request.raw_path.partition("?")[::2])
        response = corrupt(response, plan.corruption, target, plan.foreign_url)
        if plan.corruption != "drip":
            return _to_http(response)
        body = drip_bytes(response.body, self._timings.drip_interval_s)
        return web.Response(body=body, status=response.status, headers=response.headers)

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
            form = Form() if request.method in READ_METHODS else await _form(request)
            rest_request = RestRequest(
                account,
                request.method,
                segments[1:],
                forms.parse(query),
                form,
                _base_url(request),
                lag_s,
            )
            return self._rest.handle(rest_request)
        except TwilioError as exc:
            return RestResponse(exc.status, exc.body())


def _base_url(request: web.BaseRequest) -> str:
    """Returns the scheme and host that the client used."""
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


def _to_http(response: RestResponse, *, is_malformed: bool = False) -> web.Response:
    """Encodes the body as JSON. Bytes (media, or no body) are sent as they are."""
    if isinstance(response.body, bytes):
        return web.Response(body=response.body, status=response.status, headers=response.headers)
    body = msgspec.json.encode(response.body)
    # Half of a JSON object is never valid JSON.
    body = body[: len(body) // 2] if is_malformed else body
    return web.Response(body=body, status=response.status, headers={**JSON, **response.headers})


def _error_response(error: TwilioError) -> web.Response:
    return _to_http(RestResponse(error.status, error.body()))


def _fault_response(plan: FaultPlan) -> web.Response | None:
    if plan.status is None:
        return None
    codes = {401: 20003, 404: 20404, 405: 20004, 429: 20429}
    # Errors of Twilio's edge have no `code` and no `more_info`:
    # https://www.twilio.com/docs/usage/twilios-response
    edge_body = {"message": "An error occurred", "status": plan.status}
    code = plan.code or codes.get(plan.status)
    body = {**TwilioError(code).body(), "status": plan.status} if code else edge_body
    response = _to_http(RestResponse(plan.status, body))
    if plan.retry_after_s is not None:
        response.headers["Retry-After"] = f"{plan.retry_after_s:g}"
    return response


def _close_connection(request: web.BaseRequest) -> web.Response:
    """Closes the connection. aiohttp needs a response, which is never sent."""
    if request.transport:
        request.transport.abort()
    response = web.Response()
    response.force_close()
    return response


def _printable(text: str) -> str:
    """Replaces surrogates, which stand for bytes that are not UTF-8.

    JSON cannot contain them.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
