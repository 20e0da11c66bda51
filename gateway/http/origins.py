"""Which web pages may use the gateway, and what they may send. Does no I/O.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from yarl import URL

_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")

_USUAL: Final = (
    "authorization, x-api-key, content-type, cache-control, if-none-match, x-requested-with"
)
# Tracing libraries add these to each request of a page: OpenTelemetry, Sentry, Datadog,
# Zipkin, New Relic, Elastic and Jaeger.
_TRACING: Final = (
    "traceparent, tracestate, baggage, sentry-trace, "
    "x-datadog-trace-id, x-datadog-parent-id, x-datadog-sampling-priority, x-datadog-sampled, "
    "x-datadog-origin, x-datadog-tags, "
    "b3, x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, x-b3-flags, "
    "newrelic, elastic-apm-traceparent, uber-trace-id, x-request-id, x-correlation-id"
)


@dataclass(frozen=True, slots=True)
class Cors:
    """The headers that a page of an allowed origin may send and read.

    Both are lists as HTTP has them: lower-case names with commas in between. Every page
    may also send what clients of HTTP send, and the headers of tracing libraries.
    """

    request_headers: str
    response_headers: str

    def preflight(self, more_headers: Collection[str] = ()) -> dict[str, str]:
        """The headers of the response to a preflight, besides `headers`.

        `more_headers` are those that the operator allows.
        """
        own = (_USUAL, self.request_headers, _TRACING)
        return {
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": ", ".join((*own, *more_headers)),
            "Access-Control-Max-Age": "7200",
        }

    def headers(self, origin: str | None) -> dict[str, str]:
        """The headers of a response to an allowed origin."""
        if origin is None:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": self.response_headers,
            "Vary": "Origin",
        }


@dataclass(frozen=True, slots=True)
class _Origin:
    """Two origins are the same if these are. https://www.rfc-editor.org/rfc/rfc6454#section-5"""

    scheme: str
    host: str
    """In lower case, and as ASCII."""
    port: int | None
    """With the default of HTTP applied."""


class Origins:
    """The allowed origins: a list, and the gateway's own pages.

    With `allow_loopback`, pages of any server on this machine are allowed too.
    `public_url` is where the gateway is reached, so it tells the scheme of its pages: a
    proxy may terminate TLS. `request_headers` are those that pages may send besides the
    usual ones.
    """

    def __init__(
        self,
        allowed: Collection[str],
        *,
        allow_loopback: bool,
        public_url: str | None = None,
        request_headers: Collection[str] = (),
    ) -> None:
        self._public = None if public_url is None else _parse(_authority(public_url))
        self._allowed = {_parse(origin) for origin in allowed} | {self._public}
        self._allow_loopback = allow_loopback
        self.request_headers = tuple(name.lower() for name in request_headers)

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a request may come from this origin. Both arguments are its headers.

        A request without an origin does not come from a web page.
        """
        if origin is None:
            return True
        page = _parse(origin)
        if page is None:
            return False
        if page in self._allowed:
            return True
        if page.scheme not in _DEFAULT_PORTS:
            return False
        if host is not None and self._is_own(page, host):
            return True
        return self._allow_loopback and _LOOPBACK.fullmatch(page.host) is not None

    def _is_own(self, page: _Origin, host: str) -> bool:
        if self._public is not None and _parse(f"{self._public.scheme}://{host}") == self._public:
            return page == self._public
        # The scheme is not known: a proxy in front may have TLS, or not.
        return page == _parse(f"{page.scheme}://{host}")


def _parse(origin: str) -> _Origin | None:
    """Returns None for a text that is not an origin, such as "null"."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].strip("[]"), match[3]
    try:
        ascii_host = URL.build(scheme="http", host=host).raw_host
    except ValueError:
        return None
    return _Origin(
        scheme, (ascii_host or "").lower(), int(port) if port else _DEFAULT_PORTS.get(scheme)
    )


def _authority(url: str) -> str:
    """Returns the URL without its path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
