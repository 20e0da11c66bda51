"""What calls cost, and how their clients are told. Does no I/O."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.core.paging import PAGE_LIMIT
from gateway.rpc.responses import DEFAULT_PAGE_SIZE
from gateway.service.callers.points import CALL, FETCH, Charge, limit_headers


def max_cost(request: Message) -> int:
    """Up to how many points: as many as the same question in GraphQL."""
    asked: Any = request
    fields = request.DESCRIPTOR.fields_by_name
    if "page_size" in fields:
        return CALL + FETCH + min(max(1, asked.page_size or DEFAULT_PAGE_SIZE), PAGE_LIMIT)
    if "rooms" in fields:
        return CALL + (FETCH + 1) * len(asked.rooms)
    return CALL + FETCH


def count_objects(response: Message) -> int:
    """How many objects a response lists; one that was asked for alone does not count."""
    return sum(
        len(value)
        for field, value in response.ListFields()
        if field.is_repeated and field.type == FieldDescriptor.TYPE_MESSAGE
    )


def cost_trailers(charge: Charge) -> tuple[tuple[str, str], ...]:
    """The limit as HTTP's headers tell it, and what the call cost as GraphQL's `extensions.cost` does (a dictionary as of RFC
    9651); nothing before anything was held."""
    if charge.balance is None:
        return ()
    cost = {
        "requested": charge.requested,
        "actual": charge.actual,
        "limit": charge.balance.limit,
        "remaining": charge.balance.remaining,
        "reset-after-ms": charge.balance.reset_after_ms,
    }
    told = {
        **limit_headers(charge),
        "Cost": ", ".join(f"{name}={value}" for name, value in cost.items()),
    }
    return tuple((name.lower(), value) for name, value in told.items())
