"""Rooms that any replica has a reason to have looked at, for the one that looks."""

from typing import Final

from gateway.core.rooms import AccountSid, RoomSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys

# A leader takes them out within seconds; without one, whoever leads next looks at every room anyway.
KEPT_S: Final = 600


class RecheckQueue:
    """A set in Redis. Both methods are one round trip and raise UpstreamUnavailable."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._key = Keys(account_sid).recheck_queue

    async def add(self, sid: RoomSid) -> None:
        await self._connections.read(("SADD", self._key, sid), ("EXPIRE", self._key, KEPT_S))

    async def take(self, count: int) -> list[RoomSid]:
        """Up to `count` of them, which are then no longer there."""
        found = await self._connections.fetch(self._key, "SPOP", self._key, count)
        return [RoomSid(sid.decode()) for sid in found or ()]
