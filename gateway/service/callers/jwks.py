"""The public keys with which an issuer signs its tokens, read where it publishes them.

https://www.rfc-editor.org/rfc/rfc7517#section-5
"""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.core.bodies import read_bounded
from gateway.core.errors import DeadlineExceeded, UpstreamUnavailable
from gateway.service.flights.singleflight import SingleFlight

log = structlog.get_logger()

BODY_LIMIT: Final = 64 * 1024
KEYS_LIMIT: Final = 100
TIMEOUT_S: Final = 3.0
REFRESH_S: Final = 300.0
"""A key that its issuer has taken back is believed no longer than this, if the issuer can be asked."""
RETRY_S: Final = 5.0
KEPT_S: Final = 3_600.0
"""An issuer that is away for longer is believed no more."""
# Of private and shared keys. https://www.rfc-editor.org/rfc/rfc7518#section-6
_SECRET: Final = frozenset({"d", "k"})
# Who sends tokens with invented key ids has the issuer asked no more often.
AGAIN_S: Final = 10.0


def open_session() -> aiohttp.ClientSession:
    """For all issuers; its opener closes it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        headers={"Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class _Unusable(Exception):
    """What came is no set of keys. Its text names no byte of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """`digest`: of the key itself, for an id may be given to another one."""

    jwk: jwt.PyJWK
    digest: bytes


class Jwks:
    """One issuer's. `run` keeps them current; a key that is not known is looked for at once, though not again within
    `again_s`."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, algorithm: str, *, again_s: float = AGAIN_S
    ) -> None:
        self._session = session
        self._url = url
        self._host = urlsplit(url).hostname
        self._algorithm = algorithm
        self._again_s = again_s
        self._keys: dict[str | None, Key] = {}
        self._read_at = self._asked_at = float("-inf")
        self._is_well = True
        self._flights = SingleFlight[None]()

    async def run(self) -> None:
        while True:
            await self._flights.share("", self._ask)
            await asyncio.sleep(REFRESH_S if self._is_well else RETRY_S)

    async def aclose(self) -> None:
        await self._flights.aclose()

    async def key(self, key_id: str | None) -> Key | None:
        """None: they do not publish it. Without an id, their only one. Raises UpstreamUnavailable while nobody can tell."""
        found = self._find(key_id)
        if found is None:
            await self._look_again()
            found = self._find(key_id)
        if found is None and not (self._is_well and self._are_current):
            raise _away()
        return found

    def has(self, digest: bytes) -> bool:
        """Whether they still publish this very key."""
        return self._are_current and any(key.digest == digest for key in self._keys.values())

    @property
    def _are_current(self) -> bool:
        return asyncio.get_running_loop().time() < self._read_at + KEPT_S

    def _find(self, key_id: str | None) -> Key | None:
        if not self._are_current:
            return None
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _look_again(self) -> None:
        """A crowd asks once. Nobody waits long for it; and whoever leaves, it goes on for those who come after him."""
        if asyncio.get_running_loop().time() < self._asked_at + self._again_s:
            return
        self._flights.begin("", self._ask)
        try:
            await self._flights.share("", self._ask, has_fallback=True)
        except DeadlineExceeded:
            raise _away() from None

    async def _ask(self) -> None:
        """Keeps what it had when nothing usable comes."""
        loop = asyncio.get_running_loop()
        try:
            keys = _keys_of(await self._body(), self._algorithm)
        # ValueError: a host that is none, of which aiohttp complains only when it is asked.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, _Unusable) as error:
            if self._is_well:
                log.warning("jwks.unavailable", host=self._host, error=type(error).__name__)
            self._is_well = False
        else:
            if not self._is_well or keys.keys() != self._keys.keys():
                log.info("jwks.read", host=self._host, usable_keys=len(keys))
            self._keys, self._read_at, self._is_well = keys, loop.time(), True
        finally:
            self._asked_at = loop.time()

    async def _body(self) -> bytes:
        async with self._session.get(self._url, allow_redirects=False) as reply:
            if reply.status != 200:
                raise _Unusable
            body = await read_bounded(reply.content.iter_any(), BODY_LIMIT)
            if body is None:
                raise _Unusable
            return body


def _away() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "the keys of the token's issuer cannot be read; ask again",
        retry_after_ms=round(RETRY_S * 1000),
    )


def _keys_of(body: bytes, algorithm: str) -> dict[str | None, Key]:
    """Those that the algorithm can use, which may be none: an issuer may publish others beside them, and take all back."""
    try:
        published = msgspec.json.decode(body)["keys"]
    except (msgspec.DecodeError, ValueError, RecursionError, KeyError, TypeError):
        raise _Unusable from None
    if not isinstance(published, list) or len(published) > KEYS_LIMIT:
        raise _Unusable
    return {each.jwk.key_id: each for each in _usable(published, algorithm)}


def _usable(published: list[Any], algorithm: str) -> Iterator[Key]:
    for each in published:
        if (
            not isinstance(each, dict)
            or each.get("use", "sig") != "sig"
            or each.get("alg", algorithm) != algorithm
        ):
            continue
        if not isinstance(each.get("kid"), str | None) or _SECRET & each.keys():
            continue
        try:
            jwk = jwt.PyJWK(each, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        # A sentence, when it is too short to be safe.
        if jwk.Algorithm.check_key_length(jwk.key) is None:
            public = jwk.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            yield Key(jwk, hashlib.sha256(public).digest())
