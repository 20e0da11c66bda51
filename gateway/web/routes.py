"""Every path of the HTTP port."""

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from gateway.core.rooms import AccountSid
from gateway.gql.transport.http import GraphQLHttp
from gateway.rpc.http.server import RpcHttp
from gateway.service.accounts import Account
from gateway.web import console
from gateway.web.callbacks import PATH as CALLBACKS_PATH
from gateway.web.callbacks import Callbacks
from gateway.web.health import Health

# GraphQL documents and callbacks are smaller.
BODY_LIMIT: Final = 64 * 1024
# aiohttp's own value names the versions of Python and aiohttp. It remains in answers to
# bytes that are not HTTP: aiohttp sends those without the application.
SERVER: Final = "rooms-gateway"


def build_http(
    graphql: GraphQLHttp, rpc: RpcHttp, accounts: Mapping[AccountSid, Account]
) -> web.Application:
    """Returns the application that serves the HTTP port."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.on_response_prepare.append(_set_server)
    health = Health(accounts)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    receive = Callbacks(accounts).receive
    app.router.add_post(CALLBACKS_PATH, receive)
    app.router.add_get(CALLBACKS_PATH, receive, allow_head=False)
    graphql.mount(app)
    rpc.mount(app)
    console.mount(app)
    return app


def build_unready() -> web.Application:
    """Returns the application of the HTTP port while the start waits for Redis.

    The process is alive and not ready. Twilio retries a callback that gets 503.
    """
    app = web.Application(client_max_size=BODY_LIMIT)
    app.on_response_prepare.append(_set_server)
    app.router.add_get("/healthz", Health({}).healthz)
    app.router.add_route("*", "/{path:.*}", _answer_unready)
    return app


async def _answer_unready(_: web.Request) -> web.Response:
    body = {"status": "unready", "lost": ["redis"]}
    return web.json_response(body, status=503, headers={"Retry-After": "5"})


async def _set_server(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = SERVER
