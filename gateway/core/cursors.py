"""Cursors: opaque, authenticated, URL-safe strings that name a position to continue
from.

There are three kinds: positions in an account's event log, in a list of Twilio's REST
API, and in a list of a live view. Each is encrypted with AES-SIV (RFC 5297), which is
deterministic: the same position gives the same string on every replica and every
transport. The kind and the account are associated data, so a cursor is valid for its
own kind and account only. Encryption matters because `n` counts the events of all
rooms: a caller with a grant for one room must not learn the traffic of others. Does no
I/O.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.errors import InvalidArgument

EPOCH_BYTES: Final = 8
TAG_BYTES: Final = 8
# Two 256-bit keys, as AES-256-SIV needs them.
_KEY_BYTES: Final = 64
# A page cursor holds the query of one of Twilio's pages. The query may hold a name of
# 128 characters, percent-encoded.
_CURSOR_LIMIT: Final = 8192
NO_TAG: Final = bytes(TAG_BYTES)
"""The tag of an epoch's beginning, before its first entry."""

_LOG: Final = b"log"
_PAGE: Final = b"page"
_LIST: Final = b"list"


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in an account's log.

    `n` counts events within an epoch. `epoch` names one life of the log: when Redis
    loses a log and a new one starts, the epoch differs. `tag` is taken from the entry
    at `n`: after a rollback the same numbers may be assigned again. An old cursor is
    then refused instead of skipping events silently.
    """

    epoch: str
    n: int
    tag: bytes


def tag_of(entry: bytes) -> bytes:
    """The tag of a log entry, from its bytes as they are stored."""
    return hashlib.blake2b(entry, digest_size=TAG_BYTES).digest()


class CursorCodec:
    """Encodes and decodes the cursors of one account.

    `secrets` are the current one and, during a rotation, the previous one: cursors are
    made with the first and accepted from all. A cursor of another account or kind, or
    one that was changed in a single bit, raises InvalidArgument.
    """

    def __init__(self, secrets: tuple[str, ...], account_sid: str) -> None:
        self._keys = [AESSIV(_derive_key(secret)) for secret in secrets]
        self._account = account_sid.encode()

    def log_cursor(self, position: LogPosition) -> str:
        """The cursor of a position in the log: 54 characters."""
        n = position.n.to_bytes(8, "big")
        return self._encode(bytes.fromhex(position.epoch) + n + position.tag, _LOG)

    def log_position(self, cursor: str, field: str = "after") -> LogPosition:
        plain = self._decode(cursor, _LOG)
        if plain is None:
            raise InvalidArgument.at(
                field, "is not a cursor of this gateway: use one from a message, or leave it out"
            )
        epoch, n, tag = plain[:EPOCH_BYTES], plain[EPOCH_BYTES:-TAG_BYTES], plain[-TAG_BYTES:]
        return LogPosition(epoch.hex(), int.from_bytes(n, "big"), tag)

    def page_cursor(self, position: bytes) -> str:
        """The cursor of a position in a list of Twilio's REST API."""
        return self._encode(position, _PAGE)

    def page_position(self, cursor: str) -> bytes:
        position = self._decode(cursor, _PAGE)
        if position is None:
            raise other_list()
        return position

    def list_cursor(self, list_id: str, key: str) -> str:
        """The cursor of a place in a list of the gateway's own: of a live view, or of
        several of Twilio's lists that are read as one."""
        return self._encode(key.encode(), _LIST, list_id.encode())

    def list_key(self, list_id: str, cursor: str) -> str:
        """The key that `list_cursor` was given for the same list."""
        key = self._decode(cursor, _LIST, list_id.encode())
        if key is None:
            raise other_list()
        return key.decode()

    def _encode(self, plain: bytes, *purpose: bytes) -> str:
        sealed = self._keys[0].encrypt(plain, [*purpose, self._account])
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _decode(self, cursor: str, *purpose: bytes) -> bytes | None:
        if len(cursor) > _CURSOR_LIMIT or not cursor.isascii():
            return None
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            return None
        # The decoder ignores foreign characters and unused bits, but a position has one
        # cursor.
        if urlsafe_b64encode(sealed).rstrip(b"=").decode() != cursor:
            return None
        for key in self._keys:
            try:
                return key.decrypt(sealed, [*purpose, self._account])
            except InvalidTag:
                continue
        return None


def other_list() -> InvalidArgument:
    """Returns the error for a page cursor that does not belong to the list."""
    return InvalidArgument.at(
        "page_token",
        "is not a cursor of this list with this filter: use one that came with a page of it, "
        "or leave it out",
    )


def _derive_key(secret: str) -> bytes:
    """A key for cursors alone, should the secret have other uses."""
    kdf = HKDF(SHA256(), length=_KEY_BYTES, salt=b"rooms-gateway", info=b"cursors")
    return kdf.derive(secret.encode())
