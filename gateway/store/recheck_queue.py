"""The rooms that the reconciler should check soon, added by any replica."""

from typing import Final

from gateway.core.rooms import AccountSid, RoomSid
from gateway.store.connection import Connections
from gateway.store.keys import Keys

# A leader takes the rooms within seconds. Without one for so long they are dropped: the
# next leader checks every room anyway.
LIFETIME_S: Final = 600


class RecheckQueue:
    """A Redis set of one account's rooms.

    Every method is one round trip and raises UpstreamUnavailable.
    """

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._key = Keys(account_sid).recheck_queue

    async def add(self, sid: RoomSid) -> None:
        await self._connections.pipeline(
            ("SADD", self._key, sid), ("EXPIRE", self._key, LIFETIME_S)
        )

    async def take(self, count: int) -> list[RoomSid]:
        """Removes up to `count` rooms and returns them."""
        sids = await self._connections.execute(self._key, "SPOP", self._key, count)
        return [RoomSid(sid.decode()) for sid in sids or ()]
