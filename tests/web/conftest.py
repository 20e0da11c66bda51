"""The HTTP port as the gateway serves it, with a real account."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from gateway.gql.transport.http import GraphQLHttp
from gateway.http.origins import Origins
from gateway.rpc.http.server import RpcHttp
from gateway.rpc.pipeline import Pipeline
from gateway.rpc.servicers import Servicers
from gateway.service.accounts import Account
from gateway.service.callers.authenticator import Authenticator
from gateway.service.callers.points import CallerLimiter
from gateway.web.callbacks import PATH
from gateway.web.routes import build_http
from tests.service.conftest import ACCOUNT, Site, running_sandbox, site

__all__ = ["running_sandbox", "site"]  # fixtures of the service's tests


@dataclass(frozen=True)
class Served:
    base: str
    account: Account
    site: Site
    http: aiohttp.ClientSession

    def signature(self, fields: dict[str, str], query: str = "") -> str:
        url = f"http://127.0.0.1:1{PATH}" + (f"?{query}" if query else "")
        return str(RequestValidator(self.site.sandbox.auth_token).compute_signature(url, fields))


@pytest.fixture
async def served(site: Site) -> AsyncIterator[Served]:
    account = await site.replica()
    authenticator, limiter, accounts = Authenticator([]), CallerLimiter(), {ACCOUNT: account}
    rpc = RpcHttp(
        Pipeline(authenticator, limiter),
        Servicers(accounts).methods(),
        Origins((), allow_loopback=False),
    )
    runner = web.AppRunner(
        build_http(GraphQLHttp(authenticator, accounts, limiter), rpc, accounts),
        access_log=None,
        shutdown_timeout=0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as http:
            yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}", account, site, http)
    finally:
        await runner.cleanup()
