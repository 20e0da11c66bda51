"""Who may do what. Does no I/O."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.errors import PermissionDenied
from gateway.core.rooms import AccountSid, Room, RoomSid

# What one process can serve: 2,500 small calls a second, or 25,000 objects. So by default no key uses up more than that, and
# whoever shares a gateway gives each key its part of it.
POINTS = 1_500_000


class Scope(StrEnum):
    ROOMS_READ = "rooms:read"
    ROOMS_WRITE = "rooms:write"
    EVENTS_SUBSCRIBE = "events:subscribe"
    TOKENS_MINT = "tokens:mint"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Signed:
    """How a JSON Web Token made its caller known: by which of its issuer's keys, and until when, in Unix seconds."""

    issuer: str
    audience: str
    key_digest: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class Caller:
    """A known caller. `grants` are the SIDs and names of the rooms it may touch; None means every room of its account."""

    account_sid: AccountSid
    id: str
    """Of the API key, or a digest of the token's issuer and subject. What it may spend goes by this."""
    scopes: frozenset[Scope]
    grants: frozenset[str] | None = None
    limit: int = POINTS
    """What it may spend, in points a minute."""
    signed: Signed | None = None
    """None: an API key, which lasts until it is taken back."""

    def require(self, scope: Scope) -> None:
        """Raises PermissionDenied without the scope; `admin` has them all."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise PermissionDenied(f"this credential lacks the scope {scope}; use one that has it")

    def may_see(self, room: Room) -> bool:
        return self.grants is None or room.sid in self.grants or room.unique_name in self.grants

    def may_name(self, sid: RoomSid | None, name: str | None) -> bool:
        return self.grants is None or sid in self.grants or name in self.grants
