"""JSON Web Tokens of issuers that the operator believes, as a caller's credential.

A token says who it is for (`sub`), what they may do (`scope`, words with blanks between) and, if not all, in which rooms
(`rooms`, a list of SIDs and names). Nothing it says is used before its signature is known to be its issuer's.

https://www.rfc-editor.org/rfc/rfc7519 and, for what goes wrong with them, https://www.rfc-editor.org/rfc/rfc8725
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt

from gateway.core.callers import Caller, Scope, Signed
from gateway.core.errors import Unauthenticated
from gateway.core.lru import LruCache
from gateway.core.rooms import AccountSid
from gateway.service.callers.jwks import Jwks

TOKEN_LIMIT: Final = 8 * 1024
LIFETIME_S: Final = 86_400
"""The longest that a token may live: nobody can take it back before."""
LEEWAY_S: Final = 30.0
"""By so much clocks may differ."""
SUBJECT_LIMIT: Final = 255
ROOMS_LIMIT: Final = 100
ROOM_LIMIT: Final = 128
"""Characters, as many as a room's name has at Twilio."""
# Each is 1 kB here, or 10 with many rooms: who calls again within the life of his token is looked up, and not verified.
KNOWN_LIMIT: Final = 2_048

_SENTENCES: Final[Mapping[type[jwt.InvalidTokenError], str]] = {
    jwt.ExpiredSignatureError: "the token has expired; get a new one from its issuer",
    jwt.ImmatureSignatureError: "the token is not valid yet; check the clock of the machine that made it",
    jwt.InvalidSignatureError: "the token's signature is not its issuer's; get a new one",
    jwt.InvalidAlgorithmError: "the token is signed with another algorithm than is agreed with its issuer",
    jwt.MissingRequiredClaimError: "the token lacks one of exp, iat and sub; have its issuer put them in",
}


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """Whose tokens are believed, for one account: `name` and `audience` are what `iss` and `aud` say. `scopes` are the most
    that a token may have, `limit` is what each subject may spend, in points a minute."""

    name: str
    audience: str
    account_sid: AccountSid
    algorithm: str
    scopes: frozenset[Scope]
    limit: int
    keys: Jwks


class JwtVerifier:
    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = {(issuer.name, issuer.audience): issuer for issuer in issuers}
        # By the digest of the token.
        self._known = LruCache[bytes, Caller](max_entries=KNOWN_LIMIT)

    @property
    def has_issuers(self) -> bool:
        return bool(self._issuers)

    async def caller(self, token: str) -> Caller:
        """Raises Unauthenticated, and UpstreamUnavailable while its issuer's keys are not to be had."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and known.signed is not None and self.still_holds(known.signed):
            return known
        caller = await self._verified(token)
        self._known.put(digest, caller)
        return caller

    def still_holds(self, signed: Signed) -> bool:
        """Until it expires, or its issuer does not publish the key any more."""
        issuer = self._issuers.get((signed.issuer, signed.audience))
        return (
            issuer is not None
            and time.time() < signed.expires_at
            and issuer.keys.has(signed.key_digest)
        )

    async def _verified(self, token: str) -> Caller:
        issuer, key_id = self._read(token)
        key = await issuer.keys.key(key_id)
        if key is None:
            raise Unauthenticated(
                "the token is signed with a key that its issuer does not publish; get a new one"
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
            _refuse(_sentence(error))
        return _caller(issuer, key.digest, claims)

    def _read(self, token: str) -> tuple[Issuer, str | None]:
        """Whose it says it is and by which key, not verified."""
        # PyJWT would let padding pass, of which a JWT has none. https://www.rfc-editor.org/rfc/rfc7515#section-2
        if len(token) > TOKEN_LIMIT or not token.isascii() or "=" in token:
            _refuse(
                "the credential is neither an API key (rgk_…) nor a JSON Web Token; send one of them whole"
            )
        try:
            parts = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            _refuse(
                "the credential is neither an API key (rgk_…) nor a JSON Web Token; send one of them whole"
            )
        claims, key_id = parts["payload"], parts["header"].get("kid")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        found = [
            each
            for each in self._issuers.values()
            if each.name == claims.get("iss") and each.audience in audiences
        ]
        if not found:
            _refuse(
                "the token's iss and aud are of no issuer that is believed here; get one that is made for this gateway"
            )
        if len(found) > 1:
            _refuse("the token's aud names several accounts; get one for each")
        return found[0], key_id


def _caller(issuer: Issuer, key_digest: bytes, claims: Mapping[str, Any]) -> Caller:
    """Of verified claims. The digest keeps who it is out of Redis and of logs."""
    subject, expires_at = claims["sub"], int(claims["exp"])
    if expires_at - int(claims["iat"]) > LIFETIME_S:
        _refuse("the token lives for more than a day; have its issuer make shorter ones")
    if not 1 <= len(subject) <= SUBJECT_LIMIT:
        _refuse(f"the token's sub has not 1 to {SUBJECT_LIMIT} characters")
    digest = hashlib.blake2b(
        f"{issuer.name}\n{subject}".encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()
    return Caller(
        issuer.account_sid,
        f"sub-{digest}",
        _scopes(claims.get("scope", "")) & issuer.scopes,
        _grants(claims.get("rooms")),
        issuer.limit,
        Signed(issuer.name, issuer.audience, key_digest, expires_at + LEEWAY_S),
    )


def _scopes(said: object) -> frozenset[Scope]:
    """Issuers have scopes for others too. https://www.rfc-editor.org/rfc/rfc8693#section-4.2"""
    if not isinstance(said, str):
        _refuse("the token's scope is not a text with blanks between its words")
    words = frozenset(said.split())
    return frozenset(scope for scope in Scope if scope in words)


def _grants(said: object) -> frozenset[str] | None:
    if said is None:
        return None
    if not isinstance(said, list) or not all(
        isinstance(each, str) and len(each) <= ROOM_LIMIT for each in said
    ):
        _refuse(
            f"the token's rooms is not a list of SIDs and names of up to {ROOM_LIMIT} characters"
        )
    if len(said) > ROOMS_LIMIT:
        _refuse(f"the token's rooms are {len(said)}; {ROOMS_LIMIT} may be named")
    return frozenset(said)


def _sentence(error: jwt.PyJWTError) -> str:
    said = (sentence for kind, sentence in _SENTENCES.items() if isinstance(error, kind))
    return next(said, "the token cannot be verified; get a new one from its issuer")


def _refuse(sentence: str) -> NoReturn:
    raise Unauthenticated(sentence) from None
