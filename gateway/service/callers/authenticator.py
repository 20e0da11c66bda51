"""Identifies callers, by an API key or by a JSON Web Token of a configured issuer.

Either determines the account, the scopes and, for a caller that may not see every room,
the rooms.
"""

from collections.abc import Sequence

from gateway.core.callers import Caller
from gateway.core.errors import Unauthenticated
from gateway.service.callers.api_keys import KEY_PREFIX, ApiKey, ApiKeys
from gateway.service.callers.jwt_verifier import JwtVerifier
from gateway.service.callers.timings import CallerTimings


class Authenticator:
    def __init__(
        self,
        keys: Sequence[ApiKey],
        jwt_verifier: JwtVerifier | None = None,
        timings: CallerTimings = CallerTimings(),
    ) -> None:
        self._api_keys = ApiKeys(keys)
        self._jwt_verifier = jwt_verifier or JwtVerifier(())
        self.revalidate_s = timings.revalidate_s
        """How often a credential must be checked that is used for long."""

    async def caller(self, *, authorization: str | None, api_key: str | None) -> Caller:
        """The caller who sends these headers.

        They are `Authorization: Bearer <API key or token>`, or `X-API-Key: <API key>`.

        Raises Unauthenticated, and UpstreamUnavailable while the keys of a token's
        issuer cannot be read.
        """
        if authorization is None:
            return self._caller_by_key(api_key)
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(
                "Authorization is not a Bearer credential: send `Authorization: Bearer <API key>`"
            )
        credential = credential.strip()
        is_token = credential and not credential.startswith(KEY_PREFIX)
        if is_token and self._jwt_verifier.has_issuers:
            return await self._jwt_verifier.caller(credential)
        try:
            return self._caller_by_key(credential)
        except Unauthenticated:
            if is_token:
                raise Unauthenticated(
                    "unknown API key, and this gateway has no issuer of tokens: send an API key, "
                    "or ask the operator to configure an issuer"
                ) from None
            raise

    def is_valid(self, caller: Caller) -> bool:
        """Whether the credential that identified this caller would do so now, with the
        same rights. Streams check this from time to time."""
        if caller.token is not None:
            return self._jwt_verifier.is_valid(caller.token)
        return self._api_keys.has(caller)

    def _caller_by_key(self, key: str | None) -> Caller:
        if not key:
            raise Unauthenticated(
                "no credential: send `Authorization: Bearer <API key>` or `X-API-Key: <API key>`"
            )
        caller = self._api_keys.caller(key.strip())
        if caller is None:
            raise Unauthenticated("unknown API key: check it, or ask the operator for one")
        return caller
