"""Errors as plain HTTP shows them: a status, which is that of GraphQL over HTTP, and a small JSON body."""

from aiohttp import web

from gateway.core.errors import GatewayError
from gateway.gql.execution.errors import HTTP_STATUS


def response(error: GatewayError) -> web.Response:
    headers = {}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return web.json_response(
        {"code": error.code, "message": error.message},
        status=HTTP_STATUS[error.code],
        headers=headers,
    )
