"""Sends callbacks and retries them as Twilio does.

This module does the I/O only: `callbacks.requests` makes the decisions.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import aiohttp
from yarl import URL

from gateway.sandbox.callbacks import requests as callbacks
from gateway.sandbox.callbacks.requests import CallbackRequest, CallbackTarget, Failure
from gateway.sandbox.faults.injector import FaultInjector
from gateway.sandbox.world.model import Event, new_sid

# Callbacks in flight at once, over all rooms. More than that wait, in the order of
# their events.
MAX_CONCURRENT = 128

# Callbacks that are sent or wait to be sent. More than that are dropped: a receiver
# that hangs must not use up the memory.
MAX_QUEUED = 20_000

# How many callbacks `GET /_sandbox/callbacks` returns.
MAX_LOG = 10_000


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Attempt:
    at: str
    status: int | None
    failure: Failure | None
    duration_ms: float


@dataclass(slots=True)
class Delivery:
    """One callback, as the control API shows it.

    A fault can duplicate a callback. `attempts` has the attempts of all copies, and
    `state` is that of the copy which finished last.
    """

    at: str
    event: str
    room_sid: str
    method: str
    url: str
    params: dict[str, str]
    idempotency_token: str
    signature: str
    state: DeliveryState = DeliveryState.WAITING
    attempts: list[Attempt] = field(default_factory=list)


class Sender:
    """Starts callbacks in the order of their events, without waiting for responses.

    A 2xx or 3xx is a delivery. If the URL has a user, the first request goes without
    credentials and is repeated with them after a 401, as Twilio does. Both requests
    belong to one attempt.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        faults: FaultInjector,
        auth_token_of: Callable[[str], str],
        retry_s: float,
    ) -> None:
        self.log: deque[Delivery] = deque(maxlen=MAX_LOG)
        self._tasks = tasks
        self._faults = faults
        self._auth_token_of = auth_token_of
        self._retry_s = retry_s
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            headers={"User-Agent": "TwilioProxy/1.1"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def send(self, event: Event) -> None:
        """Starts the callback of an event, if its room has a callback URL."""
        settings = event.room.settings
        if settings.status_callback is None:
            return
        target = callbacks.parse_target(settings.status_callback)
        params = callbacks.event_params(event)
        auth_token = self._auth_token_of(event.room.account_sid)
        request = callbacks.build_request(
            settings.status_callback_method, target.url, params, auth_token
        )
        delivery = Delivery(
            at=callbacks.timestamp(event.at),
            event=event.name,
            room_sid=event.room.sid,
            method=request.method,
            url=target.url,
            params=dict(params),
            idempotency_token=new_sid(""),
            signature=request.signature,
        )
        self.log.append(delivery)
        has_capacity = len(self._in_flight) < MAX_QUEUED
        delays_s = self._faults.plan_callback().delays_s if has_capacity else ()
        if not delays_s:
            delivery.state = DeliveryState.DROPPED
        for delay_s in delays_s:
            task = self._tasks.create_task(self._deliver(delivery, request, target, delay_s))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    async def drain(self) -> None:
        """Waits until no callback is in flight, even if new ones start meanwhile."""
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    def cancel_all(self) -> None:
        """Cancels every callback that is in flight."""
        for task in self._in_flight:
            task.cancel()

    def reset(self) -> None:
        self.cancel_all()
        self.log.clear()

    async def close(self) -> None:
        self.cancel_all()
        await self.drain()
        await self._session.close()

    async def _deliver(
        self, delivery: Delivery, request: CallbackRequest, target: CallbackTarget, delay_s: float
    ) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        async with self._slots:
            deadline_s = time.monotonic() + target.policy.total_s
            for retry in range(target.policy.retries + 1):
                if retry:
                    await asyncio.sleep(self._retry_s)
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    break
                attempt = await self._attempt(delivery, request, target, remaining_s)
                delivery.attempts.append(attempt)
                if attempt.failure is None:
                    delivery.state = DeliveryState.DELIVERED
                    return
                if attempt.failure not in target.policy.retry_on:
                    break
            delivery.state = DeliveryState.FAILED

    async def _attempt(
        self,
        delivery: Delivery,
        request: CallbackRequest,
        target: CallbackTarget,
        timeout_s: float,
    ) -> Attempt:
        started_at = datetime.now(UTC)
        started_s = time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(timeout_s):
                status = await self._call(delivery, request, target, None)
                if status == 401 and target.user is not None:
                    credentials = (target.user, target.password)
                    status = await self._call(delivery, request, target, credentials)
            failure = callbacks.failure_of(status)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            failure = Failure.CONNECT
        except TimeoutError:
            # aiohttp raises a subclass of it when the read timeout expires.
            failure = Failure.READ
        except (aiohttp.ClientError, OSError, ValueError):
            # The connection broke, the response was not HTTP, or the host name is
            # invalid.
            failure = Failure.CONNECT
        return Attempt(
            callbacks.timestamp(started_at),
            status,
            failure,
            round((time.monotonic() - started_s) * 1000, 1),
        )

    async def _call(
        self,
        delivery: Delivery,
        request: CallbackRequest,
        target: CallbackTarget,
        credentials: tuple[str, str] | None,
    ) -> int:
        headers: dict[str, Any] = {
            "X-Twilio-Signature": delivery.signature,
            "I-Twilio-Idempotency-Token": delivery.idempotency_token,
        }
        if credentials:
            headers["Authorization"] = aiohttp.encode_basic_auth(*credentials, encoding="utf-8")
        if request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=target.policy.connect_s, sock_read=target.policy.read_s
        )
        async with self._session.request(
            request.method,
            # The signature covers the URL byte for byte, so it must not be re-encoded.
            URL(request.url, encoded=True),
            data=request.body.encode() or None,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            return response.status
