"""The texts of persisted queries, for all replicas."""

from typing import Final

from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

PERSISTED_QUERIES: Final = 1_000
"""How many texts of an account are kept."""
PERSISTED_QUERY_BYTES: Final = 16_384
"""The largest text that is kept. So an account needs at most 16 MiB."""
LIFETIME_MS: Final = 7 * 24 * 3_600 * 1_000
"""When all of an account's texts expire, if none is used."""
TIMEOUT_S: Final = 0.1

_REMEMBER: Final = Script("head.lua", "remember.lua")
_RECALL: Final = Script("head.lua", "recall.lua")


class PersistedQueryTexts:
    """The newest texts of each account, by the digest of the text.

    Methods raise UpstreamUnavailable when Redis does not answer.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, account_sid: AccountSid, digest: str) -> bytes | None:
        """The text, which counts as used; None if it is unknown."""
        text: bytes | None = await self._connections.run(
            _RECALL, _keys(account_sid), [digest, LIFETIME_MS], TIMEOUT_S
        )
        return text

    async def put(self, account_sid: AccountSid, digest: str, text: bytes) -> None:
        """Keeps the text. Drops the texts that were used least recently."""
        await self._connections.run(
            _REMEMBER,
            _keys(account_sid),
            [digest, text, PERSISTED_QUERIES, LIFETIME_MS],
            TIMEOUT_S,
        )


def _keys(account_sid: AccountSid) -> list[str]:
    keys = Keys(account_sid)
    return [keys.persisted_queries, keys.persisted_queries_used]
