"""Leases: what one process at a time does for all replicas. Lost when its holder does not renew it, as when it dies."""

from dataclasses import dataclass
from typing import Final

from gateway.core.rooms import AccountSid
from gateway.store.connection import READ_S, Connections, Script
from gateway.store.keys import Keys

_TAKE: Final = Script("head.lua", "lease.lua")
_RELEASE: Final = Script("head.lua", "release.lua")


@dataclass(frozen=True, slots=True)
class Lease:
    """Whether it is ours, and how long it is held by whoever holds it. Count those from before the question was sent: by
    the server's clock it began later, so a holder who stops by then never overlaps with the next one."""

    is_ours: bool
    left_ms: int


class Leases:
    """One account's leases, by name. `owner` tells holders apart: a word that no two of them share."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def take(self, name: str, owner: str, lifetime_ms: int) -> Lease:
        """Takes the lease if it is free, and renews it if it is the owner's already. One round trip. Raises
        UpstreamUnavailable; it may be taken or renewed then or not."""
        is_ours, left_ms = await self._connections.run(
            _TAKE, [self._keys.lease(name)], [owner, lifetime_ms], READ_S
        )
        return Lease(bool(is_ours), int(left_ms))

    async def release(self, name: str, owner: str) -> bool:
        """Gives it back, so that the next one need not wait for its end. Says whether it was the owner's. Raises
        UpstreamUnavailable."""
        return bool(
            await self._connections.run(_RELEASE, [self._keys.lease(name)], [owner], READ_S)
        )
