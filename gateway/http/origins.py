"""Cross-origin resource sharing: which web pages may use the gateway. Does no I/O."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class Cors:
    """The headers that a page of an allowed origin may send and read.

    Both are lists as HTTP has them: lower-case names with commas in between.
    """

    request_headers: str
    response_headers: str

    @property
    def preflight(self) -> dict[str, str]:
        """The headers of the response to a preflight, besides `headers`."""
        return {
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": self.request_headers,
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


class Origins:
    """The allowed origins: an exact list, and the gateway's own pages.

    With `allow_loopback`, pages of any server on this machine are allowed too.
    """

    def __init__(self, allowed: Collection[str], *, allow_loopback: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/") for origin in allowed)
        self._allow_loopback = allow_loopback

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a request may come from this origin. Both arguments are its headers.

        A request without an origin does not come from a web page.
        """
        if origin is None or origin in self._allowed:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https"):
            return False
        if host is not None and parts.netloc == host:
            return True
        return self._allow_loopback and _LOOPBACK.fullmatch(parts.hostname or "") is not None
