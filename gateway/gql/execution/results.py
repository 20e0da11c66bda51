"""GraphQL responses as JSON. Does no I/O."""

from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import ExecutionResult

from gateway.core.errors import Code
from gateway.gql.execution.errors import (
    HTTP_STATUS,
    RequestError,
    format_error,
    to_gateway_error,
)
from gateway.service.callers.charge import Charge


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """One GraphQL response, as JSON.

    `error_code` and `errors` are set if the request was not executed. `cursor` is set
    if the response is a message of a stream. `data` is the JSON of the response's data,
    if it has no errors.
    """

    encoded: bytes
    cursor: str | None = None
    error_code: Code | None = None
    errors: tuple[dict[str, Any], ...] = ()
    data: bytes | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the response as `application/graphql-response+json`."""
        return 200 if self.error_code is None else HTTP_STATUS[self.error_code]


def error_result(error: RequestError, trace_id: str, charge: Charge | None = None) -> GraphQLResult:
    """The response to a request that was not executed, with its cost if known."""
    errors = tuple(format_error(each, trace_id) for each in error.errors)
    body: dict[str, Any] = {"errors": errors}
    cost = None if charge is None else format_cost(charge)
    if cost is not None:
        body["extensions"] = {"cost": cost}
    code = to_gateway_error(error.errors[0]).code
    return GraphQLResult(msgspec.json.encode(body), error_code=code, errors=errors)


def execution_result(
    result: ExecutionResult,
    trace_id: str,
    *,
    cursor: str | None = None,
    cost: dict[str, Any] | None = None,
) -> GraphQLResult:
    """The response to a request that was executed."""
    data = msgspec.json.encode(result.data)
    body: dict[str, Any] = {"data": msgspec.Raw(data)}
    if result.errors:
        body["errors"] = [format_error(error, trace_id) for error in result.errors]
    if cost is not None:
        body["extensions"] = {"cost": cost}
    return GraphQLResult(msgspec.json.encode(body), cursor, data=None if result.errors else data)


def format_cost(charge: Charge) -> dict[str, Any] | None:
    """The value of `extensions.cost`; None before any points were held."""
    if charge.balance is None:
        return None
    return {
        "requested": charge.requested,
        "actual": charge.actual,
        "limit": charge.balance.limit,
        "remaining": charge.balance.remaining,
        "resetAfterMs": charge.balance.reset_after_ms,
    }
