"""What became of each idempotency key: one record per key, shared by all replicas.

A record is a Redis hash that expires after a day.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core.rooms import AccountSid
from gateway.store.connection import Connections, Script
from gateway.store.keys import Keys

_CLAIM: Final = Script("head.lua", "claim.lua")
_SETTLE: Final = Script("head.lua", "settle.lua")

LIFETIME_S: Final = 24 * 3600
# Longer than a mutation takes: up to 2 s for its permit and 10 s for the response. A
# slower attempt does no harm, because the next one knows that the change may be made.
LEASE_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`digest` identifies the caller and the key, `body` the request.

    `text` is the key as the caller sends it. `is_given` is False for a key that the
    gateway made for a request without one.
    """

    text: str
    digest: str
    body: str
    is_given: bool = True


@dataclass(frozen=True, slots=True)
class Claimed:
    """This attempt may make the change.

    `may_be_done` means that an earlier attempt may have made it, not before
    `first_claimed_at`. `target` is what the first attempt found its request to aim at,
    and None until an attempt has recorded it.
    """

    may_be_done: bool
    first_claimed_at: datetime
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The change of this key was made. `result` names what it made or changed."""

    result: str


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another attempt with this key has the claim."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The key was sent before, with another request. `about` is the result or the
    target of that one, if it is known."""

    about: str | None


class IdempotencyRecords:
    """One account's records.

    `owner` identifies an attempt, so no two attempts share one. Every method is one
    round trip and raises UpstreamUnavailable; it may have taken effect then.
    """

    def __init__(self, connections: Connections, account_sid: AccountSid) -> None:
        self._connections = connections
        self._keys = Keys(account_sid)

    async def claim(
        self,
        key: IdempotencyKey,
        owner: str,
        target: str | None = None,
        began_at: datetime | None = None,
    ) -> Claimed | Done | InProgress | OtherRequest:
        """Claims the key for an attempt to make its change, for `LEASE_MS`. An owner
        that has the claim renews it.

        Records `target`, and `began_at` as the time of the first attempt, unless the
        record has them. The first attempt begins now by default.
        """
        record = self._keys.idempotency(key.digest)
        began_ms = "" if began_at is None else int(began_at.timestamp() * 1000)
        outcome, *details = await self._connections.run(
            _CLAIM, [record], [key.body, owner, LEASE_MS, LIFETIME_S, target or "", began_ms]
        )
        match outcome:
            case b"claimed":
                may_be_done, began_ms, known = details
                first_claimed_at = datetime.fromtimestamp(int(began_ms) / 1000, UTC)
                return Claimed(bool(may_be_done), first_claimed_at, known.decode() or None)
            case b"done":
                return Done(details[0].decode())
            case b"busy":
                return InProgress()
            case _:
                return OtherRequest(details[0].decode() or None)

    async def complete(self, key: IdempotencyKey, owner: str, result: str) -> None:
        """Records that the change was made."""
        await self._settle(key, owner, result, may_be_done=False)

    async def release(self, key: IdempotencyKey, owner: str, *, may_be_done: bool) -> None:
        """Gives up the claim.

        `may_be_done`: this or an earlier attempt may have made the change. Without that
        and without a target, the record is deleted.
        """
        await self._settle(key, owner, "", may_be_done=may_be_done)

    async def _settle(
        self, key: IdempotencyKey, owner: str, result: str, *, may_be_done: bool
    ) -> None:
        args: list[str | bytes | int] = [key.body, owner, result, int(may_be_done), LIFETIME_S]
        await self._connections.run(_SETTLE, [self._keys.idempotency(key.digest)], args)
