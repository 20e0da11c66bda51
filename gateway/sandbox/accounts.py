"""Who may call: accounts with their Auth Token and API keys. Does no I/O."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from gateway.sandbox.errors import TwilioError


@dataclass(frozen=True, slots=True)
class Account:
    """`api_keys` maps SK… to its secret. Without `has_legacy_types` it has group rooms only, as new accounts do."""

    sid: str
    auth_token: str = field(repr=False)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_legacy_types: bool = True

    @classmethod
    def generate(cls, number: int = 0) -> Self:
        """The same account for the same number: what is set up for a sandbox holds after its restart."""

        def digits(what: str) -> str:
            return hashlib.sha256(f"sandbox {what} {number}".encode()).hexdigest()[:32]

        return cls(
            f"AC{digits('account')}", digits("token"), {f"SK{digits('key')}": digits("secret")}
        )


class Authenticator:
    """Knows every valid `Authorization` header, so that admitting a call is one look-up."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._known: dict[str, Account] = {}
        for account in accounts:
            for user, password in [(account.sid, account.auth_token), *account.api_keys.items()]:
                self._known[base64.b64encode(f"{user}:{password}".encode()).decode()] = account

    def admit(self, authorization: str) -> Account:
        scheme, _, login = authorization.partition(" ")
        account = self._known.get(login.strip())
        if scheme.lower() != "basic" or account is None:
            raise TwilioError(20003)
        return account
