"""Cursors: a place in an account's log as an opaque, authenticated, URL-safe string. Does no I/O.

The same place gives the same string on every replica and every transport, so the token is deterministic: its tag is a
MAC of what it holds, and what it holds is masked with a stream that depends on the tag (the idea of RFC 5297, SIV).
The mask matters: n counts every room's events, and a caller with a grant for one room must not read others' traffic off it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import InvalidArgument

EPOCH_BYTES: Final = 8
TAG_BYTES: Final = 8
_MAC_BYTES: Final = 16
# A page position holds the query of one of Twilio's pages, which may hold a name of 128 characters, percent-encoded.
_TOKEN_LIMIT: Final = 8192
NO_TAG: Final = bytes(TAG_BYTES)
"""The tag of an epoch's beginning, where no entry stands."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A place in an account's log.

    `n` counts events within an epoch. `epoch` names the life of the log: when Redis loses a log and a new one starts, the
    epoch differs. `tag` is taken from the entry at `n`: after a rollback the same numbers may be given out a second time.
    An old cursor is then refused instead of skipping events without a word.
    """

    epoch: str
    n: int
    tag: bytes


def tag_of(entry: bytes) -> bytes:
    """The tag of a log entry, from its bytes as they lie in the log."""
    return hashlib.blake2b(entry, digest_size=TAG_BYTES).digest()


def derive_key(secret: str, label: str) -> bytes:
    """A key of its own for each use of one secret (HKDF, RFC 5869, one block of SHA-256)."""
    pseudorandom_key = hmac.digest(b"rooms-gateway", secret.encode(), hashlib.sha256)
    return hmac.digest(pseudorandom_key, label.encode() + b"\x01", hashlib.sha256)


class CursorCodec:
    """Turns places and page positions of one account into tokens and back.

    `secrets` are the current one and, during a rotation, the one before: tokens are made with the first and accepted
    from any. Tokens of another account, of another purpose or changed in a single bit raise InvalidArgument.
    """

    def __init__(self, secrets: tuple[str, ...], account_sid: str) -> None:
        self._cursor_keys = [derive_key(secret, f"cursor:{account_sid}") for secret in secrets]
        self._page_keys = [derive_key(secret, f"page:{account_sid}") for secret in secrets]

    def cursor(self, position: LogPosition) -> str:
        return _seal(
            self._cursor_keys[0],
            bytes.fromhex(position.epoch) + position.n.to_bytes(8, "big") + position.tag,
        )

    def position(self, cursor: str) -> LogPosition:
        body = _open(
            self._cursor_keys,
            cursor,
            "after is not a cursor of this gateway; use one from a message or leave it out",
        )
        epoch, n, tag = body[:EPOCH_BYTES], body[EPOCH_BYTES:-TAG_BYTES], body[-TAG_BYTES:]
        return LogPosition(epoch.hex(), int.from_bytes(n, "big"), tag)

    def page_token(self, position: bytes) -> str:
        return _seal(self._page_keys[0], position)

    def page_position(self, token: str) -> bytes:
        return _open(
            self._page_keys,
            token,
            "after is not a page cursor of this gateway; use the one that came with a page, or leave it out",
        )


def _seal(key: bytes, body: bytes) -> str:
    mac = hmac.digest(key, body, hashlib.sha256)[:_MAC_BYTES]
    return urlsafe_b64encode(mac + _masked(key, mac, body)).rstrip(b"=").decode()


def _open(keys: list[bytes], token: str, complaint: str) -> bytes:
    sealed = b""
    if len(token) <= _TOKEN_LIMIT and token.isascii():
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise InvalidArgument(complaint) from None
    # The decoder passes over foreign characters and spare bits: one place must have one spelling only.
    if len(sealed) <= _MAC_BYTES or urlsafe_b64encode(sealed).rstrip(b"=").decode() != token:
        raise InvalidArgument(complaint)
    mac, masked = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    for key in keys:
        body = _masked(key, mac, masked)
        if hmac.compare_digest(mac, hmac.digest(key, body, hashlib.sha256)[:_MAC_BYTES]):
            return body
    raise InvalidArgument(complaint)


def _masked(key: bytes, mac: bytes, body: bytes) -> bytes:
    stream = hashlib.shake_256(key + b"mask" + mac).digest(len(body))
    return bytes(left ^ right for left, right in zip(body, stream, strict=True))
