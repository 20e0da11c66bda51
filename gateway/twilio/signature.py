"""Makes and checks the signatures of Twilio's callbacks. Does no I/O.

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
"""A decoded form in its original order. A name may occur more than once."""

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#]*@)?(?P<host>\[[^\]/?#]*\]|[^/?#:\[\]]+)(?::(?P<port>\d+))?(?P<rest>[/?].*)?",
    re.DOTALL,
)
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


def signed_text(fields: Fields) -> str:
    """Returns the part of the signed text that represents the form.

    It is every distinct field's name and value, sorted, without separators. So several
    forms have the same text and the same signature, for example `A=1&B=2` and `A=1B2`.
    The reader of a signed form must refuse a text that can be read in another way, as
    `callbacks.parse` does.
    """
    return "".join(name + value for name, value in sorted(set(fields)))


def sign(auth_token: str, url: str, fields: Fields) -> str:
    """Returns the X-Twilio-Signature of a request to exactly this URL.

    It is the base64 of an HMAC-SHA1 with the account's auth token over the URL and
    `signed_text(fields)`.
    """
    text = (url + signed_text(fields)).encode("utf-8", "surrogatepass")
    # Twilio chose SHA-1. No attack on it as an HMAC is known.
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
    """Whether the signature is one of this request with one of the auth tokens.

    The tokens are the account's primary and secondary one. `url` must come from the
    configuration, never from headers that the caller controls. Its `user:password@` and
    its fragment are ignored, and so is whether it names its port. If its query has
    `bodySHA256`, the body is JSON: `fields` are then empty, and the raw `body` must
    have that hash. Never raises.
    """
    if not signature or not _has_body_hash(url, body):
        return False
    presented = signature.encode("utf-8", "surrogatepass")
    # All candidates are compared, so that the time does not depend on which one
    # matches.
    matches = [
        hmac.compare_digest(sign(token, candidate, fields).encode(), presented)
        for token in auth_tokens
        if token
        for candidate in _signed_urls(url)
    ]
    return any(matches)


def _signed_urls(url: str) -> list[str]:
    """Returns the URL without and with its port.

    It depends on the product which one Twilio signs, and is not documented for Video.
    """
    without_fragment = url.partition("#")[0]
    parts = _URL.fullmatch(without_fragment)
    if parts is None:
        return [without_fragment]
    scheme, host, rest = parts["scheme"], parts["host"], parts["rest"] or ""
    port = parts["port"] or _DEFAULT_PORT[scheme]
    return [f"{scheme}://{host}{rest}", f"{scheme}://{host}:{port}{rest}"]


def _has_body_hash(url: str, body: bytes | None) -> bool:
    query = url.partition("#")[0].partition("?")[2]
    hashes = [
        value for name, value in parse_qsl(query, keep_blank_values=True) if name == "bodySHA256"
    ]
    if not hashes:
        return True
    # The signature covers the URL only. Without this check any body would be valid for
    # a signed URL.
    digest = hashlib.sha256(body or b"").hexdigest().encode()
    return all(
        hmac.compare_digest(digest, value.encode("utf-8", "surrogatepass")) for value in hashes
    )
