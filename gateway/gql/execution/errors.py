"""Errors as GraphQL tells them: `extensions` with code, retryable, retryAfterMs, traceId and what Twilio said."""

import re
import traceback
from collections.abc import Iterable
from typing import Any

import structlog
from graphql import GraphQLError

from gateway.core.errors import Code, GatewayError, Internal, InvalidArgument

log = structlog.get_logger(__name__)

WORDS = {
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

# The caller's own words are quoted in messages: not all 64 kB of them.
_LONGEST = 300

# graphql-core says what it met; these say what to do about it.
_ADVICE = (
    (re.compile(r"^Syntax Error"), "correct the document at the place in locations"),
    (re.compile(r"\bInt cannot represent"), "give a whole number of at most 32 bits"),
    (re.compile(r"\bBoolean cannot represent"), "give true or false"),
    (re.compile(r"\b(String|ID) cannot represent"), "give a string"),
    (re.compile(r"\benum\b|\bEnum\b"), "give one of the enum's words, as the schema lists them"),
    (
        re.compile(
            r"^Cannot query field|^Unknown (argument|type|directive)|is not defined by type|unknown field"
        ),
        "see the schema",
    ),
    (re.compile(r"introspection has been disabled"), "read schema/schema.graphql instead"),
    (
        re.compile(
            r"must be provided|was not provided|must not be null|non-nullable|non-null type"
        ),
        "give a value",
    ),
)


def fault_of(error: GraphQLError) -> GatewayError:
    """What went wrong, in the terms of the one tree. What is neither ours nor the caller's is Internal."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GatewayError):
        return cause
    # graphql-core points into the document where the caller's words are off, and with a path alone at a result it could
    # not serialize.
    if isinstance(cause, GraphQLError) and (cause.nodes or cause.locations or error.path is None):
        return InvalidArgument(_advised(error.message))
    return Internal("the gateway failed on this; if it happens again, report the traceId")


def _advised(message: str) -> str:
    message = message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
    for pattern, advice in _ADVICE:
        if pattern.search(message):
            return f"{message.rstrip('.')}; {advice}"
    return message


def shown(error: GraphQLError, trace_id: str) -> dict[str, Any]:
    """The error as a response carries it. A bug is logged with where it happened, never with what it was about."""
    fault = fault_of(error)
    if isinstance(fault, Internal):
        cause = error.original_error or error
        frames = traceback.extract_tb(cause.__traceback__)
        at = [f"{frame.filename}:{frame.lineno}" for frame in frames[-5:]]
        log.error(
            "graphql: a bug", trace_id=trace_id, error=type(cause).__name__, path=error.path, at=at
        )
    answer: dict[str, Any] = {"message": fault.message}
    if error.locations:
        answer["locations"] = [
            {"line": place.line, "column": place.column} for place in error.locations
        ]
    if error.path is not None:
        answer["path"] = error.path
    answer["extensions"] = extensions(fault, trace_id)
    return answer


def extensions(fault: GatewayError, trace_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {"code": WORDS[fault.code], "retryable": fault.is_retryable}
    if fault.retry_after_ms is not None:
        told["retryAfterMs"] = fault.retry_after_ms
    told["traceId"] = trace_id
    if fault.twilio is not None:
        told["twilio"] = {
            "code": fault.twilio.code,
            "status": fault.twilio.status,
            "moreInfo": fault.twilio.more_info,
        }
    return told


class Refused(Exception):
    """A request that was not executed, with everything that is wrong about it."""

    def __init__(self, errors: Iterable[GraphQLError]) -> None:
        super().__init__()
        self.errors = tuple(errors)

    @classmethod
    def of(cls, error: Exception) -> "Refused":
        """A bug too: it is shown as an internal error."""
        return (
            error
            if isinstance(error, Refused)
            else cls([GraphQLError(str(error), original_error=error)])
        )
