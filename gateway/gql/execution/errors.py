"""Errors as GraphQL reports them.

`extensions` has the code, the reason, the wrong fields, retryable, retryAfterMs,
traceId, and Twilio's error.
"""

import re
import traceback
from collections.abc import Iterable
from typing import Any, ClassVar

import structlog
from graphql import GraphQLError

from gateway.core.errors import (
    Code,
    GatewayError,
    Internal,
    InvalidArgument,
    MaxCostExceeded,
    path_text,
)
from gateway.gql.schema.names import graphql_name

log = structlog.get_logger(__name__)

GRAPHQL_CODE = {
    Code.INVALID_ARGUMENT: "BAD_USER_INPUT",
    Code.UNAUTHENTICATED: "UNAUTHENTICATED",
    Code.PERMISSION_DENIED: "FORBIDDEN",
    Code.NOT_FOUND: "NOT_FOUND",
    Code.ALREADY_EXISTS: "CONFLICT",
    Code.FAILED_PRECONDITION: "FAILED_PRECONDITION",
    Code.OUTCOME_UNKNOWN: "OUTCOME_UNKNOWN",
    Code.THROTTLED: "RATE_LIMITED",
    Code.QUOTA_EXCEEDED: "QUOTA_EXCEEDED",
    Code.CURSOR_EXPIRED: "CURSOR_EXPIRED",
    Code.DEADLINE_EXCEEDED: "GATEWAY_TIMEOUT",
    Code.UPSTREAM_UNAVAILABLE: "UPSTREAM_UNAVAILABLE",
    Code.UPSTREAM_REJECTED: "UPSTREAM_REJECTED",
    Code.INTERNAL: "INTERNAL_SERVER_ERROR",
}

HTTP_STATUS = {
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

# graphql-core quotes the caller's text, which may have 64 kB.
_MAX_MESSAGE_CHARS = 300

# graphql-core says what is wrong. This adds what to do about it.
_ADVICE = (
    (re.compile(r"^Syntax Error"), "correct the document at the given location"),
    (re.compile(r"\bInt cannot represent"), "send a whole number of at most 32 bits"),
    (re.compile(r"\bBoolean cannot represent"), "send true or false"),
    (re.compile(r"\b(String|ID) cannot represent"), "send a string"),
    (re.compile(r"\benum\b|\bEnum\b"), "send one of the enum's values in the schema"),
    (re.compile(r"\bto be an object\b"), "send an object with the fields in the schema"),
    (re.compile(r"\bOneOf Input Object\b"), "set exactly one field"),
    (
        re.compile(
            r"^Cannot query field|^Unknown (argument|type|directive)"
            r"|is not defined by type|unknown field"
        ),
        "see the schema",
    ),
    (re.compile(r"introspection has been disabled"), "read schema/schema.graphql instead"),
    (
        re.compile(
            r"must be provided|was not provided|must not be null|non-nullable|non-null type"
        ),
        "send a value",
    ),
)


class PersistedQueryError(InvalidArgument):
    """An error of Apollo's protocol for persisted queries.

    Clients look for either the code or the message, so both are those of the protocol,
    and the client library does what is needed: it sends the document.
    https://www.apollographql.com/docs/apollo-server/performance/apq
    """

    graphql_code: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(type(self).__name__)


class PersistedQueryNotFound(PersistedQueryError):
    """The digest is unknown: the client sends it again, with the document."""

    graphql_code = "PERSISTED_QUERY_NOT_FOUND"


class PersistedQueryNotSupported(PersistedQueryError):
    """No digest is known: the client sends documents from now on."""

    graphql_code = "PERSISTED_QUERY_NOT_SUPPORTED"


class RequestError(Exception):
    """The request was not executed: the response has `errors`, but no `data`.

    https://spec.graphql.org/September2025/#sec-Errors.Request-Errors
    """

    def __init__(self, errors: Iterable[GraphQLError]) -> None:
        super().__init__()
        self.errors = tuple(errors)

    @classmethod
    def wrap(cls, error: Exception) -> "RequestError":
        """Any error as a request error. A bug becomes an internal error."""
        if isinstance(error, RequestError):
            return error
        return cls([GraphQLError(str(error), original_error=error)])


def to_gateway_error(error: GraphQLError) -> GatewayError:
    """The error in the gateway's own terms.

    An error that neither the gateway raised on purpose nor the caller caused is
    Internal.
    """
    cause: Exception | None = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GatewayError):
        return cause
    # An error of graphql-core has nodes or locations when the caller's document or
    # variables are wrong. It has only a path when a result could not be serialized.
    if isinstance(cause, GraphQLError) and (cause.nodes or cause.locations or error.path is None):
        return InvalidArgument(_with_advice(error.message))
    return Internal("the gateway failed: if it happens again, report the traceId")


def _with_advice(message: str) -> str:
    if len(message) > _MAX_MESSAGE_CHARS:
        message = message[:_MAX_MESSAGE_CHARS] + "…"
    for pattern, advice in _ADVICE:
        if pattern.search(message):
            return f"{message.rstrip('.')}; {advice}"
    return message


def format_error(error: GraphQLError, trace_id: str) -> dict[str, Any]:
    """The error as it appears in a response.

    An internal error is logged with its location in the code, and without its text,
    which may hold a caller's data.
    """
    gateway_error = to_gateway_error(error)
    if isinstance(gateway_error, Internal):
        cause = error.original_error or error
        frames = traceback.extract_tb(cause.__traceback__)
        at = [f"{frame.filename}:{frame.lineno}" for frame in frames[-5:]]
        log.error(
            "graphql: internal error",
            trace_id=trace_id,
            error=type(cause).__name__,
            path=error.path,
            at=at,
        )
    formatted: dict[str, Any] = {"message": gateway_error.text(graphql_name)}
    if error.locations:
        formatted["locations"] = [
            {"line": location.line, "column": location.column} for location in error.locations
        ]
    if error.path is not None:
        formatted["path"] = error.path
    formatted["extensions"] = _extensions(gateway_error, trace_id)
    return formatted


def _extensions(error: GatewayError, trace_id: str) -> dict[str, Any]:
    own_code = error.graphql_code if isinstance(error, PersistedQueryError) else None
    extensions: dict[str, Any] = {
        "code": own_code or GRAPHQL_CODE[error.code],
        "reason": error.reason,
        "retryable": error.is_retryable,
    }
    if error.fields:
        extensions["fields"] = [path_text(field.path, graphql_name) for field in error.fields]
    if error.retry_after_ms is not None:
        extensions["retryAfterMs"] = error.retry_after_ms
    if isinstance(error, MaxCostExceeded):
        extensions |= {graphql_name(name): figure for name, figure in error.figures.items()}
    extensions["traceId"] = trace_id
    if error.twilio is not None:
        extensions["twilio"] = {
            "code": error.twilio.code,
            "status": error.twilio.status,
            "moreInfo": error.twilio.more_info,
        }
    return extensions
