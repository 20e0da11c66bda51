"""Twilio's signature of its callbacks. Does no I/O.

https://www.twilio.com/docs/usage/security#validating-requests
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import parse_qsl

Fields = Sequence[tuple[str, str]]
"""A form as it came: names may repeat, blanks are kept."""

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#]*@)?(?P<host>\[[^\]/?#]*\]|[^/?#:\[\]]+)(?::(?P<port>\d+))?(?P<rest>[/?].*)?",
    re.DOTALL,
)
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


def flattened(fields: Fields) -> str:
    """The part of the signed text that stands for the form: names and values, sorted, doubles dropped, nothing in between.

    As nothing stands in between, several forms share one text and so one signature: `A=1&B=2` and `A=1B2` do. Who reads
    a signed form must see to it that its text has one reading only; `callbacks.parse` does.
    """
    return "".join(name + value for name, value in sorted(set(fields)))


def sign(auth_token: str, url: str, fields: Fields) -> str:
    """What Twilio puts into X-Twilio-Signature for a call of exactly this URL."""
    text = (url + flattened(fields)).encode("utf-8", "surrogatepass")
    # SHA-1 is Twilio's choice; as an HMAC it is not known to be broken.
    return b64encode(
        hmac.digest(auth_token.encode("utf-8", "surrogatepass"), text, hashlib.sha1)
    ).decode()


def is_valid(
    auth_tokens: Iterable[str],
    url: str,
    fields: Fields,
    signature: str | None,
    *,
    body: bytes | None = None,
) -> bool:
    """Whether one of the tokens (primary, secondary) signed a call of this URL with these fields. Raises on nothing.

    `url` is the public one: configured, never built from headers that the caller chose. Its `user:pass@` and fragment do
    not count, and neither does whether it names its port. Where its query has bodySHA256, the raw `body` must have that
    hash besides; `fields` are then empty, for such a body is JSON.
    """
    if not signature or not _has_body_hash(url, body):
        return False
    presented = signature.encode("utf-8", "surrogatepass")
    # Every pair is compared, so that the time taken does not tell which ones came close.
    matches = [
        hmac.compare_digest(sign(token, candidate, fields).encode(), presented)
        for token in auth_tokens
        if token
        for candidate in _signed_urls(url)
    ]
    return any(matches)


def _signed_urls(url: str) -> list[str]:
    """The URL without and with its port. Which of them Twilio signs differs by product, and is not said for Video."""
    called = url.partition("#")[0]
    parts = _URL.fullmatch(called)
    if parts is None:
        return [called]
    scheme, host, rest = parts["scheme"], parts["host"], parts["rest"] or ""
    port = parts["port"] or _DEFAULT_PORT[scheme]
    return [f"{scheme}://{host}{rest}", f"{scheme}://{host}:{port}{rest}"]


def _has_body_hash(url: str, body: bytes | None) -> bool:
    query = url.partition("#")[0].partition("?")[2]
    wanted = [
        value for name, value in parse_qsl(query, keep_blank_values=True) if name == "bodySHA256"
    ]
    if not wanted:
        return True
    # Signing the URL alone would let any body pass under a URL once seen.
    digest = hashlib.sha256(body or b"").hexdigest().encode()
    return all(
        hmac.compare_digest(digest, value.encode("utf-8", "surrogatepass")) for value in wanted
    )
