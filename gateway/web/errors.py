"""Errors as plain HTTP shows them: a status and a small JSON body."""

from aiohttp import web

from gateway.core.errors import Code, GatewayError

STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.FAILED_PRECONDITION: 400,
    Code.OUTCOME_UNKNOWN: 502,
    Code.THROTTLED: 429,
    Code.QUOTA_EXCEEDED: 429,
    Code.CURSOR_EXPIRED: 410,
    Code.DEADLINE_EXCEEDED: 504,
    Code.UPSTREAM_UNAVAILABLE: 503,
    Code.UPSTREAM_REJECTED: 502,
    Code.INTERNAL: 500,
}


def response(error: GatewayError) -> web.Response:
    headers = {}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return web.json_response({"code": error.code, "message": error.message}, status=STATUS[error.code], headers=headers)
