"""JSON Web Tokens of configured issuers, as callers' credentials.

A token says who the caller is (`sub`), what it may do (`scope`, words separated by
spaces) and, if it may not see every room, which rooms (`rooms`, a list of SIDs and
names). No claim is used before the signature is verified.

https://www.rfc-editor.org/rfc/rfc7519, and https://www.rfc-editor.org/rfc/rfc8725 for
what can go wrong
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt

from gateway.core.callers import Caller, Scope, VerifiedToken
from gateway.core.errors import Unauthenticated
from gateway.core.lru import LruCache
from gateway.core.rooms import AccountSid
from gateway.service.callers.jwks import Jwks
from gateway.service.callers.timings import CallerTimings

TOKEN_LIMIT: Final = 8 * 1024
LIFETIME_S: Final = 86_400
"""The longest lifetime of a token: it cannot be revoked before it expires."""
LEEWAY_S: Final = 30.0
"""How much the clocks of the issuer and the gateway may differ."""
SUBJECT_LIMIT: Final = 255
ROOMS_LIMIT: Final = 100
ROOM_LIMIT: Final = 128
"""Characters of a room's name: Twilio's limit."""

_NO_CREDENTIAL: Final = (
    "credential is neither an API key (rgk_…) nor a JSON Web Token: send the whole credential"
)
_MESSAGES: Final[Mapping[type[jwt.InvalidTokenError], str]] = {
    jwt.ExpiredSignatureError: "token has expired: get a new one from its issuer",
    jwt.ImmatureSignatureError: "token is not valid yet: check the clock of its issuer",
    jwt.InvalidSignatureError: "token has a wrong signature: get a new one from its issuer",
    jwt.InvalidAlgorithmError: (
        "token is signed with another algorithm than configured: check the issuer's settings"
    ),
    jwt.MissingRequiredClaimError: (
        "token lacks one of the claims exp, iat and sub: have its issuer add them"
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """An issuer whose tokens are accepted for one account.

    `name` and `audience` are the values of `iss` and `aud`. A token has at most these
    `scopes`. `limit` is that of each subject, in points a minute.
    """

    name: str
    audience: str
    account_sid: AccountSid
    algorithm: str
    scopes: frozenset[Scope]
    limit: int
    keys: Jwks


class JwtVerifier:
    def __init__(self, issuers: Sequence[Issuer], timings: CallerTimings = CallerTimings()) -> None:
        self._issuers = {(issuer.name, issuer.audience): issuer for issuer in issuers}
        # By the digest of the token.
        self._callers = LruCache[bytes, Caller](max_entries=timings.known_tokens)

    @property
    def has_issuers(self) -> bool:
        return bool(self._issuers)

    async def caller(self, token: str) -> Caller:
        """The caller with this token. Raises Unauthenticated, and UpstreamUnavailable
        while the issuer's keys cannot be read."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        caller = self._callers.get(digest)
        if caller is not None and caller.token is not None and self.is_valid(caller.token):
            return caller
        caller = await self._verify(token)
        self._callers.put(digest, caller)
        return caller

    def is_valid(self, token: VerifiedToken) -> bool:
        """Whether the token has not expired, and its issuer still publishes its key."""
        issuer = self._issuers.get((token.issuer, token.audience))
        return (
            issuer is not None
            and time.time() < token.expires_at
            and issuer.keys.has(token.key_digest)
        )

    async def _verify(self, token: str) -> Caller:
        issuer, key_id = self._find_issuer(token)
        key = await issuer.keys.key(key_id)
        if key is None:
            raise Unauthenticated(
                "token is signed with a key that its issuer does not publish: get a new one"
            )
        try:
            claims = jwt.decode(
                token,
                key.jwk,
                algorithms=[issuer.algorithm],
                audience=issuer.audience,
                issuer=issuer.name,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            _reject(_message(error))
        return _caller(issuer, key.digest, claims)

    def _find_issuer(self, token: str) -> tuple[Issuer, str | None]:
        """The issuer and the key id that the token names, without verification."""
        # PyJWT accepts padding, which a JWT does not have.
        # https://www.rfc-editor.org/rfc/rfc7515#section-2
        if len(token) > TOKEN_LIMIT or not token.isascii() or "=" in token:
            _reject(_NO_CREDENTIAL)
        try:
            parts = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            _reject(_NO_CREDENTIAL)
        claims, key_id = parts["payload"], parts["header"].get("kid")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        issuers = [
            issuer
            for issuer in self._issuers.values()
            if issuer.name == claims.get("iss") and issuer.audience in audiences
        ]
        if not issuers:
            _reject("no configured issuer has the token's iss and aud: get one for this gateway")
        if len(issuers) > 1:
            _reject("token's aud names several accounts: get a token for each")
        return issuers[0], key_id


def _caller(issuer: Issuer, key_digest: bytes, claims: Mapping[str, Any]) -> Caller:
    """The caller that the verified claims describe. Its id is a digest, which keeps the
    subject out of Redis and of the logs."""
    subject, expires_at = claims["sub"], int(claims["exp"])
    if expires_at - int(claims["iat"]) > LIFETIME_S:
        _reject("token lives for more than a day: have its issuer make shorter ones")
    if not 1 <= len(subject) <= SUBJECT_LIMIT:
        _reject(f"token's sub must have 1 to {SUBJECT_LIMIT} characters: shorten it")
    digest = hashlib.blake2b(
        f"{issuer.name}\n{subject}".encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()
    return Caller(
        issuer.account_sid,
        f"sub-{digest}",
        _scopes(claims.get("scope", "")) & issuer.scopes,
        _grants(claims["rooms"]) if "rooms" in claims else None,
        issuer.limit,
        VerifiedToken(issuer.name, issuer.audience, key_digest, expires_at + LEEWAY_S),
    )


def _scopes(claim: object) -> frozenset[Scope]:
    """The scopes of this gateway: a token may have those of other services too.
    https://www.rfc-editor.org/rfc/rfc8693#section-4.2"""
    if not isinstance(claim, str):
        _reject("token's scope must be a string: separate the scopes with spaces")
    words = frozenset(claim.split())
    return frozenset(scope for scope in Scope if scope in words)


def _grants(claim: object) -> frozenset[str]:
    # Null is no list. As an absent claim, it would grant every room.
    if not isinstance(claim, list) or not all(
        isinstance(room, str) and len(room) <= ROOM_LIMIT for room in claim
    ):
        _reject(f"token's rooms must be a list of SIDs and names of up to {ROOM_LIMIT} characters")
    if len(claim) > ROOMS_LIMIT:
        _reject(f"token names {len(claim)} rooms: name at most {ROOMS_LIMIT}")
    return frozenset(claim)


def _message(error: jwt.PyJWTError) -> str:
    messages = (message for kind, message in _MESSAGES.items() if isinstance(error, kind))
    return next(messages, "token cannot be verified: get a new one from its issuer")


def _reject(message: str) -> NoReturn:
    raise Unauthenticated(message) from None
