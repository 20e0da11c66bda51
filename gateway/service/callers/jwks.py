"""The public keys with which an issuer signs its tokens, read from the issuer.

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
from gateway.service.callers.timings import CallerTimings
from gateway.service.flights.singleflight import SingleFlight

log = structlog.get_logger()

BODY_LIMIT: Final = 64 * 1024
KEYS_LIMIT: Final = 100
TIMEOUT_S: Final = 3.0
# The parameters of private and of shared keys.
# https://www.rfc-editor.org/rfc/rfc7518#section-6
_SECRET: Final = frozenset({"d", "k"})


def open_session() -> aiohttp.ClientSession:
    """The HTTP session for all issuers. The caller closes it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        headers={"Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class _Unusable(Exception):
    """The response is no set of keys. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True, eq=False)
class IssuerKey:
    """`digest` is that of the key itself: an issuer may give its id to another key."""

    jwk: jwt.PyJWK
    digest: bytes


class Jwks:
    """One issuer's keys. `run` keeps them current. A key id that is not known is looked
    up at once, but not more often than every `jwks_lookup_s`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        algorithm: str,
        timings: CallerTimings = CallerTimings(),
    ) -> None:
        self._session = session
        self._url = url
        self._host = urlsplit(url).hostname
        self._algorithm = algorithm
        self._timings = timings
        self._keys: dict[str | None, IssuerKey] = {}
        self._read_at = self._tried_at = float("-inf")
        self._is_available = True
        self._flights = SingleFlight[None]()

    async def run(self) -> None:
        """Reads the keys from time to time, until it is cancelled."""
        while True:
            await self._flights.share("", self._read)
            timings = self._timings
            await asyncio.sleep(
                timings.jwks_refresh_s if self._is_available else timings.jwks_retry_s
            )

    async def aclose(self) -> None:
        await self._flights.aclose()

    async def key(self, key_id: str | None) -> IssuerKey | None:
        """The key with this id, or the issuer's only key if there is no id. None if the
        issuer does not publish it. Raises UpstreamUnavailable while that is unknown."""
        key = self._find(key_id)
        if key is None:
            await self._look_up()
            key = self._find(key_id)
        if key is None and not (self._is_available and self._are_current):
            raise self._unavailable()
        return key

    def has(self, digest: bytes) -> bool:
        """Whether the issuer still publishes this key."""
        return self._are_current and any(key.digest == digest for key in self._keys.values())

    @property
    def _are_current(self) -> bool:
        return asyncio.get_running_loop().time() < self._read_at + self._timings.jwks_max_age_s

    def _find(self, key_id: str | None) -> IssuerKey | None:
        if not self._are_current:
            return None
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _look_up(self) -> None:
        """Reads the keys. Concurrent callers share one request. It is not cancelled
        when they leave, so a slow response still serves later callers."""
        if asyncio.get_running_loop().time() < self._tried_at + self._timings.jwks_lookup_s:
            return
        self._flights.begin("", self._read)
        try:
            await self._flights.share("", self._read, max_wait_s=self._timings.jwks_wait_s)
        except DeadlineExceeded:
            raise self._unavailable() from None

    async def _read(self) -> None:
        """Reads the keys. Keeps the previous ones if the response is not usable."""
        loop = asyncio.get_running_loop()
        try:
            keys = _parse(await self._fetch(), self._algorithm)
        # ValueError: an invalid host, which aiohttp rejects when it sends the request.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, _Unusable) as error:
            if self._is_available:
                log.warning("jwks.unavailable", host=self._host, error=type(error).__name__)
            self._is_available = False
        else:
            if not self._is_available or keys.keys() != self._keys.keys():
                log.info("jwks.read", host=self._host, usable_keys=len(keys))
            self._keys, self._read_at, self._is_available = keys, loop.time(), True
        finally:
            self._tried_at = loop.time()

    async def _fetch(self) -> bytes:
        async with self._session.get(self._url, allow_redirects=False) as response:
            if response.status != 200:
                raise _Unusable
            body = await read_bounded(response.content.iter_any(), BODY_LIMIT)
            if body is None:
                raise _Unusable
            return body

    def _unavailable(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            "keys of the token's issuer cannot be read: retry after the given time",
            retry_after_ms=round(self._timings.jwks_retry_s * 1000),
        )


def _parse(body: bytes, algorithm: str) -> dict[str | None, IssuerKey]:
    """The keys that the algorithm can use, by id. There may be none: an issuer may
    publish others as well, and may withdraw all. Raises _Unusable for anything but a
    key set."""
    try:
        published = msgspec.json.decode(body)["keys"]
    except (msgspec.DecodeError, ValueError, RecursionError, KeyError, TypeError):
        raise _Unusable from None
    if not isinstance(published, list) or len(published) > KEYS_LIMIT:
        raise _Unusable
    return {key.jwk.key_id: key for key in _usable(published, algorithm)}


def _usable(published: list[Any], algorithm: str) -> Iterator[IssuerKey]:
    for entry in published:
        if (
            not isinstance(entry, dict)
            or entry.get("use", "sig") != "sig"
            or entry.get("alg", algorithm) != algorithm
        ):
            continue
        if not isinstance(entry.get("kid"), str | None) or _SECRET & entry.keys():
            continue
        try:
            jwk = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        # The check returns a message for a key that is too short.
        if jwk.Algorithm.check_key_length(jwk.key) is None:
            public = jwk.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            yield IssuerKey(jwk, hashlib.sha256(public).digest())
