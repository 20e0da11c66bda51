"""Page arguments of requests, and responses with one resource or a page. Does no I/O.

The first field of every response holds the resource, or the list of resources.
"""

from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.caching import ReadResult
from gateway.core.callers import Scope
from gateway.core.errors import InvalidArgument, Reason
from gateway.core.outcomes import not_found
from gateway.core.paging import PAGE_LIMIT, Page
from gateway.rpc.convert import to_pb
from gateway.rpc.v1.room_pb2 import Freshness
from gateway.service import call_context

M = TypeVar("M", bound=Message)
T = TypeVar("T")

DEFAULT_PAGE_SIZE: Final = 50


def page_arguments(request: Any) -> tuple[int, str | None]:
    """Returns the page size, and the token of the page or None for the first page.

    A size above PAGE_LIMIT is lowered to it, as https://google.aip.dev/158 prescribes.
    Raises InvalidArgument for a negative page_size.
    """
    if request.page_size < 0:
        raise InvalidArgument.at(
            "page_size", f"is {request.page_size}: set it to 1 to {PAGE_LIMIT}, or leave it out"
        )
    return min(request.page_size or DEFAULT_PAGE_SIZE, PAGE_LIMIT), request.page_token or None


def require_found(value: T | None, missing: Reason) -> T:
    """Returns the value. Raises NotFound with this reason for None."""
    if value is None:
        raise not_found(missing)
    return value


def resource_response(response_class: type[M], value: object) -> M:
    """Returns the response with this value as its resource.

    A ReadResult also sets `freshness` and `as_of`, in responses that have these fields.
    """
    field = response_class.DESCRIPTOR.fields_by_number[1]
    resource = visible_to_pb(value, _resource_class(response_class))
    return response_class(**{field.name: resource, **_freshness(response_class, value)})


def page_response(response_class: type[M], result: Page[Any] | ReadResult[Page[Any]]) -> M:
    """Returns the response with the page's items as its resources, and the next page's
    token."""
    page = result.value if isinstance(result, ReadResult) else result
    field = response_class.DESCRIPTOR.fields_by_number[1]
    item_class = _resource_class(response_class)
    return response_class(
        **{
            field.name: [visible_to_pb(item, item_class) for _, item in page.items],
            "next_page_token": page.end_cursor if page.has_next_page else None,
            **_freshness(response_class, result),
        }
    )


def visible_to_pb(value: object, message_class: type[M]) -> M:
    """Returns the message without what the current caller may not see."""
    message = to_pb(value, message_class)
    caller = call_context.current().caller
    if caller is None or Scope.ADMIN not in caller.scopes:
        _hide_callback(message)
    return message


def _hide_callback(message: Message) -> None:
    """Clears the address of callbacks in a resource, if it has one.

    The address holds marks of the gateway, so only operators may see it.
    """
    details: Any = getattr(message, "twilio", None)
    if details is not None and "status_callback" in details.DESCRIPTOR.fields_by_name:
        details.ClearField("status_callback")


def _resource_class(response_class: type[Message]) -> type[Message]:
    descriptor: Any = response_class.DESCRIPTOR
    resource: type[Message] = GetMessageClass(descriptor.fields_by_number[1].message_type)
    return resource


def _freshness(response_class: type[Message], result: object) -> dict[str, Any]:
    # Responses with rooms do not have the fields: each room has its own.
    if "freshness" not in response_class.DESCRIPTOR.fields_by_name:
        return {}
    if not isinstance(result, ReadResult):
        return {}
    return {"freshness": to_pb(result.freshness, Freshness), "as_of": result.as_of}
