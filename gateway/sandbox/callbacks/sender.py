"""Sends callbacks and tries again as Twilio would; decides nothing that `callbacks` can decide."""

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
from gateway.sandbox.callbacks.requests import CallbackRequest, Failure, Target
from gateway.sandbox.faults.injector import FaultInjector
from gateway.sandbox.world.model import Event, new_sid

# Callbacks under way at once, over all rooms; more than that wait for their turn in the order of events.
MAX_CONCURRENT = 128

# Callbacks waiting for their turn; more than that are given up. A receiver that hangs must not eat the memory.
MAX_WAITING = 20_000

# How many callbacks `GET /_sandbox/callbacks` remembers.
MAX_LOG = 10_000


class State(StrEnum):
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
class Sending:
    """One callback. `state` is about the last copy that came to an end, `attempts` holds those of all copies."""

    at: str
    event: str
    room_sid: str
    method: str
    url: str
    params: dict[str, str]
    idempotency_token: str
    signature: str
    state: State = State.WAITING
    attempts: list[Attempt] = field(default_factory=list)


class Sender:
    """Callbacks start in the order of their events and do not wait for each other's answers.

    A 2xx or 3xx is a delivery. With a user in the URL the first try goes without, and again after a 401, as Twilio
    does; that second half belongs to the same attempt.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        faults: FaultInjector,
        token_of: Callable[[str], str],
        spacing_s: float,
    ) -> None:
        self.log: deque[Sending] = deque(maxlen=MAX_LOG)
        self._tasks = tasks
        self._faults = faults
        self._token_of = token_of
        self._spacing_s = spacing_s
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._under_way: set[asyncio.Task[None]] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            headers={"User-Agent": "TwilioProxy/1.1"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def send(self, event: Event) -> None:
        """Returns at once. Events of rooms without a callback URL are nobody's business."""
        settings = event.room.settings
        if settings.status_callback is None:
            return
        target = callbacks.target(settings.status_callback)
        params = callbacks.params(event)
        token = self._token_of(event.room.account_sid)
        request = callbacks.request(settings.status_callback_method, target.url, params, token)
        sending = Sending(
            callbacks.timestamp(event.at), event.name, event.room.sid, request.method, target.url, dict(params),
            new_sid(""), request.signature,
        )  # fmt: skip
        self.log.append(sending)
        delays_s = (
            self._faults.strike_callback().delays_s if len(self._under_way) < MAX_WAITING else ()
        )
        if not delays_s:
            sending.state = State.DROPPED
        for delay_s in delays_s:
            task = self._tasks.create_task(self._deliver(sending, request, target, delay_s))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def settled(self) -> None:
        """Returns when no callback is under way, those included that begin meanwhile."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def stop(self) -> None:
        """Gives up all that is under way."""
        for task in self._under_way:
            task.cancel()

    def reset(self) -> None:
        self.stop()
        self.log.clear()

    async def close(self) -> None:
        self.stop()
        await self.settled()
        await self._session.close()

    async def _deliver(
        self, sending: Sending, request: CallbackRequest, target: Target, delay_s: float
    ) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        async with self._slots:
            give_up_at_s = time.monotonic() + target.policy.total_s
            for retry in range(target.policy.retries + 1):
                if retry:
                    await asyncio.sleep(self._spacing_s)
                left_s = give_up_at_s - time.monotonic()
                if left_s <= 0:
                    break
                attempt = await self._attempt(sending, request, target, left_s)
                sending.attempts.append(attempt)
                if attempt.failure is None:
                    sending.state = State.DELIVERED
                    return
                if attempt.failure not in target.policy.retry_on:
                    break
            sending.state = State.FAILED

    async def _attempt(
        self, sending: Sending, request: CallbackRequest, target: Target, left_s: float
    ) -> Attempt:
        began = datetime.now(UTC)
        began_s = time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(left_s):
                status = await self._call(sending, request, target, None)
                if status == 401 and target.user is not None:
                    status = await self._call(
                        sending, request, target, (target.user, target.password)
                    )
            failure = callbacks.failure_of(status)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            failure = Failure.CONNECT
        except TimeoutError:
            # Also what aiohttp raises when the time to read is over.
            failure = Failure.READ
        except (aiohttp.ClientError, OSError, ValueError):
            # The connection broke, what came back was not HTTP, or the host's name cannot be one.
            failure = Failure.CONNECT
        return Attempt(
            callbacks.timestamp(began),
            status,
            failure,
            round((time.monotonic() - began_s) * 1000, 1),
        )

    async def _call(
        self,
        sending: Sending,
        request: CallbackRequest,
        target: Target,
        login: tuple[str, str] | None,
    ) -> int:
        headers: dict[str, Any] = {
            "X-Twilio-Signature": sending.signature,
            "I-Twilio-Idempotency-Token": sending.idempotency_token,
        }
        if login:
            headers["Authorization"] = aiohttp.encode_basic_auth(*login, encoding="utf-8")
        if request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=target.policy.connect_s, sock_read=target.policy.read_s
        )
        async with self._session.request(
            request.method,
            # Signed as it stands, so it must go out as it stands.
            URL(request.url, encoded=True),
            data=request.body.encode() or None,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
        ) as answer:
            return answer.status
