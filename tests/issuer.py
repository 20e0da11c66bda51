"""Somebody who signs JSON Web Tokens and publishes the keys over HTTP, as an identity provider does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ALGORITHM: Final = "ES256"
NAME: Final = "https://login.example.com/"
AUDIENCE: Final = "rooms"


class TokenIssuer:
    """`published` are the ids of the keys that it shows; `asked` counts how often it did."""

    def __init__(self) -> None:
        self.keys = {"first": ec.generate_private_key(ec.SECP256R1())}
        self.published = ["first"]
        self.status = 200
        self.body: bytes | None = None
        """What is answered instead."""
        self.more: list[Any] = []
        """Beside the keys."""
        self.redirects_to: str | None = None
        self.gate = asyncio.Event()
        """While it is not set nothing is answered."""
        self.gate.set()
        self.asked = 0
        self.url = ""

    def add(self, key_id: str) -> None:
        """A key, not published yet."""
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def public(self, key_id: str) -> dict[str, Any]:
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
        **claims: Any,
    ) -> str:
        """Good for an hour, unless `claims` say else; None takes a claim out, and a timedelta is a time from now. Without
        `key_id` it names no key."""
        now = int(time.time())
        usual = {
            "iss": NAME,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 3_600,
            "scope": "rooms:read",
        }
        meant = {
            name: now + each.total_seconds() if isinstance(each, timedelta) else each
            for name, each in claims.items()
        }
        said = {name: value for name, value in {**usual, **meant}.items() if value is not None}
        key = signed_by or self.keys[key_id or "first"]
        return jwt.encode(
            said, key, algorithm=algorithm, headers={} if key_id is None else {"kid": key_id}
        )

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        keys = [*map(self.public, self.published), *self.more]
        if self.redirects_to is not None:
            raise web.HTTPFound(self.redirects_to)
        if self.body is not None:
            return web.Response(status=self.status, body=self.body)
        return web.json_response({"keys": keys}, status=self.status)


def rsa_key(bits: int = 2_048) -> tuple[rsa.RSAPrivateKey, dict[str, Any]]:
    """A key, and what is published of it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    return key, {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": f"rsa-{bits}"}


@asynccontextmanager
async def issuing() -> AsyncIterator[TokenIssuer]:
    issuer, app = TokenIssuer(), web.Application()
    app.router.add_get("/jwks.json", issuer.answer)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        yield issuer
