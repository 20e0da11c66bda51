"""Sends requests to Twilio's REST API and returns the responses.

This is the only module of the folder that does I/O. The modules of `wire` build the
requests and read the responses.
"""

import asyncio
import math
import re
import time
import zlib
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
import structlog
from yarl import URL

from gateway.core.bodies import read_bounded
from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    OutcomeUnknown,
    TwilioFault,
    UpstreamUnavailable,
)
from gateway.twilio.wire.exchange import Product, WireRequest, WireResponse

log = structlog.get_logger()
T = TypeVar("T")

USER_AGENT: Final = "rooms-gateway/0.1.0"
CONNECT_TIMEOUT_S: Final = 1.0
# Twilio also limits concurrent requests and does not publish the number. Third-party
# pages say 100. The gateway's own limiter keeps well below.
# https://www.twilio.com/docs/video/guide-to-scaling-applications
MAX_CONNECTIONS: Final = 100
# In bytes. A page of 1,000 rooms has about 1.2 MB.
BODY_LIMIT: Final = 4 * 1024 * 1024

# Between two log lines about the same field.
UNREADABLE_LOG_S: Final = 60.0

_INDEX: Final = re.compile(r"\[[0-9]+\]")
_GZIP: Final = 31  # zlib's `wbits` for a gzip header and a 32 kB window
_UNREACHABLE: Final = "Twilio could not be reached: try again later"
_BAD_BODY: Final = "Twilio's response could not be read: try again later"


class _UnusableBody(Exception):
    """Twilio sent a response whose body cannot be decoded or exceeds the limit."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class _SendState:
    """Whether one request may have reached Twilio.

    `is_sent` is True until the session's trace clears it: that is the safe assumption.
    `timeout` ends the call. It starts as the limit for sending. Once the headers are
    sent it moves to `ends_at`, in the event loop's time.
    """

    def __init__(self, timeout: asyncio.Timeout, ends_at: float) -> None:
        self.is_sent = True
        self._timeout = timeout
        self._ends_at = ends_at

    def mark_sent(self) -> None:
        self.is_sent = True
        if not self._timeout.expired():
            self._timeout.reschedule(self._ends_at)


def open_session() -> aiohttp.ClientSession:
    """Returns the HTTP session for `TwilioVideo`. The caller closes it.

    The session holds no credential, so any number of accounts can share it. Connecting
    times out after `CONNECT_TIMEOUT_S`; everything else is bounded by the deadline of
    each call. The session does not decompress bodies, because aiohttp would not stop at
    `BODY_LIMIT`.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        middlewares=(_send_once,),
        trace_configs=[_send_trace()],
    )


class TwilioVideo:
    """Twilio's Video and Insights REST API for one account.

    Each call sends one HTTP request. It is not retried, and redirects are not followed.
    Cancelling a call closes its connection.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        insights_base_url: str,
        account_sid: str,
        username: str,
        password: str,
    ) -> None:
        """Credentials are an API key's SID and secret, or the account's SID and auth
        token.

        https://www.twilio.com/docs/usage/requests-to-twilio
        """
        self.account_sid = account_sid
        self._session = session
        self._base_urls: dict[Product, str] = {
            "video": base_url.rstrip("/"),
            "insights": insights_base_url.rstrip("/"),
        }
        self._unreadable_logged_at: dict[str, float] = {}
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}

    async def send(
        self, request: WireRequest[T], *, deadline_s: float, send_within_s: float = math.inf
    ) -> T:
        """Returns what `request.read` makes of Twilio's response.

        Raises:
            DeadlineExceeded: a read got no response within `deadline_s`, or the request
                could not be sent within `send_within_s`.
            UpstreamUnavailable: Twilio could not be reached, or the response to a read
                cannot be used.
            OutcomeUnknown: a write may have been sent, and its response was lost or
                cannot be used.
            GatewayError: whatever `request.read` raises.

        An error without `twilio` means that no response arrived. `is_unsent` means that
        Twilio cannot have received the request.
        """
        response = await self._send(request, deadline_s, min(deadline_s, send_within_s))
        try:
            return request.read(response)
        finally:
            self._log_unreadable(request, response)

    def _log_unreadable(self, request: WireRequest[Any], response: WireResponse) -> None:
        """Logs the names of fields that could not be read, each once a minute."""
        now = time.monotonic()
        for path in response.unreadable:
            # Without the indexes, there are as many names as `core` has fields.
            name = _INDEX.sub("[]", path)
            if now - self._unreadable_logged_at.get(name, -math.inf) > UNREADABLE_LOG_S:
                self._unreadable_logged_at[name] = now
                log.warning(
                    "twilio.field_unreadable",
                    field=name,
                    product=request.product,
                    status=response.status,
                )

    async def _send(
        self, request: WireRequest[Any], deadline_s: float, send_within_s: float
    ) -> WireResponse:
        if send_within_s <= 0:
            raise DeadlineExceeded(
                "the deadline expired before the request was sent to Twilio: allow more time",
                is_unsent=True,
            )
        timeout = asyncio.timeout(send_within_s)
        state = _SendState(timeout, asyncio.get_running_loop().time() + deadline_s)
        try:
            async with timeout:
                return await self._exchange(request, state)
        except _UnusableBody as error:
            raise _unusable_response(request, error) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamUnavailable(_UNREACHABLE, is_unsent=True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_response(request, state, error) from error

    async def _exchange(self, request: WireRequest[Any], state: _SendState) -> WireResponse:
        has_form = request.method == "POST"
        # `encoded`: yarl would otherwise decode characters that need no encoding, and a
        # page token must be sent back byte for byte.
        query = f"?{request.query}" if request.query else ""
        url = URL(f"{self._base_urls[request.product]}{request.path}{query}", encoded=True)
        async with self._session.request(
            request.method,
            url,
            data=urlencode(request.form).encode() if has_form else None,
            headers=self._headers
            | ({"Content-Type": "application/x-www-form-urlencoded"} if has_form else {}),
            allow_redirects=False,
            trace_request_ctx=state,
        ) as response:
            try:
                body = await _read_body(response)
            except (aiohttp.ClientPayloadError, _UnusableBody):
                if response.ok:
                    raise
                # The status of an error is enough: an unreadable body must not hide it.
                body = b""
            return WireResponse(response.status, response.headers, body)


def _no_response(request: WireRequest[Any], state: _SendState, error: Exception) -> GatewayError:
    if request.is_write and state.is_sent:
        return OutcomeUnknown(
            "the request was sent to Twilio and no response arrived: "
            "check whether the change was made before you try again"
        )
    is_unsent = not state.is_sent
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(
            "Twilio did not respond within the deadline: try again or allow more time",
            is_unsent=is_unsent,
        )
    return UpstreamUnavailable(_UNREACHABLE, is_unsent=is_unsent)


def _unusable_response(request: WireRequest[Any], error: _UnusableBody) -> GatewayError:
    fault = TwilioFault(None, error.status)
    if request.is_write:
        return OutcomeUnknown(
            "Twilio accepted the request, but its response could not be read: "
            "check whether the change was made before you try again",
            twilio=fault,
        )
    return UpstreamUnavailable(_BAD_BODY, twilio=fault)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Returns the whole decompressed body.

    Raises _UnusableBody when the compressed or the decompressed body exceeds
    `BODY_LIMIT`.
    """
    received = await read_bounded(response.content.iter_any(), BODY_LIMIT)
    if received is None:
        raise _UnusableBody("the body exceeds the limit", response.status)
    match response.headers.get("Content-Encoding", "identity").lower():
        case "identity":
            return received
        case "gzip":
            return _decompress(received, response.status)
        case _:
            raise _UnusableBody("the content encoding was not requested", response.status)


def _decompress(compressed: bytes, status: int) -> bytes:
    decompressor = zlib.decompressobj(_GZIP)
    try:
        # One byte above the limit is enough to recognise a decompression bomb.
        body = decompressor.decompress(compressed, BODY_LIMIT + 1)
    except zlib.error as error:
        raise _UnusableBody("the body is not gzip", status) from error
    if len(body) > BODY_LIMIT or not decompressor.eof:
        raise _UnusableBody("the body exceeds the limit, or is cut off", status)
    return body


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Raises an error that aiohttp does not retry when the connection breaks.

    This is a client middleware.

    aiohttp sends an idempotent request again when its connection breaks (RFC 9112,
    section 9.3.1). That second request would spend Twilio's quota without a permit.
    aiohttp has no setting for it, but it only retries the two errors caught here, and
    client middlewares may replace an error.
    https://docs.aiohttp.org/en/stable/client_advanced.html#client-middleware
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # Nothing was sent, and aiohttp does not retry this subclass.
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("the connection broke") from error


def _send_trace() -> aiohttp.TraceConfig:
    """Returns a trace that keeps each request's `_SendState` current."""

    async def on_start(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams
    ) -> None:
        context.trace_request_ctx.is_sent = False

    async def on_headers_sent(
        _: aiohttp.ClientSession,
        context: SimpleNamespace,
        __: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        context.trace_request_ctx.mark_sent()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    trace.on_request_headers_sent.append(on_headers_sent)
    return trace
