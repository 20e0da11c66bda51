"""GraphQL responses as JSON. Does no I/O."""

from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import ExecutionResult

from gateway.core.errors import Code
from gateway.gql.execution.errors import STATUS, Refused, fault_of, shown
from gateway.service.callers.points import Charge


@dataclass(frozen=True, slots=True)
class GraphQLResult:
    """One GraphQL response, as JSON.

    `refused_for` and `errors` are set if the response holds errors only. `cursor` is set if
    it is a message of a stream. `data` is the JSON of its data, if it holds no errors.
    """

    encoded: bytes
    cursor: str | None = None
    refused_for: Code | None = None
    errors: tuple[dict[str, Any], ...] = ()
    data: bytes | None = None

    @property
    def status(self) -> int:
        return 200 if self.refused_for is None else STATUS[self.refused_for]


def refusal(refused: Refused, trace_id: str, charge: Charge | None = None) -> GraphQLResult:
    """The response to a request that was not executed, with its cost if that is known."""
    errors = tuple(shown(error, trace_id) for error in refused.errors)
    cost = None if charge is None else shown_cost(charge)
    encoded = msgspec.json.encode(
        {"errors": errors} if cost is None else {"errors": errors, "extensions": {"cost": cost}}
    )
    return GraphQLResult(encoded, refused_for=fault_of(refused.errors[0]).code, errors=errors)


def executed(
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
        body["errors"] = [shown(error, trace_id) for error in result.errors]
    if cost is not None:
        body["extensions"] = {"cost": cost}
    return GraphQLResult(msgspec.json.encode(body), cursor, data=None if result.errors else data)


def shown_cost(charge: Charge) -> dict[str, Any] | None:
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
