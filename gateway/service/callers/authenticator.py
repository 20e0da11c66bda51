"""How a caller is known: by an API key, or by a JSON Web Token of an issuer that the operator believes.

Either names the account, the scopes and, if it has any, the rooms.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.callers import Caller
from gateway.core.errors import Unauthenticated
from gateway.service.callers.jwt_verifier import JwtVerifier

# With it a key is told from a token.
KEY_PREFIX = "rgk_"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A configured key: `sha256` is the hex digest of the whole key, prefix included. The key itself is kept nowhere."""

    sha256: str
    caller: Caller


class Authenticator:
    def __init__(self, keys: Sequence[ApiKey], jwt_verifier: JwtVerifier | None = None) -> None:
        self._keys = tuple(keys)
        self._jwt_verifier = jwt_verifier or JwtVerifier(())

    async def caller(self, *, authorization: str | None, api_key: str | None) -> Caller:
        """The caller behind `Authorization: Bearer <API key or token>` or `X-API-Key: <API key>`. Raises Unauthenticated, and
        UpstreamUnavailable while nobody can say who signed a token."""
        if authorization is None:
            return self._by_key(api_key)
        scheme, _, presented = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(
                "Authorization is not a Bearer credential; send `Authorization: Bearer <API key>`"
            )
        presented = presented.strip()
        if presented and not presented.startswith(KEY_PREFIX) and self._jwt_verifier.has_issuers:
            return await self._jwt_verifier.caller(presented)
        return self._by_key(presented)

    def _by_key(self, presented: str | None) -> Caller:
        if not presented:
            raise Unauthenticated(
                "no credential; send `Authorization: Bearer <API key>` or `X-API-Key: <API key>`"
            )
        digest = hashlib.sha256(presented.strip().encode("utf-8", "surrogatepass")).hexdigest()
        # Every key is compared, so that the time taken does not tell which ones came close.
        found = [key.caller for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise Unauthenticated(
                "the API key is not known here; check it, or ask the operator for one"
            )
        return found[0]

    def still_holds(self, caller: Caller) -> bool:
        """Whether the credential that made this caller known would do so now, with the same rights: what lasts longer than a
        request asks again now and then."""
        if caller.signed is not None:
            return self._jwt_verifier.still_holds(caller.signed)
        return any(key.caller == caller for key in self._keys)
