"""Pages. Does no I/O."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.core.errors import InvalidArgument

T = TypeVar("T")

PAGE_LIMIT = 100


def checked_first(first: int) -> int:
    """Raises InvalidArgument outside 1 … 100."""
    if not 1 <= first <= PAGE_LIMIT:
        raise InvalidArgument(f"first is {first}; give a whole number from 1 to {PAGE_LIMIT}")
    return first


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items with the cursor after each. A page may be shorter than asked and still have a next one."""

    items: tuple[tuple[str, T], ...]
    end_cursor: str | None
    has_next_page: bool
