"""What all services ask and answer alike: pages, what is found, and how good an answer is. Does no I/O.

The first field of a response holds what was asked for: one resource, or a list of them.
"""

from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.core.caching import ReadResult
from gateway.core.errors import InvalidArgument, NotFound
from gateway.core.paging import PAGE_LIMIT, Page
from gateway.rooms.v1.room_pb2 import Freshness
from gateway.rpc.convert import to_pb

M = TypeVar("M", bound=Message)
T = TypeVar("T")

DEFAULT_PAGE_SIZE: Final = 50


def page_arguments(request: Any) -> tuple[int, str | None]:
    """How many to show, and after which page. Raises InvalidArgument for a negative page_size."""
    if request.page_size < 0:
        raise InvalidArgument(
            f"page_size is {request.page_size}; give 1 to {PAGE_LIMIT}, or leave it out"
        )
    # Above the limit is not an error: https://google.aip.dev/158
    return min(request.page_size or DEFAULT_PAGE_SIZE, PAGE_LIMIT), request.page_token or None


def require_found(value: T | None, otherwise: str) -> T:
    """The value, or NotFound with what to say otherwise."""
    if value is None:
        raise NotFound(otherwise)
    return value


def resource_response(kind: type[M], value: object) -> M:
    """The response with this value in its first field and, of a Seen, how good it is beside it."""
    field = kind.DESCRIPTOR.fields_by_number[1]
    return kind(**{field.name: to_pb(value, _first_class(kind)), **_beside(kind, value)})


def page_response(kind: type[M], answer: Page[Any] | ReadResult[Page[Any]]) -> M:
    """The response with the page's items in its first field."""
    page = answer.value if isinstance(answer, ReadResult) else answer
    field, item_class = kind.DESCRIPTOR.fields_by_number[1], _first_class(kind)
    items = [to_pb(item, item_class) for _, item in page.items]
    token = page.end_cursor if page.has_next_page else None
    return kind(**{field.name: items, "next_page_token": token, **_beside(kind, answer)})


def _first_class(kind: type[Message]) -> type[Message]:
    descriptor: Any = kind.DESCRIPTOR
    first: type[Message] = GetMessageClass(descriptor.fields_by_number[1].message_type)
    return first


def _beside(kind: type[Message], answer: object) -> dict[str, Any]:
    """Nothing of a response without the fields for it: each of its rooms tells its own."""
    if not isinstance(answer, ReadResult) or "freshness" not in kind.DESCRIPTOR.fields_by_name:
        return {}
    return {"freshness": to_pb(answer.freshness, Freshness), "as_of": answer.as_of}
