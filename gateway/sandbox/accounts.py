"""Accounts, their Auth Tokens and API keys, and authentication. Does no I/O."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from gateway.sandbox.errors import TwilioError


@dataclass(frozen=True, slots=True)
class Account:
    """A Twilio account. `api_keys` maps a key's SID (SK…) to its secret.

    An account without `has_legacy_types` can create group rooms only. That is the case
    for new Twilio accounts.
    """

    sid: str
    auth_token: str = field(repr=False)
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_legacy_types: bool = True

    @classmethod
    def generate(cls, number: int = 0) -> Self:
        """Returns an account derived from `number`.

        The same number always gives the same SID and secrets, so a client's
        configuration stays valid when the sandbox restarts.
        """

        def hex_digits(purpose: str) -> str:
            return hashlib.sha256(f"sandbox {purpose} {number}".encode()).hexdigest()[:32]

        return cls(
            f"AC{hex_digits('account')}",
            hex_digits("token"),
            {f"SK{hex_digits('key')}": hex_digits("secret")},
        )


class Authenticator:
    """Maps each valid Basic credential to its account: authentication is one lookup."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts: dict[str, Account] = {}
        for account in accounts:
            for user, password in [(account.sid, account.auth_token), *account.api_keys.items()]:
                credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
                self._accounts[credentials] = account

    def authenticate(self, authorization: str) -> Account:
        """Returns the account of an `Authorization` header. Raises 20003 if invalid."""
        scheme, _, credentials = authorization.partition(" ")
        account = self._accounts.get(credentials.strip())
        if scheme.lower() != "basic" or account is None:
            raise TwilioError(20003)
        return account
