"""Health, for load balancers and people."""

from collections.abc import Mapping

from aiohttp import web

from gateway.core.rooms import AccountSid
from gateway.service.accounts import Account


class Health:
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def healthz(self, _: web.Request | None = None) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request | None = None) -> web.Response:
        """503 when this process alone has lost an account's log: send clients elsewhere. Without Redis every replica has lost
        it, and elsewhere is no better: then 200, and `degraded` says what is missing."""
        lost = [account.tail for account in self._accounts.values() if not account.tail.is_healthy]
        if not lost:
            return web.json_response({"status": "ok"})
        if all(tail.is_redis_away for tail in lost):
            return web.json_response({"status": "ok", "degraded": ["log"]})
        return web.json_response({"status": "unready", "lost": ["log"]}, status=503)
