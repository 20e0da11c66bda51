"""Pages of lists. Does no I/O."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from gateway.core.errors import InvalidArgument

T = TypeVar("T")
F = TypeVar("F", bound="StatusFilter")

PAGE_LIMIT = 100
DEFAULT_FIRST = 50
"""The size of a page for which no size is requested."""


def checked_first(first: int) -> int:
    """Returns the page size unchanged. Raises InvalidArgument unless it is 1 to 100."""
    if not 1 <= first <= PAGE_LIMIT:
        raise InvalidArgument.at(
            "page_size", f"is {first}; give a whole number from 1 to {PAGE_LIMIT}"
        )
    return first


class StatusFilter(Protocol):
    """A filter of a list that may select several statuses."""

    @property
    def statuses(self) -> tuple[Any, ...]: ...


def per_status(filters: F) -> tuple[F, ...]:
    """One filter per status, or the filter itself if it has no statuses.

    Twilio filters a list by one status at most, so a list of several statuses is read
    as one list per status.
    """
    # In the order of the enum, so that a cursor fits any order in the next request.
    distinct = sorted(set(filters.statuses), key=_position)
    return tuple(replace(filters, statuses=(status,)) for status in distinct) or (filters,)  # type: ignore[type-var]  # all filters are dataclasses


def _position(status: Enum) -> int:
    return list(type(status)).index(status)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, each with the cursor that continues after it.

    A page may be shorter than requested and still have a next page. `end_cursor`
    continues after the page. It is None for an empty page without a next one.
    """

    items: tuple[tuple[str, T], ...]
    end_cursor: str | None
    has_next_page: bool
