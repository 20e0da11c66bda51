"""An identity provider: it signs JSON Web Tokens and publishes its keys over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ALGORITHM: Final = "ES256"
ISSUER: Final = "https://login.example.com/"
AUDIENCE: Final = "rooms"


class TokenIssuer:
    """Signs tokens and serves a JWK Set.

    `published` has the ids of the keys in the JWK Set, and `request_count` the number
    of requests for it.
    """

    def __init__(self) -> None:
        self.keys = {"first": ec.generate_private_key(ec.SECP256R1())}
        self.published = ["first"]
        self.status = 200
        self.body: bytes | None = None
        """If set, the response body instead of the JWK Set."""
        self.extra_keys: list[Any] = []
        """Entries of the JWK Set in addition to the published keys."""
        self.redirect_url: str | None = None
        self.gate = asyncio.Event()
        """Requests wait until it is set."""
        self.gate.set()
        self.request_count = 0
        self.url = ""

    def add(self, key_id: str) -> None:
        """Generates a key without publishing it."""
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def public_key(self, key_id: str) -> dict[str, Any]:
        return {
            **ECAlgorithm.to_jwk(self.keys[key_id].public_key(), as_dict=True),
            "kid": key_id,
            "use": "sig",
        }

    def token(
        self,
        key_id: str | None = "first",
        *,
        signed_by: Any = None,
        algorithm: str = ALGORITHM,
        nulls: Sequence[str] = (),
        **claims: Any,
    ) -> str:
        """Returns a signed token that is valid for an hour.

        `claims` override the default claims. None removes a claim, and a timedelta is
        relative to now. The claims in `nulls` are null. Without `key_id`, the token has
        no key id.
        """
        now = int(time.time())
        defaults = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 3_600,
            "scope": "rooms:read",
        }
        overrides = {
            name: now + value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in claims.items()
        }
        payload = {
            name: value for name, value in {**defaults, **overrides}.items() if value is not None
        } | dict.fromkeys(nulls)
        key = signed_by or self.keys[key_id or "first"]
        return jwt.encode(
            payload, key, algorithm=algorithm, headers={} if key_id is None else {"kid": key_id}
        )

    async def handle(self, _: web.Request) -> web.Response:
        self.request_count += 1
        await self.gate.wait()
        keys = [*map(self.public_key, self.published), *self.extra_keys]
        if self.redirect_url is not None:
            raise web.HTTPFound(self.redirect_url)
        if self.body is not None:
            return web.Response(status=self.status, body=self.body)
        return web.json_response({"keys": keys}, status=self.status)


def rsa_key(bits: int = 2_048) -> tuple[rsa.RSAPrivateKey, dict[str, Any]]:
    """Returns a private key and its public JWK."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    return key, {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": f"rsa-{bits}"}


@asynccontextmanager
async def running_issuer() -> AsyncIterator[TokenIssuer]:
    issuer, app = TokenIssuer(), web.Application()
    app.router.add_get("/jwks.json", issuer.handle)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        yield issuer
