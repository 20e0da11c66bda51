"""Every path of the HTTP port."""

from collections.abc import Mapping

from aiohttp import web

from gateway.core.rooms import AccountSid
from gateway.gql.transport.http import GraphQLHttp
from gateway.service.accounts import Account
from gateway.web import callbacks, console
from gateway.web.health import Health

# No request of any face is larger: GraphQL documents, callbacks.
BODY_LIMIT = 64 * 1024


def build(face: GraphQLHttp, accounts: Mapping[AccountSid, Account]) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT)
    health = Health(accounts)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    receive = callbacks.Callbacks(accounts).receive
    app.router.add_post(callbacks.PATH, receive)
    app.router.add_get(callbacks.PATH, receive, allow_head=False)
    face.mount(app)
    console.mount(app)
    return app
