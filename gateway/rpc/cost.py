"""What calls cost in points, and the trailers that report it. Does no I/O."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.core.paging import PAGE_LIMIT
from gateway.rpc.responses import DEFAULT_PAGE_SIZE
from gateway.service.callers.charge import CALL_COST, FETCH_COST, Charge, limit_headers


def max_cost(request: Message) -> int:
    """Returns the most points that the call can cost, as the same query in GraphQL."""
    message: Any = request
    fields = request.DESCRIPTOR.fields_by_name
    if "page_size" in fields:
        return (
            CALL_COST + FETCH_COST + min(max(1, message.page_size or DEFAULT_PAGE_SIZE), PAGE_LIMIT)
        )
    if "rooms" in fields:
        return CALL_COST + (FETCH_COST + 1) * len(message.rooms)
    return CALL_COST + FETCH_COST


def cost_advice(request: Message) -> str:
    """Returns what lowers the cost of the call."""
    is_batch = "rooms" in request.DESCRIPTOR.fields_by_name
    return "request fewer rooms" if is_batch else "request smaller pages"


def count_objects(response: Message) -> int:
    """Returns the number of objects in lists. A single resource does not count."""
    return sum(
        len(value)
        for field, value in response.ListFields()
        if field.is_repeated and field.type == FieldDescriptor.TYPE_MESSAGE
    )


def cost_trailers(charge: Charge) -> tuple[tuple[str, str], ...]:
    """Returns HTTP's rate limit headers, and GraphQL's `extensions.cost` as `cost`.

    `cost` is a dictionary of RFC 9651. There are no trailers before points are held.
    """
    if charge.balance is None:
        return ()
    cost = {
        "requested": charge.requested,
        "actual": charge.actual,
        "limit": charge.balance.limit,
        "remaining": charge.balance.remaining,
        "reset-after-ms": charge.balance.reset_after_ms,
    }
    headers = {
        **limit_headers(charge),
        "Cost": ", ".join(f"{name}={value}" for name, value in cost.items()),
    }
    return tuple((name.lower(), value) for name, value in headers.items())
