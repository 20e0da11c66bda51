"""Who may do what. A caller is known by an API key; the key names the account, the scopes and, if it has any, the rooms.

Does no I/O.
"""

import hashlib
import hmac
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.errors import PermissionDenied, Unauthenticated
from gateway.core.rooms import AccountSid, Room, RoomSid

KEY_PREFIX = "rgk_"
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
class Caller:
    """A known caller. `grants` are the SIDs and names of the rooms it may touch; None means every room of its account."""

    account_sid: AccountSid
    key_id: str
    scopes: frozenset[Scope]
    grants: frozenset[str] | None = None
    limit: int = POINTS
    """What it may spend, in points a minute."""

    def require(self, scope: Scope) -> None:
        """Raises PermissionDenied without the scope; `admin` has them all."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise PermissionDenied(f"this API key lacks the scope {scope}; use one that has it")

    def may_see(self, room: Room) -> bool:
        return self.grants is None or room.sid in self.grants or room.unique_name in self.grants

    def may_name(self, sid: RoomSid | None, name: str | None) -> bool:
        return self.grants is None or sid in self.grants or name in self.grants


_ASKING: Final[ContextVar[Caller | None]] = ContextVar("asking", default=None)


def asks(caller: Caller) -> None:
    """Makes `asking` true for the rest of this task and for the tasks it begins: a call that several callers share is its
    first one's."""
    _ASKING.set(caller)


def asking() -> Caller | None:
    """For whom this is done; None: for the gateway itself."""
    return _ASKING.get()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A configured key: `sha256` is the hex digest of the whole key, prefix included. The key itself is kept nowhere."""

    sha256: str
    caller: Caller


class Access:
    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    def caller(self, *, authorization: str | None, api_key: str | None) -> Caller:
        """The caller behind `Authorization: Bearer <key>` or `X-API-Key: <key>`. Raises Unauthenticated."""
        presented = api_key
        if authorization is not None:
            scheme, _, presented = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated(
                    "Authorization is not a Bearer credential; send `Authorization: Bearer <API key>`"
                )
        if not presented:
            raise Unauthenticated("no credential; send `Authorization: Bearer <API key>` or `X-API-Key: <API key>`")
        digest = hashlib.sha256(presented.strip().encode("utf-8", "surrogatepass")).hexdigest()
        # Every key is compared, so that the time taken does not tell which ones came close.
        found = [key.caller for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise Unauthenticated("the API key is not known here; check it, or ask the operator for one")
        return found[0]

    def still_holds(self, caller: Caller) -> bool:
        """Whether the credential that made this caller known would do so now, with the same rights: what lasts longer than a
        request asks again now and then."""
        return any(key.caller == caller for key in self._keys)
