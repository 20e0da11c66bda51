"""Leases: rights that one process at a time holds, for all replicas. A lease expires
unless its holder renews it, so it becomes free when the holder dies."""

from dataclasses import dataclass
from typing import Final

from gateway.core.rooms import AccountSid
from gateway.store.connection import READ_TIMEOUT_S, Connections, Script
from gateway.store.keys import Keys

_TAKE: Final = Script("head.lua", "lease.lua")
_RELEASE: Final = Script("head.lua", "release.lua")


@dataclass(frozen=True, slots=True)
class Lease:
    """Whether the lease is ours, and for how long its holder has it.

    Count `left_ms` from before the command was sent. On the server, the lease began
    later, so a holder that stops by then never overlaps with the next one.
    """

    is_ours: bool
    left_ms: int


class Leases:
    """One account's leases, by name. `owner` identifies a holder; no two holders share
    one."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def take(self, name: str, owner: str, lifetime_ms: int) -> Lease:
        """Takes the lease if it is free, and renews it if the owner has it. One round
        trip.

        Raises UpstreamUnavailable when Redis does not answer; the lease may be taken
        then or not.
        """
        is_ours, left_ms = await self._connections.run(
            _TAKE, [self._keys.lease(name)], [owner, lifetime_ms], READ_TIMEOUT_S
        )
        return Lease(bool(is_ours), int(left_ms))

    async def release(self, name: str, owner: str) -> bool:
        """Releases the lease, so that the next holder need not wait until it expires.
        Returns whether the owner had it. Raises UpstreamUnavailable."""
        return bool(
            await self._connections.run(_RELEASE, [self._keys.lease(name)], [owner], READ_TIMEOUT_S)
        )
