"""What became of each idempotency key: one hash a key, kept for a day, the same for every replica."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core.rooms import AccountSid, RoomSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_CLAIM: Final = Script("head.lua", "claim.lua")
_SETTLE: Final = Script("head.lua", "settle.lua")

KEPT_S: Final = 24 * 3600
LEASE_MS: Final = 15_000
"""Longer than a create takes with its turn and its answer (2 s and 10 s). Who is slower still does no harm: the next one
looks before it sends."""


@dataclass(frozen=True, slots=True)
class Once:
    """What is to be done once: `digest` stands for the caller and the key that it gave, `body` for what it asked for."""

    digest: str
    body: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The room is ours to make. `is_doubtful`: an earlier try may have made it, at `began_at` or later."""

    is_doubtful: bool
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Made:
    sid: RoomSid


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody is about to make it."""


@dataclass(frozen=True, slots=True)
class OtherBody:
    """The key was given before, for something else."""


class IdempotencyRecords:
    """One account's. `owner` tells tries apart: a word that no two of them share. Every method is one round trip and raises
    UpstreamUnavailable; it may have been done then or not."""

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def claim(self, once: Once, owner: str) -> Claimed | Made | Busy | OtherBody:
        answer, *rest = await self._connections.run(
            _CLAIM, [self._keys.once(once.digest)], [once.body, owner, LEASE_MS, KEPT_S]
        )
        match answer:
            case b"claimed":
                return Claimed(bool(rest[0]), datetime.fromtimestamp(int(rest[1]) / 1000, UTC))
            case b"made":
                return Made(RoomSid(rest[0].decode()))
            case b"busy":
                return Busy()
            case _:
                return OtherBody()

    async def settle(self, once: Once, owner: str, sid: RoomSid) -> None:
        """The room is made."""
        await self._settle(once, owner, sid, is_doubtful=False)

    async def give_back(self, once: Once, owner: str, *, is_doubtful: bool) -> None:
        """This try made none; or perhaps it, or one before it, did."""
        await self._settle(once, owner, "", is_doubtful=is_doubtful)

    async def _settle(self, once: Once, owner: str, sid: str, *, is_doubtful: bool) -> None:
        args: list[str | bytes | int] = [once.body, owner, sid, int(is_doubtful), KEPT_S]
        await self._connections.run(_SETTLE, [self._keys.once(once.digest)], args)
