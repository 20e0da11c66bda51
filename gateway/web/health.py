"""Health checks for load balancers and orchestrators."""

from collections.abc import Mapping

from aiohttp import web

from gateway.core.rooms import AccountSid
from gateway.service.accounts import Account


class Health:
    def __init__(self, accounts: Mapping[AccountSid, Account]) -> None:
        self._accounts = accounts

    async def healthz(self, _: web.Request | None = None) -> web.Response:
        """Liveness: 200 while the process answers requests."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request | None = None) -> web.Response:
        """Readiness: 503 when only this process has lost the event log of an account.

        Without Redis, every replica has lost the log, and a load balancer has nowhere
        better to send clients. The answer is then 200, and `degraded` names what is
        missing.
        """
        lost = [account.tail for account in self._accounts.values() if not account.tail.is_healthy]
        if not lost:
            return web.json_response({"status": "ok"})
        if all(tail.is_redis_away for tail in lost):
            return web.json_response({"status": "ok", "degraded": ["log"]})
        return web.json_response({"status": "unready", "lost": ["log"]}, status=503)
