"""Errors as HTTP responses: a status and a small JSON body."""

from aiohttp import web

from gateway.core.errors import GatewayError
from gateway.gql.execution.errors import HTTP_STATUS


def error_response(error: GatewayError) -> web.Response:
    """Returns the response for this error, with the same status as GraphQL over HTTP.

    `Retry-After` is in whole seconds, rounded up.
    """
    headers = {}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return web.json_response(
        {"code": error.code, "message": error.message},
        status=HTTP_STATUS[error.code],
        headers=headers,
    )
