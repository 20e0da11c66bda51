"""What became of each idempotency key: one record per key, shared by all replicas.

A record is a Redis hash that expires after a day.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core.rooms import AccountSid, RoomSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_CLAIM: Final = Script("head.lua", "claim.lua")
_SETTLE: Final = Script("head.lua", "settle.lua")

LIFETIME_S: Final = 24 * 3600
# Longer than a create takes: up to 2 s for its permit and 10 s for the response. A
# slower attempt does no harm, because the next one looks for the room before it sends a
# request.
LEASE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`digest` identifies the caller and the key it sent, `body` the requested room."""

    digest: str
    body: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """This attempt may create the room.

    `may_exist` means that an earlier attempt may have created it, not before
    `first_claimed_at`.
    """

    may_exist: bool
    first_claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Created:
    """The room of this key was created."""

    sid: RoomSid


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another attempt with this key has the claim."""


@dataclass(frozen=True, slots=True)
class OtherBody:
    """The key was sent before, for another room."""


class IdempotencyRecords:
    """One account's records.

    `owner` identifies an attempt, so no two attempts share one. Every method is one
    round trip and raises UpstreamUnavailable; it may have taken effect then.
    """

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def claim(
        self, key: IdempotencyKey, owner: str
    ) -> Claimed | Created | InProgress | OtherBody:
        """Claims the key for an attempt to create its room, for `LEASE_MS`."""
        record = self._keys.idempotency(key.digest)
        outcome, *details = await self._connections.run(
            _CLAIM, [record], [key.body, owner, LEASE_MS, LIFETIME_S]
        )
        match outcome:
            case b"claimed":
                first_claimed_at = datetime.fromtimestamp(int(details[1]) / 1000, UTC)
                return Claimed(bool(details[0]), first_claimed_at)
            case b"made":
                return Created(RoomSid(details[0].decode()))
            case b"busy":
                return InProgress()
            case _:
                return OtherBody()

    async def complete(self, key: IdempotencyKey, owner: str, sid: RoomSid) -> None:
        """Records that the room was created."""
        await self._settle(key, owner, sid, may_exist=False)

    async def release(self, key: IdempotencyKey, owner: str, *, may_exist: bool) -> None:
        """Gives up the claim.

        `may_exist`: this or an earlier attempt may have created it.
        """
        await self._settle(key, owner, "", may_exist=may_exist)

    async def _settle(self, key: IdempotencyKey, owner: str, sid: str, *, may_exist: bool) -> None:
        args: list[str | bytes | int] = [key.body, owner, sid, int(may_exist), LIFETIME_S]
        await self._connections.run(_SETTLE, [self._keys.idempotency(key.digest)], args)
