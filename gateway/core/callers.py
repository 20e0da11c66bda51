"""Callers, and what they may do. Does no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.errors import PermissionDenied
from gateway.core.rooms import AccountSid, Room, RoomSid

POINTS: Final = 1_500_000
"""The default limit of a caller, in points a minute. That is what one process can
serve: 2,500 small calls a second, or 25,000 objects. Operators of a shared gateway give
each key a part of it."""


class Scope(StrEnum):
    ROOMS_READ = "rooms:read"
    ROOMS_WRITE = "rooms:write"
    EVENTS_SUBSCRIBE = "events:subscribe"
    TOKENS_MINT = "tokens:mint"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The JSON Web Token that identifies a caller: the digest of the issuer's key that
    signed it, and when it expires, in Unix seconds."""

    issuer: str
    audience: str
    key_digest: bytes
    expires_at: float


CallerKey = tuple[AccountSid, str]
"""Identifies a caller: the ids of API keys are unique within an account only."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `id` is the id of the API key, or a digest of the token's issuer and subject:
    callers with one id share a limit. `grants` are the SIDs and names of the rooms that
    the caller may see; None means every room of the account. `limit` is in points a
    minute. `token` is None for an API key, which does not expire.
    """

    account_sid: AccountSid
    id: str
    scopes: frozenset[Scope]
    grants: frozenset[str] | None = None
    limit: int = POINTS
    token: VerifiedToken | None = None

    @property
    def key(self) -> CallerKey:
        return self.account_sid, self.id

    def require(self, scope: Scope) -> None:
        """Raises PermissionDenied without the scope; `admin` includes all scopes."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise PermissionDenied(f"credential lacks the scope {scope}: use one that has it")

    def may_see(self, room: Room) -> bool:
        return self.grants is None or room.sid in self.grants or room.unique_name in self.grants

    def may_name(self, sid: RoomSid | None, name: str | None) -> bool:
        """Whether the caller may see a room, by its SID or its name."""
        return self.grants is None or sid in self.grants or name in self.grants
