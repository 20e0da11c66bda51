"""Building blocks of all output types: thin views over core values. Does no I/O.

Leaf fields are plain attributes with the same names as in core. They have no resolver
code, so that an operation can be compiled. Only a field that fetches is a resolver.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import strawberry

from gateway.core import caching, open_enum
from gateway.core.caching import ReadResult
from gateway.core.callers import Caller, Scope
from gateway.core.paging import Page
from gateway.gql.schema.names import schema_path

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R", bound="ResourceView")
F = TypeVar("F", bound=Callable[..., Any])

_VIEWS: dict[type, Any] = {}


def view_of(core: type) -> Callable[[type[T]], type[T]]:
    """Registers a GraphQL type as the view of a core type.

    `build_view` then converts values of the core type wherever they are nested.
    """

    def register(cls: type[T]) -> type[T]:
        _VIEWS[core] = cls
        return cls

    return register


def build_view(cls: type[T], value: object, **overrides: object) -> T:
    """An instance of `cls` with the attributes of `value`, except for `overrides`."""
    for name in _init_fields(cls):  # type: ignore[arg-type]  # a class is hashable
        if name not in overrides:
            part = getattr(value, name)
            # Nearly every part is a leaf: skip the call for those.
            overrides[name] = (
                _nested_view(part) if type(part) is tuple or type(part) in _VIEWS else part
            )
    return cls(**overrides)


def resource_view(result: ReadResult[Any]) -> Any:
    """The view of a resource whose GraphQL type cannot be imported without a cycle."""
    return _VIEWS[type(result.value)].from_result(result)


def view_at(value: Any, cursor: str) -> Any:
    """The view of an object that the event at `cursor` tells; None without one."""
    return None if value is None else _VIEWS[type(value)].from_event(value, cursor)


def _nested_view(value: object) -> object:
    if isinstance(value, tuple):
        return [_nested_view(item) for item in value]
    cls = _VIEWS.get(type(value))
    return value if cls is None else build_view(cls, value)


@cache
def _init_fields(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls) if field.init)


def fetched_field(
    description: str | None = None, *, is_shared: bool = False, calls: int = 1, cheaper: str = ""
) -> Callable[[F], F]:
    """Turns a method that fetches its result into a field.

    `is_shared` marks a field whose fetch a loader shares between many objects; it costs
    less. `calls` is how many calls to Twilio the field needs at most for one object, or
    for one room if it is shared. `cheaper` says what to select instead when that is too
    much. See `execution/cost.py`.
    """
    metadata = {"is_shared": is_shared, "calls": calls, "cheaper": cheaper}
    return cast("Callable[[F], F]", strawberry.field(description=description, metadata=metadata))


def optional_id(sid: str | None) -> strawberry.ID | None:
    """A SID as an id; None without one."""
    return None if sid is None else strawberry.ID(sid)


def derived_field(description: str | None = None) -> Callable[[F], F]:
    """Turns a method that fetches nothing into a field. It costs nothing."""
    return cast(
        "Callable[[F], F]",
        strawberry.field(description=description, metadata={"is_derived": True}),
    )


@strawberry.interface(
    description="An object that `node` finds by its `id`. Clients may cache it under its `id`."
)
class Node:
    id: strawberry.ID = strawberry.field(
        description="The object's SID, or the SIDs that lead to it from its room down, as in "
        "`RM…:PA…`. No other object has this id."
    )


@view_of(open_enum.UnknownWord)
@strawberry.type
class UnknownWord:
    field: str
    word: str


@view_of(caching.Freshness)
@strawberry.type
class Freshness:
    fetch_time: datetime
    is_stale: bool
    source: caching.FreshnessSource


@strawberry.type
class ResourceView(Node):
    """Base of the types that show a resource of Twilio's, with its freshness."""

    id_format: ClassVar[str]
    """The format of the id, with the attributes of the core value. See `ids`."""

    unknown_words: list[UnknownWord]
    freshness: Freshness | None
    as_of: str | None

    @classmethod
    def from_result(cls, result: ReadResult[Any]) -> Self:
        """The view of a resource that was read, with its freshness."""
        return cls._build(result.value, build_view(Freshness, result.freshness), result.as_of)

    @classmethod
    def from_event(cls, value: object, cursor: str) -> Self:
        """The view of a resource that the event at `cursor` tells. Nothing was fetched,
        so it has no freshness."""
        return cls._build(value, None, cursor)

    @classmethod
    def from_optional(cls, result: ReadResult[Any] | None) -> Self | None:
        """As `from_result`; None when there is no such resource."""
        return None if result is None else cls.from_result(result)

    @classmethod
    def from_mutation(cls, value: object) -> Self:
        """The view of Twilio's response to a mutation. It has no freshness."""
        return cls._build(value, None, None)

    @classmethod
    def _build(cls, value: Any, freshness: Freshness | None, as_of: str | None) -> Self:
        own: dict[str, object] = {"id": cls.id_format.format(value)}
        if value.unknown_words:
            own["unknown_words"] = [
                UnknownWord(field=schema_path(unknown.field), word=unknown.word)
                for unknown in value.unknown_words
            ]
        return build_view(cls, value, freshness=freshness, as_of=as_of, **own)


def twilio_details(cls: type[T], view: object, caller: Caller) -> T:
    """An instance of `cls` with the private attributes of `view`.

    The address of a status callback contains the gateway's marks. Only a caller with
    the scope `admin` may see it.
    """
    details = {name: getattr(view, name) for name in _init_fields(cls)}  # type: ignore[arg-type]
    if Scope.ADMIN not in caller.scopes and "status_callback" in details:
        details["status_callback"] = None
    return cls(**details)


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    edges: list[Edge[T]]
    nodes: list[T]
    page_info: PageInfo
    total_count: int | None
    freshness: Freshness | None
    as_of: str | None


def build_connection(
    page: Page[S],
    to_node: Callable[[S], T],
    after: str | None,
    result: ReadResult[Page[S]] | None = None,
) -> Connection[T]:
    """A page as a Relay connection.

    `after` is the cursor that the page was requested with. `result` carries the
    freshness of the page; None for a page from the log.
    """
    edges = [Edge(cursor=cursor, node=to_node(value)) for cursor, value in page.items]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_next_page,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=page.end_cursor,
        ),
        total_count=len(edges) if after is None and not page.has_next_page else None,
        freshness=None if result is None else build_view(Freshness, result.freshness),
        as_of=None if result is None else result.as_of,
    )


def resource_connection(
    cls: type[R], result: ReadResult[Page[Any]], after: str | None
) -> Connection[R]:
    """A page that was fetched as a whole: each node has the freshness of the page."""

    def to_node(value: object) -> R:
        return cls.from_result(ReadResult(value, result.freshness, result.as_of))

    return build_connection(result.value, to_node, after, result)
