"""Health, for load balancers and people."""

from collections.abc import Mapping

from aiohttp import web

from gateway.core.rooms import AccountSid
from gateway.service.accounts import Account


class Health:
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """200 while this process hears every account's log, else 503: send clients elsewhere."""
        if all(account.tail.is_healthy for account in self._accounts.values()):
            return web.json_response({"status": "ok"})
        return web.json_response({"status": "unready", "lost": ["log"]}, status=503)
