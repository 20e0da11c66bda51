"""Persisted queries that clients register, for all replicas."""

import hashlib
from contextlib import suppress
from typing import Final

from gateway.core.errors import UpstreamUnavailable
from gateway.core.lru import LruCache
from gateway.core.rooms import AccountSid
from gateway.store.persisted_queries import PERSISTED_QUERY_BYTES, PersistedQueryTexts

TEXTS: Final = 1_000
TEXTS_BYTES: Final = 8 * 1024 * 1024


class PersistedQueries:
    """The documents that clients have registered, by the SHA-256 digest of their text.

    Each account has its own. Without Redis, a process knows those that it has used.
    """

    def __init__(self, texts: PersistedQueryTexts) -> None:
        self._texts = texts
        self._known = LruCache[tuple[AccountSid, str], str](
            max_entries=TEXTS, max_bytes=TEXTS_BYTES
        )

    async def text(self, account_sid: AccountSid, digest: str) -> str | None:
        """The document; None for an unknown digest. `digest` is in lower-case hex."""
        known = self._known.get((account_sid, digest))
        if known is not None:
            return known
        text = None
        with suppress(UpstreamUnavailable):
            text = await self._texts.get(account_sid, digest)
        # Others may write to this Redis too.
        if text is None or hashlib.sha256(text).hexdigest() != digest:
            return None
        return self._learn(account_sid, digest, text.decode())

    async def register(self, account_sid: AccountSid, digest: str, text: str) -> None:
        """Keeps a valid document. Call it when its operation has been paid for.

        A document of more than 16 KiB is not kept: its clients send it each time. Nor
        is one that Redis does not take in time.
        """
        encoded = text.encode()
        if (account_sid, digest) in self._known or len(encoded) > PERSISTED_QUERY_BYTES:
            return
        with suppress(UpstreamUnavailable):
            await self._texts.put(account_sid, digest, encoded)
            self._learn(account_sid, digest, text)

    def _learn(self, account_sid: AccountSid, digest: str, text: str) -> str:
        self._known.put((account_sid, digest), text, len(text))
        return text
