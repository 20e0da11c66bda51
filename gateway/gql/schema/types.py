"""What all output types are made of: thin views over core values.

Leaf fields are plain attributes with the names of core's, without resolver code, so that an operation can be compiled.
Only what fetches something is a resolver. Does no I/O.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import strawberry

from gateway.core import caching
from gateway.core import open_enum as words
from gateway.core.caching import ReadResult
from gateway.core.paging import Page

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R", bound="Resource")

F = TypeVar("F", bound=Callable[..., Any])

_VIEWS: dict[type, Any] = {}


def shows(core: type) -> Callable[[type[T]], type[T]]:
    """Marks the view that a core value has wherever it stands in another one."""

    def mark(cls: type[T]) -> type[T]:
        _VIEWS[core] = cls
        return cls

    return mark


def view(cls: type[T], value: object, **others: object) -> T:
    """An instance of `cls` whose fields are those of `value`, but for the `others`."""
    names = _names(cls)  # type: ignore[arg-type]  # a class is hashable
    for name in names:
        if name not in others:
            part = getattr(value, name)
            # Nearly every part is a leaf.
            others[name] = _shown(part) if type(part) is tuple or type(part) in _VIEWS else part
    return cls(**others)


def resource(seen: ReadResult[Any]) -> Any:
    """The view of a value whose type cannot be named here, for want of a circle of imports."""
    return _VIEWS[type(seen.value)].of(seen)


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    cls = _VIEWS.get(type(value))
    return value if cls is None else view(cls, value)


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls) if field.init)


def fetched(description: str, *, is_shared: bool = False) -> Callable[[F], F]:
    """Makes a field of a method that fetches what it shows. What is shared is fetched once for many objects that ask."""
    return cast(
        "Callable[[F], F]",
        strawberry.field(description=description, metadata={"is_shared": is_shared}),
    )


def id_of(sid: str | None) -> strawberry.ID | None:
    return None if sid is None else strawberry.ID(sid)


@strawberry.interface(
    description="`id` is a SID; of what lies below a room, the SIDs that lead to it, as in `RM…:PA…`."
)
class Node:
    path: ClassVar[tuple[str, ...]]
    """The fields that the id is made of."""

    id: strawberry.ID


@shows(words.UnknownWord)
@strawberry.type(
    description="A word of Twilio's that this release does not know: its field says UNKNOWN."
)
class UnknownWord:
    field: str
    word: str


@shows(caching.Freshness)
@strawberry.type(description="When and how an answer was come by.")
class Freshness:
    fetched_at: datetime
    is_stale: bool
    source: caching.FreshnessSource


@strawberry.type
class Resource:
    """The base of what Twilio has and the gateway shows, with how good the answer is."""

    unknown_words: list[UnknownWord]
    freshness: Freshness | None = strawberry.field(
        description="On a page, the page's. Null in the answer of a mutation, which is Twilio's own to it."
    )
    as_of: str | None = strawberry.field(
        description="Watching from this cursor misses nothing that is not shown here."
    )

    @classmethod
    def of(cls, seen: ReadResult[Any]) -> Self:
        return cls._of(seen.value, view(Freshness, seen.freshness), seen.as_of)

    @classmethod
    def found(cls, seen: ReadResult[Any] | None) -> Self | None:
        return None if seen is None else cls.of(seen)

    @classmethod
    def answered(cls, value: object) -> Self:
        """What Twilio answered to a mutation."""
        return cls._of(value, None, None)

    @classmethod
    def _of(cls, value: object, freshness: Freshness | None, as_of: str | None) -> Self:
        own: dict[str, object] = {"freshness": freshness, "as_of": as_of}
        if issubclass(cls, Node):
            own["id"] = ":".join(getattr(value, part) for part in cls.path)
        return view(cls, value, **own)


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


@strawberry.type(description="A page may be shorter than asked for and still have a next one.")
class Connection(Generic[T]):
    edges: list[Edge[T]]
    nodes: list[T]
    page_info: PageInfo
    freshness: Freshness | None = strawberry.field(
        description="Null for what is read from the log."
    )
    as_of: str | None


def connection(
    page: Page[S],
    show: Callable[[S], T],
    after: str | None,
    seen: ReadResult[Page[S]] | None = None,
) -> Connection[T]:
    edges = [Edge(cursor=cursor, node=show(value)) for cursor, value in page.items]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_next_page,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=page.end_cursor,
        ),
        freshness=None if seen is None else view(Freshness, seen.freshness),
        as_of=None if seen is None else seen.as_of,
    )


def result_connection(
    cls: type[R], seen: ReadResult[Page[Any]], after: str | None
) -> Connection[R]:
    """A page that was fetched as a whole: each node is as good as the page."""
    return connection(
        seen.value, lambda value: cls.of(ReadResult(value, seen.freshness, seen.as_of)), after, seen
    )
