"""Sends requests to Twilio and receives its answers; what they mean is said in `wire`."""

import asyncio
import math
import zlib
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from gateway.core.errors import (
    DeadlineExceeded,
    GatewayError,
    OutcomeUnknown,
    TwilioFault,
    UpstreamUnavailable,
)
from gateway.twilio.wire.exchange import Product, WireRequest, WireResponse

T = TypeVar("T")

USER_AGENT: Final = "rooms-gateway/0.1.0"
CONNECT_TIMEOUT_S: Final = 1.0
# "100 at a time" circulates for Twilio's unpublished limit of concurrent requests; the limiter keeps us well below.
CONNECTIONS: Final = 100
# A page of 1,000 rooms takes about 1.2 MB.
BODY_LIMIT: Final = 4 * 1024 * 1024

_GZIP: Final = 31  # zlib's way to say: a gzip header, 32 kB window


class _Useless(Exception):
    """Twilio answered, with a body that nobody can want."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class _Sent:
    """Whether a request can have reached Twilio. True until the session's trace says otherwise: the safe assumption.

    `limit` is when it is given up: first so that it is not sent too late, and once it is sent, at `ends_at`.
    """

    def __init__(self, limit: asyncio.Timeout, ends_at: float) -> None:
        self.is_sent = True
        self._limit = limit
        self._ends_at = ends_at

    def note_sent(self) -> None:
        self.is_sent = True
        if not self._limit.expired():
            self._limit.reschedule(self._ends_at)


def open_session(
    *, connections: int = CONNECTIONS, connect_timeout_s: float = CONNECT_TIMEOUT_S
) -> aiohttp.ClientSession:
    """The session that `TwilioVideo` needs; its opener closes it. One serves any number of accounts: it holds no credential.

    Only connecting has a limit of its own; the rest is under each call's deadline. Bodies are not unpacked in the session,
    which would not stop at our limit.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[_sent_trace()],
    )
    # aiohttp would send a read again when its connection breaks, out of turn and without end to Twilio's bad days. It has no
    # public switch for that; its own test client uses this one.
    session._retry_connection = False
    return session


class TwilioVideo:
    """One account at Twilio's REST API. Each call is one request: it follows no redirect, and nothing is repeated.

    Calls raise what the request reads in the answer; DeadlineExceeded when a read has none within `deadline_s`, or a call was
    not sent within `send_within_s`; UpstreamUnavailable when Twilio cannot be reached or its answer is of no use;
    OutcomeUnknown when a write may have been sent and its answer was lost. Without `twilio` in it an error means that no
    answer came; `is_unsent`, that none could. A cancelled call closes its connection.
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
        """`username` and `password` are an API key's SID and secret, or the account's SID and auth token."""
        self.account_sid = account_sid
        self._session = session
        self._base_urls: dict[Product, str] = {
            "video": base_url.rstrip("/"),
            "insights": insights_base_url.rstrip("/"),
        }
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}

    async def send(
        self, request: WireRequest[T], *, deadline_s: float, send_within_s: float = math.inf
    ) -> T:
        """What the request reads in Twilio's answer."""
        return request.read(await self._send(request, deadline_s, min(deadline_s, send_within_s)))

    async def _send(
        self, request: WireRequest[Any], deadline_s: float, send_within_s: float
    ) -> WireResponse:
        if send_within_s <= 0:
            raise DeadlineExceeded(
                "the deadline passed before Twilio was asked; allow more time", is_unsent=True
            )
        limit = asyncio.timeout(send_within_s)
        sent = _Sent(limit, asyncio.get_running_loop().time() + deadline_s)
        try:
            async with limit:
                return await self._exchange(request, sent)
        except _Useless as error:
            raise _useless(request, error) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamUnavailable(
                "Twilio cannot be reached; try again a little later", is_unsent=True
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(request, sent, error) from error

    async def _exchange(self, request: WireRequest[Any], sent: _Sent) -> WireResponse:
        has_form = request.method == "POST"
        # Encoded already: yarl would decode what need not be encoded, and a page's token must go back byte for byte.
        url = URL(
            f"{self._base_urls[request.product]}{request.path}{'?' if request.query else ''}{request.query}",
            encoded=True,
        )
        async with self._session.request(
            request.method,
            url,
            data=urlencode(request.form).encode() if has_form else None,
            headers=self._headers
            | ({"Content-Type": "application/x-www-form-urlencoded"} if has_form else {}),
            allow_redirects=False,
            trace_request_ctx=sent,
        ) as reply:
            try:
                body = await _body(reply)
            except (aiohttp.ClientPayloadError, _Useless):
                if reply.ok:
                    raise
                # The status of a failure says enough: what cannot be read beside it must not hide it.
                body = b""
            return WireResponse(reply.status, reply.headers, body)


def _lost(request: WireRequest[Any], sent: _Sent, error: Exception) -> GatewayError:
    if request.is_write and sent.is_sent:
        return OutcomeUnknown(
            "the request was sent to Twilio and its answer lost; look whether it was done before trying again"
        )
    is_unsent = not sent.is_sent
    if isinstance(error, TimeoutError):
        return DeadlineExceeded(
            "Twilio did not answer within the deadline; try again or allow more time",
            is_unsent=is_unsent,
        )
    return UpstreamUnavailable(
        "Twilio cannot be reached; try again a little later", is_unsent=is_unsent
    )


def _useless(request: WireRequest[Any], error: _Useless) -> GatewayError:
    said = TwilioFault(None, error.status)
    if request.is_write:
        return OutcomeUnknown(
            "Twilio took the request but gave no usable answer; look whether it was done before trying again",
            twilio=said,
        )
    return UpstreamUnavailable(
        "Twilio's answer cannot be read; try again a little later", twilio=said
    )


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    """The whole body, unpacked. Raises _Useless beyond the limit, of the packed bytes and of the unpacked."""
    packed = bytearray()
    async for chunk in reply.content.iter_any():
        packed += chunk
        if len(packed) > BODY_LIMIT:
            raise _Useless("the body is over the limit", reply.status)
    match reply.headers.get("Content-Encoding", "identity").lower():
        case "identity":
            return bytes(packed)
        case "gzip":
            return _unpacked(bytes(packed), reply.status)
        case _:
            raise _Useless("the body's encoding was not asked for", reply.status)


def _unpacked(packed: bytes, status: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        # One byte more than allowed: a bomb of any size is recognised before it goes off.
        body = unpacker.decompress(packed, BODY_LIMIT + 1)
    except zlib.error as error:
        raise _Useless("the body is not gzip", status) from error
    if len(body) > BODY_LIMIT or not unpacker.eof:
        raise _Useless("the body is over the limit, or cut off", status)
    return body


def _sent_trace() -> aiohttp.TraceConfig:
    async def started(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams
    ) -> None:
        context.trace_request_ctx.is_sent = False

    async def sent(
        _: aiohttp.ClientSession,
        context: SimpleNamespace,
        __: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        context.trace_request_ctx.note_sent()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_headers_sent.append(sent)
    return trace
